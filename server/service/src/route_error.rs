//! What can be wrong with the routes of an application; found at the start.

use std::fmt;

use crate::files::FilesError;

/// Why a router cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteError {
    /// Two paths match the same requests.
    Conflict {
        /// The later one.
        path: String,
        /// The earlier one.
        with: String,
    },
    /// A method of a path has two handlers.
    Duplicate {
        /// The path.
        path: String,
        /// The method, or `*` for any.
        method: String,
    },
    /// Two routers with a fallback were merged, or two nested at one prefix.
    Fallback {
        /// The prefix.
        prefix: String,
    },
    /// Files are served by settings that are wrong.
    Files {
        /// The prefix below which they are.
        prefix: String,
        /// What is wrong.
        error: FilesError,
    },
    /// A host that no request can have, that two routers have, or that belongs to a router within
    /// another.
    Host {
        /// The host.
        host: String,
    },
    /// A layer cannot do what it was told to.
    Layer {
        /// The layer's type.
        layer: &'static str,
        /// Why.
        reason: String,
    },
    /// A parameter is malformed, or its name stands twice in the path.
    Parameter {
        /// The path.
        path: String,
    },
    /// The path does not begin with `/`, or no request can have it.
    Path {
        /// The path.
        path: String,
    },
    /// The prefix does not begin with `/`, ends with it, or takes the rest of the path.
    Prefix {
        /// The prefix.
        prefix: String,
    },
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { path, with } => write!(f, "route {path} conflicts with {with}"),
            Self::Duplicate { path, method } => write!(f, "route {path} has {method} twice"),
            Self::Fallback { prefix } => write!(f, "two fallbacks at prefix '{prefix}'"),
            Self::Files { prefix, error } => write!(f, "files below '{prefix}': {error}"),
            Self::Host { host } => {
                write!(f, "host '{host}' is none, or not alone, or not at the top")
            }
            Self::Layer { layer, reason } => write!(f, "layer {layer}: {reason}"),
            Self::Parameter { path } => write!(f, "route {path} has a malformed parameter"),
            Self::Path { path } => write!(f, "no request can have the path '{path}'"),
            Self::Prefix { prefix } => write!(f, "'{prefix}' cannot be a prefix"),
        }
    }
}

impl std::error::Error for RouteError {}
