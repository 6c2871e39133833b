//! Messages inflated (RFC 7692 §7.2.2), piece by piece as they come.
//!
//! An inflater takes about 60 KiB. One that need not remember the last message is borrowed from a bounded free list of the thread,
//! which is memory and no state, and goes back at the end of the message.

use std::cell::RefCell;
use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use crate::error::Error;
use crate::mask;

/// Inflaters kept for reuse, a thread.
const POOL: usize = 4;
/// What is inflated, and unmasked, at once, in bytes.
const PIECE: usize = 8 << 10;
/// What a sender leaves away from the end of each message (§7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The window that all data fits into (2^15 bytes).
const WINDOW: u8 = 15;

thread_local! {
    static FREE: RefCell<Vec<Inflater>> = const { RefCell::new(Vec::new()) };
}

/// How one direction's messages are inflated.
#[derive(Debug)]
pub(crate) struct Inflate {
    /// Whether a message may refer to those before it.
    keeps_context: bool,
    bits: u8,
    inflater: Option<Inflater>,
}

impl Inflate {
    pub(crate) const fn new(keeps_context: bool, bits: u8) -> Self {
        Self { keeps_context, bits, inflater: None }
    }

    /// Gives a part of a message's payload, still masked, to `sink` by pieces. `at` is where in its frame the part begins.
    pub(crate) fn feed(
        &mut self,
        masked: &[u8],
        mask: Option<[u8; 4]>,
        at: u64,
        mut sink: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let inflater = self.inflater();
        let mut plain = std::mem::take(&mut inflater.plain);
        let mut at = at;
        for piece in masked.chunks(PIECE) {
            plain.clear();
            plain.extend_from_slice(piece);
            if let Some(mask) = mask {
                mask::apply(&mut plain, mask, at);
            }
            at += piece.len() as u64;
            inflater.feed(&plain, &mut sink)?;
        }
        inflater.plain = plain;
        Ok(())
    }

    /// The message is complete.
    pub(crate) fn finish(
        &mut self,
        mut sink: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.inflater().feed(&TAIL, &mut sink)?;
        if !self.keeps_context
            && let Some(inflater) = self.inflater.take()
        {
            give(inflater);
        }
        Ok(())
    }

    fn inflater(&mut self) -> &mut Inflater {
        let (keeps_context, bits) = (self.keeps_context, self.bits);
        self.inflater.get_or_insert_with(|| {
            let spare = if keeps_context { None } else { take() };
            // Those of the list are for any window.
            let bits = if keeps_context { bits } else { WINDOW };
            spare.unwrap_or_else(|| Inflater::new(bits))
        })
    }
}

struct Inflater {
    stream: Decompress,
    plain: Vec<u8>,
    out: Box<[u8]>,
}

impl Inflater {
    fn new(bits: u8) -> Self {
        // zlib takes windows from 2^9, which is more than what a sender with 2^8 may refer to.
        let stream = Decompress::new_with_window_bits(false, bits.clamp(9, WINDOW));
        Self { stream, plain: Vec::new(), out: vec![0; PIECE].into() }
    }

    fn feed(
        &mut self,
        mut data: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let (before, made) = (self.stream.total_in(), self.stream.total_out());
            let done = self.stream.decompress(data, &mut self.out, FlushDecompress::Sync);
            let status = done.map_err(|_| Error::Deflate)?;
            // Both are at most the length of what was given.
            let (taken, made) = (self.stream.total_in() - before, self.stream.total_out() - made);
            let (taken, made) = (taken as usize, made as usize);
            data = data.get(taken..).unwrap_or_default();
            sink(self.out.get(..made).unwrap_or_default())?;
            match status {
                // §7.2.3.4: a block may be the last one of its stream; the next begins another.
                Status::StreamEnd => self.stream.reset(false),
                Status::Ok | Status::BufError => {
                    if made < self.out.len() && data.is_empty() {
                        return Ok(());
                    }
                    if taken == 0 && made == 0 {
                        return Err(Error::Deflate);
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}

fn take() -> Option<Inflater> {
    FREE.with(|free| free.borrow_mut().pop())
}

fn give(mut inflater: Inflater) {
    inflater.stream.reset(false);
    // At thread exit the list may be gone already: then it is simply freed.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < POOL {
            free.push(inflater);
        }
    });
}
