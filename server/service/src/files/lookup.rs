//! What a name stands for: what is known of it, or what is found on the disk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;
use trilane_exchange::Shard;

use super::ServeDir;
use super::cache::{Cache, Hit};
use super::disk::{self, Found, SIBLINGS};
use super::entry::Entry;
use super::missing::{Missing, Nothing};
use super::options::Options;
use crate::coding::Coding;

/// Where files come from.
#[derive(Clone)]
pub(super) enum Place {
    Directory(Arc<Path>),
    Program(Rc<Program>),
}

/// Content and entity tag, by name.
pub(super) type Program = BTreeMap<&'static str, (&'static [u8], String)>;

/// What a shard knows of names.
pub(super) struct Kept {
    files: RefCell<Cache>,
    missing: RefCell<Missing>,
}

impl Kept {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            files: RefCell::new(Cache::new(options)),
            missing: RefCell::new(Missing::new(options.cache_entries)),
        }
    }
}

/// What a name stands for.
pub(super) enum Target {
    File(Rc<Entry>),
    Nothing(Nothing),
    /// The system did not say.
    Unknown(io::Error),
}

impl ServeDir {
    /// What a clean name stands for.
    pub(super) async fn find(&self, shard: &Shard, name: &str) -> Target {
        let now = shard.now();
        let hit = self.kept.files.borrow_mut().find(name, now);
        match (&self.place, hit) {
            (_, Some(Hit::Fresh(entry))) | (Place::Program(_), Some(Hit::Stale(entry))) => {
                Target::File(entry)
            }
            (Place::Program(files), None) => match of_program(files, name, &self.options) {
                Ok(entry) => self.keep(shard, name, entry),
                Err(nothing) => Target::Nothing(nothing),
            },
            (Place::Directory(root), Some(Hit::Stale(entry))) => {
                self.on_disk(shard, root, name, Some(entry)).await
            }
            (Place::Directory(root), None) => {
                let known = self.kept.missing.borrow().find(name, now, self.options.revalidate);
                match known {
                    Some(nothing) => Target::Nothing(nothing),
                    None => self.on_disk(shard, root, name, None).await,
                }
            }
        }
    }

    async fn on_disk(
        &self,
        shard: &Shard,
        root: &Arc<Path>,
        name: &str,
        stale: Option<Rc<Entry>>,
    ) -> Target {
        let (root, asked, options) = (Arc::clone(root), name.to_owned(), Arc::clone(&self.options));
        let known = stale.as_ref().and_then(|entry| entry.known_state());
        let wall = shard.wall();
        let found = shard.blocking(move || disk::find(&root, &asked, &options, known.as_ref()));
        let found = found.await;
        if let (Ok(Found::Same), Some(entry)) = (&found, stale) {
            return Target::File(entry);
        }
        self.change(shard, |files| files.forget(name));
        match found {
            Ok(Found::File(loaded)) => {
                self.keep(shard, name, Entry::of_disk(*loaded, &self.options, wall))
            }
            Ok(Found::Listing(page)) => {
                self.keep(shard, name, Entry::of_page(name, page, &self.options))
            }
            Ok(Found::Directory) => self.lack(shard, name, Nothing::Directory),
            // Nothing is the same as what was not known.
            Ok(Found::Missing | Found::Same) => self.lack(shard, name, Nothing::Missing),
            Err(error) => Target::Unknown(error),
        }
    }

    fn keep(&self, shard: &Shard, name: &str, entry: Entry) -> Target {
        let entry = Rc::new(entry);
        self.change(shard, |files| files.keep(name, Rc::clone(&entry), shard.now()));
        Target::File(entry)
    }

    /// Changes what is kept, and counts how much that is.
    fn change(&self, shard: &Shard, change: impl FnOnce(&mut Cache)) {
        let mut files = self.kept.files.borrow_mut();
        let before = files.bytes() as u64;
        change(&mut files);
        shard.stats().file_cache.sub(before);
        shard.stats().file_cache.add(files.bytes() as u64);
    }

    fn lack(&self, shard: &Shard, name: &str, nothing: Nothing) -> Target {
        self.kept.missing.borrow_mut().keep(name, nothing, shard.now());
        Target::Nothing(nothing)
    }
}

/// A file that is part of the program.
fn of_program(files: &Program, name: &str, options: &Options) -> Result<Entry, Nothing> {
    let is_there = |name: &String| files.contains_key(&**name);
    let found = if name.is_empty() || name.ends_with('/') {
        options.indices.iter().map(|index| [name, index].concat()).find(is_there)
    } else if files.contains_key(name) {
        Some(name.to_owned())
    } else {
        let below = [name, "/"].concat();
        if files.keys().any(|key| key.starts_with(&below)) {
            return Err(Nothing::Directory);
        }
        let mut named = options.extensions.iter().map(|extension| [name, ".", extension].concat());
        named.find(is_there)
    };
    let name = found.ok_or(Nothing::Missing)?;
    let codings = [(Coding::Identity, "")].into_iter().chain(SIBLINGS);
    let codings = codings.take(if options.precompressed { 1 + SIBLINGS.len() } else { 1 });
    let contents: SmallVec<[_; 1 + SIBLINGS.len()]> = codings
        .filter_map(|(coding, suffix)| {
            let (content, etag) = files.get(&*[&name, suffix].concat())?;
            Some((coding, *content, &**etag))
        })
        .collect();
    Ok(Entry::of_program(&name, &contents, options))
}
