//! The layers that a configuration file asks for: each section that is there puts one around everything that is served, or around
//! the host or the route that has it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use trilane::acme::Challenges;
use trilane::otlp::Otlp;
use trilane::{
    Bandwidth, BodyLimit, Cache, ClientField, ConcurrencyLimit, Cors, Csrf, IpList, ProxyProtocol,
    Quota, RateLimit, Redis, Router, SampleRatio, SecurityHeaders, Trace, TrustedProxies,
};

use crate::access::{self, AccessSection, AuthSection, CsrfSection};
use crate::caching::CacheSection;
use crate::compression::CompressionSection;
use crate::config::Config;
use crate::site::headers::{AnswerFields, HeadersSection, RequestFields};
use crate::site::schema::RouteLimits;

/// `[security_headers]`: nosniff, frames, referrers and the like on every answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityHeadersSection {
    /// Seconds for which browsers use nothing but TLS; 0 for not saying so. Default: a year.
    pub hsts: Option<u64>,
    /// The Content-Security-Policy; empty for none. Default: `default-src 'self'` and what belongs to it.
    pub csp: Option<String>,
    /// Other fields, or other values; empty takes a field out.
    pub set: BTreeMap<String, String>,
}

/// `[cors]`: which pages of other origins may ask, and read answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsSection {
    /// Origins, such as `https://app.example` or `https://*.app.example`; `*` for all.
    pub origins: Vec<String>,
    /// Methods beyond GET, HEAD and POST.
    pub methods: Vec<String>,
    /// Fields that requests may have.
    pub headers: Vec<String>,
    /// Fields of answers that pages may read.
    pub expose: Vec<String>,
    /// Whether requests may have cookies and the like.
    pub credentials: bool,
    /// For how many seconds browsers remember the answer. Default 86,400.
    pub max_age: Option<u64>,
    /// Whether origins in clear are an error.
    pub strict: bool,
}

/// `[rate_limit]`: how many requests a client may make.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitSection {
    /// That many in each period. Default 100.
    pub requests: u32,
    /// In seconds. Default 60.
    pub period: u64,
    /// With so many at once at most, refilled evenly; 0 for whole periods instead.
    pub burst: u32,
    /// The URL of a Redis whose budgets all processes share.
    pub redis: Option<String>,
    /// Whether requests are refused while that Redis does not answer.
    pub fail_closed: bool,
}

impl Default for RateLimitSection {
    fn default() -> Self {
        Self { requests: 100, period: 60, burst: 0, redis: None, fail_closed: false }
    }
}

/// `[proxies]`: who stands between clients and us, and is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxiesSection {
    /// Addresses and networks; `unix` for whoever comes over a unix socket.
    pub trusted: Vec<String>,
    /// Where they say who asks.
    pub field: ProxyField,
}

/// `[trace]`: W3C trace context, for logs and for whoever is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceSection {
    /// Whether answers have a `traceresponse`.
    pub respond: bool,
    /// Whether traces that begin here are sampled.
    pub sampled: bool,
    /// Whether `X-Trace-Id` is taken and echoed.
    pub x_trace_id: bool,
}

/// Where proxies say who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyField {
    /// RFC 7239.
    Forwarded,
    /// A list of addresses.
    #[default]
    XForwardedFor,
    /// One address.
    XRealIp,
    /// In front of the connection, which is the PROXY protocol; no field is believed then.
    ProxyProtocol,
}

/// The sections that stand for layers: those of a file, of a host, or of a route.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sections<'a> {
    pub(crate) trace: Option<&'a TraceSection>,
    pub(crate) proxies: Option<&'a ProxiesSection>,
    pub(crate) headers: Option<&'a HeadersSection>,
    pub(crate) limits: Option<&'a RouteLimits>,
    pub(crate) access: Option<&'a AccessSection>,
    pub(crate) auth: Option<&'a AuthSection>,
    pub(crate) csrf: Option<&'a CsrfSection>,
    pub(crate) security_headers: Option<&'a SecurityHeadersSection>,
    pub(crate) cors: Option<&'a CorsSection>,
    pub(crate) rate_limit: Option<&'a RateLimitSection>,
    pub(crate) compression: Option<&'a CompressionSection>,
    pub(crate) cache: Option<&'a CacheSection>,
}

/// Those that `$self` has a field for.
macro_rules! sections {
    ($self:ident: $($section:ident)*) => {
        crate::layers::Sections {
            $($section: $self.$section.as_ref(),)*
            ..crate::layers::Sections::default()
        }
    };
}
pub(crate) use sections;

/// What is made once for all shards.
#[derive(Clone, Debug)]
pub struct Layers {
    /// What those were made of that remember something.
    made_of: MadeOf,
    proxies: Option<TrustedProxies>,
    answers: Option<AnswerFields>,
    requests: Option<RequestFields>,
    limits: RouteLimits,
    at_once: Option<ConcurrencyLimit>,
    headers: Option<SecurityHeaders>,
    access: Option<IpList>,
    auth: Option<AuthSection>,
    csrf: Option<Csrf>,
    cors: Option<CorsSection>,
    rate: Option<(RateLimit, Option<Redis>, bool)>,
    compression: Option<CompressionSection>,
    cache: Option<Cache>,
    trace: Option<Trace>,
    challenges: Option<Challenges>,
    exported: Option<(Otlp, SampleRatio)>,
}

/// The sections of layers that remember something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MadeOf {
    rate_limit: Option<RateLimitSection>,
    cache: Option<CacheSection>,
    concurrency: Option<usize>,
}

impl Layers {
    /// The layers that a file asks for.
    ///
    /// # Errors
    /// A setting that is none, in words.
    pub fn new(config: &Config) -> Result<Self, String> {
        Self::of(&config.sections())
    }

    /// The layers of these sections.
    pub(crate) fn of(sections: &Sections<'_>) -> Result<Self, String> {
        let limits = sections.limits.copied().unwrap_or_default();
        let made_of = MadeOf {
            rate_limit: sections.rate_limit.cloned(),
            cache: sections.cache.cloned(),
            concurrency: limits.concurrency,
        };
        let layers = Self {
            made_of,
            proxies: sections.proxies.map(proxies),
            answers: sections.headers.map(HeadersSection::answers).transpose()?,
            requests: sections.headers.map(HeadersSection::requests).transpose()?.flatten(),
            limits,
            at_once: limits.concurrency.map(ConcurrencyLimit::new),
            headers: sections.security_headers.map(headers),
            access: sections.access.map(access::access),
            auth: sections.auth.cloned(),
            csrf: sections.csrf.map(access::csrf),
            cors: sections.cors.cloned(),
            rate: sections.rate_limit.map(rate).transpose()?,
            compression: sections.compression.cloned(),
            cache: sections.cache.map(CacheSection::cache),
            trace: sections.trace.copied().map(trace),
            challenges: None,
            exported: None,
        };
        if let Some(section) = &layers.cors {
            let _ = cors(section)?;
        }
        layers.auth.as_ref().map_or(Ok(()), AuthSection::check)?;
        layers.compression.as_ref().map_or(Ok(()), CompressionSection::check)?;
        Ok(layers)
    }

    /// An authority is answered before all else.
    pub(crate) fn challenged(mut self, challenges: Challenges) -> Self {
        self.challenges = Some(challenges);
        self
    }

    /// Spans are exported by that layer, such a part of them as begins here: requests have a place in a trace then.
    pub(crate) fn exported(mut self, layer: Otlp, ratio: SampleRatio) -> Self {
        self.trace = Some(self.trace.unwrap_or_default().ratio(ratio));
        self.exported = Some((layer, ratio));
        self
    }

    /// Keeps what those `before` remember, where their section is the same: budgets of clients, and places of requests at once. What was stored
    /// is kept only if all behind it is what it was.
    pub(crate) fn keep(&mut self, before: &Self, is_same_behind: bool) {
        let (mine, old) = (&self.made_of, &before.made_of);
        if mine.rate_limit == old.rate_limit {
            self.rate.clone_from(&before.rate);
        }
        if mine.concurrency == old.concurrency {
            self.at_once.clone_from(&before.at_once);
        }
        if mine.cache == old.cache && is_same_behind {
            self.cache.clone_from(&before.cache);
        }
        // Who orders certificates and who exports go on, whatever is read.
        self.challenges.clone_from(&before.challenges);
        if let Some((layer, ratio)) = before.exported.clone() {
            self.trace = Some(self.trace.take().unwrap_or_default().ratio(ratio));
            self.exported = Some((layer, ratio));
        }
    }

    /// Puts them around what a shard serves. From the outside in: who asks, headers, from where, other origins, how often, what they
    /// may send, with which credentials, how many at once, how fast, compression, the cache, and what goes on to the handler; so
    /// that a page can read that it has asked too often, guesses are counted, and what is stored is the same for all.
    #[must_use]
    pub fn around(&self, mut router: Router) -> Router {
        if let Some(bytes) = self.limits.body {
            router = router.layer(BodyLimit::new(bytes));
        }
        if let Some(requests) = &self.requests {
            router = router.layer(requests.clone());
        }
        if let Some(cache) = &self.cache {
            router = router.layer(cache.clone());
        }
        if let Some(section) = &self.compression {
            router = router.layer(section.layer());
        }
        if let Some(rate) = self.limits.bandwidth {
            router = router.layer(Bandwidth::new(rate));
        }
        if let Some(limit) = &self.at_once {
            router = router.layer(limit.clone());
        }
        if let Some(auth) = &self.auth {
            router = auth.around(router);
        }
        if let Some(csrf) = &self.csrf {
            router = router.layer(csrf.clone());
        }
        if let Some((limit, redis, is_closed)) = self.rate.clone() {
            router = match redis {
                None => router.layer(limit),
                Some(redis) if is_closed => router.layer(limit.shared(redis).fail_closed()),
                Some(redis) => router.layer(limit.shared(redis)),
            };
        }
        // It was made once already, so it can be made.
        if let Some(Ok(cors)) = self.cors.as_ref().map(cors) {
            router = router.layer(cors);
        }
        if let Some(access) = &self.access {
            router = router.layer(access.clone());
        }
        if let Some(headers) = &self.headers {
            router = router.layer(headers.clone());
        }
        if let Some(answers) = &self.answers {
            router = router.layer(answers.clone());
        }
        if let Some(proxies) = &self.proxies {
            router = router.layer(proxies.clone());
        }
        if let Some((exported, _)) = &self.exported {
            router = router.layer(exported.clone());
        }
        if let Some(trace) = self.trace {
            router = router.layer(trace);
        }
        if let Some(challenges) = &self.challenges {
            router = router.layer(challenges.clone());
        }
        router
    }
}

fn trace(section: TraceSection) -> Trace {
    let trace = if section.respond { Trace::new().respond() } else { Trace::new() };
    let trace = if section.sampled { trace.sampled() } else { trace };
    if section.x_trace_id { trace.x_trace_id() } else { trace }
}

fn headers(section: &SecurityHeadersSection) -> SecurityHeaders {
    let mut headers = SecurityHeaders::new();
    headers = match section.hsts {
        None => headers,
        Some(0) => headers.without("strict-transport-security"),
        Some(age) => headers.strict_transport_security(Duration::from_secs(age), true, false),
    };
    headers = match section.csp.as_deref() {
        None => headers,
        Some("") => headers.without("content-security-policy"),
        Some(policy) => headers.content_security_policy(policy),
    };
    section.set.iter().fold(headers, |headers, (name, value)| match &**value {
        "" => headers.without(name),
        value => headers.set(name, value),
    })
}

fn cors(section: &CorsSection) -> Result<Cors, String> {
    let method = |name: &String| {
        let bad = |_| format!("[cors] methods: '{name}' is no method");
        trilane::Method::from_bytes(name.as_bytes()).map_err(bad)
    };
    let mut cors = Cors::new()
        .allow_origins(section.origins.iter().cloned())
        .allow_headers(section.headers.iter().cloned())
        .expose_headers(section.expose.iter().cloned());
    if !section.methods.is_empty() {
        cors =
            cors.allow_methods(section.methods.iter().map(method).collect::<Result<Vec<_>, _>>()?);
    }
    if section.credentials {
        cors = cors.allow_credentials();
    }
    if section.strict {
        cors = cors.strict();
    }
    if let Some(age) = section.max_age {
        cors = cors.max_age(Duration::from_secs(age));
    }
    cors.check().map_err(|error| format!("[cors] {error}"))?;
    Ok(cors)
}

fn rate(section: &RateLimitSection) -> Result<(RateLimit, Option<Redis>, bool), String> {
    let period = Duration::from_secs(section.period.max(1));
    let quota = match section.burst {
        0 => Quota::window(section.requests, period),
        burst => Quota::bucket(section.requests, period, burst),
    };
    let redis = section.redis.as_deref().map(Redis::new).transpose();
    let redis = redis.map_err(|error| format!("[rate_limit] redis: {error}"))?;
    Ok((RateLimit::new(quota), redis, section.fail_closed))
}

impl ProxiesSection {
    /// Who says on which listeners for whom a connection is, if that is what they do.
    ///
    /// # Errors
    /// A network or an address that is none, in words.
    pub fn protocol(&self, listen: &[String]) -> Result<Option<ProxyProtocol>, String> {
        if self.field != ProxyField::ProxyProtocol {
            return Ok(None);
        }
        let (unix, networks): (Vec<_>, Vec<_>) =
            self.trusted.iter().map(String::as_str).partition(|network| *network == "unix");
        let protocol = ProxyProtocol::new(listen.iter().map(String::as_str), networks);
        let protocol = protocol.map_err(|error| format!("[proxies] {error}"))?;
        Ok(Some(if unix.is_empty() { protocol } else { protocol.trust_unix() }))
    }
}

fn proxies(section: &ProxiesSection) -> TrustedProxies {
    let field = match section.field {
        // The connection has said it already: what clients write is taken out.
        ProxyField::ProxyProtocol => return TrustedProxies::default().strip(),
        ProxyField::Forwarded => ClientField::Forwarded,
        ProxyField::XForwardedFor => ClientField::XForwardedFor,
        ProxyField::XRealIp => ClientField::XRealIp,
    };
    let proxies = TrustedProxies::new(field).proto().strip();
    section.trusted.iter().fold(proxies, |proxies, network| match &**network {
        "unix" => proxies.trust_unix(),
        network => proxies.trust(network),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_the_proxy_protocol_is_said_in_the_same_place() {
        let section = |field, trusted: &[&str]| ProxiesSection {
            trusted: trusted.iter().map(ToString::to_string).collect(),
            field,
        };
        let listen = [":80".to_owned(), "unix:/x".to_owned()];
        let by_field = section(ProxyField::XForwardedFor, &["10.0.0.0/8"]);
        assert_eq!(by_field.protocol(&listen), Ok(None));
        let expected = ProxyProtocol::new([":80", "unix:/x"], ["10.0.0.0/8"]).unwrap();
        let by_protocol = section(ProxyField::ProxyProtocol, &["10.0.0.0/8"]);
        assert_eq!(by_protocol.protocol(&listen), Ok(Some(expected.clone())));
        let unix = section(ProxyField::ProxyProtocol, &["unix", "10.0.0.0/8"]);
        assert_eq!(unix.protocol(&listen), Ok(Some(expected.trust_unix())));
        let error = section(ProxyField::ProxyProtocol, &["x"]).protocol(&listen).unwrap_err();
        assert!(error.starts_with("[proxies]") && error.contains("\"x\""), "{error}");
    }
}
