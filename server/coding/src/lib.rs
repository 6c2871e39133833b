//! Content codings (RFC 9110 §8.4.1): their names, and content in them decoded while it is read (`decoded`, with `decoder`), for those who
//! take it from clients and for those who get it from servers.
#![forbid(unsafe_code)]

mod decoded;
mod decoder;

use smallvec::SmallVec;
use trilane_exchange::{BodyError, Incoming};
use trilane_semantics::{Fields, Known};

use decoded::Decoded;
use decoder::Decoder;

/// Codings of one message, one after the other; none has more than two.
const MOST: usize = 4;

/// What is decoded, as Accept-Encoding has it.
pub const TAKEN: &str = "zstd, br, gzip, deflate";

/// A content coding.
///
/// ```
/// use trilane_coding::Coding;
/// assert_eq!(Coding::Brotli.name(), "br");
/// assert_eq!(Coding::from_name(b"X-GZIP"), Some(Coding::Gzip));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// None: the content as it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, the zlib format.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Identity, Self::Gzip, Self::Deflate, Self::Brotli, Self::Zstd];

    /// Its name in the registry of content codings, as Content-Encoding has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The coding of that name, in any case (RFC 9110 §8.4.1). `x-gzip` is gzip (§8.4.1.3).
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name().as_bytes()))
    }
}

/// The codings that a message has, in the order in which they were applied (RFC 9110 §8.4). `None` if there is one that is not known,
/// or there are more than four.
#[must_use]
pub fn codings(fields: &Fields) -> Option<SmallVec<[Coding; MOST]>> {
    let names = fields.list(Known::ContentEncoding).take(MOST + 1);
    let codings: Option<SmallVec<[_; MOST]>> = names.map(Coding::from_name).collect();
    codings.filter(|codings| codings.len() <= MOST)
}

/// What content in these codings stands for, as it is read: 16 KiB at a time, so that a slow reader holds its peer up. After each of
/// them at most `limit` bytes, and, once it is more than 1 MiB, `ratio` times what came, where each further member of gzip, or frame
/// of zstd, counts for 4 KiB more; what is more is [`BodyError::TooLarge`]. What does not decode, or ends too early, is
/// [`BodyError::Coding`].
///
/// # Errors
/// A decoder cannot be made.
pub fn decode(
    codings: &[Coding],
    mut body: Incoming,
    limit: u64,
    ratio: u64,
) -> Result<Incoming, BodyError> {
    for coding in codings.iter().rev() {
        if let Some(decoder) = Decoder::new(*coding).map_err(|_| BodyError::Coding)? {
            body = Incoming::frames(Decoded::new(decoder, body, ratio.max(1)));
            // What is still coded is no larger than what it stands for.
            body.set_limit(limit);
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for coding in Coding::ALL {
            assert_eq!(Coding::from_name(coding.name().as_bytes()), Some(coding));
            let upper = coding.name().to_uppercase();
            assert_eq!(Coding::from_name(upper.as_bytes()), Some(coding));
        }
        assert_eq!((Coding::from_name(b""), Coding::from_name(b"brotli")), (None, None));
    }
}
