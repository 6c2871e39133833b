//! What was noted of a connection so far: its steps, each with what came out of it, up to a limit.

use std::cell::Cell;
use std::rc::Rc;

use trilane_semantics::Instant;

use crate::secret::Secrets;
use crate::step::{Poll, Step};
use crate::wire::{Reader, put_bytes};

/// What is noted, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Depth {
    /// Of one connection, in bytes: three quarters are for its first steps, and what was shown to its machine and not taken; the last
    /// quarter is for its last steps, once there were more. Default 64 KiB.
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
    /// The last steps of those for which there is no room.
    tail: Vec<u8>,
    /// How long that may be.
    most_tail: usize,
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
            tail: Vec::new(),
            most_tail: 0,
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

    pub(crate) fn tail(&self) -> &[u8] {
        &self.tail
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
        self.tail.clear();
        (self.is_full, self.now) = (false, now);
    }

    /// It is that time.
    pub(crate) fn tell(&mut self, now: Instant) {
        if now != self.now {
            let nanos = now.since(self.now).as_nanos();
            self.now = now;
            self.note(&Step::Clock(u64::try_from(nanos).unwrap_or(u64::MAX)), "");
        }
    }

    /// Notes a step, and what came out of it.
    pub(crate) fn note(&mut self, step: &Step<'_>, outcome: &str) {
        self.note_taken(step, outcome, 0);
    }

    /// The same, where so many bytes of those that were shown move into the step.
    fn note_taken(&mut self, step: &Step<'_>, outcome: &str, taken: usize) {
        self.scratch.clear();
        step.put(&mut self.scratch, self.secrets);
        put_bytes(&mut self.scratch, outcome.as_bytes());
        if self.is_full {
            return self.write_tail();
        }
        if !self.has_room(self.scratch.len().saturating_sub(taken)) {
            return self.end();
        }
        self.write();
    }

    /// One more of the last steps: the first of them go.
    fn write_tail(&mut self) {
        put_bytes(&mut self.tail, &self.scratch);
        if self.tail.len() <= self.most_tail {
            return;
        }
        let mut rest = Reader(&self.tail);
        // A quarter of them at once, so that they are not moved for each.
        while rest.0.len() > self.most_tail - self.most_tail / 4 {
            if rest.bytes().is_none() {
                break;
            }
        }
        let gone = self.tail.len() - rest.0.len();
        self.tail.drain(..gone);
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
        self.note_taken(&Step::Poll(poll), outcome, taken);
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

    /// There is no room for more first steps: from now on the last ones are kept, if the shard has room for those.
    fn end(&mut self) {
        self.finish();
        self.is_full = true;
        let wanted = self.depth.bytes / 4;
        self.most_tail = if self.takes(self.steps.capacity() + wanted) { wanted } else { 0 };
    }

    fn write(&mut self) {
        put_bytes(&mut self.steps, &self.scratch);
    }

    /// Whether there is room for so many bytes more, here and on the shard.
    fn has_room(&mut self, more: usize) -> bool {
        let shown: usize = self.shown.iter().map(|shown| shown.bytes.len()).sum();
        let is_fitting = self.steps.len() + shown + more <= self.depth.bytes - self.depth.bytes / 4;
        is_fitting && self.takes(self.steps.capacity() + shown + more)
    }

    /// Counts what is taken here; whether the shard has as much.
    fn takes(&mut self, used: usize) -> bool {
        let others = self.account.used.get() - self.counted;
        if others.saturating_add(used) > self.account.most {
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
