//! As much of DER (ITU-T X.690) as reading a certificate takes: one-byte tags, definite lengths. Nothing is copied, and
//! nothing is trusted: what does not fit is `None`.

/// `BOOLEAN`.
pub(crate) const BOOLEAN: u8 = 0x01;
/// `INTEGER`.
pub(crate) const INTEGER: u8 = 0x02;
/// `OCTET STRING`.
pub(crate) const OCTETS: u8 = 0x04;
/// `OBJECT IDENTIFIER`.
pub(crate) const OID: u8 = 0x06;
/// `SEQUENCE`.
pub(crate) const SEQUENCE: u8 = 0x30;
/// `SET`.
pub(crate) const SET: u8 = 0x31;
/// `UTCTime`.
const UTC_TIME: u8 = 0x17;
/// `GeneralizedTime`.
const GENERALIZED_TIME: u8 = 0x18;

/// One value: its tag, what is in it, and all of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Values, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value.
    pub(crate) fn value(&mut self) -> Option<Value<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Up to four bytes of length. That of 0x80 is unknown, which is not DER.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
                (usize::try_from(length).ok()?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some(Value { tag, content, whole })
    }

    /// What is in the next value, which must have this tag.
    pub(crate) fn required(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.value().filter(|value| value.tag == tag).map(|value| value.content)
    }

    /// The same, if it is there; nothing is read if it is not.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() != Some(&tag) {
            return None;
        }
        self.required(tag)
    }
}

/// The next value as a time, in seconds since 1970 (RFC 5280 §4.1.2.5: in UTC, with seconds).
pub(crate) fn time(reader: &mut Reader<'_>) -> Option<i64> {
    let value = reader.value()?;
    let (digits, zone) = value.content.split_at_checked(value.content.len().checked_sub(1)?)?;
    if zone != b"Z" || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, b| sum * 10 + i64::from(b - b'0'));
    let (year, rest) = match (value.tag, digits.len()) {
        (UTC_TIME, 12) => match number(&digits[..2]) {
            year @ 50.. => (1900 + year, &digits[2..]),
            year => (2000 + year, &digits[2..]),
        },
        (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return None,
    };
    let mut parts = rest.chunks(2).map(number);
    let mut part = |least, most| parts.next().filter(|part| (least..=most).contains(part));
    let (month, day) = (part(1, 12)?, part(1, 31)?);
    let (hour, minute, second) = (part(0, 23)?, part(0, 59)?, part(0, 60)?);
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar: years begin in March here, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    // 719,468 days from March 1st of the year 0 to 1970.
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let mut long = vec![OCTETS, 0x81, 0x80];
        long.extend([7; 128]);
        let mut reader = Reader::new(&long);
        assert_eq!(reader.required(OCTETS), Some(&[7; 128][..]));
        assert!(reader.is_empty() && reader.value().is_none());
        // One byte less than is said, no length, a length of unknown length, one of five bytes, a long tag.
        for bad in
            [&long[..130], &[OCTETS], &[OCTETS, 0x80, 0, 0], &[4, 0x85, 0, 0, 0, 0, 0], &[0x1f, 0]]
        {
            assert_eq!(Reader::new(bad).value(), None);
        }
        let mut reader = Reader::new(&[INTEGER, 1, 5, BOOLEAN, 1, 0xff]);
        assert_eq!(reader.optional(BOOLEAN), None);
        assert_eq!(reader.optional(INTEGER), Some(&[5][..]));
        assert_eq!(reader.value().unwrap().whole, [BOOLEAN, 1, 0xff]);
    }

    #[test]
    fn times() {
        let read = |tag, text: &str| {
            let mut bytes = vec![tag, u8::try_from(text.len()).unwrap()];
            bytes.extend(text.as_bytes());
            time(&mut Reader::new(&bytes))
        };
        assert_eq!(read(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(read(UTC_TIME, "261122040933Z"), Some(1_795_320_573));
        assert_eq!(read(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(read(UTC_TIME, "500101000000Z"), Some(-631_152_000));
        assert_eq!(read(GENERALIZED_TIME, "20000229120000Z"), Some(951_825_600));
        assert_eq!(read(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        for (tag, bad) in [
            (UTC_TIME, "7001010000Z"),
            (UTC_TIME, "700101000000+"),
            (UTC_TIME, "701301000000Z"),
            (UTC_TIME, "7001010000x0Z"),
            (UTC_TIME, ""),
            (OCTETS, "700101000000Z"),
        ] {
            assert_eq!(read(tag, bad), None, "{bad}");
        }
    }
}
