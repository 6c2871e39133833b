//! The four codings behind one call, and the memory of those that are done, to be used again.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::rc::Rc;

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::{Compression, FlushCompress};
use zstd::stream::raw::{CParameter, Encoder as Zstd, InBuffer, Operation, OutBuffer};

use crate::Coding;

/// The window of brotli and zstd: 2 to that many bytes. Larger ones hardly make text smaller, and cost each stream their size;
/// zstd's may have 8 MiB at most (RFC 9659 §3).
const WINDOW: i32 = 18;
/// The window of gzip and deflate, which is the largest they know.
const WINDOW_DEFLATE: u8 = 15;
/// Room for output that is made ready before it is known how much there will be, in bytes.
const ROOM: usize = 4 << 10;
/// Encoders of a coding that are kept for reuse, a shard. They take 0.3 to 1 MiB each.
const KEEP: usize = 2;

/// What is to become of the input so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// More comes.
    More,
    /// More comes, but what there is must be readable.
    Flush,
    /// It was all.
    End,
}

/// How hard each coding tries. What is beyond its range is the end of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub(super) deflate: u32,
    pub(super) brotli: i32,
    pub(super) zstd: i32,
}

pub(super) enum Encoder {
    /// gzip and zlib.
    Deflate(flate2::Compress),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(Zstd<'static>),
    /// Brotli that has ended.
    Over,
}

impl Encoder {
    /// None for identity. `size` is how much there will be, as far as that is known.
    fn new(coding: Coding, levels: Levels, size: usize) -> io::Result<Option<Self>> {
        let deflate = Compression::new(levels.deflate);
        Ok(Some(match coding {
            Coding::Identity => return Ok(None),
            Coding::Gzip => Self::Deflate(flate2::Compress::new_gzip(deflate, WINDOW_DEFLATE)),
            Coding::Deflate => Self::Deflate(flate2::Compress::new(deflate, true)),
            Coding::Brotli => {
                let params = BrotliEncoderParams {
                    quality: levels.brotli,
                    lgwin: WINDOW,
                    size_hint: size,
                    ..BrotliEncoderParams::default()
                };
                Self::Brotli(Box::new(CompressorWriter::with_params(Vec::new(), ROOM, &params)))
            }
            Coding::Zstd => {
                let mut zstd = Zstd::new(levels.zstd)?;
                zstd.set_parameter(CParameter::WindowLog(WINDOW.unsigned_abs()))?;
                Self::Zstd(zstd)
            }
        }))
    }

    /// Takes all of `input`, and appends to `out` what comes of it.
    pub(super) fn run(&mut self, input: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Deflate(deflate) => run_deflate(deflate, input, then, out),
            Self::Zstd(zstd) => run_zstd(zstd, input, then, out),
            Self::Brotli(brotli) => {
                std::mem::swap(brotli.get_mut(), out);
                let written = brotli.write_all(input).and_then(|()| match then {
                    Then::Flush => brotli.flush(),
                    Then::More | Then::End => Ok(()),
                });
                std::mem::swap(brotli.get_mut(), out);
                if then == Then::End
                    && let Self::Brotli(mut brotli) = std::mem::replace(self, Self::Over)
                {
                    std::mem::swap(brotli.get_mut(), out);
                    *out = brotli.into_inner();
                }
                written
            }
            Self::Over => Ok(()),
        }
    }

    /// Makes it fit for other content. Whether it can be: brotli cannot.
    fn reset(&mut self) -> bool {
        match self {
            Self::Deflate(deflate) => {
                deflate.reset();
                true
            }
            Self::Zstd(zstd) => zstd.reinit().is_ok(),
            Self::Brotli(_) | Self::Over => false,
        }
    }
}

fn run_deflate(
    deflate: &mut flate2::Compress,
    mut input: &[u8],
    then: Then,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let flush = match then {
        Then::More => FlushCompress::None,
        Then::Flush => FlushCompress::Sync,
        Then::End => FlushCompress::Finish,
    };
    loop {
        out.reserve(ROOM);
        let before = deflate.total_in();
        let status = deflate.compress_vec(input, out, flush).map_err(io::Error::other)?;
        // No more than there was.
        let taken = (deflate.total_in() - before) as usize;
        input = input.get(taken..).unwrap_or_default();
        let is_over = match then {
            Then::End => status == flate2::Status::StreamEnd,
            // Where room is left, all is said.
            Then::More | Then::Flush => input.is_empty() && out.len() < out.capacity(),
        };
        if is_over {
            return Ok(());
        }
    }
}

fn run_zstd(
    zstd: &mut Zstd<'static>,
    input: &[u8],
    then: Then,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let mut input = InBuffer::around(input);
    while input.pos() < input.src.len() {
        step(out, |out| zstd.run(&mut input, out))?;
    }
    loop {
        let left = match then {
            Then::More => 0,
            Then::Flush => step(out, |out| zstd.flush(out))?,
            Then::End => step(out, |out| zstd.finish(out, true))?,
        };
        if left == 0 {
            return Ok(());
        }
    }
}

/// One step of zstd's, with room for what comes of it.
fn step(
    out: &mut Vec<u8>,
    run: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> io::Result<usize>,
) -> io::Result<usize> {
    out.reserve(ROOM);
    let at = out.len();
    run(&mut OutBuffer::around_pos(out, at))
}

/// Encoders that nobody uses, and how many streams use one.
pub(super) struct Pool {
    levels: Levels,
    free: RefCell<Vec<(Coding, Encoder)>>,
    streams: Cell<usize>,
}

impl Pool {
    pub(super) fn new(levels: Levels) -> Self {
        Self { levels, free: RefCell::default(), streams: Cell::new(0) }
    }

    /// How many streams there are.
    pub(super) fn streams(&self) -> usize {
        self.streams.get()
    }

    /// An encoder for content of that size; 0 if nobody knows.
    pub(super) fn lend(self: &Rc<Self>, coding: Coding, size: usize) -> io::Result<Option<Lent>> {
        let mut free = self.free.borrow_mut();
        let at = free.iter().position(|(known, _)| *known == coding);
        let encoder = match at {
            Some(at) => Some(free.swap_remove(at).1),
            None => Encoder::new(coding, self.levels, size)?,
        };
        let pool = Rc::clone(self);
        Ok(encoder.map(|encoder| Lent { coding, encoder, pool, is_stream: false }))
    }

    fn give(&self, coding: Coding, mut encoder: Encoder) {
        let mut free = self.free.borrow_mut();
        let kept = free.iter().filter(|(known, _)| *known == coding).count();
        if kept < KEEP && encoder.reset() {
            free.push((coding, encoder));
        }
    }
}

/// An encoder that goes back to its pool.
pub(super) struct Lent {
    coding: Coding,
    pub(super) encoder: Encoder,
    pool: Rc<Pool>,
    is_stream: bool,
}

impl Lent {
    /// The same, counted as that of a stream.
    pub(super) fn for_stream(mut self) -> Self {
        self.is_stream = true;
        self.pool.streams.set(self.pool.streams.get() + 1);
        self
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_stream {
            self.pool.streams.set(self.pool.streams.get() - 1);
        }
        self.pool.give(self.coding, std::mem::replace(&mut self.encoder, Encoder::Over));
    }
}
