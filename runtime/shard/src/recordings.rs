//! Which connections are recorded, and where to: files are written by the threads that may wait for a disk.

use std::sync::Arc;

use trilane_exchange::Shard;
use trilane_record::{Folder, Plan, Recorder};

/// What is recorded by all shards of a process, and where it is kept.
#[derive(Clone, Debug)]
pub struct Recordings {
    /// What is recorded, and kept.
    pub plan: Arc<Plan>,
    /// Where.
    pub folder: Arc<Folder>,
}

impl Recordings {
    /// What records the connections of a shard.
    pub(crate) fn recorder(&self, shard: &Shard) -> Recorder {
        let (folder, shard) = (Arc::clone(&self.folder), shard.clone());
        Recorder::new(Arc::clone(&self.plan), move |recording| {
            if let Some(place) = folder.reserve() {
                // Nobody waits for it.
                drop(shard.blocking(move || place.write(&recording)));
            }
        })
    }
}
