//! `[files]`: how `trilane serve` serves what lies below its root.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use trilane::ServeDir;

/// `[files]`. What is not there keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesSection {
    /// The names of a directory's index, best first. Default: `index.html`.
    pub index: Option<Vec<String>>,
    /// Whether directories without one are listed.
    pub listing: bool,
    /// What may be added to a name that is none, such as `html`.
    pub extensions: Vec<String>,
    /// The file that is served, with 200, wherever there is none.
    pub fallback: Option<String>,
    /// The content of each 404.
    pub not_found: Option<String>,
    /// Whether names may begin with a dot.
    pub hidden_files: bool,
    /// Whether links count that lead to what is below the root. Default: they do.
    pub symlinks: Option<bool>,
    /// Whether `a.css.br`, `.zst` and `.gz` are looked for beside `a.css`. Default: they are.
    pub precompressed: Option<bool>,
    /// Cache-Control by path; the first that matches counts.
    pub cache_control: Vec<CacheControl>,
    /// Media types by extension.
    pub media_types: BTreeMap<String, String>,
    /// Bytes of files in memory, a shard.
    pub cache_bytes: Option<usize>,
    /// Files that are kept, a shard.
    pub cache_entries: Option<usize>,
    /// Large files that are kept open, a shard.
    pub open_files: Option<usize>,
    /// Milliseconds for which nobody looks whether a file has changed. Default 1,000.
    pub revalidate_ms: Option<u64>,
}

/// One of `[[files.cache_control]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheControl {
    /// A path below the root; `*` stands for anything.
    pub path: String,
    /// The field's value.
    pub value: String,
}

impl FilesSection {
    /// The files below `root`, served so. What is wrong is told when the router is built.
    #[must_use]
    pub fn serve(&self, root: impl Into<PathBuf>) -> ServeDir {
        let mut files = ServeDir::new(root);
        if let Some(names) = &self.index {
            files = files.index(names.iter().map(String::as_str));
        }
        if !self.extensions.is_empty() {
            files = files.extensions(self.extensions.iter().map(String::as_str));
        }
        for (is_set, set) in [
            (self.listing, ServeDir::listing as fn(ServeDir) -> ServeDir),
            (self.hidden_files, ServeDir::hidden_files),
            (self.symlinks == Some(false), ServeDir::without_symlinks),
            (self.precompressed == Some(false), ServeDir::without_precompressed),
        ] {
            files = if is_set { set(files) } else { files };
        }
        for (name, set) in [
            (&self.fallback, ServeDir::fallback as fn(ServeDir, &str) -> ServeDir),
            (&self.not_found, ServeDir::not_found),
        ] {
            files = name.iter().fold(files, |files, name| set(files, name));
        }
        for (most, set) in [
            (self.cache_bytes, ServeDir::cache_bytes as fn(ServeDir, usize) -> ServeDir),
            (self.cache_entries, ServeDir::cache_entries),
            (self.open_files, ServeDir::open_files),
        ] {
            files = most.into_iter().fold(files, set);
        }
        if let Some(millis) = self.revalidate_ms {
            files = files.revalidate(Duration::from_millis(millis));
        }
        files = self
            .media_types
            .iter()
            .fold(files, |files, (extension, kind)| files.media_type(extension, kind));
        self.cache_control
            .iter()
            .fold(files, |files, rule| files.cache_control(&rule.path, &rule.value))
    }
}
