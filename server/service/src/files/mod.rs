//! Files below a directory, or embedded in the program (FEATURES R3): GET and HEAD, conditional
//! requests (RFC 9110 §13) and ranges (§14).
//!
//! The way of a request: `name` (which file), `cache` (is it in memory), `disk` (what is
//! there, on the blocking pool), [`conditional`](crate::conditional) and `partial` (what of it is wanted), `answer`. Large
//! files are open ranges, which the shard sends as it can. Never lists a directory, never writes, and never opens what lies outside the root,
//! wherever links lead.

mod answer;
mod cache;
mod disk;
mod entry;
mod mime;
mod name;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Known, StatusCode};

use crate::handler::Handler;
use answer::answer;
use cache::{Cache, Hit};
use disk::Found;
use entry::Entry;

/// What a shard keeps in memory, in bytes, unless it is told otherwise.
const CACHE: usize = 32 << 20;
/// Files that a shard keeps open, unless it is told otherwise.
const OPEN: usize = 64;

/// A handler of files. Give it to [`Router::serve_dir`](crate::Router::serve_dir), or to
/// [`get`](crate::get) on a path that ends in a parameter, which is then the name below the root.
///
/// - A name with a dot segment, a hidden file (also below a hidden directory), NUL, `%2F` or `\` is
///   404, and so is a link that leads out of the root.
/// - A directory is its `index.html`; without the slash at its end it is a redirect there.
/// - Entity tags are strong, made of size and time of change in nanoseconds. Ranges are 206, several are
///   `multipart/byteranges`; more than 32 are answered with the whole (RFC 9110 §14.2 allows it).
/// - Files up to 256 KiB are kept in memory, larger ones are kept open and sent from the system's
///   own cache; that they have changed shows at most a second later. One that becomes shorter while
///   it is sent breaks its message off.
///
/// Clones share their memory. Made once a shard.
///
/// ```
/// use trilane_service::{Router, ServeDir};
/// let files = ServeDir::new("/srv/www").cache_control("max-age=60");
/// let router: Router = Router::new().serve_dir("/static", files);
/// ```
#[derive(Clone)]
pub struct ServeDir {
    place: Place,
    cache_control: Option<Rc<str>>,
    cache: Rc<RefCell<Cache>>,
}

#[derive(Clone)]
enum Place {
    Directory(Arc<Path>),
    Program(Rc<BTreeMap<&'static str, Entry>>),
}

impl ServeDir {
    /// The files below that directory. It need not be there yet: until then, everything is 404.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::of(Place::Directory(root.into().into()))
    }

    /// Files that are part of the program, by their names such as `css/main.css`.
    ///
    /// ```
    /// use trilane_service::ServeDir;
    /// let files = ServeDir::embedded([("index.html", &b"<p>hello"[..])]);
    /// ```
    #[must_use]
    pub fn embedded(files: impl IntoIterator<Item = (&'static str, &'static [u8])>) -> Self {
        let entries =
            files.into_iter().map(|(name, content)| (name, Entry::embedded(name, content)));
        Self::of(Place::Program(Rc::new(entries.collect())))
    }

    /// With a Cache-Control field (RFC 9111 §5.2) on every answer but errors. Default: none.
    #[must_use]
    pub fn cache_control(mut self, value: impl Into<Rc<str>>) -> Self {
        self.cache_control = Some(value.into());
        self
    }

    /// With at most so many bytes of files in memory, a shard; 0 for none. Default: 32 MiB.
    #[must_use]
    pub fn cache_bytes(self, most: usize) -> Self {
        self.cache.borrow_mut().limit_bytes(most);
        self
    }

    /// With at most so many larger files open, a shard; 0 for none that nobody is being sent.
    /// Default: 64.
    #[must_use]
    pub fn open_files(self, most: usize) -> Self {
        self.cache.borrow_mut().limit_files(most);
        self
    }

    fn of(place: Place) -> Self {
        Self { place, cache_control: None, cache: Rc::new(RefCell::new(Cache::new(CACHE, OPEN))) }
    }

    async fn serve(&self, request: &Request) -> Response {
        let raw = name_in(request);
        if raw.is_empty() && !request.path().ends_with('/') {
            return with_slash(request);
        }
        let Some(name) = name::clean(raw) else { return missing() };
        match &self.place {
            Place::Directory(root) => self.on_disk(request, root, &name).await,
            Place::Program(entries) => {
                let index = name.is_empty() || name.ends_with('/');
                let found = match index {
                    true => entries.get(&*name::index(&name)),
                    false => entries.get(&*name),
                };
                let is_directory = || {
                    let below = [&*name, "/"].concat();
                    entries.keys().any(|key| key.starts_with(&below))
                };
                match found {
                    Some(entry) => self.kept(request, entry),
                    None if !index && is_directory() => with_slash(request),
                    None => missing(),
                }
            }
        }
    }

    async fn on_disk(&self, request: &Request, root: &Arc<Path>, name: &str) -> Response {
        let hit = self.cache.borrow_mut().find(name, request.shard().now());
        let stale = match hit {
            Some(Hit::Fresh(entry)) => return self.kept(request, &entry),
            Some(Hit::Stale(entry)) => Some(entry),
            None => None,
        };
        let known = stale.as_ref().and_then(|entry| entry.stamp);
        let (root, asked) = (Arc::clone(root), name.to_owned());
        let found = request.shard().blocking(move || disk::find(&root, &asked, known)).await;
        if let (Ok(Found::Same), Some(entry)) = (&found, &stale) {
            return self.kept(request, entry);
        }
        self.cache.borrow_mut().forget(name);
        match found {
            Ok(Found::Directory) => with_slash(request),
            Ok(Found::Large(file, stamp)) => {
                self.keep(request, name, Entry::open(name, file, stamp))
            }
            // Nothing is the same as what was not known.
            Ok(Found::Missing | Found::Same) => missing(),
            Ok(Found::Small(content, stamp)) => {
                self.keep(request, name, Entry::read(name, content, stamp))
            }
            Err(error) => {
                Error::new(StatusCode::INTERNAL_SERVER_ERROR).internal(error.to_string()).into()
            }
        }
    }

    fn keep(&self, request: &Request, name: &str, entry: Entry) -> Response {
        let entry = Rc::new(entry);
        let now = request.shard().now();
        self.cache.borrow_mut().keep(name, Rc::clone(&entry), now);
        self.kept(request, &entry)
    }

    fn kept(&self, request: &Request, entry: &Entry) -> Response {
        let cache_control = self.cache_control.as_deref();
        answer(request, &entry.description, &entry.content, cache_control)
    }
}

/// Marks the handler of files among all others; inferred.
#[derive(Debug)]
pub enum ViaFiles {}

impl<S> Handler<ViaFiles, S> for ServeDir {
    async fn call(&self, request: Request, _: &S) -> Response {
        self.serve(&request).await
    }
}

impl fmt::Debug for ServeDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Directory(root) => write!(f, "ServeDir({})", root.display()),
            Place::Program(entries) => f.debug_set().entries(entries.keys()).finish(),
        }
    }
}

/// The last parameter, if the path ends with it; encoded.
fn name_in(request: &Request) -> &str {
    let exchange = request.exchange();
    let last = exchange.params().len().checked_sub(1).and_then(|at| exchange.param(at));
    last.map_or("", |(_, raw)| if request.path().ends_with(raw) { raw } else { "" })
}

fn missing() -> Response {
    Error::new(StatusCode::NOT_FOUND).message("no such file").into()
}

/// To the same path with a slash at its end, so that relative references in the index work; but
/// never to what could be read as an authority (RFC 3986 §4.2), also by browsers, which take `\\`
/// for a slash.
fn with_slash(request: &Request) -> Response {
    if matches!(request.path().as_bytes(), [_, b'/' | b'\\', ..]) {
        return missing();
    }
    let mut location = [request.path(), "/"].concat();
    if let Some(query) = request.head().query() {
        location.push('?');
        location.push_str(query);
    }
    Response::new(StatusCode::MOVED_PERMANENTLY).field(Known::Location, location)
}
