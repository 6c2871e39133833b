//! Bytes that a machine could not use yet, kept until more come: at most a partial head over TCP.

/// The remainder of each transport stream that has one.
#[derive(Debug)]
pub(crate) struct Carry<S> {
    rests: Vec<Rest<S>>,
}

#[derive(Debug)]
pub(crate) struct Rest<S> {
    pub(crate) stream: S,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fin: bool,
}

impl<S: Copy + Eq> Carry<S> {
    pub(crate) const fn new() -> Self {
        Self { rests: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rests.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rests.iter().map(|rest| rest.bytes.len()).sum()
    }

    /// How much of a stream is kept.
    pub(crate) fn len_of(&self, stream: S) -> usize {
        let rest = self.rests.iter().find(|rest| rest.stream == stream);
        rest.map_or(0, |rest| rest.bytes.len())
    }

    /// The streams that have a remainder.
    pub(crate) fn streams(&self) -> impl Iterator<Item = S> {
        self.rests.iter().map(|rest| rest.stream)
    }

    /// Takes the remainder of a stream.
    pub(crate) fn take(&mut self, stream: S) -> Option<Rest<S>> {
        let at = self.rests.iter().position(|rest| rest.stream == stream)?;
        Some(self.rests.swap_remove(at))
    }

    /// Keeps a remainder. Nothing and no end need no keeping, and cost no memory.
    pub(crate) fn keep(&mut self, rest: Rest<S>) {
        if rest.bytes.is_empty() && !rest.fin {
            if self.rests.is_empty() {
                self.rests = Vec::new();
            }
            return;
        }
        self.rests.push(rest);
    }

    pub(crate) fn clear(&mut self) {
        self.rests = Vec::new();
    }
}
