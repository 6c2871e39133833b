//! HPACK decoding (RFC 7541): any bytes as the blocks of a connection, with the `hpack` crate as the other opinion.
//!
//! The bytes: blocks between the bytes 0x00 0xee 0x00. What both take is the same; what only they take has one of the reasons
//! below; nothing is taken that they refuse, but for integers one byte longer. A caller's error changes no table.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use trilane_hpack::{Compression, DecodeError, Decoder};

type Lines = Vec<(Vec<u8>, Vec<u8>)>;

/// What ends a block in the data: a line with an empty name, which no block needs.
const END: &[u8] = &[0x00, 0xee, 0x00];

/// In their static table it is `accept-`, and shorter.
pub(crate) const MISSPELT: &[u8] = b"accept-charset";

/// The table's size.
const SIZE: usize = 4096;

/// `data` as blocks.
pub fn hpack_decode(data: &[u8]) {
    let (mut ours, mut refusing) = (Decoder::new(SIZE), Decoder::new(SIZE));
    let mut theirs = Some(hpack::Decoder::new());
    for block in blocks(data) {
        let mut lines = Lines::new();
        let decoded = ours.decode(block, |field| {
            lines.push((field.name.as_bytes().to_vec(), field.value.to_vec()));
            Ok::<_, ()>(())
        });
        let refused = refusing.decode(block, |_| Err(()));
        match (decoded, refused) {
            (Ok(()), Ok(())) => assert!(lines.is_empty()),
            (Ok(()), Err(DecodeError::Field(()))) => assert!(!lines.is_empty()),
            (ours, theirs) => assert_eq!(ours, theirs),
        }
        theirs = theirs.and_then(|theirs| second_opinion(theirs, block, &lines, decoded));
        if decoded.is_err() {
            return;
        }
    }
}

/// Their decoder, if it can go on.
fn second_opinion<'a>(
    mut theirs: hpack::Decoder<'a>,
    block: &[u8],
    lines: &Lines,
    ours: Result<(), DecodeError<()>>,
) -> Option<hpack::Decoder<'a>> {
    // It panics on some truncated integers (RUSTSEC-2023-0085), and libFuzzer's hook would abort before that is caught.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let read = catch_unwind(AssertUnwindSafe(|| theirs.decode(block)));
    set_hook(hook);
    let read = read.ok()?;
    if lines.iter().any(|(name, _)| name == MISSPELT) {
        return None;
    }
    match (read, ours) {
        (Ok(read), Ok(())) => assert_eq!(read, *lines),
        (Ok(_), Err(DecodeError::Compression(why))) => {
            // They take every size update, wherever it stands, and any number of names from the table.
            let theirs =
                [Compression::Names, Compression::UpdateMisplaced, Compression::UpdateTooLarge];
            assert!(theirs.contains(&why), "{why:?}");
        }
        (Err(why), Ok(())) => {
            let why = format!("{why:?}");
            assert!(why.contains("TooManyOctets"), "{why}");
        }
        _ => return None,
    }
    Some(theirs)
}

pub(crate) fn blocks(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if data.is_empty() {
            return None;
        }
        let end = data.windows(END.len()).position(|window| window == END);
        let (block, rest) = data.split_at(end.unwrap_or(data.len()));
        data = rest.get(END.len()..).unwrap_or_default();
        Some(block)
    })
}
