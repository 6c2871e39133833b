//! `[[hosts]]` and `[[routes]]`: what is served where. A route has one action, and the sections of layers that a file has too.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::headers::HeadersSection;
use super::proxy::ProxyAction;
use super::redirect::RedirectAction;
use super::respond::RespondAction;
use crate::access::{AccessSection, AuthSection, CsrfSection};
use crate::caching::CacheSection;
use crate::compression::CompressionSection;
use crate::files::FilesSection;
use crate::layers::{CorsSection, RateLimitSection, Sections, SecurityHeadersSection, sections};
use crate::line::Line;

/// `[[hosts]]`: routes of some hosts alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostSection {
    /// Their names, at least one: `example.org`, or `*.example.org` for any one label before that.
    pub names: Vec<String>,
    /// A certificate for them, in PEM: one more of `[[tls.certificates]]`.
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM. Default: in the same file.
    pub key: Option<PathBuf>,
    /// An OCSP response, in DER.
    pub ocsp: Option<PathBuf>,
    /// What is served there.
    pub routes: Vec<Spanned<RouteSection>>,

    /// As the file's `[headers]`, around all that is served there; so are all the others.
    pub headers: Option<HeadersSection>,
    /// Who may ask, by address.
    pub access: Option<AccessSection>,
    /// Who may ask, by credentials.
    pub auth: Option<AuthSection>,
    /// Whether pages of other origins may make browsers send things.
    pub csrf: Option<CsrfSection>,
    /// What browsers are told to refuse.
    pub security_headers: Option<SecurityHeadersSection>,
    /// Who may ask from other origins.
    pub cors: Option<CorsSection>,
    /// How often a client may ask.
    pub rate_limit: Option<RateLimitSection>,
    /// Whether text is compressed.
    pub compression: Option<CompressionSection>,
    /// Whether answers are stored: a cache of its own.
    pub cache: Option<CacheSection>,
}

impl HostSection {
    /// Its sections that stand for layers.
    pub(crate) fn sections(&self) -> Sections<'_> {
        sections!(self: headers access auth csrf security_headers cors rate_limit compression cache)
    }
}

/// `[[routes]]`, `[[hosts.routes]]`: which requests, and what becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteSection {
    /// The line of the file where it begins.
    #[serde(skip)]
    pub line: Line,
    /// One path, or a pattern: `/users/{id}`, `/static/{*rest}`.
    pub path: Option<String>,
    /// A path and all below it: `/api` is `/api`, `/api/` and `/api/x/y`. Without it, and without a path, all there are.
    pub prefix: Option<String>,
    /// Which methods; GET has HEAD with it. Default: all, and for files GET.
    pub methods: Vec<String>,

    /// Serves the files below a directory, by what of the path comes after the prefix.
    pub root: Option<PathBuf>,
    /// How, in place of the file's `[files]`.
    pub files: Option<FilesSection>,
    /// Passes requests on.
    pub proxy: Option<ProxyAction>,
    /// Sends elsewhere.
    pub redirect: Option<RedirectAction>,
    /// Answers the same each time.
    pub respond: Option<RespondAction>,
    /// Answers with metrics, for Prometheus, of all that is served. Where no route does, nothing is counted.
    pub metrics: bool,

    /// Fields of answers, and of what is passed on.
    pub headers: Option<HeadersSection>,
    /// How much it takes.
    pub limits: Option<RouteLimits>,
    /// As the file's `[access]`, for this route; so are all the others.
    pub access: Option<AccessSection>,
    /// Who may ask, by credentials.
    pub auth: Option<AuthSection>,
    /// Whether pages of other origins may make browsers send things.
    pub csrf: Option<CsrfSection>,
    /// What browsers are told to refuse.
    pub security_headers: Option<SecurityHeadersSection>,
    /// Who may ask from other origins.
    pub cors: Option<CorsSection>,
    /// How often a client may ask.
    pub rate_limit: Option<RateLimitSection>,
    /// Whether text is compressed.
    pub compression: Option<CompressionSection>,
    /// Whether answers are stored: a cache of its own.
    pub cache: Option<CacheSection>,
}

/// `limits` of a route. What is not there has no limit but those of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteLimits {
    /// Content of a request, in bytes, in place of the file's.
    pub body: Option<u64>,
    /// Content of an answer, in bytes a second.
    pub bandwidth: Option<u64>,
    /// Requests at once, in the process; more are 503.
    pub concurrency: Option<usize>,
}

impl RouteSection {
    /// Its sections that stand for layers.
    pub(crate) fn sections(&self) -> Sections<'_> {
        sections!(self: headers limits access auth csrf security_headers cors rate_limit compression cache)
    }
}
