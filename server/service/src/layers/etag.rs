//! Entity tags for those who make none (RFC 9110 §8.8.3), and the 304 that they are for (§15.4.5).

use trilane_exchange::{Error, Exchange, Outgoing, Response};
use trilane_semantics::{Known, Method, StatusCode};

use crate::conditional::{CONDITIONS, Validators, Verdict, evaluate, parse_date};
use crate::layer::{Hook, Phases};

/// Content up to this is tagged, in bytes, unless it is told otherwise.
const LARGEST: usize = 1 << 20;

/// What describes content that a 304 does not have (RFC 9110 §15.4.5).
const OF_CONTENT: &[Known] = &[
    Known::ContentDisposition,
    Known::ContentEncoding,
    Known::ContentLanguage,
    Known::ContentLength,
    Known::ContentRange,
    Known::ContentType,
];

/// Gives answers to GET and HEAD an ETag, a weak one made of their content, and answers 304 to who has that content already, and
/// 412 to who wants no other than one that it is not.
///
/// Only 200 with content that is whole in memory; what has an ETag keeps it, and is compared all the same. The tag is the same
/// on every machine. It saves the network, not the handler: behind a [`Cache`](crate::Cache), so inside of it, the content is
/// looked at once.
///
/// ```
/// use trilane_service::{ETags, Router, get};
/// let router: Router =
///     Router::new().route("/", get(|| async { "the same each time" })).layer(ETags::default());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ETags {
    largest: usize,
}

impl Default for ETags {
    fn default() -> Self {
        Self { largest: LARGEST }
    }
}

impl ETags {
    /// Tags content of at most so many bytes. Default 1 MiB.
    #[must_use]
    pub const fn largest(bytes: usize) -> Self {
        Self { largest: bytes }
    }

    /// Gives it a tag, if it is content that gets one.
    fn tag(self, response: &mut Response) {
        let content: &[u8] = match &response.body {
            Outgoing::Full(content) if content.file().is_none() => content.as_ref(),
            _ => return,
        };
        if content.len() <= self.largest && !response.head.fields.contains(Known::ETag) {
            let mut tag = *b"W/\"0000000000000000\"";
            let digits = tag[3..19].iter_mut().zip((0..16).rev());
            let hash = hash(content);
            digits.for_each(|(digit, at)| {
                *digit = b"0123456789abcdef"[(hash >> (4 * at)) as usize & 15];
            });
            // Digits may stand in a field.
            let _ = response.head.fields.append(Known::ETag, tag);
        }
    }
}

impl Hook for ETags {
    fn phases(&self) -> Phases {
        Phases::AFTER
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        let head = exchange.head();
        let is_read = matches!(head.method, Method::GET | Method::HEAD);
        if !is_read || response.head.status != StatusCode::OK || response.error.is_some() {
            return;
        }
        self.tag(response);
        let fields = &response.head.fields;
        let etag = fields.get(Known::ETag);
        let modified = || fields.get(Known::LastModified).and_then(parse_date);
        // RFC 9110 §13.2.1, MUST: what the handler has not looked at counts all the same.
        if etag.is_some() && head.fields.has_any(CONDITIONS) {
            let current = Validators { etag, modified: modified() };
            match evaluate(&head.method, &head.fields, Some(current)) {
                Verdict::Proceed => (),
                Verdict::NotModified => make_not_modified(response),
                Verdict::PreconditionFailed => {
                    *response = Error::new(StatusCode::PRECONDITION_FAILED).into();
                }
            }
        }
    }
}

/// Makes a 304 of a 200: without content, and without what describes it.
pub(crate) fn make_not_modified(response: &mut Response) {
    response.head.status = StatusCode::NOT_MODIFIED;
    response.body = Outgoing::Empty;
    for &name in OF_CONTENT {
        response.head.fields.remove(name);
    }
}

/// Folds eight bytes at a time into 64 bits by multiplication, in two rows that do not wait for each other. Not against who
/// wants two contents to have one tag: that would be their own.
fn hash(content: &[u8]) -> u64 {
    const ODD: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93, 0xa076_1d64_78bd_642f];
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let (mut one, mut other) = (content.len() as u64 ^ ODD[2], ODD[0]);
    let mut rows = content.chunks_exact(16);
    for row in &mut rows {
        let (left, right) = row.split_at(8);
        one = fold(one ^ word(left) ^ ODD[0], ODD[1]) ^ one.rotate_left(23);
        other = fold(other ^ word(right) ^ ODD[1], ODD[2]) ^ other.rotate_left(29);
    }
    for rest in rows.remainder().chunks(8) {
        one = fold(one ^ word(rest) ^ ODD[0], ODD[1]) ^ one.rotate_left(23);
    }
    fold(one ^ ODD[1], other ^ ODD[2]) ^ fold(other ^ one, ODD[0])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn contents_that_differ_a_little_have_different_tags() {
        let mut seen = HashSet::new();
        for length in 0..200 {
            let mut content = vec![0; length];
            assert!(seen.insert(hash(&content)), "{length} zeros");
            for at in 0..length {
                for bit in [1, 0x80] {
                    content[at] = bit;
                    assert!(seen.insert(hash(&content)), "{bit} at {at} of {length}");
                }
                content[at] = 0;
            }
        }
        // Two words that change places.
        let pairs = [b"aaaaaaaabbbbbbbbaaaaaaaacccccccc", b"aaaaaaaaccccccccaaaaaaaabbbbbbbb"];
        assert_ne!(hash(pairs[0]), hash(pairs[1]));
    }

    /// Half of all bits, on average, for each bit of the content.
    #[test]
    fn every_bit_counts() {
        for length in [1, 7, 8, 15, 16, 17, 40, 1000] {
            let mut content: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
            let before = hash(&content);
            let mut changed = 0;
            for at in 0..length {
                content[at] ^= 1;
                changed += (hash(&content) ^ before).count_ones();
                content[at] ^= 1;
            }
            let average = changed as usize / length;
            assert!((20..=44).contains(&average), "{average} of 64 bits, {length} bytes");
        }
    }
}
