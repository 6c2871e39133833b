//! A shard's own way to what it has served from the store: without the lock, and without keeping anything alive.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

use super::store::Resource;

/// Resources that a shard knows the way to.
const PLACES: usize = 1024;

/// One place for many keys: the last one has it.
pub(super) struct Near(RefCell<Box<[Weak<Resource>]>>);

impl Near {
    pub(super) fn new() -> Self {
        Self(RefCell::new((0..PLACES).map(|_| Weak::new()).collect()))
    }

    /// The resource with that key, if it is as it was.
    pub(super) fn find(&self, hash: u64, key: &str) -> Option<Arc<Resource>> {
        let places = self.0.borrow();
        places[hash as usize % PLACES].upgrade().filter(|resource| resource.is(key))
    }

    pub(super) fn put(&self, hash: u64, resource: &Arc<Resource>) {
        let old = std::mem::replace(
            &mut self.0.borrow_mut()[hash as usize % PLACES],
            Arc::downgrade(resource),
        );
        drop(old);
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Near")
    }
}
