//! How a section begins (RFC 9204 §4.5.1): how much of the table it needs, and from where its indices are counted.

use trilane_hpack::integer;
use trilane_hpack::table::OVERHEAD;

use crate::error::Decompression;

/// The bit that says that the base is below the Required Insert Count.
const SIGN: u8 = 0x80;

/// How many lines a table of that capacity can have (RFC 9204 §4.5.1.1).
pub(crate) const fn max_entries(capacity: u64) -> u64 {
    capacity / OVERHEAD as u64
}

/// The prefix of a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// How many lines must have been inserted before it can be decoded; 0 if it needs none.
    pub(crate) required: u64,
    pub(crate) base: u64,
}

impl Prefix {
    /// The bytes of the shortest, such as that of a section that needs no lines.
    pub(crate) const LEAST: usize = 2;

    /// Takes a prefix off the front of `section`. The table may have `max_entries`, and `inserted` lines were inserted so far.
    pub(crate) fn take(
        section: &mut &[u8],
        max_entries: u64,
        inserted: u64,
    ) -> Result<Self, Decompression> {
        let encoded = integer::decode_long(section, 8)?;
        let required =
            required(encoded, max_entries, inserted).ok_or(Decompression::RequiredInsertCount)?;
        let sign = section.first().map_or(0, |first| first & SIGN);
        let delta = integer::decode_long(section, 7)?;
        // RFC 9204 §4.5.1.2: a base below 0 is malformed.
        let base = if sign == 0 {
            required.checked_add(delta)
        } else {
            required.checked_sub(delta).and_then(|base| base.checked_sub(1))
        };
        Ok(Self { required, base: base.ok_or(Decompression::Base)? })
    }

    /// The absolute index of what is counted down from the base (RFC 9204 §3.2.5).
    #[inline]
    pub(crate) fn relative(self, index: u64) -> Option<u64> {
        self.base.checked_sub(index)?.checked_sub(1)
    }

    /// The absolute index of what is counted up from the base (RFC 9204 §3.2.6).
    #[inline]
    pub(crate) fn post_base(self, index: u64) -> Option<u64> {
        self.base.checked_add(index)
    }

    /// Appends it, for a table that may have `max_entries`.
    pub(crate) fn write(self, max_entries: u64, out: &mut Vec<u8>) {
        if self.required == 0 {
            out.extend_from_slice(&[0; Self::LEAST]);
            return;
        }
        integer::encode(out, 0, 8, self.required % (2 * max_entries) + 1);
        match self.base.checked_sub(self.required) {
            Some(delta) => integer::encode(out, 0, 7, delta),
            None => integer::encode(out, SIGN, 7, self.required - self.base - 1),
        }
    }
}

/// RFC 9204 §4.5.1.1: the count goes round at twice the number of lines, so that it stays short. `None` if there is no such.
fn required(encoded: u64, max_entries: u64, inserted: u64) -> Option<u64> {
    if encoded == 0 {
        return Some(0);
    }
    let full_range = 2 * max_entries;
    if encoded > full_range {
        return None;
    }
    let max_value = inserted + max_entries;
    let max_wrapped = max_value / full_range * full_range;
    let required = max_wrapped + encoded - 1;
    let required = if required > max_value { required.checked_sub(full_range)? } else { required };
    // Zero is written as zero.
    (required > 0).then_some(required)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9204 §4.5.1.1: with the table of its example, and with every count around each turn.
    #[test]
    fn counts_go_round() {
        assert_eq!(max_entries(100), 3);
        assert_eq!(required(4, 3, 10), Some(9));
        for max_entries in [1, 2, 3, 128] {
            for count in 1..6 * max_entries {
                let prefix = Prefix { required: count, base: count };
                let mut out = Vec::new();
                prefix.write(max_entries, &mut out);
                // What the decoder may have by then.
                for inserted in count.saturating_sub(max_entries)..count + max_entries {
                    let read = Prefix::take(&mut &out[..], max_entries, inserted);
                    assert_eq!(read, Ok(prefix), "{count} of {max_entries}, at {inserted}");
                }
            }
        }
    }

    /// RFC 9204 §4.5.1.1: what no encoder writes.
    #[test]
    fn impossible_counts_are_refused() {
        assert_eq!(required(1, 0, 0), None);
        for (max_entries, inserted) in [(1, 0), (3, 0), (3, 10), (128, 1000)] {
            assert_eq!(required(2 * max_entries + 1, max_entries, inserted), None);
            assert_eq!(required(u64::MAX >> 2, max_entries, inserted), None);
        }
        // 0 in other words; and one turn below the first.
        assert_eq!(required(1, 3, 0), None);
        assert_eq!(required(5, 3, 0), None);
        assert_eq!(required(4, 3, 0), Some(3));
    }

    /// RFC 9204 §4.5.1.2.
    #[test]
    fn bases_are_on_either_side() {
        for base in [0, 1, 8, 9, 10, 300] {
            let prefix = Prefix { required: 9, base };
            let mut out = Vec::new();
            prefix.write(128, &mut out);
            assert_eq!(Prefix::take(&mut &out[..], 128, 9), Ok(prefix));
            for cut in 0..out.len() {
                let cut = Prefix::take(&mut &out[..cut], 128, 9);
                assert_eq!(cut, Err(Decompression::Truncated));
            }
        }
        assert_eq!(Prefix::take(&mut &[10, 0x88][..], 128, 9).map(|prefix| prefix.base), Ok(0));
        assert_eq!(Prefix::take(&mut &[10, 0x89][..], 128, 9), Err(Decompression::Base));
        assert_eq!(Prefix::take(&mut &[0, 0x80][..], 128, 9), Err(Decompression::Base));
    }
}
