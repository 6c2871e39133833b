//! Every connection is recorded, and each recording replayed as soon as its connection is gone, out of the bytes of its file.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;

use trilane_record::{Depth, Plan, Recorder, Recording};

/// What was replayed.
#[derive(Debug, Default)]
pub struct Replays {
    /// Steps, of all recordings.
    pub steps: Cell<usize>,
    /// Recordings that end before their connection did.
    pub truncated: Cell<usize>,
    /// How many there were of each cause.
    pub causes: RefCell<BTreeMap<String, usize>>,
}

impl Replays {
    /// A recorder that keeps `bytes` of each connection.
    ///
    /// # Panics
    /// Once a replay is not what was recorded.
    #[must_use]
    pub fn recorder(bytes: usize) -> (Recorder, Rc<Self>) {
        let mut depth = Depth::default();
        depth.bytes = bytes;
        let plan = Plan::new().depth(depth).budget(usize::MAX).sample(NonZero::<u32>::MIN);
        let replays = Rc::new(Self::default());
        let note = Rc::clone(&replays);
        (Recorder::new(Arc::new(plan), move |recording| note.replay(&recording)), replays)
    }

    fn replay(&self, recording: &Recording) {
        let read = Recording::read(&recording.to_bytes());
        assert_eq!(read.as_ref(), Ok(recording));
        let mut said = Vec::new();
        let report = recording.replay(|line| said.push(line.to_owned()));
        let last = &said[said.len().saturating_sub(20)..];
        let header = recording.header();
        assert!(report.is_same(), "{report:?} of {header:?} after {}", last.join("\n"));
        self.steps.set(self.steps.get() + report.steps);
        self.truncated.set(self.truncated.get() + usize::from(header.is_truncated));
        *self.causes.borrow_mut().entry(header.cause.clone()).or_default() += 1;
    }
}
