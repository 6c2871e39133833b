//! What the other shards learn when one ends, also by an error or a panic.

use std::rc::Rc;
use std::sync::Arc;

use super::Shard;
use crate::balance::Balance;
use crate::control::{Control, Order};
use crate::core::Core;
use crate::questions::Questions;

/// A shard that ends before it was told to takes the server down in order: half a server that nobody knows of is worse
/// than one that is started again.
pub(super) struct Alive {
    core: Rc<Core>,
    balance: Arc<Balance>,
    control: Arc<Control>,
    questions: Arc<Questions>,
}

impl Alive {
    pub(super) fn new(shard: &Shard) -> Self {
        Self {
            core: Rc::clone(&shard.core),
            balance: Arc::clone(&shard.balance),
            control: Arc::clone(&shard.control),
            questions: Arc::clone(&shard.questions),
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.balance.abandon(self.core.number());
        // With them the mailbox is closed: nobody waits for an answer that will not come.
        self.core.drop_tasks();
        self.questions.close(self.core.number());
        self.control.give(Order::Drain);
    }
}
