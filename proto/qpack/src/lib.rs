//! QPACK (RFC 9204): field lines as small sections, and back, over streams that do not wait for each other.
//!
//! Pure data: no I/O, no clock, no threads. Integers, strings, the Huffman code, the ring of lines and what is worth a place in it are
//! those of `trilane-hpack`. The file order is the reading order: `error`, `statics` and `prefix` (what indices mean), then
//! [`decoder`] with `instructions` (what fills its table) and `owed` (what it answers), then
//! [`encoder`] with `sections` (what it must keep) and `acknowledge` (what it hears).
//!
//! What a field may be called and what it may hold is not judged here, and neither is how much comes out of a section.
//!
//! ```
//! use trilane_qpack::{Decoded, Decoder, Encoder, Field};
//! use trilane_semantics::{Known, NameRef};
//! let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096, 16));
//! let mut section = Vec::new();
//! encoder.begin(0, &mut section);
//! encoder.field(&mut section, Field::new(NameRef::Other(b":method"), b"GET"));
//! encoder.field(&mut section, Field::new(Known::UserAgent, b"example/1.0"));
//! encoder.end(&mut section);
//! let mut lines = Vec::new();
//! let decoded = decoder.decode(0, &section, |field| {
//!     lines.push((field.name.as_bytes().to_vec(), field.value.to_vec()));
//!     Ok::<_, ()>(())
//! });
//! assert_eq!(decoded, Ok(Decoded::Whole));
//! assert_eq!(lines[1], (b"user-agent".to_vec(), b"example/1.0".to_vec()));
//! ```
#![forbid(unsafe_code)]

mod acknowledge;
pub mod decoder;
pub mod encoder;
mod error;
mod instructions;
mod owed;
mod prefix;
mod sections;
mod statics;
#[cfg(test)]
mod tests;

pub use decoder::{DecodeError, Decoded, Decoder};
pub use encoder::Encoder;
pub use error::{DecoderStreamError, Decompression, EncoderStreamError};
pub use trilane_hpack::{Field, Seen};
