//! Header sections as blocks (RFC 7541), written by an encoder of a few lines that tries every representation. Blocks are
//! read by the `hpack` crate. Neither shares anything with `trilane-hpack`.

use std::collections::VecDeque;

use crate::rng::Rng;

/// A field line.
pub type Line = (String, String);

/// The limit of the table, in bytes: what a server allows that says nothing else (RFC 7541 §4.2).
const TABLE: usize = 4096;
/// Lines of the static table (RFC 7541 appendix A) that are used.
const STATIC: &[(usize, &str, &str)] = &[
    (1, ":authority", ""),
    (2, ":method", "GET"),
    (3, ":method", "POST"),
    (4, ":path", "/"),
    (6, ":scheme", "http"),
    (28, "content-length", ""),
    (35, "expect", ""),
];
/// The first index of the dynamic table (RFC 7541 §2.3.3).
const DYNAMIC: usize = 62;

/// An encoder with its table.
#[derive(Debug)]
pub struct Packer {
    table: VecDeque<Line>,
    size: usize,
    rng: Rng,
}

impl Packer {
    /// An encoder whose choices come from `rng`.
    #[must_use]
    pub const fn new(rng: Rng) -> Self {
        Self { table: VecDeque::new(), size: 0, rng }
    }

    /// The block of these lines.
    pub fn block(&mut self, lines: &[Line]) -> Vec<u8> {
        let mut block = Vec::new();
        for line in lines {
            self.line(&mut block, line);
        }
        block
    }

    fn line(&mut self, block: &mut Vec<u8>, line: &Line) {
        let known = STATIC.iter().find(|known| known.1 == line.0 && known.2 == line.1);
        let at = self.table.iter().position(|entry| entry == line);
        let whole = at.map(|at| DYNAMIC + at).or(known.map(|known| known.0));
        if let Some(index) = whole.filter(|_| self.rng.per_mille(900)) {
            integer(block, 0x80, 7, index);
            return;
        }
        let at = self.table.iter().position(|entry| entry.0 == line.0);
        let known = STATIC.iter().find(|known| known.1 == line.0);
        let name = at.map(|at| DYNAMIC + at).or(known.map(|known| known.0));
        let name = name.filter(|_| self.rng.per_mille(800)).unwrap_or(0);
        // With a place in the table, without, and never.
        let (pattern, prefix) = self.rng.pick(&[(0x40, 6), (0x40, 6), (0, 4), (0x10, 4)]);
        integer(block, pattern, prefix, name);
        if name == 0 {
            string(block, &line.0);
        }
        string(block, &line.1);
        if pattern == 0x40 {
            self.insert(line.clone());
        }
    }

    /// RFC 7541 §4.4.
    fn insert(&mut self, line: Line) {
        self.size += size(&line);
        self.table.push_front(line);
        while self.size > TABLE {
            let Some(oldest) = self.table.pop_back() else { return };
            self.size -= size(&oldest);
        }
    }
}

/// RFC 7541 §4.1.
fn size(line: &Line) -> usize {
    line.0.len() + line.1.len() + 32
}

/// A line that touches no table, never indexed.
#[must_use]
pub fn plain(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in lines {
        block.push(0x10);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

/// RFC 7541 §5.1.
fn integer(block: &mut Vec<u8>, pattern: u8, prefix: u32, value: usize) {
    let most = (1usize << prefix) - 1;
    if value < most {
        block.push(pattern | value as u8);
        return;
    }
    block.push(pattern | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        block.push(0x80 | (rest % 128) as u8);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// RFC 7541 §5.2, never in the Huffman code.
fn string(block: &mut Vec<u8>, text: &str) {
    integer(block, 0, 7, text.len());
    block.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_decoder_reads_what_is_packed_also_when_lines_have_gone() {
        let mut packer = Packer::new(Rng::new(5));
        let mut decoder = hpack::Decoder::new();
        for n in 0..300 {
            let lines: Vec<Line> = vec![
                (":method".to_owned(), "GET".to_owned()),
                (format!("x-{}", n % 7), "v".repeat(n % 400)),
                (format!("y-{}", n % 40), format!("{}", n % 3)),
            ];
            let read = decoder.decode(&packer.block(&lines)).expect("it is a block");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let read: Vec<Line> = read.iter().map(|(n, v)| (text(n), text(v))).collect();
            assert_eq!(read, lines, "{n}");
        }
        assert!(packer.size <= TABLE && packer.table.len() < 150);
    }
}
