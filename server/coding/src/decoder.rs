//! The four codings behind one call: a bounded piece of what they stand for at a time.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, InBuffer, Operation, OutBuffer};

use crate::Coding;

/// The most that comes out of one step, in bytes, more or less.
pub(crate) const PIECE: usize = 16 << 10;
/// The largest window of gzip and deflate: 2 to that many bytes.
const WINDOW_DEFLATE: u8 = 15;
/// The largest window of zstd that we have memory for: 2 to that many bytes (RFC 9659 §3).
const WINDOW_ZSTD: u32 = 23;

/// What came is not coded as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

pub(crate) struct Decoder {
    kind: Kind,
    /// What came so far may be all.
    is_complete: bool,
}

enum Kind {
    /// gzip, which may go on with another member (RFC 1952 §2.2).
    Gzip(Decompress),
    Deflate(Decompress),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// Also of several frames (RFC 8878 §3.1).
    Zstd(Zstd<'static>),
}

impl Decoder {
    /// None for identity.
    pub(crate) fn new(coding: Coding) -> Result<Option<Self>, Corrupt> {
        let kind = match coding {
            Coding::Identity => return Ok(None),
            Coding::Gzip => Kind::Gzip(Decompress::new_gzip(WINDOW_DEFLATE)),
            Coding::Deflate => Kind::Deflate(Decompress::new(true)),
            Coding::Brotli => {
                let memory = StandardAlloc::default;
                // Without windows that RFC 7932 does not know.
                Kind::Brotli(Box::new(BrotliState::new_strict(memory(), memory(), memory())))
            }
            Coding::Zstd => {
                let mut zstd = Zstd::new().map_err(|_| Corrupt)?;
                let window = DParameter::WindowLogMax(WINDOW_ZSTD);
                zstd.set_parameter(window).map_err(|_| Corrupt)?;
                Kind::Zstd(zstd)
            }
        };
        Ok(Some(Self { kind, is_complete: false }))
    }

    /// Whether what came so far may be all.
    pub(crate) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Takes from the front of `input`, and appends to the empty `out` a piece of what it stands for. How much was taken, and
    /// whether there is more to be had without more input.
    pub(crate) fn step(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, bool), Corrupt> {
        if self.is_complete && !input.is_empty() {
            match &mut self.kind {
                Kind::Gzip(gzip) => *gzip = Decompress::new_gzip(WINDOW_DEFLATE),
                Kind::Zstd(_) => (),
                // Nothing may follow.
                Kind::Deflate(_) | Kind::Brotli(_) => return Err(Corrupt),
            }
        }
        out.reserve_exact(PIECE);
        let (taken, is_complete) = match &mut self.kind {
            Kind::Gzip(inflate) | Kind::Deflate(inflate) => {
                let before = inflate.total_in();
                let status = inflate.decompress_vec(input, out, FlushDecompress::None);
                let is_complete = status.map_err(|_| Corrupt)? == Status::StreamEnd;
                // No more than there was.
                ((inflate.total_in() - before) as usize, is_complete)
            }
            Kind::Brotli(brotli) => step_brotli(brotli, input, out)?,
            Kind::Zstd(zstd) => {
                let (mut from, at) = (InBuffer::around(input), out.len());
                let left = zstd.run(&mut from, &mut OutBuffer::around_pos(out, at));
                let left = left.map_err(|_| Corrupt)?;
                (from.pos(), left == 0)
            }
        };
        self.is_complete = is_complete;
        Ok((taken, !is_complete && out.len() == out.capacity()))
    }
}

fn step_brotli(
    brotli: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(usize, bool), Corrupt> {
    let (mut left, mut taken, mut made, mut total) = (input.len(), 0, 0, 0);
    let mut room = out.capacity();
    out.resize(room, 0);
    let result = BrotliDecompressStream(
        &mut left, &mut taken, input, &mut room, &mut made, out, &mut total, brotli,
    );
    out.truncate(made);
    match result {
        BrotliResult::ResultSuccess => Ok((taken, true)),
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok((taken, false)),
        BrotliResult::ResultFailure => Err(Corrupt),
    }
}
