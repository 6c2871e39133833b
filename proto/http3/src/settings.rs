//! SETTINGS (RFC 9114 §7.2.4): what the peer allows, and what we say that we do. Never says when.

use trilane_semantics::Limits;

use crate::code::Code;
use crate::frame::{self, kind};
use crate::state::Role;
use crate::varint;

/// RFC 9204 §5.
const QPACK_MAX_TABLE_CAPACITY: u64 = 1;
const MAX_FIELD_SECTION_SIZE: u64 = 6;
/// RFC 9204 §5.
const QPACK_BLOCKED_STREAMS: u64 = 7;
/// RFC 9220 §3.
const ENABLE_CONNECT_PROTOCOL: u64 = 8;
/// RFC 9297 §2.1.1.
const H3_DATAGRAM: u64 = 0x33;

/// What the peer allows, as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Its decoder's table, in bytes.
    pub(crate) table: u64,
    /// Streams that may wait for its table.
    pub(crate) blocked: u64,
    /// It takes extended CONNECT.
    pub(crate) connect: bool,
    /// It takes HTTP datagrams.
    pub(crate) datagrams: bool,
}

impl Settings {
    /// Reads the payload of a SETTINGS frame. What is not known is ignored.
    ///
    /// # Errors
    /// It is cut short, says something twice, or has a value that its setting cannot have (RFC 9114 §7.2.4).
    pub(crate) fn read(mut payload: &[u8]) -> Result<Self, Code> {
        let mut number = || {
            let (number, length) = varint::read(payload)?;
            payload = &payload[length..];
            Some(number)
        };
        let (mut settings, mut seen) = (Self::default(), 0u64);
        while let Some(id) = number() {
            let value = number().ok_or(Code::Frame)?;
            // RFC 9114 §7.2.4: none twice. What we do not know we do not remember either.
            let bit = 1u64.checked_shl(u32::try_from(id).unwrap_or(u32::MAX)).unwrap_or(0);
            if seen & bit != 0 {
                return Err(Code::Settings);
            }
            seen |= bit;
            match id {
                QPACK_MAX_TABLE_CAPACITY => settings.table = value,
                QPACK_BLOCKED_STREAMS => settings.blocked = value,
                ENABLE_CONNECT_PROTOCOL | H3_DATAGRAM if value > 1 => return Err(Code::Settings),
                ENABLE_CONNECT_PROTOCOL => settings.connect = value == 1,
                H3_DATAGRAM => settings.datagrams = value == 1,
                // RFC 9114 §7.2.4.1, §11.2.2: those of HTTP/2 that have no like here.
                0 | 2..=5 => return Err(Code::Settings),
                _ => (),
            }
        }
        if payload.is_empty() { Ok(settings) } else { Err(Code::Frame) }
    }
}

/// Writes our SETTINGS.
pub(crate) fn write(bytes: &mut Vec<u8>, limits: &Limits, role: Role, datagrams: bool, seed: u64) {
    let settings = [
        (MAX_FIELD_SECTION_SIZE, limits.head as u64),
        (QPACK_MAX_TABLE_CAPACITY, limits.table as u64),
        (QPACK_BLOCKED_STREAMS, limits.blocked as u64),
        (ENABLE_CONNECT_PROTOCOL, u64::from(role == Role::Server)),
        (H3_DATAGRAM, u64::from(datagrams)),
        (frame::reserved(seed), seed % 0x40),
    ];
    // 0 is what each of them is without being said; but for the first one, and what means nothing.
    let is_said =
        |&&(id, value): &&(u64, u64)| id == MAX_FIELD_SECTION_SIZE || id > H3_DATAGRAM || value > 0;
    let said = settings.iter().filter(is_said);
    let length = |&(id, value): &(u64, u64)| varint::length(id) + varint::length(value);
    frame::write(bytes, kind::SETTINGS, said.clone().map(length).sum::<usize>() as u64);
    for &(id, value) in said {
        varint::write(bytes, id);
        varint::write(bytes, value.min(varint::MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(settings: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(id, value) in settings {
            varint::write(&mut bytes, id);
            varint::write(&mut bytes, value);
        }
        bytes
    }

    /// RFC 9114 §7.2.4, §7.2.4.1; RFC 9204 §5; RFC 9220 §3; RFC 9297 §2.1.1.
    #[test]
    fn values_have_their_ranges() {
        let none = Settings::default();
        let most = varint::MOST;
        for (settings, expected) in [
            (&[][..], Ok(none)),
            (&[(1, most), (7, 3)], Ok(Settings { table: most, blocked: 3, ..none })),
            (&[(8, 1)], Ok(Settings { connect: true, ..none })),
            (&[(8, 0)], Ok(none)),
            (&[(8, 2)], Err(Code::Settings)),
            (&[(0x33, 1)], Ok(Settings { datagrams: true, ..none })),
            (&[(0x33, 2)], Err(Code::Settings)),
            (&[(6, 1), (0x21, 5), (0x40, 9), (0x40, 9), (most, most)], Ok(none)),
            (&[(6, 1), (6, 1)], Err(Code::Settings)),
            (&[(1, 1), (7, 1), (1, 1)], Err(Code::Settings)),
            (&[(0, 0)], Err(Code::Settings)),
            (&[(2, 0)], Err(Code::Settings)),
            (&[(3, 0)], Err(Code::Settings)),
            (&[(4, 0)], Err(Code::Settings)),
            (&[(5, 0)], Err(Code::Settings)),
        ] {
            assert_eq!(Settings::read(&payload(settings)), expected, "{settings:?}");
        }
        let whole = payload(&[(1, 100), (7, 1)]);
        for cut in [1, 2, 4] {
            assert_eq!(Settings::read(&whole[..cut]), Err(Code::Frame), "{cut}");
        }
    }

    #[test]
    fn ours_are_read() {
        for (role, datagrams) in [(Role::Server, true), (Role::Client, false)] {
            let (limits, mut bytes) = (Limits::default(), Vec::new());
            write(&mut bytes, &limits, role, datagrams, 77);
            let frame = frame::Frame::read(&bytes).unwrap();
            let (table, blocked) = (limits.table as u64, limits.blocked as u64);
            let expected = Settings { table, blocked, connect: role == Role::Server, datagrams };
            assert_eq!(Settings::read(frame.payload(&bytes).unwrap()), Ok(expected));
        }
    }
}
