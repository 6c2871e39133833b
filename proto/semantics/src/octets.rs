//! Looks for octets eight at a time: what field lines and targets may not hold (RFC 9110 §5.5, RFC 3986 §2).
//!
//! Plain arithmetic on words, no tables and no `unsafe`. Never says what a byte means, only where it is.

/// A word of ones: one in every byte.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES * 0x80;

/// Where `byte` is next, at or after `from`.
#[must_use]
#[inline]
pub fn find(bytes: &[u8], from: usize, byte: u8) -> Option<usize> {
    search(bytes, from, |word| equal(word, byte))
}

/// Where the next byte is that no field value may hold (RFC 9110 §5.5): a control, but not the tab.
///
/// ```
/// use trilane_semantics::octets::find_control;
/// assert_eq!(find_control(b"a value\tof 17 bytes\r\n", 0), Some(19));
/// assert_eq!(find_control(b"\xe9", 0), None);
/// ```
#[must_use]
#[inline]
pub fn find_control(bytes: &[u8], from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let at = search(bytes, from, |word| below(word, 0x20) | equal(word, 0x7f))?;
        if bytes[at] != b'\t' {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Where the next byte is that ends a part of a request target: a `?`, a `#`, or what no URI may hold (RFC 3986 §2),
/// white space, a control, or anything beyond ASCII.
///
/// ```
/// use trilane_semantics::octets::find_target_mark;
/// assert_eq!(find_target_mark(b"/path?query HTTP/1.1", 0), Some(5));
/// assert_eq!(find_target_mark(b"/path?query HTTP/1.1", 6), Some(11));
/// ```
#[must_use]
#[inline]
pub fn find_target_mark(bytes: &[u8], from: usize) -> Option<usize> {
    search(bytes, from, |word| {
        below(word, 0x21) | equal(word, 0x7f) | equal(word, b'#') | equal(word, b'?') | word & HIGH
    })
}

/// Whether `byte`, below 0x80, is among them.
///
/// ```
/// use trilane_semantics::octets::has_byte;
/// assert!(has_byte(b"sec_fetch", b'_'));
/// assert!(!has_byte(b"sec-fetch", b'_'));
/// ```
#[must_use]
#[inline]
pub fn has_byte(bytes: &[u8], byte: u8) -> bool {
    // The last word lies partly in the one before it: less to do than byte by byte.
    let Some(last) = bytes.last_chunk::<8>() else { return bytes.contains(&byte) };
    let hits = |word: &[u8; 8]| equal(u64::from_le_bytes(*word), byte);
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(hits(last), |hit, word| hit | hits(word)) != 0
}

/// The first byte at or after `from` that `hits` flags by its highest bit. What it flags after a true hit need not be
/// true.
#[inline]
fn search(bytes: &[u8], from: usize, hits: impl Fn(u64) -> u64) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let (words, tail) = rest.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = hits(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(from + 8 * index + found.trailing_zeros() as usize / 8);
        }
    }
    // One byte, and seven that are harmless.
    let is_hit = |&byte: &u8| hits((ONES * u64::from(b'a')) ^ u64::from(b'a' ^ byte)) & 0x80 != 0;
    tail.iter().position(is_hit).map(|at| bytes.len() - tail.len() + at)
}

/// Flags bytes below `n`, at most 0x80.
const fn below(word: u64, n: u8) -> u64 {
    word.wrapping_sub(ONES * n as u64) & !word & HIGH
}

/// Flags bytes that are `byte`.
const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * byte as u64), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place of texts of every short length, against the plain loop.
    #[test]
    fn nothing_is_missed_and_nothing_invented() {
        let is_control = |b: u8| b < 0x20 && b != b'\t' || b == 0x7f;
        let is_mark = |b: u8| !(0x21..0x7f).contains(&b) || b == b'#' || b == b'?';
        for len in 1..20 {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut text = vec![b'x'; len];
                    text[at] = byte;
                    for from in 0..=at {
                        let found = is_control(byte).then_some(at);
                        assert_eq!(find_control(&text, from), found, "{text:?} {from}");
                        let found = is_mark(byte).then_some(at);
                        assert_eq!(find_target_mark(&text, from), found, "{text:?} {from}");
                    }
                    let found = text.iter().position(|&b| b == byte);
                    assert_eq!(find(&text, 0, byte), found, "{text:?}");
                }
            }
        }
        assert_eq!((find(b"a", 1, b'a'), find(b"a", 2, b'a')), (None, None));
    }

    /// The first of two, whatever stands between: a borrow must not hide or move it.
    #[test]
    fn neighbours_do_not_matter() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let text = [b'x', first, second, b'x', b'x', b'x', b'x', b'x', b'x'];
                let plain = |test: &dyn Fn(u8) -> bool| text.iter().position(|&b| test(b));
                let control = plain(&|b| b < 0x20 && b != b'\t' || b == 0x7f);
                assert_eq!(find_control(&text, 0), control, "{text:?}");
                let mark = plain(&|b| !(0x21..0x7f).contains(&b) || b == b'#' || b == b'?');
                assert_eq!(find_target_mark(&text, 0), mark, "{text:?}");
                assert_eq!(find(&text, 0, b':'), plain(&|b| b == b':'), "{text:?}");
            }
        }
    }

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for length in 0..40 {
            let text = vec![b'-'; length];
            assert!(!has_byte(&text, b'_'));
            for at in 0..length {
                let mut text = text.clone();
                text[at] = b'_';
                assert!(has_byte(&text, b'_'), "{at} of {length}");
            }
        }
    }
}
