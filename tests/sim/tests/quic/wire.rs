//! HTTP/3 and QPACK in a few lines that share nothing with ours: requests of literals, and the reader of responses.

use hpack::huffman::HuffmanDecoder;

/// Frames (RFC 9114 §7.2).
const DATA: u64 = 0;
const HEADERS: u64 = 1;
pub(crate) const SETTINGS: u64 = 4;
pub(crate) const GOAWAY: u64 = 7;

/// What of `:status` is in the static table (RFC 9204 appendix A).
const STATUSES: [(u64, u16); 14] = [
    (24, 103),
    (25, 200),
    (26, 304),
    (27, 404),
    (28, 503),
    (63, 100),
    (64, 204),
    (65, 206),
    (66, 302),
    (67, 400),
    (68, 403),
    (69, 421),
    (70, 425),
    (71, 500),
];

/// A number (RFC 9000 §16).
pub(crate) fn varint(out: &mut Vec<u8>, n: u64) {
    match n {
        ..0x40 => out.push(n as u8),
        0x40..0x4000 => out.extend((n as u16 | 0x4000).to_be_bytes()),
        0x4000..0x4000_0000 => out.extend((n as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend((n | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// Takes a number off the front, if it is whole.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let length = 1 << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let all = number.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    Some(all & ((1 << (8 * length - 2)) - 1))
}

/// The head of a frame.
pub(crate) fn frame(out: &mut Vec<u8>, kind: u64, length: usize) {
    varint(out, kind);
    varint(out, length as u64);
}

/// The head of a DATA frame.
pub(crate) fn data(out: &mut Vec<u8>, length: usize) {
    frame(out, DATA, length);
}

/// A HEADERS frame of literals (RFC 9204 §4.5.6).
pub(crate) fn headers(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in lines {
        integer(&mut section, 0x20, 3, name.len());
        section.extend_from_slice(name.as_bytes());
        integer(&mut section, 0, 7, value.len());
        section.extend_from_slice(value.as_bytes());
    }
    let mut out = Vec::new();
    frame(&mut out, HEADERS, section.len());
    out.extend(section);
    out
}

/// RFC 7541 §5.1.
fn integer(out: &mut Vec<u8>, pattern: u8, bits: u8, n: usize) {
    let most = (1 << bits) - 1;
    if n < most {
        return out.push(pattern | n as u8);
    }
    out.push(pattern | most as u8);
    let mut rest = n - most;
    while rest >= 128 {
        out.push(rest as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn take_integer(bytes: &mut &[u8], bits: u8) -> u64 {
    let most = (1 << bits) - 1;
    let mut n = u64::from(bytes[0]) & most;
    *bytes = &bytes[1..];
    if n < most {
        return n;
    }
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        n += u64::from(byte & 127) << shift;
        if byte < 128 {
            break;
        }
    }
    n
}

fn take_string(bytes: &mut &[u8], bits: u8) -> Vec<u8> {
    let is_huffman = bytes[0] & (1 << bits) != 0;
    let length = take_integer(bytes, bits) as usize;
    let (text, rest) = bytes.split_at(length);
    *bytes = rest;
    match is_huffman {
        true => HuffmanDecoder::new().decode(text).expect("a code"),
        false => text.to_vec(),
    }
}

/// The status of a response's field section.
fn status(mut section: &[u8]) -> u16 {
    let rest = &mut section;
    assert_eq!(take_integer(rest, 8), 0, "we have said that we keep no table");
    take_integer(rest, 7);
    let mut status = None;
    while let Some(&first) = rest.first() {
        let known = |index: u64| STATUSES.iter().find(|known| known.0 == index);
        let found = match first {
            0xc0.. => known(take_integer(rest, 6)).map(|known| known.1),
            0x50..0x60 | 0x70..0x80 => {
                let name = take_integer(rest, 4);
                let value = take_string(rest, 7);
                known(name).map(|_| String::from_utf8(value).unwrap().parse().unwrap())
            }
            0x20..0x40 => {
                let name = take_string(rest, 3);
                assert_ne!(name, b":status", "it has an index");
                take_string(rest, 7);
                None
            }
            _ => panic!("{first:#x} is a reference to a table that we do not keep"),
        };
        status = status.or(found);
    }
    status.expect("a response has a status")
}

/// Reads a response.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The front of what is not whole.
    rest: Vec<u8>,
    /// What of a DATA frame is still to come.
    left: u64,
    /// Interim responses.
    pub(crate) interim: Vec<u16>,
    /// The final one.
    pub(crate) status: Option<u16>,
    /// Trailers came.
    pub(crate) has_trailers: bool,
}

impl Reader {
    /// Reads what came; content goes to `content`.
    pub(crate) fn read(&mut self, bytes: &[u8], mut content: impl FnMut(&[u8])) {
        self.rest.extend_from_slice(bytes);
        let whole = std::mem::take(&mut self.rest);
        let mut at = &whole[..];
        loop {
            if self.left > 0 {
                assert!(self.status.is_some() && !self.has_trailers, "content out of order");
                let (now, rest) = at.split_at(at.len().min(self.left as usize));
                content(now);
                self.left -= now.len() as u64;
                at = rest;
            }
            let mut next = at;
            let (Some(kind), Some(length)) = (take_varint(&mut next), take_varint(&mut next))
            else {
                break;
            };
            if kind == DATA {
                (self.left, at) = (length, next);
                continue;
            }
            let Some((payload, rest)) = next.split_at_checked(length as usize) else { break };
            at = rest;
            match kind {
                HEADERS if self.status.is_some() => self.has_trailers = true,
                HEADERS => match status(payload) {
                    interim @ ..200 => self.interim.push(interim),
                    status => self.status = Some(status),
                },
                _ => assert!(kind > 13, "a frame of type {kind} on a request stream"),
            }
        }
        self.rest = at.to_vec();
    }

    /// Whether nothing is missing of what came.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_empty() && self.left == 0 && self.status.is_some()
    }
}
