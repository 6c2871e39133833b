//! Content on its way out: moved, never copied when it is big. It names open files and pipes, and never reads one.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use bytes::Bytes;

/// Memory that somebody else owns and gets back when the last holder drops it: a leased receive buffer.
pub trait Memory {
    /// The bytes, always the same ones.
    fn as_slice(&self) -> &[u8];
}

/// Bytes that can be sent later without copying them: static, counted, leased, a range of an open file, or what lies in a pipe.
///
/// A range of a file has a length but no bytes here: its [`AsRef`] is empty, and [`Payload::file`] names it. Whoever
/// sends it sees to its bytes (see [`Piece::File`](crate::Piece::File)); a handler may give it as content to any
/// connection.
///
/// What lies in a pipe has no bytes here either, and [`Payload::pipe`] names that. It comes out once, in order: only what is
/// split off the front may go before the rest, and a clone is another name of the same bytes. Only those have such that have
/// said that they take it.
///
/// ```
/// use trilane_semantics::Payload;
/// let mut rest = Payload::from("hello world");
/// let front = rest.split_to(5);
/// assert_eq!((front.as_ref(), rest.as_ref()), (&b"hello"[..], &b" world"[..]));
/// ```
#[derive(Clone)]
pub struct Payload {
    store: Store,
    start: usize,
    end: usize,
}

#[derive(Clone)]
enum Store {
    Static(&'static [u8]),
    Counted(Bytes),
    Leased(Rc<dyn Memory>),
    File(Rc<dyn AsFd>),
    Piped(Rc<dyn AsFd>),
}

impl Payload {
    /// No bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self::from_static(&[])
    }

    /// Bytes that live for ever.
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self { store: Store::Static(bytes), start: 0, end: bytes.len() }
    }

    /// A part of leased memory: `start` and `len` in bytes, cut to what is there.
    #[must_use]
    pub fn from_lease(memory: Rc<dyn Memory>, start: usize, len: usize) -> Self {
        let there = memory.as_slice().len();
        let start = start.min(there);
        Self { end: start + len.min(there - start), start, store: Store::Leased(memory) }
    }

    /// A range of an open file: `start` and `len` in bytes. Nobody looks whether they are there before they are sent.
    #[must_use]
    pub fn from_file(file: Rc<dyn AsFd>, start: usize, len: usize) -> Self {
        Self { store: Store::File(file), start, end: start.saturating_add(len) }
    }

    /// The file that this is a range of, and where in it that begins, if it is one.
    #[must_use]
    pub const fn file(&self) -> Option<(&Rc<dyn AsFd>, usize)> {
        match &self.store {
            Store::File(file) => Some((file, self.start)),
            Store::Static(_) | Store::Counted(_) | Store::Leased(_) | Store::Piped(_) => None,
        }
    }

    /// The next `len` bytes of a pipe, of which that is the end to read from.
    #[must_use]
    pub fn from_pipe(pipe: Rc<dyn AsFd>, len: usize) -> Self {
        Self { store: Store::Piped(pipe), start: 0, end: len }
    }

    /// The pipe that the bytes lie in, if it is one.
    #[must_use]
    pub const fn pipe(&self) -> Option<&Rc<dyn AsFd>> {
        match &self.store {
            Store::Piped(pipe) => Some(pipe),
            Store::Static(_) | Store::Counted(_) | Store::Leased(_) | Store::File(_) => None,
        }
    }

    /// Whether its bytes are in memory, and not in a file or a pipe.
    #[must_use]
    pub const fn is_in_memory(&self) -> bool {
        !matches!(self.store, Store::File(_) | Store::Piped(_))
    }

    /// How many bytes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes up to `n` bytes off the front, without copying. Taking all of them counts nothing up: the bytes move.
    #[must_use]
    pub fn split_to(&mut self, n: usize) -> Self {
        if n >= self.len() {
            return std::mem::take(self);
        }
        let middle = self.start + n;
        let front = Self { store: self.store.clone(), start: self.start, end: middle };
        self.start = middle;
        front
    }

    /// The bytes as an owned, sendable value; copies only what was leased. None of a file's or a pipe's.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.store {
            Store::Static(bytes) => Bytes::from_static(&bytes[self.start..self.end]),
            // Moved: a slice would count it up first, which costs memory where there was one owner.
            Store::Counted(bytes) if bytes.len() == self.end - self.start => bytes,
            Store::Counted(bytes) => bytes.slice(self.start..self.end),
            Store::Leased(memory) => {
                Bytes::copy_from_slice(&memory.as_slice()[self.start..self.end])
            }
            Store::File(_) | Store::Piped(_) => Bytes::new(),
        }
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        let all = match &self.store {
            Store::Static(bytes) => bytes,
            Store::Counted(bytes) => &bytes[..],
            Store::Leased(memory) => memory.as_slice(),
            Store::File(_) | Store::Piped(_) => return &[],
        };
        &all[self.start..self.end]
    }
}

impl Default for Payload {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.store {
            Store::File(_) => write!(f, "Payload({}..{} of a file)", self.start, self.end),
            Store::Piped(_) => write!(f, "Payload({} in a pipe)", self.len()),
            _ => write!(f, "Payload({:?})", String::from_utf8_lossy(self.as_ref())),
        }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        match (&self.store, &other.store) {
            (Store::File(ours), Store::File(theirs))
            | (Store::Piped(ours), Store::Piped(theirs)) => {
                let same = ours.as_fd().as_raw_fd() == theirs.as_fd().as_raw_fd();
                same && (self.start, self.end) == (other.start, other.end)
            }
            _ if self.is_in_memory() && other.is_in_memory() => self.as_ref() == other.as_ref(),
            _ => false,
        }
    }
}

impl Eq for Payload {}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { start: 0, end: bytes.len(), store: Store::Counted(bytes) }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Self::from_static(text.as_bytes())
    }
}

impl From<&'static [u8]> for Payload {
    fn from(bytes: &'static [u8]) -> Self {
        Self::from_static(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Buffer(Vec<u8>);

    impl Memory for Buffer {
        fn as_slice(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn all_kinds_split_alike() {
        let leased = Payload::from_lease(Rc::new(Buffer(b"xabcdex".to_vec())), 1, 5);
        for whole in [Payload::from("abcde"), Payload::from(b"abcde".to_vec()), leased] {
            for at in 0..7 {
                let mut rest = whole.clone();
                let front = rest.split_to(at);
                assert_eq!(front.len() + rest.len(), 5);
                let joined = [front.as_ref(), rest.as_ref()].concat();
                assert_eq!(joined, b"abcde");
                assert_eq!(&rest.clone().into_bytes()[..], rest.as_ref());
            }
        }
    }

    #[test]
    fn all_of_it_moves() {
        let mut whole = Payload::from(b"abcde".to_vec());
        let place = whole.as_ref().as_ptr();
        for n in [5, 6, usize::MAX] {
            let mut front = whole.split_to(n);
            assert_eq!((front.len(), whole.len()), (5, 0));
            whole = std::mem::take(&mut front);
        }
        let bytes = whole.into_bytes();
        assert!(bytes.is_unique() && bytes.as_ptr() == place);
    }

    #[test]
    fn a_range_of_a_file_splits_like_bytes() {
        // Any descriptor will do: nothing is read.
        let file: Rc<dyn AsFd> = Rc::new(std::io::stdin());
        let range = |start, len| Payload::from_file(Rc::clone(&file), start, len);
        for at in 0..7 {
            let mut rest = range(10, 5);
            let front = rest.split_to(at);
            let middle = at.min(5);
            assert_eq!(front, range(10, middle));
            assert_eq!((front.len(), rest.len()), (middle, 5 - middle));
            if middle < 5 {
                assert_eq!(rest, range(10 + middle, 5 - middle));
                assert_eq!((front.file().unwrap().1, rest.file().unwrap().1), (10, 10 + middle));
            }
            assert!(rest.as_ref().is_empty() && rest.into_bytes().is_empty());
        }
        assert!(Payload::from("x").file().is_none());
        assert_ne!(range(0, 0), Payload::new());
        assert_eq!(range(2, usize::MAX).len(), usize::MAX - 2);
    }

    #[test]
    fn what_lies_in_a_pipe_has_a_length_and_no_bytes() {
        let pipe: Rc<dyn AsFd> = Rc::new(std::io::stdin());
        let mut rest = Payload::from_pipe(Rc::clone(&pipe), 5);
        assert!(rest.pipe().is_some() && rest.file().is_none() && !rest.is_in_memory());
        let front = rest.split_to(2);
        assert_eq!((front.len(), rest.len()), (2, 3));
        assert!(front.pipe().is_some() && rest.as_ref().is_empty());
        assert_ne!(front, Payload::from_file(pipe, 0, 2));
        assert!(rest.into_bytes().is_empty());
        assert!(Payload::from("x").pipe().is_none());
    }

    #[test]
    fn a_lease_ends_with_its_last_holder() {
        let memory: Rc<dyn Memory> = Rc::new(Buffer(vec![0; 8]));
        let payload = Payload::from_lease(Rc::clone(&memory), 4, 100);
        assert_eq!(payload.len(), 4);
        let copy = payload.clone();
        drop(payload);
        assert_eq!(Rc::strong_count(&memory), 2);
        drop(copy);
        assert_eq!(Rc::strong_count(&memory), 1);
        assert!(Payload::from_lease(memory, 9, 1).is_empty());
    }
}
