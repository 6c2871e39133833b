//! The connections of one shard to a Redis: who has least to do gets the next command.

use std::cell::RefCell;
use std::rc::Rc;

use trilane_exchange::Shard;

use super::link::Link;
use super::{Frame, Redis, RedisError};

/// The connections of one shard.
pub(crate) struct Pool {
    redis: Redis,
    links: RefCell<Vec<Rc<Link>>>,
}

impl Pool {
    /// None yet: they begin with the first command.
    pub(crate) fn new(redis: Redis) -> Self {
        Self { redis, links: RefCell::default() }
    }

    /// What Redis answers to a command. An answer that is an error is an error.
    ///
    /// # Errors
    /// There is no answer in time, or it is an error.
    pub(crate) async fn ask(&self, shard: &Shard, command: &[&[u8]]) -> Result<Frame, RedisError> {
        let link = self.link(shard);
        let answer = match link.begin(command) {
            Ok(answer) => shard.timeout(self.redis.command_timeout, answer).await,
            Err(error) => Some(Err(error)),
        };
        let answer = answer.unwrap_or_else(|| {
            link.give_up();
            Err(RedisError::Slow)
        });
        match answer {
            Ok(Frame::Error(text)) => Err(RedisError::Refused(text)),
            Err(error) => {
                self.redis.count_failure();
                Err(error)
            }
            Ok(frame) => Ok(frame),
        }
    }

    /// A connection with nothing to do, a new one if there may be more, or the one that has least to do.
    fn link(&self, shard: &Shard) -> Rc<Link> {
        let mut links = self.links.borrow_mut();
        let least = links.iter().min_by_key(|link| link.waiting());
        match least {
            Some(link) if link.waiting() == 0 || links.len() >= self.redis.connections => {
                Rc::clone(link)
            }
            _ => {
                let link = Rc::new(Link::new(self.redis.clone(), shard.clone()));
                links.push(Rc::clone(&link));
                link
            }
        }
    }
}
