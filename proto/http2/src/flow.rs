//! Flow control (RFC 9113 §5.2): windows in both directions. Never looks at a stream's state.

/// A window before anybody says otherwise (RFC 9113 §6.9.2).
pub(crate) const WINDOW: i32 = 65_535;

/// What we may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outflow(i32);

/// More credit than a window can hold (RFC 9113 §6.9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

impl Outflow {
    pub(crate) const fn new(window: i32) -> Self {
        Self(window)
    }

    /// How many bytes may go now.
    #[inline]
    pub(crate) const fn left(self) -> usize {
        if self.0 > 0 { self.0 as usize } else { 0 }
    }

    /// `n` bytes went, at most as many as are left.
    #[inline]
    pub(crate) fn spend(&mut self, n: usize) {
        debug_assert!(n <= self.left(), "a window is never exceeded");
        self.0 -= n as i32;
    }

    /// The peer gives credit, or takes some of it back: then it may fall below 0 (RFC 9113 §6.9.2).
    pub(crate) fn change(&mut self, by: i64) -> Result<(), Overflow> {
        self.0 = i32::try_from(i64::from(self.0) + by).map_err(|_| Overflow)?;
        Ok(())
    }
}

/// What the peer may still send, and what it is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inflow {
    /// Below 0 where more came than what we have said since allows.
    left: i32,
    /// What was released and not told yet.
    credit: u32,
}

impl Inflow {
    /// `window` must be below 2^31.
    pub(crate) const fn new(window: u32) -> Self {
        Self { left: window as i32, credit: 0 }
    }

    /// Whether the peer can send nothing: it is waiting for us.
    pub(crate) const fn is_exhausted(self) -> bool {
        self.left <= 0
    }

    /// A frame of `n` bytes comes. Whether it may.
    #[must_use]
    #[inline]
    pub(crate) const fn take(&mut self, n: u32) -> bool {
        // Neither a frame nor a window has 2^31 bytes.
        if n as i32 > self.left {
            return n == 0;
        }
        self.left -= n as i32;
        true
    }

    /// `n` of the bytes that came are done with.
    #[inline]
    pub(crate) const fn release(&mut self, n: u32) {
        self.credit += n;
    }

    /// The peer has read that it may send `n` bytes less (RFC 9113 §6.9.2).
    pub(crate) const fn shrink(&mut self, n: u32) {
        self.left -= n as i32;
    }

    /// What the peer will have when all credit is told.
    #[cfg(test)]
    pub(crate) const fn total(self) -> u32 {
        (self.left + self.credit as i32) as u32
    }

    /// Whether the credit is worth a frame: it is more than what the peer still has.
    #[inline]
    pub(crate) const fn is_due(self) -> bool {
        self.credit > 0 && self.credit as i32 > self.left
    }

    /// The credit, to be told to the peer.
    pub(crate) const fn tell(&mut self) -> u32 {
        let credit = self.credit;
        (self.left, self.credit) = (self.left + credit as i32, 0);
        credit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9113 §6.9.1: a window has at most 2^31-1; §6.9.2: it may become negative.
    #[test]
    fn what_goes_out() {
        let mut window = Outflow::new(WINDOW);
        window.spend(5);
        assert_eq!(window.change(-65_535), Ok(()));
        assert_eq!((window, window.left()), (Outflow::new(-5), 0));
        assert_eq!(window.change(6), Ok(()));
        assert_eq!(window.left(), 1);
        assert_eq!(window.change(i64::from(i32::MAX) - 1), Ok(()));
        assert_eq!(window.change(1), Err(Overflow));
        assert_eq!(window.left(), i32::MAX as usize);
    }

    #[test]
    fn what_comes_in() {
        for (n, may) in [(99, true), (100, true), (101, false)] {
            assert_eq!(Inflow::new(100).take(n), may, "{n}");
        }
        let mut window = Inflow::new(100);
        assert!(window.take(60));
        window.release(40);
        assert!(!window.is_due(), "the peer has 40 still");
        window.release(1);
        assert!(window.is_due() && !window.is_exhausted());
        assert_eq!((window.tell(), window.tell()), (41, 0));
        assert!(window.take(81) && window.is_exhausted() && !window.take(1));
    }
}
