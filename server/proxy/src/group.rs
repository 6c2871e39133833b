//! Servers that do the same, and what all shards know of them.

use std::fmt;

use crate::breaker::{Breaker, Limits};
use crate::health::{Health, HealthPolicy};
use crate::members::{MOST_SERVERS, Members};

/// The largest weight of a server.
pub const MOST_WEIGHT: u16 = 1000;

/// A server of a group, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, for logs, metrics and the consistent hash: its authority, or the path of its socket.
    pub name: Box<str>,
    /// Its share of requests, 1 to [`MOST_WEIGHT`].
    pub weight: u16,
    /// Whether it is only asked when no other is fit.
    pub is_backup: bool,
}

impl Member {
    /// A server of weight 1, no backup.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self { name: name.into(), weight: 1, is_backup: false }
    }

    /// With that weight.
    #[must_use]
    pub const fn weight(mut self, weight: u16) -> Self {
        self.weight = weight;
        self
    }

    /// Only asked when no other is fit.
    #[must_use]
    pub const fn backup(mut self) -> Self {
        self.is_backup = true;
        self
    }
}

/// A group that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadGroup {
    /// It has no server, or none but backups.
    Empty,
    /// It has more than [`MOST_SERVERS`].
    TooMany(usize),
    /// A weight is not 1 to [`MOST_WEIGHT`].
    Weight(Box<str>),
    /// Two servers have that name.
    Twice(Box<str>),
}

impl fmt::Display for BadGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a group needs a server that is no backup"),
            Self::TooMany(count) => write!(f, "{count} servers are more than {MOST_SERVERS}"),
            Self::Weight(name) => write!(f, "the weight of '{name}' is not 1 to {MOST_WEIGHT}"),
            Self::Twice(name) => write!(f, "'{name}' is there twice"),
        }
    }
}

impl std::error::Error for BadGroup {}

/// Servers that do the same. One a process, made before the shards: what is known of the servers' health and load is known to all.
#[derive(Debug)]
pub struct Group {
    name: Box<str>,
    servers: Box<[Member]>,
    primaries: Members,
    health: Health,
    breaker: Breaker,
}

impl Group {
    /// A group of that name; all servers are fit.
    ///
    /// # Errors
    /// It cannot be.
    pub fn new(
        name: impl Into<Box<str>>,
        servers: Vec<Member>,
        policy: HealthPolicy,
        limits: Limits,
    ) -> Result<Self, BadGroup> {
        if servers.len() > MOST_SERVERS {
            return Err(BadGroup::TooMany(servers.len()));
        }
        for (at, server) in servers.iter().enumerate() {
            if !(1..=MOST_WEIGHT).contains(&server.weight) {
                return Err(BadGroup::Weight(server.name.clone()));
            }
            if servers.iter().skip(at + 1).any(|other| other.name == server.name) {
                return Err(BadGroup::Twice(server.name.clone()));
            }
        }
        let numbered = || servers.iter().enumerate();
        let primaries: Members =
            numbered().filter(|(_, it)| !it.is_backup).map(|(at, _)| at).collect();
        if primaries.is_empty() {
            return Err(BadGroup::Empty);
        }
        Ok(Self {
            name: name.into(),
            primaries,
            health: Health::new(servers.len(), policy),
            breaker: Breaker::new(servers.len(), limits),
            servers: servers.into(),
        })
    }

    /// Its name, for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its servers, by number.
    #[must_use]
    pub const fn servers(&self) -> &[Member] {
        &self.servers
    }

    /// Those that are no backups.
    #[must_use]
    pub const fn primaries(&self) -> &Members {
        &self.primaries
    }

    /// What is known of their health.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// What may be under way.
    #[must_use]
    pub const fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_cannot_be() {
        let group = |servers| {
            let (policy, limits) = (HealthPolicy::default(), Limits::default());
            Group::new("g", servers, policy, limits).map(|_| ())
        };
        let named = |name: usize| Member::new(name.to_string());
        assert_eq!(group(vec![]), Err(BadGroup::Empty));
        assert_eq!(group(vec![named(1).backup()]), Err(BadGroup::Empty));
        assert_eq!(group(vec![named(1), named(1)]), Err(BadGroup::Twice("1".into())));
        assert_eq!(group((0..=MOST_SERVERS).map(named).collect()), Err(BadGroup::TooMany(257)));
        assert_eq!(group((0..MOST_SERVERS).map(named).collect()), Ok(()));
        for (weight, is_good) in [(0, false), (1, true), (MOST_WEIGHT, true), (1001, false)] {
            assert_eq!(group(vec![named(1).weight(weight)]).is_ok(), is_good, "{weight}");
        }
    }
}
