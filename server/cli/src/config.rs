//! The configuration file: one TOML schema. What is unknown is an error that names its line.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use trilane::{Limits, Rotation};

use crate::access::{AccessSection, AuthSection, CsrfSection};
use crate::acme::AcmeSection;
use crate::admin::AdminSection;
use crate::args::{Alpn, Serve};
use crate::caching::CacheSection;
use crate::compression::CompressionSection;
use crate::effective::Said;
use crate::files::FilesSection;
use crate::layers::{
    CorsSection, ProxiesSection, RateLimitSection, Sections, SecurityHeadersSection, TraceSection,
    sections,
};
use crate::line::Line;
use crate::nearest::suggestion;
use crate::otlp::OtlpSection;
use crate::quic::{EarlyChoice, QuicSection};
use crate::record::RecordSection;
use crate::redirect::RedirectSection;
use crate::site::headers::HeadersSection;
use crate::site::schema::{HostSection, RouteSection};
use crate::upstreams::UpstreamSection;

/// What a configuration file may say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen for HTTP/1.1, as `--http`.
    pub http: Vec<String>,
    /// Where to listen for HTTP over TLS, as `--https`.
    pub https: Vec<String>,
    /// Where to listen for HTTP/3, as `--http3`.
    pub http3: Vec<String>,
    /// As `--h2c`.
    pub h2c: bool,
    /// As `--shards`.
    pub shards: Option<NonZero<usize>>,
    /// As `--cpus`.
    pub cpus: Option<String>,
    /// As `--root`.
    pub root: Option<PathBuf>,
    /// As `--log`: `json`, `text` or `off`.
    pub log: Option<String>,
    /// Where the access log goes, and what is left out of it.
    pub access_log: AccessLogSection,
    /// Limits of every connection.
    pub limits: LimitsSection,
    /// Limits of HTTP/2.
    pub http2: Http2Section,
    /// How QUIC is done.
    pub quic: QuicSection,
    /// How TLS is done.
    pub tls: TlsSection,
    /// Certificates that are ordered and renewed.
    pub acme: Option<AcmeSection>,
    /// From HTTP to HTTPS.
    pub redirect: RedirectSection,
    /// How to stop.
    pub drain: DrainSection,
    /// How the ring is used.
    pub ring: RingSection,
    /// How `serve` serves files.
    pub files: FilesSection,
    /// What is served on hosts that are not named.
    pub routes: Vec<Spanned<RouteSection>>,
    /// Hosts with routes of their own.
    pub hosts: Vec<HostSection>,
    /// Servers behind us, by name.
    pub upstreams: BTreeMap<String, Spanned<UpstreamSection>>,
    /// Fields of answers and requests.
    pub headers: Option<HeadersSection>,
    /// Who stands between clients and us, and is believed.
    pub proxies: Option<ProxiesSection>,
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
    /// Whether answers are stored.
    pub cache: Option<CacheSection>,
    /// Spans and metrics for a collector.
    pub otlp: Option<OtlpSection>,
    /// Which connections are recorded.
    pub record: Option<RecordSection>,
    /// Requests have a place in a trace.
    pub trace: Option<TraceSection>,
    /// What operators see.
    pub admin: AdminSection,
}

/// `[limits]`: sizes in bytes, times in seconds. What is not there keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// A request target.
    pub target: Option<usize>,
    /// A header section.
    pub head: Option<usize>,
    /// Field lines in a section.
    pub field_lines: Option<usize>,
    /// Content of a request, where the route says nothing else.
    pub body: Option<u64>,
    /// For the TLS handshake.
    pub handshake_timeout: Option<u64>,
    /// For a header section to come.
    pub head_timeout: Option<u64>,
    /// Between two pieces of content.
    pub body_timeout: Option<u64>,
    /// Between an answer and the next request.
    pub idle_timeout: Option<u64>,
    /// For a handler to answer.
    pub handler_timeout: Option<u64>,
    /// For the peer to take what was sent.
    pub write_timeout: Option<u64>,
    /// Bytes a second that content must come at, on average, after `body_grace`; 0 for any.
    pub body_rate: Option<u64>,
    /// For content to come at any rate.
    pub body_grace: Option<u64>,
    /// For a tunnel through which nothing goes.
    pub tunnel_timeout: Option<u64>,
    /// Content that may wait for handlers on one shard, in bytes.
    pub receive_budget: Option<usize>,
    /// Bytes of open files that wait to be sent, a connection.
    pub file_queue: Option<usize>,
    /// Connections at once, a shard.
    pub connections: Option<NonZero<usize>>,
    /// Connections at once of one client; 0 for any number.
    pub connections_per_ip: Option<usize>,
    /// Content of all answers of a connection, in bytes a second; 0 for any.
    pub bandwidth: Option<u64>,
}

/// `[access_log]`: the file of `--log-file`, and what is not logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogSection {
    /// As `--log-file`.
    pub file: Option<PathBuf>,
    /// Before it would be larger than that, it is put aside, in bytes; 0 is never.
    pub rotate_size: u64,
    /// When it is that old, it is put aside, in seconds; 0 is never.
    pub rotate_age: u64,
    /// How many that were put aside are kept.
    pub keep: Option<u32>,
    /// Paths that are not logged, with all below them.
    pub exclude: Vec<String>,
}

impl AccessLogSection {
    /// When the file is put aside.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        Rotation {
            size: self.rotate_size,
            age: Duration::from_secs(self.rotate_age),
            keep: self.keep.unwrap_or(Rotation::default().keep),
        }
    }
}

/// `[http2]`: limits that HTTP/1.1 has no use for. What is not there keeps its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http2Section {
    /// Exchanges at once.
    pub streams: Option<usize>,
    /// Content that may come ahead of its reader, an exchange, in bytes.
    pub stream_window: Option<usize>,
    /// The same, a connection.
    pub connection_window: Option<usize>,
    /// Frames that continue one header section.
    pub continuations: Option<usize>,
    /// PING frames that wait for their answer.
    pub pings: Option<usize>,
    /// Points to be spent on what costs us more than the peer.
    pub abuse: Option<u32>,
    /// Points that come back in a second.
    pub abuse_rate: Option<u32>,
    /// Promises under way at once, to clients that take them; 0 for none. Default 0.
    pub pushes: Option<usize>,
}

/// `[tls]`: everything but the first is read again on SIGHUP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// The folder of the certificate for development. Default: `$XDG_STATE_HOME/trilane`.
    pub development: Option<PathBuf>,
    /// The oldest version. Default 1.2.
    pub min: Floor,
    /// As `--alpn`.
    pub alpn: Option<Vec<Alpn>>,
    /// Whether clients are refused that ask for a name that no certificate has, or for none.
    pub strict_sni: bool,
    /// Whether clients are asked for a certificate.
    pub clients: ClientsChoice,
    /// The certificates that those of clients must lead to.
    pub client_roots: Option<PathBuf>,
    /// Lists of revoked certificates of clients.
    pub client_crl: Option<PathBuf>,
    /// The keys of tickets, shared by processes and machines. Default: random ones.
    pub ticket_keys: Option<PathBuf>,
    /// For how long a ticket is good, in seconds.
    pub ticket_lifetime: Option<u64>,
    /// How many tickets a client is given after a handshake; 0 for no resumption.
    pub tickets: Option<usize>,
    /// Where to append the secrets of all connections.
    pub key_log: Option<PathBuf>,
    /// Our certificates; the first is for clients that ask for none of their names.
    pub certificates: Vec<CertificateSection>,
}

/// `[[tls.certificates]]`: a certificate of ours.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSection {
    /// The chain, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM. Default: in the same file.
    pub key: Option<PathBuf>,
    /// An OCSP response, in DER.
    pub ocsp: Option<PathBuf>,
}

/// The oldest version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Floor {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientsChoice {
    /// They are not.
    #[default]
    Off,
    /// They are, and need not show one.
    Optional,
    /// They must show one.
    Required,
}

/// `[ring]`: sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RingSection {
    /// As much or more is sent without copying it into the kernel; 0 for never. Default 0.
    pub zero_copy_from: usize,
}

/// `[drain]`: seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrainSection {
    /// How long an idle connection is kept for a request that is on its way. Default 2.
    pub idle_grace: Option<u64>,
    /// How long a drain may take. Default 30.
    pub deadline: Option<u64>,
    /// How long a process that takes over may take to be ready. Default 30.
    pub handover_timeout: Option<u64>,
}

/// Why a configuration file cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    Read(PathBuf, std::io::Error),
    /// It does not say what the schema allows.
    Schema(PathBuf, toml::de::Error),
    /// A variable of the environment is no key's, or not what its key takes.
    Environment(String, String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            // The parser's text ends with a line of its own.
            Self::Schema(path, error) => {
                write!(f, "{}: {}", path.display(), error.to_string().trim_end())?;
                suggestion(error.message()).map_or(Ok(()), |meant| write!(f, "\n{meant}"))
            }
            Self::Environment(name, error) => write!(f, "{name} in the environment: {error}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the file that the flags name, and what the environment says in its place; without both, all is as it is by default.
    ///
    /// # Errors
    /// The file cannot be read; it, or the environment, says what the schema does not allow.
    pub fn of(flags: &Serve) -> Result<Self, ConfigError> {
        Said::now(flags).map(|said| said.config)
    }

    /// The text of a file.
    pub(crate) fn text(path: &Path) -> Result<String, ConfigError> {
        std::fs::read_to_string(path).map_err(|error| ConfigError::Read(path.to_owned(), error))
    }

    /// Parses the text of the file at `path`.
    ///
    /// # Errors
    /// It says what the schema does not allow.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let schema = |error| ConfigError::Schema(path.to_owned(), error);
        let mut config: Self = toml::from_str(text).map_err(schema)?;
        let of_hosts = config.hosts.iter_mut().flat_map(|host| &mut host.routes);
        for route in config.routes.iter_mut().chain(of_hosts) {
            route.get_mut().line = Line::of(text, route.span().start);
        }
        for upstream in config.upstreams.values_mut() {
            upstream.get_mut().line = Line::of(text, upstream.span().start);
        }
        Ok(config)
    }

    /// Whether it serves what another one does, layers of all it serves left out.
    pub(crate) fn serves_what(&self, other: &Self) -> bool {
        let what = |it: &Self| (it.root.clone(), it.files.clone(), it.routes.clone());
        what(self) == what(other)
            && (&self.hosts, &self.upstreams) == (&other.hosts, &other.upstreams)
    }

    /// Its sections that stand for layers.
    pub(crate) fn sections(&self) -> Sections<'_> {
        sections!(self: trace proxies headers access auth csrf security_headers cors rate_limit compression cache)
    }

    /// The limits: the defaults, and what the file says instead.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let (section, mut limits) = (&self.limits, Limits::default());
        let set = |place: &mut Duration, seconds: Option<u64>| {
            if let Some(seconds) = seconds {
                *place = Duration::from_secs(seconds);
            }
        };
        limits.target = section.target.unwrap_or(limits.target);
        limits.head = section.head.unwrap_or(limits.head);
        limits.field_lines = section.field_lines.unwrap_or(limits.field_lines);
        limits.body = section.body.unwrap_or(limits.body);
        set(&mut limits.handshake_timeout, section.handshake_timeout);
        set(&mut limits.head_timeout, section.head_timeout);
        set(&mut limits.body_timeout, section.body_timeout);
        set(&mut limits.idle_timeout, section.idle_timeout);
        // A server behind us has as much time as its section says, unless the file says how much all have.
        limits.handler_timeout = limits.handler_timeout.max(self.longest_answer());
        set(&mut limits.handler_timeout, section.handler_timeout);
        set(&mut limits.write_timeout, section.write_timeout);
        set(&mut limits.body_grace, section.body_grace);
        set(&mut limits.tunnel_timeout, section.tunnel_timeout);
        limits.bandwidth = section.bandwidth.unwrap_or(limits.bandwidth);
        limits.body_rate = section.body_rate.unwrap_or(limits.body_rate);
        limits.file_queue = section.file_queue.unwrap_or(limits.file_queue);
        limits.receive_budget = section.receive_budget.unwrap_or(limits.receive_budget);
        self.http2.put_into(&mut limits);
        limits.early_any = self.quic.early_data == Some(EarlyChoice::On);
        limits
    }

    /// How long the slowest of the servers behind us may take, connections included; nothing if there are none.
    fn longest_answer(&self) -> Duration {
        let routes = self.routes.iter().chain(self.hosts.iter().flat_map(|host| &host.routes));
        let singles = routes.filter_map(|route| route.get_ref().proxy.as_ref()?.single());
        let all = self.upstreams.values().map(Spanned::get_ref).chain(singles);
        all.map(UpstreamSection::longest_answer).max().unwrap_or_default()
    }

    /// Grace and deadline of a drain.
    #[must_use]
    pub fn drain(&self) -> (Duration, Duration) {
        let seconds = |value: Option<u64>, default| Duration::from_secs(value.unwrap_or(default));
        (seconds(self.drain.idle_grace, 2), seconds(self.drain.deadline, 30))
    }

    /// How long a process that takes over may take to be ready.
    #[must_use]
    pub fn handover_timeout(&self) -> Duration {
        Duration::from_secs(self.drain.handover_timeout.unwrap_or(30))
    }
}

impl Http2Section {
    fn put_into(&self, limits: &mut Limits) {
        limits.streams = self.streams.unwrap_or(limits.streams);
        limits.stream_window = self.stream_window.unwrap_or(limits.stream_window);
        limits.connection_window = self.connection_window.unwrap_or(limits.connection_window);
        limits.continuations = self.continuations.unwrap_or(limits.continuations);
        limits.pings = self.pings.unwrap_or(limits.pings);
        limits.abuse = self.abuse.unwrap_or(limits.abuse);
        limits.abuse_rate = self.abuse_rate.unwrap_or(limits.abuse_rate);
        limits.pushes = self.pushes.unwrap_or(limits.pushes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("t.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_file() {
        let config = parse(
            "http = [':80', 'unix:/run/t']\nh2c = true\nshards = 3\ncpus = '0-2'\nroot = '/srv'\nlog = 'json'\n\
             [limits]\nbody = 5\nhead_timeout = 2\nbody_rate = 7\ntunnel_timeout = 8\nfile_queue = 4\n[drain]\ndeadline = 9\n\
             [ring]\nzero_copy_from = 65536\n",
        )
        .unwrap();
        assert_eq!(
            (&config.http[..], config.h2c),
            (&[":80".into(), "unix:/run/t".into()][..], true)
        );
        assert_eq!((config.shards, config.cpus.as_deref()), (NonZero::new(3), Some("0-2")));
        let limits = config.limits();
        assert_eq!((limits.body, limits.head_timeout), (5, Duration::from_secs(2)));
        assert_eq!((limits.body_rate, limits.tunnel_timeout), (7, Duration::from_secs(8)));
        assert_eq!((limits.head, limits.file_queue), (Limits::default().head, 4));
        assert_eq!(
            (config.ring.zero_copy_from, Config::default().ring.zero_copy_from),
            (65_536, 0)
        );
        assert_eq!(config.drain(), (Duration::from_secs(2), Duration::from_secs(9)));
        assert_eq!(parse(""), Ok(Config::default()));
    }

    #[test]
    fn from_http_to_https() {
        let text = "[redirect]\nlisten = [':80']\nhosts = ['a', '*.a']\nto = 'b'\nport = 1\n\
                    moved_permanently = true\nexcept = ['/x/']\n";
        let RedirectSection { listen, hosts, to, port, moved_permanently, except } =
            parse(text).unwrap().redirect;
        assert_eq!((listen.concat(), hosts.join(" ")), (":80".to_owned(), "a *.a".to_owned()));
        assert_eq!((to.as_deref(), port, moved_permanently), (Some("b"), Some(1), true));
        assert_eq!(except, ["/x/"]);
    }

    #[test]
    fn limits_of_http2() {
        let text = "[limits]\nhandshake_timeout = 3\n[http2]\nstreams = 1\nstream_window = 2\nconnection_window = 3\n\
                    continuations = 4\npings = 5\nabuse = 6\nabuse_rate = 7\npushes = 8\n";
        let limits = parse(text).unwrap().limits();
        let sizes = [limits.streams, limits.stream_window, limits.connection_window];
        assert_eq!((sizes, limits.continuations), ([1, 2, 3], 4));
        assert_eq!((limits.pings, limits.abuse, limits.abuse_rate), (5, 6, 7));
        assert_eq!((limits.pushes, Limits::default().pushes), (8, 0));
        assert_eq!(limits.handshake_timeout, Duration::from_secs(3));
        assert_eq!(parse("[http2]\n").unwrap().limits(), Limits::default());
    }

    /// What the README shows is what there is by default, also where it is commented out.
    #[test]
    fn the_readme_shows_all_of_it() {
        let readme = include_str!("../../../README.md");
        let text = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let shown = parse(text).unwrap();
        assert_eq!(shown.limits(), Limits::default());
        assert_eq!(shown.drain(), Config::default().drain());
        assert_eq!(shown.ring, Config::default().ring);
        assert_eq!(shown.tls.min, Floor::default());
        let tickets = trilane::tls::Tickets::default();
        assert_eq!(shown.tls.ticket_lifetime, Some(tickets.lifetime.as_secs()));
        assert_eq!(shown.tls.tickets, Some(tickets.count));
        #[cfg(feature = "http3")]
        assert_eq!(shown.quic.settings(), Config::default().quic.settings());
        let whole = text.replace("\n# ", "\n").replace("\n\n\n", "\n\n");
        let all = parse(&whole).unwrap();
        assert_eq!((all.https.len(), all.tls.certificates.len()), (1, 1));
        assert!(all.h2c && all.tls.key_log.is_some() && all.tls.development.is_some());
    }

    #[test]
    fn mistakes_name_their_line() {
        let unknown = parse("http = []\nhtpt = []\n").unwrap_err();
        assert!(unknown.contains("line 2") && unknown.contains("htpt"), "{unknown}");
        assert!(unknown.ends_with("did you mean `http`?"), "{unknown}");
        let nested = parse("[limits]\nbdy = 1\n").unwrap_err();
        assert!(nested.contains("line 2") && nested.contains("`body`"), "{nested}");
        assert!(parse("shards = 0").is_err());
        assert!(parse("shards = 'two'").unwrap_err().contains("line 1"));
        let key = parse("[tls]\n[[tls.certificates]]\nkey = 'x'\n").unwrap_err();
        assert!(key.contains("line 2") && key.contains("`certificate`"), "{key}");
    }
}
