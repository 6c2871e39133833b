//! Another application, while the shard is at work: built when that is asked for, served when all shards have theirs.

use std::rc::Rc;

use super::Shard;
use crate::reload::Step;

impl Shard {
    /// Does what was asked of all shards since the last look.
    pub(super) fn follow(&mut self) {
        while let Some(step) = self.control.step_after(&mut self.followed) {
            match step {
                Step::Build(plan) => self.built = plan.build(self.host.shard()),
                Step::Take => {
                    let Some(built) = self.built.take() else { continue };
                    let config = &built.plan.config;
                    self.host.renew(Rc::clone(&built.app), &config.limits);
                    self.h2c = config.h2c;
                    self.proxies = config.proxies();
                    built.is_taken();
                }
                Step::Leave => self.built = None,
            }
        }
    }
}
