//! `[cache]`: what handlers let be stored is stored, for the whole process.

use std::time::Duration;

use serde::Deserialize;
use trilane::{Cache, CacheConfig};

/// `[cache]`. What is not there keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSection {
    /// All of it, in bytes. Default 64 MiB.
    pub bytes: Option<usize>,
    /// One response, in bytes. Default 4 MiB.
    pub largest: Option<usize>,
    /// Targets. Default 65,536.
    pub entries: Option<usize>,
    /// Responses to one target, which Vary tells apart. Default 16.
    pub variants: Option<usize>,
    /// For how many seconds requests wait for the answer to another one like them; 0 for not at all. Default 5.
    pub patience: Option<u64>,
    /// How much of the time since it was last changed a response is fresh that does not say it, in percent. Default 0.
    pub heuristic: u8,
    /// The longest that this makes it, in seconds. Default 86,400.
    pub heuristic_most: Option<u64>,
}

impl CacheSection {
    /// The cache, which is a layer on each shard.
    #[must_use]
    pub fn cache(&self) -> Cache {
        let mut config = CacheConfig::new();
        if let Some(bytes) = self.bytes {
            config = config.bytes(bytes);
        }
        if let Some(bytes) = self.largest {
            config = config.largest(bytes);
        }
        if let Some(entries) = self.entries {
            config = config.entries(entries);
        }
        if let Some(variants) = self.variants {
            config = config.variants(variants);
        }
        config = match self.patience {
            None => config,
            Some(0) => config.without_coalescing(),
            Some(seconds) => config.patience(Duration::from_secs(seconds)),
        };
        if self.heuristic > 0 {
            let most = Duration::from_secs(self.heuristic_most.unwrap_or(86_400));
            config = config.heuristic(self.heuristic, most);
        }
        Cache::new(config)
    }
}
