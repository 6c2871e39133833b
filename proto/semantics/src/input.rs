//! Bytes on their way in. The caller owns them; machines take from the front and lend slices onward.

/// What has arrived on one transport stream and was not taken yet.
///
/// `S` names the transport stream: `()` over TCP, the stream id over QUIC. What a machine leaves here it
/// wants to see again, at the front, together with more: the caller keeps it.
///
/// ```
/// use trilane_semantics::Input;
/// let mut input = Input::new((), b"hello", false);
/// assert_eq!(input.take(2), b"he");
/// assert_eq!(input.bytes(), b"llo");
/// assert_eq!(input.take(9), b"llo");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Input<'b, S = ()> {
    stream: S,
    bytes: &'b [u8],
    fin: bool,
}

impl<'b, S: Copy> Input<'b, S> {
    /// Bytes of `stream`; `fin` when nothing comes after them.
    #[must_use]
    pub const fn new(stream: S, bytes: &'b [u8], fin: bool) -> Self {
        Self { stream, bytes, fin }
    }

    /// The transport stream.
    #[must_use]
    pub const fn stream(&self) -> S {
        self.stream
    }

    /// What was not taken yet.
    #[must_use]
    pub const fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Whether the stream ends after these bytes.
    #[must_use]
    pub const fn is_fin(&self) -> bool {
        self.fin
    }

    /// Whether everything was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes up to `n` bytes off the front.
    pub fn take(&mut self, n: usize) -> &'b [u8] {
        let (front, rest) = self.bytes.split_at(n.min(self.bytes.len()));
        self.bytes = rest;
        front
    }
}
