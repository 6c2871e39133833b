//! What was noted of a connection so far: its steps, each with what came out of it, up to a limit.

use std::cell::Cell;
use std::rc::Rc;

use trilane_semantics::Instant;

use crate::secret::Secrets;
use crate::step::{Poll, Step};
use crate::wire::{put_bytes, put_number};

/// What is noted, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Depth {
    /// Of one connection, in bytes: its steps, and what was shown to its machine and not taken. Default 64 KiB.
    pub bytes: usize,
    /// Whether what comes of content is noted, and not only how much it is. What is sent of it never is. Default no.
    pub content: bool,
    /// Whether values of fields that say who somebody is are noted over HTTP/1.1, and not only how long they are. Over HTTP/2 and HTTP/3
    /// they are always there: a compressed section cannot be read without them. Default no.
    pub secrets: bool,
}

impl Default for Depth {
    fn default() -> Self {
        Self { bytes: 64 << 10, content: false, secrets: false }
    }
}

/// What all recordings of a shard may take together, and what they do take.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) most: usize,
    pub(crate) used: Cell<usize>,
}

/// The steps of one connection.
#[derive(Debug)]
pub(crate) struct Tape {
    depth: Depth,
    pub(crate) secrets: Secrets,
    steps: Vec<u8>,
    /// One step, while it is written.
    scratch: Vec<u8>,
    now: Instant,
    /// What the machine has seen and not taken, by stream.
    shown: Vec<Shown>,
    /// The steps end here, though the connection goes on.
    is_full: bool,
    account: Rc<Account>,
    counted: usize,
}

#[derive(Debug)]
struct Shown {
    stream: u64,
    bytes: Vec<u8>,
    /// Those before were taken.
    from: usize,
}

impl Shown {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.from..]
    }
}

impl Tape {
    pub(crate) fn new(
        depth: Depth,
        secrets: Secrets,
        began: Instant,
        account: Rc<Account>,
    ) -> Self {
        Self {
            depth,
            secrets,
            steps: Vec::new(),
            scratch: Vec::new(),
            now: began,
            shown: Vec::new(),
            is_full: false,
            account,
            counted: 0,
        }
    }

    pub(crate) fn steps(&self) -> &[u8] {
        &self.steps
    }

    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether more than half of what it may be is there.
    pub(crate) const fn is_long(&self) -> bool {
        self.steps.len() > self.depth.bytes / 2
    }

    /// Forgets all that was noted: what is noted from now on begins here.
    pub(crate) fn begin_anew(&mut self, now: Instant) {
        self.steps.clear();
        (self.is_full, self.now) = (false, now);
    }

    /// It is that time.
    pub(crate) fn tell(&mut self, now: Instant) {
        if now != self.now && !self.is_full {
            let nanos = now.since(self.now).as_nanos();
            self.now = now;
            self.note(&Step::Clock(u64::try_from(nanos).unwrap_or(u64::MAX)), "");
        }
    }

    /// Notes a step, and what came out of it.
    pub(crate) fn note(&mut self, step: &Step<'_>, outcome: &str) {
        if self.is_full {
            return;
        }
        self.scratch.clear();
        step.put(&mut self.scratch, self.secrets);
        put_bytes(&mut self.scratch, outcome.as_bytes());
        if !self.has_room(self.scratch.len()) {
            return self.end();
        }
        self.write();
    }

    /// A machine is about to be shown those bytes.
    pub(crate) fn show(&mut self, stream: u64, bytes: &[u8]) {
        // No bytes say nothing of those that wait.
        if bytes.is_empty() || self.is_full {
            return;
        }
        let at = self.shown.iter().position(|shown| shown.stream == stream);
        let at = at.filter(|&at| {
            let is_same = bytes.starts_with(self.shown[at].rest());
            if !is_same {
                self.forget(at);
            }
            is_same
        });
        let known = at.map_or(0, |at| self.shown[at].rest().len());
        if !self.has_room(bytes.len() - known) {
            return self.end();
        }
        match at {
            Some(at) => {
                let shown = &mut self.shown[at];
                shown.bytes.drain(..shown.from);
                shown.from = 0;
                shown.bytes.extend_from_slice(&bytes[known..]);
            }
            None => self.shown.push(Shown { stream, bytes: bytes.to_vec(), from: 0 }),
        }
    }

    /// It was, and took so many of them. `content` is where among them content begins, and its length.
    pub(crate) fn polled(
        &mut self,
        (stream, bytes, fin): (u64, &[u8], bool),
        taken: usize,
        content: Option<(usize, usize)>,
        outcome: &str,
    ) {
        if self.is_full {
            return;
        }
        let taken_bytes = &bytes[..taken];
        let (before, content, after) = match content {
            Some((at, length)) if !self.depth.content && at + length <= taken => {
                (&taken_bytes[..at], length, &taken_bytes[at + length..])
            }
            _ => (taken_bytes, 0, &[][..]),
        };
        let poll = Poll {
            stream,
            shown: bytes.len() as u64,
            fin,
            before: self.secrets.of_lines(before),
            content: content as u64,
            after: self.secrets.of_lines(after),
        };
        self.note(&Step::Poll(poll), outcome);
        let Some(at) = self.shown.iter().position(|shown| shown.stream == stream) else { return };
        self.shown[at].from += taken;
        if self.shown[at].rest().is_empty() {
            self.shown.swap_remove(at);
        }
    }

    /// What was shown of a stream and not taken is not shown again. Its bytes are part of what others were shown, so they must be
    /// there, full or not.
    fn forget(&mut self, at: usize) {
        let shown = self.shown.swap_remove(at);
        self.scratch.clear();
        let bytes = self.secrets.of_lines(shown.rest());
        Step::Rest { stream: shown.stream, bytes }.put(&mut self.scratch, self.secrets);
        put_bytes(&mut self.scratch, b"");
        self.write();
    }

    /// Nothing more is noted: it is over, or there is no room.
    pub(crate) fn finish(&mut self) {
        while !self.shown.is_empty() {
            self.forget(0);
        }
    }

    fn end(&mut self) {
        self.finish();
        self.is_full = true;
    }

    fn write(&mut self) {
        put_number(&mut self.steps, self.scratch.len() as u64);
        self.steps.extend_from_slice(&self.scratch);
    }

    /// Whether there is room for so many bytes more, here and on the shard.
    fn has_room(&mut self, more: usize) -> bool {
        let shown: usize = self.shown.iter().map(|shown| shown.bytes.len()).sum();
        let is_fitting = self.steps.len() + shown + more <= self.depth.bytes;
        let used = self.steps.capacity() + shown + more;
        let others = self.account.used.get() - self.counted;
        if !is_fitting || others + used > self.account.most {
            return false;
        }
        self.account.used.set(others + used);
        self.counted = used;
        true
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.account.used.set(self.account.used.get() - self.counted);
    }
}
