//! Messages deflated (RFC 7692 §7.2.1).
//!
//! A deflater takes about 300 KiB. One that need not remember the last message is borrowed from a bounded free list of the thread,
//! which is memory and no state.

use std::cell::RefCell;
use std::fmt;

use flate2::{Compress, Compression, FlushCompress};

/// Deflaters kept for reuse, a thread.
const POOL: usize = 2;
/// What a message ends with when all of it is flushed, and what is left away (§7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// A message without a byte (§7.2.3.6).
const NOTHING: u8 = 0;
/// What is made at once at least, in bytes.
const ROOM: usize = 64;

thread_local! {
    static FREE: RefCell<Vec<Deflater>> = const { RefCell::new(Vec::new()) };
}

/// How one direction's messages are deflated.
#[derive(Debug)]
pub(crate) struct Deflated {
    /// Whether a message refers to those before it.
    keeps_context: bool,
    bits: u8,
    level: u8,
    /// Messages below this many bytes go as they are; unless it is 0, so do those that would grow.
    from: usize,
    deflater: Option<Deflater>,
}

impl Deflated {
    pub(crate) const fn new(keeps_context: bool, bits: u8, level: u8, from: usize) -> Self {
        Self { keeps_context, bits, level, from, deflater: None }
    }

    /// The message, deflated; `None` where that gains nothing.
    pub(crate) fn deflate(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        if message.len() < self.from {
            return None;
        }
        let mut deflater = match self.deflater.take() {
            Some(deflater) => deflater,
            None if self.keeps_context => Deflater::new(self.bits, self.level),
            None => take(self.bits, self.level),
        };
        let out = deflater.message(message);
        if self.keeps_context {
            // It must go as it is: the next message may refer to it.
            self.deflater = Some(deflater);
            return out;
        }
        give(deflater);
        out.filter(|out| out.len() < message.len() || self.from == 0)
    }
}

struct Deflater {
    stream: Compress,
    bits: u8,
    level: u8,
}

impl Deflater {
    fn new(bits: u8, level: u8) -> Self {
        let compression = Compression::new(u32::from(level.clamp(1, 9)));
        // Smaller windows than 2^9 are never agreed on.
        let stream = Compress::new_with_window_bits(compression, false, bits.clamp(9, 15));
        Self { stream, bits, level }
    }

    /// `None` if the compressor is at a loss, which it never is with memory to write to.
    fn message(&mut self, mut data: &[u8]) -> Option<Vec<u8>> {
        if data.is_empty() {
            return Some(vec![NOTHING]);
        }
        let mut out = Vec::with_capacity(data.len() / 2 + ROOM);
        loop {
            out.reserve(ROOM);
            let before = self.stream.total_in();
            self.stream.compress_vec(data, &mut out, FlushCompress::Sync).ok()?;
            data = data.get((self.stream.total_in() - before) as usize..).unwrap_or_default();
            // With room left, all is flushed.
            if data.is_empty() && out.len() < out.capacity() {
                break;
            }
        }
        out.ends_with(&TAIL).then(|| out.truncate(out.len() - TAIL.len()))?;
        Some(out)
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deflater")
    }
}

fn take(bits: u8, level: u8) -> Deflater {
    let spare = FREE.with(|free| {
        let mut free = free.borrow_mut();
        let at = free.iter().position(|it| (it.bits, it.level) == (bits, level))?;
        Some(free.swap_remove(at))
    });
    spare.unwrap_or_else(|| Deflater::new(bits, level))
}

fn give(mut deflater: Deflater) {
    deflater.stream.reset();
    // At thread exit the list may be gone already: then it is simply freed.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        // The latest is the likeliest to be asked for again.
        if free.len() == POOL {
            free.remove(0);
        }
        free.push(deflater);
    });
}
