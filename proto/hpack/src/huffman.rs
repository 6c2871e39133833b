//! The Huffman code of HPACK (RFC 7541 §5.2, Appendix B), which is QPACK's too.
//!
//! The code is canonical, so that its lengths are all of it: every table here is made of them by the compiler. Decoding looks at
//! 11 bits at a time and takes one or two bytes from one entry; codes past 11 bits, which few texts of HTTP need, are found by
//! comparing with where each length begins. Nothing branches on a bit.

/// How many bits the code of each byte has, and at last that of EOS (RFC 7541 Appendix B).
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
const SHORTEST: usize = 5;
const LONGEST: usize = 30;

/// How many bits are looked up at once.
const STEP: usize = 11;

/// A string that is not in the code: it holds EOS, or ends in more than 7 bits of padding or in other bits than ones
/// (RFC 7541 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HuffmanError;

/// How many bytes `text` becomes.
#[must_use]
#[inline]
pub fn encoded_len(text: &[u8]) -> usize {
    let bits = text.iter().map(|&byte| usize::from(LENGTHS[usize::from(byte)])).sum::<usize>();
    bits.div_ceil(8)
}

/// Appends `text` in the code, padded with ones.
pub fn encode(text: &[u8], out: &mut Vec<u8>) {
    encode_to(text, encoded_len(text), out);
}

/// The same, where the caller has counted already: `len` is [`encoded_len`].
#[inline]
pub(crate) fn encode_to(text: &[u8], len: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + len, 0);
    let mut words = out[start..].chunks_exact_mut(4);
    // The lowest `count` bits of `bits` are not written yet; never more than 31 between two bytes.
    let (mut bits, mut count) = (0u64, 0u32);
    for &byte in text {
        let (code, length) = CODES[usize::from(byte)];
        bits = bits << length | u64::from(code);
        count += length;
        if count >= 32 {
            count -= 32;
            // There are as many words as `encoded_len` says.
            if let Some(word) = words.next() {
                word.copy_from_slice(&((bits >> count) as u32).to_be_bytes());
            }
        }
    }
    let padded = ((bits << 32 | u64::from(u32::MAX)) >> count) as u32;
    let padded = padded.to_be_bytes();
    if let Some(word) = words.next() {
        word.copy_from_slice(&padded);
    } else {
        let rest = words.into_remainder();
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

/// Appends `text` in the code if that is shorter, else as it is. Whether it was; counts nothing beforehand.
#[inline]
pub(crate) fn encode_shorter(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    // As much as is written at most, before it is seen that it is too much.
    out.reserve(text.len() + 4);
    let (mut bits, mut count) = (0u64, 0u32);
    for &byte in text {
        let (code, length) = CODES[usize::from(byte)];
        bits = bits << length | u64::from(code);
        count += length;
        if count >= 32 {
            count -= 32;
            out.extend_from_slice(&((bits >> count) as u32).to_be_bytes());
            if out.len() - start >= text.len() {
                break;
            }
        }
    }
    let padded = ((bits << 32 | u64::from(u32::MAX)) >> count) as u32;
    out.extend_from_slice(&padded.to_be_bytes()[..(count as usize).div_ceil(8)]);
    if out.len() - start < text.len() {
        return true;
    }
    out.truncate(start);
    out.extend_from_slice(text);
    false
}

/// Appends what `coded` stands for, at most 8/5 of its length.
///
/// # Errors
///
/// [`HuffmanError`]; `out` is as it was.
///
/// ```
/// let mut text = Vec::new();
/// assert!(trilane_hpack::huffman::decode(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], &mut text).is_ok());
/// assert_eq!(text, b"no-cache");
/// ```
pub fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HuffmanError> {
    let start = out.len();
    // Every byte takes 5 bits at least; one more, because bytes are written in pairs.
    out.resize(start + coded.len() * 8 / SHORTEST + 2, 0);
    let written = decode_into(coded, &mut out[start..]);
    out.truncate(start + written.unwrap_or(0));
    written.map(|_| ()).ok_or(HuffmanError)
}

/// How many bytes were written, if `coded` is well-formed. `out` has room for all of them and one more.
fn decode_into(coded: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut bits = Bits { window: 0, count: 0, rest: coded };
    let mut at = 0;
    while bits.refill() {
        // As many as are sure to find their bits.
        for _ in 0..56 / STEP {
            let entry = bits.look();
            if entry.is_far() {
                if !bits.refill() {
                    break;
                }
                let (symbol, length) = bits.look_far();
                *out.get_mut(at)? = u8::try_from(symbol).ok()?;
                at += 1;
                bits.take(length);
                break;
            }
            out.get_mut(at..at + 2)?.copy_from_slice(&entry.bytes());
            at += entry.count();
            bits.take(entry.bits());
        }
    }
    loop {
        bits.refill_last();
        let entry = bits.look();
        if !entry.is_far() && entry.bits() <= bits.count {
            out.get_mut(at..at + 2)?.copy_from_slice(&entry.bytes());
            at += entry.count();
            bits.take(entry.bits());
            continue;
        }
        // No whole code is left but padding, which is the beginning of EOS and less than a byte (RFC 7541 §5.2). Behind the
        // end the window holds ones.
        if bits.count < 8 && bits.window == u64::MAX {
            return Some(at);
        }
        let (symbol, length) = if entry.is_far() { bits.look_far() } else { entry.first() };
        if length > bits.count {
            return None;
        }
        *out.get_mut(at)? = u8::try_from(symbol).ok()?;
        at += 1;
        bits.take(length);
    }
}

/// What is left to decode.
struct Bits<'a> {
    /// The next bits, the first of them highest.
    window: u64,
    /// How many of them are counted as taken from `rest`; those behind are right too, but `rest` still has them.
    count: u32,
    rest: &'a [u8],
}

impl Bits<'_> {
    /// Whether there are 56 bits at least.
    #[inline]
    fn refill(&mut self) -> bool {
        let Some(word) = self.rest.first_chunk() else { return false };
        self.window |= u64::from_be_bytes(*word) >> self.count;
        self.rest = &self.rest[(63 - self.count as usize) / 8..];
        self.count |= 56;
        true
    }

    /// The same near the end: all that fits, and ones behind the last.
    #[inline]
    fn refill_last(&mut self) {
        while self.count <= 56 {
            let Some((&byte, rest)) = self.rest.split_first() else {
                self.window |= u64::MAX >> self.count;
                return;
            };
            self.window |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.rest = rest;
        }
    }

    #[inline]
    fn look(&self) -> Entry {
        Entry(NEAR[(self.window >> (64 - STEP)) as usize])
    }

    /// The symbol and the bits of a code of more than `STEP` bits.
    fn look_far(&self) -> (u16, u32) {
        let window = (self.window >> 32) as u32;
        let far = FAR[FAR[1..].iter().filter(|far| far.first <= window).count()];
        let index = (window - far.first) >> (32 - far.length);
        (SORTED[far.at as usize + index as usize], far.length)
    }

    #[inline]
    fn take(&mut self, bits: u32) {
        self.window <<= bits;
        self.count -= bits;
    }
}

/// What the next `STEP` bits are: one byte or two, how many bits these take, and how many bytes there are; all of it 0
/// where the code is longer.
#[derive(Clone, Copy)]
struct Entry(u32);

impl Entry {
    #[inline]
    const fn is_far(self) -> bool {
        self.0 == 0
    }

    #[inline]
    const fn bytes(self) -> [u8; 2] {
        let [first, second, ..] = self.0.to_le_bytes();
        [first, second]
    }

    #[inline]
    const fn bits(self) -> u32 {
        self.0 >> 16 & 0xff
    }

    #[inline]
    const fn count(self) -> usize {
        (self.0 >> 24) as usize
    }

    /// The first of two.
    #[inline]
    const fn first(self) -> (u16, u32) {
        let [first, ..] = self.bytes();
        (first as u16, LENGTHS[first as usize] as u32)
    }
}

/// The code of each symbol, and its bits.
const CODES: [(u32, u32); 257] = {
    let mut codes = [(0, 0); 257];
    let (mut at, mut code, mut length) = (0, 0, 0);
    while at < SORTED.len() {
        let symbol = SORTED[at] as usize;
        code <<= LENGTHS[symbol] as u32 - length;
        length = LENGTHS[symbol] as u32;
        codes[symbol] = (code, length);
        code += 1;
        at += 1;
    }
    // The code is complete: the last of its words is all ones, and is EOS.
    assert!(code == 1 << LONGEST && SORTED[256] == 256);
    codes
};

/// All symbols by the bits of their codes, then by their numbers: the order of their codes.
const SORTED: [u16; 257] = {
    let mut sorted = [0; 257];
    let (mut at, mut length) = (0, SHORTEST);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                sorted[at] = symbol as u16;
                at += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    assert!(at == sorted.len());
    sorted
};

/// See [`Entry`], by the next `STEP` bits.
static NEAR: [u32; 1 << STEP] = {
    let mut near = [0; 1 << STEP];
    let mut at = 0;
    while at < SORTED.len() && LENGTHS[SORTED[at] as usize] as usize <= STEP {
        let first = SORTED[at] as usize;
        let (code, length) = CODES[first];
        let left = STEP - length as usize;
        let start = (code as usize) << left;
        let mut index = 0;
        while index < 1 << left {
            near[start + index] = first as u32 | length << 16 | 1 << 24;
            index += 1;
        }
        let mut then = 0;
        while LENGTHS[SORTED[then] as usize] as usize <= left {
            let second = SORTED[then] as usize;
            let (code, more) = CODES[second];
            let left = left - more as usize;
            let start = start + ((code as usize) << left);
            let mut index = 0;
            while index < 1 << left {
                let bits = length + more;
                near[start + index] = first as u32 | (second as u32) << 8 | bits << 16 | 2 << 24;
                index += 1;
            }
            then += 1;
        }
        at += 1;
    }
    near
};

/// The codes of one length past `STEP` bits, aligned to the left of 32.
#[derive(Clone, Copy)]
struct Far {
    /// The first of them.
    first: u32,
    length: u32,
    /// Where its symbols begin in `SORTED`.
    at: u32,
}

/// How many lengths past `STEP` bits there are.
const FAR_LENGTHS: usize = 15;

const FAR: [Far; FAR_LENGTHS] = {
    let mut far = [Far { first: 0, length: 0, at: 0 }; FAR_LENGTHS];
    let (mut at, mut count, mut length) = (0, 0, STEP as u32);
    while at < SORTED.len() {
        let (code, bits) = CODES[SORTED[at] as usize];
        if bits > length {
            far[count] = Far { first: code << (32 - bits), length: bits, at: at as u32 };
            (count, length) = (count + 1, bits);
        }
        at += 1;
    }
    assert!(count == FAR_LENGTHS);
    far
};
