//! What an encoder puts into its dynamic table (RFC 7541 §7.1.3, §6.2).
//!
//! Its only effects are size and secrecy: a decoder takes whatever comes.

use trilane_semantics::{Known, NameRef};

use crate::field::Field;
use crate::table::size_of_line;

/// A cookie that is shorter can be guessed (RFC 7541 §7.1.3), in bytes.
pub const SHORT_COOKIE: usize = 20;

/// What becomes of a field that is not in the table yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// It goes into the table.
    Add,
    /// It is not worth a place, except to make its name known if that is not.
    NameOnly,
    /// It is not looked for either, and nobody who passes it on may put it into a table (RFC 7541 §6.2.3).
    Never,
    /// It is not worth a place.
    Not,
}

impl Indexing {
    /// Of `field`, whatever its size.
    #[inline]
    pub fn of(field: &Field<'_>) -> Self {
        if field.sensitive {
            return Self::Never;
        }
        match field.name {
            NameRef::Known(name) if SPECIAL & bit(name) != 0 => {
                let is_short = field.value.len() < SHORT_COOKIE;
                if SECRETS & bit(name) != 0 || COOKIES & bit(name) != 0 && is_short {
                    Self::Never
                } else if CHANGING & bit(name) != 0 {
                    Self::NameOnly
                } else {
                    Self::Add
                }
            }
            NameRef::Other(b":path") => Self::NameOnly,
            _ => Self::Add,
        }
    }

    /// The same for a table of at most `limit` bytes: what would take more than three quarters of it stays out, because it
    /// would drive most others out.
    #[inline]
    pub fn within(self, limit: usize, field: &Field<'_>) -> Self {
        let size = size_of_line(field.name.as_bytes(), field.value);
        if self == Self::Add && size > limit - limit / 4 { Self::Not } else { self }
    }
}

const fn bit(name: Known) -> u64 {
    1 << name as u8
}

const fn set(names: &[Known]) -> u64 {
    let (mut bits, mut at) = (0, 0);
    while at < names.len() {
        bits |= bit(names[at]);
        at += 1;
    }
    bits
}

const SECRETS: u64 = set(&[Known::Authorization, Known::ProxyAuthorization]);

const COOKIES: u64 = set(&[Known::Cookie, Known::SetCookie]);

const SPECIAL: u64 = SECRETS | COOKIES | CHANGING;

/// What seldom comes twice with the same value.
const CHANGING: u64 = set(&[
    Known::Age,
    Known::ContentLength,
    Known::ContentRange,
    Known::ETag,
    Known::IfMatch,
    Known::IfModifiedSince,
    Known::IfNoneMatch,
    Known::IfRange,
    Known::LastModified,
    Known::Location,
    Known::Range,
    Known::SetCookie,
    Known::Traceparent,
    Known::XRequestId,
]);

/// What chance makes.
const RANDOM: u64 = set(&[Known::ETag, Known::Traceparent, Known::XRequestId]);

/// Whether values of that name are mostly made by chance.
#[inline]
#[must_use]
pub const fn is_random(name: NameRef<'_>) -> bool {
    matches!(name, NameRef::Known(name) if RANDOM & bit(name) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, len: usize, expected: Indexing) {
        let value = vec![b'x'; len];
        assert_eq!(
            Indexing::of(&Field::new(name, &value)).within(4096, &Field::new(name, &value)),
            expected
        );
        let field = Field { sensitive: true, ..Field::new(name, &value) };
        assert_eq!(Indexing::of(&field).within(4096, &field), Indexing::Never);
    }

    /// RFC 7541 §7.1.3.
    #[test]
    fn secrets_are_never_indexed() {
        check("authorization", 0, Indexing::Never);
        check("proxy-authorization", 5000, Indexing::Never);
        for (len, expected) in [(19, Indexing::Never), (20, Indexing::Add), (21, Indexing::Add)] {
            check("cookie", len, expected);
        }
        check("set-cookie", 19, Indexing::Never);
        check("set-cookie", 20, Indexing::NameOnly);
    }

    #[test]
    fn large_and_changing_fields_are_left_out() {
        let fits = 3072 - 32 - "x-own".len();
        for (len, expected) in
            [(fits - 1, Indexing::Add), (fits, Indexing::Add), (fits + 1, Indexing::Not)]
        {
            check("x-own", len, expected);
        }
        check("content-length", 2, Indexing::NameOnly);
        check(":path", 9, Indexing::NameOnly);
        check(":authority", 9, Indexing::Add);
        assert_eq!(Indexing::Add.within(0, &Field::new("x", b"")), Indexing::Not);
    }
}
