//! HPACK (RFC 7541): field lines as small blocks of bytes, and back.
//!
//! Pure data: no I/O, no clock, no threads. The file order is the reading order: [`integer`], [`huffman`] and [`text`] (what
//! blocks are made of), `statics` and [`table`] (what indices mean), [`policy`] (what is worth a
//! place in the table), [`lookup`] (the table of an encoder), then [`decoder`] and [`encoder`]. What is public beside
//! the last two is QPACK's too.
//!
//! What a field may be called and what it may hold is not judged here: that is for whoever receives [`Field`]s. Neither is how
//! much comes out of a block, which can be far more than went in: [`Decoder::decode`] hands it out field by field.
//!
//! ```
//! use trilane_hpack::{Decoder, Encoder, Field};
//! use trilane_semantics::{Known, NameRef};
//! let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
//! let mut block = Vec::new();
//! encoder.begin(&mut block);
//! encoder.field(&mut block, Field::new(NameRef::Other(b":method"), b"GET"));
//! encoder.field(&mut block, Field::new(Known::UserAgent, b"example/1.0"));
//! let mut lines = Vec::new();
//! let decoded = decoder.decode(&block, |field| {
//!     lines.push((field.name.as_bytes().to_vec(), field.value.to_vec()));
//!     Ok::<_, ()>(())
//! });
//! assert_eq!(decoded, Ok(()));
//! assert_eq!(lines[1], (b"user-agent".to_vec(), b"example/1.0".to_vec()));
//! ```
#![forbid(unsafe_code)]

pub mod decoder;
pub mod encoder;
pub mod field;
pub mod huffman;
pub mod integer;
pub mod lookup;
pub mod policy;
mod statics;
pub mod table;
#[cfg(test)]
mod tests;
pub mod text;

pub use decoder::{Compression, DecodeError, Decoder};
pub use encoder::Encoder;
pub use field::{Field, Seen};
