//! Writing JSON strings, numbers and timestamps into a buffer that is used again.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use trilane_exchange::Address;

/// Writes a JSON string (RFC 8259 §7) with its quotes. DEL and the C1 controls are escaped as well:
/// a log line may end up in a terminal.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    escaped(out, text);
    out.push('"');
}

/// Writes what stands between the quotes of a JSON string.
pub(crate) fn escaped(out: &mut String, text: &str) {
    // Nearly always so, and this is seen many bytes at a time, because it does not stop early.
    if text.bytes().fold(true, |is_plain, byte| is_plain & self::is_plain(byte)) {
        out.push_str(text);
        return;
    }
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char.is_control() => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                // Controls are below U+00A0.
                let code = char as usize;
                out.push(HEX[code >> 4 & 15].into());
                out.push(HEX[code & 15].into());
            }
            char => out.push(char),
        }
    }
}

/// Whether a byte stands for itself in a JSON string.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

/// Writes an address as it shows itself, which has nothing to escape.
pub(crate) fn address(out: &mut String, address: &Address) {
    if let Address::Ip(SocketAddr::V4(address)) = address {
        for (octet, end) in address.ip().octets().into_iter().zip(['.', '.', '.', ':']) {
            number(out, octet);
            out.push(end);
        }
        number(out, address.port());
    } else {
        // Writing to a string cannot fail.
        let _ = write!(out, "{address}");
    }
}

/// Writes a number.
pub(crate) fn number(out: &mut String, number: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// Since 1970; nothing for a clock that is set before it.
pub(crate) fn since_epoch(wall: SystemTime) -> Duration {
    wall.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes `2026-11-21T22:21:32.045Z` (RFC 3339 §5.6).
pub(crate) fn timestamp(out: &mut String, wall: SystemTime) {
    let since = since_epoch(wall);
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let time = seconds % 86_400;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (value, end) in [
        (year, 4),
        (month, 7),
        (day, 10),
        (time / 3_600, 13),
        (time / 60 % 60, 16),
        (time % 60, 19),
        (u64::from(since.subsec_millis()), 23),
    ] {
        digits(&mut text[..end], value);
    }
    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

/// Writes a number in front of the end; what it has no digits for stays.
fn digits(text: &mut [u8], mut value: u64) {
    for byte in text.iter_mut().rev() {
        if value == 0 {
            break;
        }
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of that day since 1970-01-01, in the Gregorian calendar. Years begin in
/// March here, so that the leap day is the last of its year; 719,468 days lie between 0000-03-01
/// and 1970-01-01.
const fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + (month <= 2) as u64;
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        let mut out = String::new();
        string(&mut out, "a\"\\\n\r\t\0\x1b\x7f\u{9b}\u{e9}/");
        assert_eq!(out, "\"a\\\"\\\\\\n\\r\\t\\u0000\\u001b\\u007f\\u009b\u{e9}/\"");
        let back: String = serde_json::from_str(&out).unwrap();
        assert_eq!(back, "a\"\\\n\r\t\0\x1b\x7f\u{9b}\u{e9}/");
    }

    #[test]
    fn addresses_are_as_they_show_themselves() {
        for text in ["127.0.0.1:80", "255.10.0.9:65535", "[2001:db8::1]:443"] {
            let mut out = String::new();
            address(&mut out, &Address::Ip(text.parse().unwrap()));
            assert_eq!(out, text);
        }
        let mut out = String::new();
        address(&mut out, &Address::Unix);
        assert_eq!(out, "unix");
    }

    #[test]
    fn timestamps() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_299_692_045, "2026-11-21T22:21:32.045Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
        ] {
            let mut out = String::new();
            timestamp(&mut out, UNIX_EPOCH + Duration::from_millis(millis));
            assert_eq!(out, text);
        }
    }
}
