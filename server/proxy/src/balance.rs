//! Which server is asked.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use trilane_semantics::Instant;

use crate::group::Group;
use crate::maglev::{Table, mixed};
use crate::members::Members;

/// How a server is chosen among those that are fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// In turn, as often as their weights say, and the turns of each spread evenly among those of the others (smooth weighted
    /// round robin). Each shard has its own turns.
    #[default]
    RoundRobin,
    /// The one with the fewest requests under way for its weight, in the whole process. Among equals chance decides, by weight.
    LeastConnections,
    /// The better of two that chance picks, by requests under way for their weight: nearly as even as looking at all of them, and
    /// shards that choose at once do not all choose the same.
    TwoChoices,
    /// The one that the key of the request falls on (consistent hash); as round robin where it has no key.
    Hash,
}

/// What is known of a request when a server is chosen for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// The hash of its key, for [`Balance::Hash`].
    pub key: Option<u64>,
    /// The servers that were tried for it already.
    pub tried: Members,
    /// Whether it may be made again if it fails: then it may try a server that was ejected.
    pub is_repeatable: bool,
    /// A random number.
    pub chance: u64,
}

/// A server that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its number.
    pub server: usize,
    /// Whether it was ejected, and the request shows whether it is fit again.
    pub is_trial: bool,
}

/// Why no server was chosen: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoServer {
    /// None is fit that was not tried.
    Unfit,
    /// Those that are fit have as many requests as they may.
    Full,
}

impl fmt::Display for NoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfit => "no server of the group is fit",
            Self::Full => "all servers of the group have as many requests as they may",
        })
    }
}

/// Looks at the table for one key, before the servers are gone through from the place of the last.
const MOST_LOOKS: u64 = 16;

/// What a shard has of a group: which server's turn it is.
#[derive(Debug)]
pub struct Balancer {
    group: Arc<Group>,
    policy: Balance,
    tries_unfit: bool,
    table: Option<Arc<Table>>,
    /// The weight of each server in 256ths, and how near it is to its turn.
    turns: Box<[(i64, Cell<i64>)]>,
}

/// How all shards choose among the servers of a group.
#[derive(Clone, Debug)]
pub struct Plan {
    group: Arc<Group>,
    policy: Balance,
    tries_unfit: bool,
    table: Option<Arc<Table>>,
}

impl Plan {
    /// By that policy.
    #[must_use]
    pub fn new(group: Arc<Group>, policy: Balance) -> Self {
        let table = (policy == Balance::Hash).then(|| Arc::new(Table::new(group.servers())));
        Self { group, policy, tries_unfit: false, table }
    }

    /// Whether a request is tried all the same where no server is fit. Default no: it is answered with 503.
    #[must_use]
    pub const fn try_unfit(mut self, is_tried: bool) -> Self {
        self.tries_unfit = is_tried;
        self
    }

    /// What a shard needs. Chance has different shards begin with different servers.
    #[must_use]
    pub fn balancer(&self, chance: u64) -> Balancer {
        let servers = self.group.servers();
        let weights = || servers.iter().map(|it| i64::from(it.weight) * 256);
        let all = weights().sum::<i64>().unsigned_abs().max(1);
        // Less than all weights, which are no more than 2^26.
        let turn = |at: usize| (mixed(chance.wrapping_add(at as u64)) % all) as i64;
        Balancer {
            group: Arc::clone(&self.group),
            policy: self.policy,
            tries_unfit: self.tries_unfit,
            table: self.table.clone(),
            turns: weights()
                .enumerate()
                .map(|(at, weight)| (weight, Cell::new(turn(at))))
                .collect(),
        }
    }
}

impl Deref for Balancer {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.group
    }
}

impl Balancer {
    /// The server for a request. Nothing is counted: that is [`Permit`](crate::Permit)'s.
    ///
    /// # Errors
    /// There is none.
    #[inline]
    pub fn choose(&self, ask: &Wanted, now: Instant) -> Result<Choice, NoServer> {
        if ask.is_repeatable
            && let Some(server) = self.health().trial(&ask.tried, now)
        {
            return Ok(Choice { server, is_trial: true });
        }
        let left = self.health().fit().without(&ask.tried);
        let primaries = left.and(self.primaries());
        let chosen = self.among(primaries, ask, now).or_else(|_| {
            // Backups: of no use while another is fit.
            self.among(left.without(self.primaries()), ask, now)
        });
        match chosen {
            Ok(server) => Ok(Choice { server, is_trial: false }),
            Err(_) if !primaries.is_empty() => Err(NoServer::Full),
            Err(NoServer::Unfit) if self.tries_unfit => {
                let left = self.health().admitted().without(&ask.tried);
                let server = self.among(left, ask, now)?;
                Ok(Choice { server, is_trial: false })
            }
            Err(why) => Err(why),
        }
    }

    /// The server among these; those with as many requests as they may have are passed over.
    #[inline]
    fn among(&self, mut left: Members, ask: &Wanted, now: Instant) -> Result<usize, NoServer> {
        let mut why = NoServer::Unfit;
        loop {
            let server = self.pick(&left, ask, now).ok_or(why)?;
            if !self.breaker().is_full(server) {
                return Ok(server);
            }
            why = NoServer::Full;
            left = left.without(&Members::default().with(server));
        }
    }

    #[inline]
    fn pick(&self, left: &Members, ask: &Wanted, now: Instant) -> Option<usize> {
        match (self.policy, ask.key) {
            (Balance::Hash, Some(key)) => self.by_hash(left, key),
            (Balance::RoundRobin | Balance::Hash, _) => self.in_turn(left, now),
            (Balance::LeastConnections, _) => self.least(left, ask.chance, now),
            (Balance::TwoChoices, _) => self.better_of_two(left, ask.chance, now),
        }
    }

    /// Each comes nearer to its turn by its weight; whoever is nearest has it, and goes back by all weights.
    fn in_turn(&self, left: &Members, now: Instant) -> Option<usize> {
        let (mut best, mut all): (Option<(usize, i64)>, i64) = (None, 0);
        let is_growing = self.health().is_growing();
        // Iterators of sets are quicker when they run by themselves.
        left.iter().for_each(|server| {
            let Some((whole, turn)) = self.turns.get(server) else { return };
            let weight = if is_growing { self.grown(*whole, server, now) } else { *whole };
            all += weight;
            let near = turn.get() + weight;
            turn.set(near);
            if best.is_none_or(|(_, nearest)| near > nearest) {
                best = Some((server, near));
            }
        });
        let (server, near) = best?;
        if let Some((_, turn)) = self.turns.get(server) {
            turn.set(near - all);
        }
        Some(server)
    }

    /// Who bears least is found first, and then one of those that bear as little: nearly always none is there, or all are, and a draw
    /// for each that comes by would cost more.
    fn least(&self, left: &Members, chance: u64, now: Instant) -> Option<usize> {
        let is_growing = self.health().is_growing();
        let burden = |server| self.burden(server, is_growing, now);
        let (mut best, mut least, mut by, mut equal) = (None, 1, 0, 0);
        left.iter().for_each(|server| {
            let (load, weight) = burden(server);
            // The first is less than one request for no weight.
            match (load * by).cmp(&(least * weight)) {
                Ordering::Less => (best, least, by, equal) = (Some(server), load, weight, weight),
                Ordering::Equal => equal += weight,
                Ordering::Greater => (),
            }
        });
        if equal == by {
            return best;
        }
        // Each with the part that it has of their weights. Loads may have changed by now: then it is the first that was found.
        let mut drawn = part(mixed(chance), equal);
        let is_drawn = |server: &usize| {
            let (load, weight) = burden(*server);
            let is_equal = load * by == least * weight;
            let is_it = is_equal && drawn < weight;
            drawn -= if is_equal && !is_it { weight } else { 0 };
            is_it
        };
        left.iter().find(is_drawn).or(best)
    }

    fn better_of_two(&self, left: &Members, chance: u64, now: Instant) -> Option<usize> {
        let count = left.len();
        let chance = mixed(chance);
        // No more than there are servers.
        let first = part(chance, count as u64) as usize;
        let mut second = part(chance << 32, count.saturating_sub(1) as u64) as usize;
        // Another than the first.
        second += usize::from(second >= first);
        let a = left.iter().nth(first)?;
        let Some(b) = left.iter().nth(second) else { return Some(a) };
        let is_growing = self.health().is_growing();
        let [(load_a, weight_a), (load_b, weight_b)] =
            [a, b].map(|server| self.burden(server, is_growing, now));
        let is_a = match (load_a * weight_b).cmp(&(load_b * weight_a)) {
            Ordering::Less => true,
            Ordering::Equal => part(mixed(chance), weight_a + weight_b) < weight_a,
            Ordering::Greater => false,
        };
        Some(if is_a { a } else { b })
    }

    fn by_hash(&self, left: &Members, key: u64) -> Option<usize> {
        let table = self.table.as_ref()?;
        let mut last = 0;
        for look in 0..MOST_LOOKS {
            last = table.find(key, look)?;
            if left.has(last) {
                return Some(last);
            }
        }
        // Nearly all others are gone, or these are backups, which have no places.
        left.iter().find(|server| *server > last).or_else(|| left.iter().next())
    }

    /// Requests under way at a server, and its weight in 256ths.
    #[inline]
    fn burden(&self, server: usize, is_growing: bool, now: Instant) -> (u64, u64) {
        let whole = self.turns.get(server).map_or(256, |(whole, _)| *whole);
        let weight = if is_growing { self.grown(whole, server, now) } else { whole };
        (u64::from(self.breaker().load(server)), weight.unsigned_abs())
    }

    /// What a server has of its weight by now.
    #[cold]
    fn grown(&self, whole: i64, server: usize, now: Instant) -> i64 {
        // At most 256.
        (whole / 256 * self.health().share(server, now) as i64).max(1)
    }
}

/// A number below `all`, which is below 2^32: the part of it that chance is of all numbers, by its upper half.
#[inline]
const fn part(chance: u64, all: u64) -> u64 {
    ((chance >> 32) * all) >> 32
}

#[cfg(test)]
#[path = "tests/balance.rs"]
mod tests;
