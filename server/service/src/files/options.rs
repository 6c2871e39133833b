//! What can be set of served files. Checked where a router takes them in.

use std::fmt;
use std::time::Duration;

use trilane_semantics::field::is_value;

use super::ServeDir;
use super::name;
use super::pattern::Pattern;

/// Settings, which the shard and the blocking side share.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The names of indices, best first.
    pub(super) indices: Vec<Box<str>>,
    /// What may be added to a name that is none, best first.
    pub(super) extensions: Vec<Box<str>>,
    pub(super) listing: bool,
    pub(super) hidden_files: bool,
    pub(super) symlinks: bool,
    pub(super) precompressed: bool,
    pub(super) fallback: Option<Box<str>>,
    pub(super) not_found: Option<Box<str>>,
    cache_control: Vec<(Pattern, Box<str>)>,
    media_types: Vec<(Box<str>, Box<str>)>,
    /// Bytes of files in memory, a shard.
    pub(super) cache_bytes: usize,
    /// Names that are known, a shard.
    pub(super) cache_entries: usize,
    /// Files that are kept open, a shard.
    pub(super) open_files: usize,
    pub(super) revalidate: Duration,
    /// The first mistake.
    error: Option<FilesError>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            indices: vec!["index.html".into()],
            extensions: Vec::new(),
            listing: false,
            hidden_files: false,
            symlinks: true,
            precompressed: true,
            fallback: None,
            not_found: None,
            cache_control: Vec::new(),
            media_types: Vec::new(),
            cache_bytes: 32 << 20,
            cache_entries: 4096,
            open_files: 64,
            revalidate: Duration::from_secs(1),
            error: None,
        }
    }
}

impl Options {
    /// The Cache-Control of a file, if a pattern matches it.
    pub(super) fn cache_control_of(&self, name: &str) -> Option<&str> {
        let found = self.cache_control.iter().find(|(pattern, _)| pattern.matches(name));
        found.map(|(_, value)| &**value)
    }

    /// The media type of a name, if it is one of those that were added.
    pub(super) fn media_type_of(&self, name: &str) -> Option<&str> {
        let (_, extension) = name.rsplit_once('.')?;
        let is_it = |(known, _): &&(Box<str>, Box<str>)| known.eq_ignore_ascii_case(extension);
        self.media_types.iter().rfind(is_it).map(|(_, kind)| &**kind)
    }

    pub(super) const fn error(&self) -> Option<&FilesError> {
        self.error.as_ref()
    }

    fn check(&mut self, is_right: bool, error: impl FnOnce() -> FilesError) {
        if !is_right && self.error.is_none() {
            self.error = Some(error());
        }
    }

    /// A name that may be served, and no directory's.
    fn check_name(&mut self, name: &str) {
        let is_right = !name.ends_with('/') && name::is_clean(name, true);
        self.check(is_right, || FilesError::Name(name.into()));
    }
}

/// What can be wrong with the settings of files; [`Router::build`](crate::Router::build) tells it, in a
/// [`RouteError`](crate::RouteError).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilesError {
    /// Not the name of a file below a root.
    Name(String),
    /// A pattern that begins with neither `/` nor `*`.
    Pattern(String),
    /// No value that a field can have.
    Value(String),
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "'{name}' is no name of a file below the root"),
            Self::Pattern(pattern) => write!(f, "the pattern '{pattern}' matches no path"),
            Self::Value(value) => write!(f, "'{}' cannot stand in a field", value.escape_debug()),
        }
    }
}

impl std::error::Error for FilesError {}

/// Settings. What is set for names is set for those below the root, decoded; mistakes are told by
/// [`Router::build`](crate::Router::build).
impl ServeDir {
    /// With a Cache-Control field (RFC 9111 §5.2) for the files whose path below the root matches the pattern; of several
    /// patterns that match, the first counts. A pattern is text and `*`, which stands for anything, slashes too. A directory's
    /// path is that of its index. Default: no such field.
    ///
    /// ```
    /// use trilane_service::ServeDir;
    /// let files = ServeDir::new("/srv/www")
    ///     .cache_control("/assets/*", "public, max-age=31536000, immutable")
    ///     .cache_control("*.html", "no-cache")
    ///     .cache_control("*", "max-age=3600");
    /// ```
    #[must_use]
    pub fn cache_control(self, pattern: &str, value: &str) -> Self {
        self.set(|options| {
            let is_right = !value.is_empty() && is_value(value.as_bytes());
            options.check(is_right, || FilesError::Value(value.into()));
            match Pattern::new(pattern) {
                Some(pattern) => options.cache_control.push((pattern, value.into())),
                None => options.check(false, || FilesError::Pattern(pattern.into())),
            }
        })
    }

    /// With a media type (RFC 9110 §8.3) of one's own for an extension, in any case: `.media_type("gltf", "model/gltf+json")`.
    /// Default: those of the web, by a table.
    #[must_use]
    pub fn media_type(self, extension: &str, kind: &str) -> Self {
        self.set(|options| {
            let is_right = !kind.is_empty() && is_value(kind.as_bytes());
            options.check(is_right, || FilesError::Value(kind.into()));
            options.media_types.push((extension.into(), kind.into()));
        })
    }

    /// With these names for the index of a directory, best first; none for no indices. Default: `index.html`.
    #[must_use]
    pub fn index<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.set(|options| {
            options.indices = names.into_iter().map(Into::into).collect();
            for name in options.indices.clone() {
                options.check_name(&name);
            }
        })
    }

    /// With these extensions for names that are none by themselves, best first: with `["html"]`, `/about` is `about.html`.
    /// Default: none.
    #[must_use]
    pub fn extensions<'n>(self, extensions: impl IntoIterator<Item = &'n str>) -> Self {
        self.set(|options| {
            options.extensions = extensions.into_iter().map(Into::into).collect();
            for extension in options.extensions.clone() {
                options.check_name(&extension);
            }
        })
    }

    /// With a list for each directory without an index: of up to 2,000 names, and of nothing that would not be served.
    /// Default: none, and 404.
    #[must_use]
    pub fn listing(self) -> Self {
        self.set(|options| options.listing = true)
    }

    /// With that file, and 200, wherever there is none: for applications of one page, whose routes the browser knows.
    #[must_use]
    pub fn fallback(self, name: &str) -> Self {
        self.set(|options| {
            options.check_name(name);
            options.fallback = Some(name.into());
        })
    }

    /// With that file as the content of each 404. If it is not there, the error is in the form that all errors have.
    #[must_use]
    pub fn not_found(self, name: &str) -> Self {
        self.set(|options| {
            options.check_name(name);
            options.not_found = Some(name.into());
        })
    }

    /// With files too whose names, or whose directories' names, begin with a dot. Default: only what lies below `.well-known/`
    /// (RFC 8615).
    #[must_use]
    pub fn hidden_files(self) -> Self {
        self.set(|options| options.hidden_files = true)
    }

    /// Without anything that lies behind a symbolic link. Default: links count as long as they lead to what is below the root.
    #[must_use]
    pub fn without_symlinks(self) -> Self {
        self.set(|options| options.symlinks = false)
    }

    /// Without a look for compressed siblings: `a.css.br`, `a.css.zst` and `a.css.gz` are then files like others. Default: a
    /// client that accepts one of these codings gets the sibling's content for `a.css`, if it is not older.
    #[must_use]
    pub fn without_precompressed(self) -> Self {
        self.set(|options| options.precompressed = false)
    }

    /// With at most so many bytes of files in memory, a shard; 0 for none. Default: 32 MiB.
    #[must_use]
    pub fn cache_bytes(self, most: usize) -> Self {
        self.set(|options| options.cache_bytes = most)
    }

    /// With at most so many files kept, in memory or open, a shard, and as many names known to be nothing; 0 for none.
    /// Default: 4,096.
    #[must_use]
    pub fn cache_entries(self, most: usize) -> Self {
        self.set(|options| options.cache_entries = most)
    }

    /// With at most so many larger files open, a shard; 0 for none that nobody is being sent.
    /// Default: 64.
    #[must_use]
    pub fn open_files(self, most: usize) -> Self {
        self.set(|options| options.open_files = most)
    }

    /// With a look at whether a file has changed at most so often. Default: once a second.
    #[must_use]
    pub fn revalidate(self, every: Duration) -> Self {
        self.set(|options| options.revalidate = every)
    }
}
