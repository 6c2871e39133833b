//! Masking (RFC 6455 §5.3): each byte of a payload XOR one of four, in turn.

/// Masks, or unmasks, a part of a payload that begins at its byte number `at`.
///
/// ```
/// let (mut whole, mut parts) = (*b"a payload", *b"a payload");
/// trilane_websocket::mask::apply(&mut whole, [1, 2, 3, 4], 0);
/// trilane_websocket::mask::apply(&mut parts[..5], [1, 2, 3, 4], 0);
/// trilane_websocket::mask::apply(&mut parts[5..], [1, 2, 3, 4], 5);
/// assert_eq!(whole, parts);
/// ```
#[inline]
pub fn apply(data: &mut [u8], mut mask: [u8; 4], at: u64) {
    // Below 4.
    mask.rotate_left((at % 4) as usize);
    let half = u64::from(u32::from_ne_bytes(mask));
    let wide = half << 32 | half;
    // Eight bytes at a time, which the compiler makes sixteen or more of.
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
