//! A list that grows by chunks: nothing is ever moved, so growing needs neither a copy nor twice the memory.

use std::ops::{Index, IndexMut};

/// Elements of a chunk.
const CHUNK: usize = 256;

/// A list that only grows.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Chunks<T> {
    /// Nothing. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        // All chunks but the last are full.
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Adds an element at the end.
    pub(crate) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(value),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
    }

    /// The element, if there is one.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// The element, if there is one.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.chunks[index / CHUNK][index % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_across_the_edges_of_chunks() {
        let mut list = Chunks::new();
        assert_eq!((list.len(), list.get(0)), (0, None::<&usize>));
        for n in 0..2 * CHUNK + 1 {
            list.push(n);
            assert_eq!((list.len(), list[n]), (n + 1, n));
            assert_eq!(list.get(n + 1), None);
        }
        let first = &raw const list[0];
        list[CHUNK] = 7;
        *list.get_mut(CHUNK - 1).unwrap() = 8;
        assert_eq!((list[CHUNK], list[CHUNK - 1]), (7, 8));
        (0..1000).for_each(|n| list.push(n));
        assert_eq!(first, &raw const list[0], "nothing moves");
        assert_eq!(list.iter().count(), list.len());
    }
}
