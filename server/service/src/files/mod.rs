//! Files below a directory, or embedded in the program (FEATURES R3): GET and HEAD, conditional
//! requests (RFC 9110 §13), ranges (§14) and compressed siblings (§12.5.3).
//!
//! The way of a request: `name` (which file), `lookup` (what is known of it: `cache`, and `missing`), `disk` (what is
//! there, on the blocking pool, opened by `open`), `entry` (how it is described), `answer` (what of it is wanted, by
//! [`conditional`](crate::conditional) and `partial`). Large files are open ranges, which the shard sends as it can. Never
//! writes, and never opens what lies outside the root, wherever links lead.

mod answer;
mod cache;
mod disk;
mod entry;
mod listing;
mod lookup;
mod mime;
mod missing;
mod name;
mod open;
mod options;
mod pattern;

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Known, StatusCode};

use crate::handler::Handler;
use answer::{answer, missing, not_found_with};
use entry::hashed;
use lookup::{Kept, Place, Target};
use missing::Nothing;
pub use options::FilesError;
use options::Options;

/// A handler of files. Give it to [`Router::serve_dir`](crate::Router::serve_dir), or to
/// [`get`](crate::get) on a path that ends in a parameter, which is then the name below the root.
///
/// - A name with a dot segment, a hidden file (also below a hidden directory), NUL, `%2F` or `\` is
///   404, and so are a link that leads out of the root, and what is neither file nor directory.
/// - A directory is its index; without the slash at its end it is a redirect there.
/// - Of a file with compressed siblings (`a.css.br`, `.zst`, `.gz`) a client gets the one that it prefers.
/// - Entity tags are strong: a hash of what is small, else size and time of change in nanoseconds. Ranges are 206, several are
///   `multipart/byteranges`; more than 32 are answered with the whole (RFC 9110 §14.2 allows it).
/// - Files up to 256 KiB are kept in memory, larger ones are kept open and sent from the system's
///   own cache; that they have changed shows at most a second later. One that becomes shorter while
///   it is sent breaks its message off.
///
/// Clones share their memory, until something else is set of one. Made once a shard.
///
/// ```
/// use trilane_service::{Router, ServeDir};
/// let files = ServeDir::new("/srv/www")
///     .cache_control("/assets/*", "public, max-age=31536000, immutable")
///     .cache_control("*", "no-cache")
///     .media_type("gltf", "model/gltf+json")
///     .fallback("index.html")
///     .cache_bytes(64 << 20);
/// let router: Router = Router::new().serve_dir("/static", files);
/// ```
#[derive(Clone)]
pub struct ServeDir {
    place: Place,
    options: Arc<Options>,
    kept: Rc<Kept>,
}

impl ServeDir {
    /// The files below that directory. It need not be there yet: until then, everything is 404.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::of(Place::Directory(root.into().into()), Arc::default())
    }

    /// Files that are part of the program, by their names such as `css/main.css`.
    ///
    /// ```
    /// use trilane_service::ServeDir;
    /// let files = ServeDir::embedded([("index.html", &b"<p>hello"[..])]);
    /// ```
    #[must_use]
    pub fn embedded(files: impl IntoIterator<Item = (&'static str, &'static [u8])>) -> Self {
        let files = files.into_iter().map(|(name, content)| (name, (content, hashed(content))));
        Self::of(Place::Program(Rc::new(files.collect())), Arc::default())
    }

    fn of(place: Place, options: Arc<Options>) -> Self {
        let kept = Rc::new(Kept::new(&options));
        Self { place, options, kept }
    }

    /// What is known was made by the settings before, so it is forgotten.
    fn set(self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = self.options;
        change(Arc::make_mut(&mut options));
        Self::of(self.place, options)
    }

    /// The first mistake in its settings.
    pub(crate) fn error(&self) -> Option<&FilesError> {
        self.options.error()
    }

    async fn serve(&self, request: &Request) -> Response {
        if let Some(error) = self.error() {
            return failed(error.to_string());
        }
        let raw = name_in(request);
        if raw.is_empty() && !request.path().ends_with('/') {
            return with_slash(request);
        }
        let Some(name) = name::clean(raw, self.options.hidden_files) else { return missing() };
        match self.find(request.shard(), &name).await {
            Target::File(entry) => answer(request, &entry),
            Target::Nothing(Nothing::Directory) => with_slash(request),
            Target::Nothing(Nothing::Missing) => self.instead(request).await,
            Target::Unknown(error) => failed(error.to_string()),
        }
    }

    /// The answer where there is no such file.
    async fn instead(&self, request: &Request) -> Response {
        let Options { fallback, not_found, .. } = &*self.options;
        for (name, is_found) in [(fallback, true), (not_found, false)] {
            let Some(name) = name else { continue };
            if let Target::File(entry) = self.find(request.shard(), name).await {
                return if is_found {
                    answer(request, &entry)
                } else {
                    not_found_with(request, &entry)
                };
            }
        }
        missing()
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
            Place::Program(files) => f.debug_set().entries(files.keys()).finish(),
        }
    }
}

/// The last parameter, if the path ends with it; encoded.
fn name_in(request: &Request) -> &str {
    let exchange = request.exchange();
    let last = exchange.params().len().checked_sub(1).and_then(|at| exchange.param(at));
    last.map_or("", |(_, raw)| if request.path().ends_with(raw) { raw } else { "" })
}

fn failed(internal: String) -> Response {
    Error::new(StatusCode::INTERNAL_SERVER_ERROR).internal(internal).into()
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
