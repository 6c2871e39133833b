//! From arguments to a server that runs until it is told to stop.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use trilane::{Inherited, ListenAddress, Log, LogWriter, Metrics, Notify, RunError};

use crate::acme;
use crate::admin;
use crate::app::{App, app};
use crate::args::{Args, Command, LogFormat, Serve};
use crate::check::check;
use crate::config::{Config, ConfigError};
use crate::effective::Said;
use crate::explain::explain;
use crate::health::health;
use crate::layers::Layers;
use crate::manual;
use crate::otlp::Export;
use crate::probe::probe;
use crate::record::replay;
use crate::reload::{Reload, State};
use crate::secure::Tls;
use crate::setup::{Made, Places, server};
use crate::site::Counted;
use crate::upgrade::{Again, upgrade};

/// Where the demo listens when nobody says where.
const HOST: &str = "127.0.0.1";
/// The port of that.
const PORT: u16 = 8080;
/// Where the demo listens for TLS.
const SECURE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8443);

/// Why the binary ends with an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The configuration file.
    Config(ConfigError),
    /// A setting that is not one of its choices.
    Setting(String),
    /// The server.
    Server(RunError),
    /// Standard output is closed.
    Output(io::Error),
    /// So many recordings ran as they were recorded, but were not to their ends.
    Cut(usize),
}

impl Failure {
    /// What the process ends with: 2 where nothing went wrong and not all is known, else 1.
    #[must_use]
    pub const fn code(&self) -> u8 {
        if matches!(self, Self::Cut(_)) { 2 } else { 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Setting(text) => f.write_str(text),
            Self::Server(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
            Self::Cut(count) => write!(f, "recordings without their end: {count}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Does what the arguments say.
///
/// # Errors
/// What went wrong, fit to be shown.
pub fn run(args: Args) -> Result<(), Failure> {
    let (kind, flags) = match args.command {
        Some(Command::Demo(flags)) => (Kind::Demo, flags),
        Some(Command::Serve(flags)) => (Kind::Serve, flags),
        Some(Command::Check { config }) => {
            let flags = Serve { config: Some(config), ..Serve::default() };
            return say(&check(&flags)?);
        }
        Some(Command::Explain(flags)) => return say(&explain(&flags)?),
        Some(Command::Probe(wanted)) => {
            let (said, is_any) = probe(&wanted)?;
            say(&said)?;
            let none = || Failure::Setting(format!("{}: no answer", wanted.url));
            return is_any.then_some(()).ok_or_else(none);
        }
        Some(Command::Replay(wanted)) => return replay(&wanted, say),
        Some(Command::Health(wanted)) => return say(&health(&wanted)?),
        Some(Command::Man) => return manual::man(&mut io::stdout()).map_err(Failure::Output),
        Some(Command::Completions { shell }) => {
            return manual::completions(shell, &mut io::stdout()).map_err(Failure::Output);
        }
        Some(Command::Upgrade(asked)) => return say(&upgrade(&asked)?),
        None => (Kind::Demo, args.serve),
    };
    let said = Said::now(&flags).map_err(Failure::Config)?;
    let metrics = Metrics::new();
    let admin = admin::Wanted::new(&flags, &said.config);
    let admin = admin.map_err(|error| in_file(&flags, &error))?;
    let counted = Counted::new(metrics, admin.is_some());
    let app = app(kind, &flags, &said.config, None, &counted)?;
    serve(flags, said, kind, (app, counted), admin)
}

/// Writes a line to standard output.
fn say(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush()).map_err(Failure::Output)
}

/// A mistake in the file that the flags name.
pub(crate) fn in_file(flags: &Serve, error: &str) -> Failure {
    let path = flags.config.as_ref().map(|path| format!("{}: ", path.display()));
    Failure::Setting(format!("{}{error}", path.unwrap_or_default()))
}

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The demo application.
    Demo,
    /// What flags and file say.
    Serve,
}

/// Serves what `app` makes on each shard, until it is told to stop.
fn serve(
    flags: Serve,
    said: Said,
    kind: Kind,
    (app, counted): (App, Counted),
    admin: Option<admin::Wanted>,
) -> Result<(), Failure> {
    let (started, config) = (said.fixed(), said.config);
    let port = std::env::var("PORT").ok();
    let again = Again::of_process(config.handover_timeout());
    let inherited = Inherited::of_process();
    let mut inherited = inherited.map_err(|error| Failure::Setting(error.to_string()))?;
    let beside = inherited.as_mut().map(Inherited::beside).unwrap_or_default();
    let is_ours = |at| inherited.as_ref().is_some_and(|it| it.has(&ListenAddress::Tcp(at)));
    let secure = secure_addresses(&flags, &config, kind, |at| is_ours(at) || is_free(at));
    let clear = addresses(&flags, &config, port)?;
    let quic = quic_addresses(&flags, &config, &secure)?;
    if clear.is_empty() && secure.is_empty() && quic.is_empty() {
        return Err(Failure::Setting(
            "nothing to listen on: --http off, and neither --https nor --http3".to_owned(),
        ));
    }
    let mut tls = None;
    if !secure.is_empty() || !quic.is_empty() {
        let keys = inherited.as_ref().and_then(Inherited::ticket_keys);
        let new = Tls::inheriting(&flags, &config, keys);
        tls = Some(new.map_err(|error| Failure::Setting(error.to_string()))?);
    }
    let places = Places { clear, secure, quic };
    let (acceptor, log_file) = (tls.as_ref().map(Tls::acceptor), log_file(&flags, &config)?);
    let made = Made { places: &places, acceptor, log_file: log_file.clone() };
    let mut layers = Layers::new(&config).map_err(|error| in_file(&flags, &error))?;
    let ordered = acme::acme(&config).map_err(|error| in_file(&flags, &error))?;
    let metrics = counted.metrics.clone();
    if let Some(acme) = &ordered {
        layers = layers.challenged(acme.challenges());
        metrics.collect(acme.gauge());
    }
    let export = Export::new(&config).map_err(|error| in_file(&flags, &error))?;
    if let Some(export) = &export {
        layers = export.around(layers);
    }
    let around = (app.clone(), layers.clone());
    let mut server = server(&flags, &config, around, made)?;
    if let Some(section) = &config.record {
        server = server.record(section.recordings().map_err(|error| in_file(&flags, &error))?);
    }
    let is_after_another = inherited.as_ref().is_some_and(Inherited::is_handover);
    if let Some(inherited) = inherited {
        server = server.inherit(inherited);
    }
    let mut running = server.start().map_err(Failure::Server)?;
    app.is_served(&counted);
    let _exporter = export.map(|export| export.start(&running, &metrics)).transpose()?;
    let acceptor = tls.as_ref().map(Tls::acceptor);
    let operators = admin.as_ref().map(admin::Wanted::guard);
    let state = State {
        kind,
        flags,
        config,
        started,
        places,
        app,
        counted,
        layers,
        tls,
        operators,
        log_file,
    };
    let reload = Reload::new(state, running.reloader());
    let _keeper = acme::keep(ordered, acceptor, &reload)?;
    let admin = admin.map(|admin| admin.start(&running, metrics, reload.clone(), beside));
    let admin = admin.transpose()?;
    if let Some(admin) = &admin {
        running.upgrader().beside(&admin.upgrader());
    }
    // Before anybody is told that we are ready: from then on a signal drains.
    let notify = Notify::of_process().map_err(|error| Failure::Setting(error.to_string()))?;
    let of_reload = notify.clone();
    let hang_up = move || {
        of_reload.reloading();
        drop(reload.now());
        of_reload.ready();
    };
    let _signals = running.on_signals(hang_up).map_err(Failure::Server)?;
    let _upgrades = again.on_signals(&running, notify.clone()).map_err(Failure::Server)?;
    notify.watch(&running).map_err(|error| Failure::Server(error.into()))?;
    // All that could fail is done: from here on the process before this one is not waited for.
    running.take_over().map_err(Failure::Server)?;
    for warning in running.warnings() {
        // Nowhere is left to report that standard error is closed.
        let _ = writeln!(io::stderr(), "trilane: {warning}");
    }
    let list = |addresses: &[ListenAddress]| {
        let text = |address: &ListenAddress| match address {
            ListenAddress::Udp(address) => address.to_string(),
            address => address.to_string(),
        };
        let texts: Vec<_> = addresses.iter().map(text).collect();
        if texts.is_empty() { "off".to_owned() } else { texts.join(",") }
    };
    let (http, https) = (list(running.addresses()), list(running.secure_addresses()));
    let h3 = list(running.udp_addresses());
    let redirect = match running.redirect_addresses() {
        [] => String::new(),
        addresses => format!(" redirect={}", list(addresses)),
    };
    let operators = admin.as_ref().map(|it| format!(" admin={}", list(admin::addresses(it))));
    let operators = operators.unwrap_or_default();
    let (shards, pid) = (running.stats().len(), std::process::id());
    let told = say(&format!(
        "trilane ready http={http} https={https} h3={h3}{redirect}{operators} shards={shards} pid={pid}"
    ));
    // Who reads what the first process of a line says may be gone by now: that is no reason to end the last one.
    if !is_after_another {
        told?;
    }
    notify.ready();
    running.wait().map_err(Failure::Server)
}

/// Where to listen: flags, else the file, else the default with the environment's port.
pub(crate) fn addresses(
    flags: &Serve,
    config: &Config,
    port: Option<String>,
) -> Result<Vec<String>, Failure> {
    let mut asked = if flags.http.is_empty() { &config.http } else { &flags.http }.clone();
    if asked.is_empty() {
        let port = match port {
            None => PORT,
            Some(text) => text.parse().map_err(|_| {
                Failure::Setting(format!("PORT={text} in the environment is no port"))
            })?,
        };
        return Ok(vec![format!("{HOST}:{port}")]);
    }
    asked.retain(|address| address != "off");
    Ok(asked)
}

/// Where to listen for TLS: flags, else the file, else the demo's default; that one only if it is free, for nobody has asked
/// for it, and several may run.
pub(crate) fn secure_addresses(
    flags: &Serve,
    config: &Config,
    kind: Kind,
    is_free: impl FnOnce(SocketAddr) -> bool,
) -> Vec<String> {
    let mut asked = if flags.https.is_empty() { &config.https } else { &flags.https }.clone();
    if asked.is_empty() && kind == Kind::Demo && is_free(SECURE) {
        return vec![SECURE.to_string()];
    }
    asked.retain(|address| address != "off");
    asked
}

/// Where to listen for HTTP/3: flags, else the file, else where there is TLS over TCP.
pub(crate) fn quic_addresses(
    flags: &Serve,
    config: &Config,
    secure: &[String],
) -> Result<Vec<String>, Failure> {
    let mut asked = if flags.http3.is_empty() { &config.http3 } else { &flags.http3 }.clone();
    let is_default = asked.is_empty();
    if is_default {
        asked = secure.iter().filter(|address| !address.starts_with("unix:")).cloned().collect();
    }
    asked.retain(|address| address != "off");
    if cfg!(feature = "http3") || asked.is_empty() {
        return Ok(asked);
    }
    if is_default {
        return Ok(Vec::new());
    }
    Err(Failure::Setting("--http3: this binary was built without HTTP/3".to_owned()))
}

/// Whether nobody listens there; if somebody does, the operator learns what follows.
fn is_free(address: SocketAddr) -> bool {
    let is_free = TcpListener::bind(address).is_ok();
    if !is_free {
        // Nowhere is left to report that standard error is closed.
        let _ = writeln!(
            io::stderr(),
            "trilane: {address} is in use: not listening for TLS; --https says where else"
        );
    }
    is_free
}

pub(crate) fn log(flags: &Serve, config: &Config) -> Result<Log, Failure> {
    let of_file = match config.log.as_deref() {
        None => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some("text") => LogFormat::Text,
        Some("off") => LogFormat::Off,
        Some(other) => {
            return Err(Failure::Setting(format!(
                "log = \"{other}\" in the configuration: it is one of json, text, off"
            )));
        }
    };
    Ok(match flags.log.unwrap_or(of_file) {
        LogFormat::Json => Log::Json,
        LogFormat::Text => Log::Text,
        LogFormat::Off => Log::Off,
    })
}

/// The file of the access log, if it goes to one.
pub(crate) fn log_file(flags: &Serve, config: &Config) -> Result<Option<LogWriter>, Failure> {
    let section = &config.access_log;
    let Some(path) = flags.log_file.as_ref().or(section.file.as_ref()) else { return Ok(None) };
    let writer = LogWriter::to_file(path, section.rotation());
    let failed = |error| Failure::Setting(format!("--log-file {}: {error}", path.display()));
    writer.map(Some).map_err(failed)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn listens(arguments: &[&str], file: &[&str], port: Option<&str>) -> Option<Vec<String>> {
        let flags = Args::try_parse_from([&["trilane"], arguments].concat()).unwrap().serve;
        let http = file.iter().map(ToString::to_string).collect();
        let config = Config { http, ..Config::default() };
        addresses(&flags, &config, port.map(str::to_owned)).ok()
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_environment() {
        let some = |address: &str| Some(vec![address.to_owned()]);
        assert_eq!(listens(&[], &[], None), some("127.0.0.1:8080"));
        assert_eq!(listens(&[], &[], Some("81")), some("127.0.0.1:81"));
        assert_eq!(listens(&[], &[], Some("x")), None);
        assert_eq!(listens(&[], &[":1"], Some("81")), some(":1"));
        assert_eq!(listens(&["--http", ":2"], &[":1"], Some("81")), some(":2"));
        assert_eq!(listens(&["--http", "off"], &[":1"], None), Some(Vec::new()));
        let two = listens(&["--http", ":2", "--http", "unix:/x"], &[], None);
        assert_eq!(two, Some(vec![":2".to_owned(), "unix:/x".to_owned()]));
    }

    #[test]
    #[cfg(feature = "http3")]
    fn http3_is_where_tls_is_unless_it_is_said() {
        let listens = |arguments: &[&str], file: &[&str], secure: &[&str]| {
            let flags = Args::try_parse_from([&["trilane"], arguments].concat()).unwrap().serve;
            let http3 = file.iter().map(ToString::to_string).collect();
            let config = Config { http3, ..Config::default() };
            let secure: Vec<_> = secure.iter().map(ToString::to_string).collect();
            quic_addresses(&flags, &config, &secure).unwrap().join(" ")
        };
        assert_eq!(listens(&[], &[], &[":1", "unix:/x"]), ":1");
        assert_eq!(listens(&[], &[], &[]), "");
        assert_eq!(listens(&[], &[":2"], &[":1"]), ":2");
        assert_eq!(listens(&["--http3", ":3"], &[":2"], &[":1"]), ":3");
        assert_eq!(listens(&["--http3", "off"], &[":2"], &[":1"]), "");
    }

    #[test]
    fn tls_is_on_by_default_where_it_can_be() {
        let listens = |arguments: &[&str], file: &[&str], kind, is_free| {
            let flags = Args::try_parse_from([&["trilane"], arguments].concat()).unwrap().serve;
            let https = file.iter().map(ToString::to_string).collect();
            let config = Config { https, ..Config::default() };
            secure_addresses(&flags, &config, kind, |_| is_free).join(" ")
        };
        assert_eq!(listens(&[], &[], Kind::Demo, true), "127.0.0.1:8443");
        assert_eq!(listens(&["--http", ":1"], &[], Kind::Demo, true), "127.0.0.1:8443");
        assert_eq!(listens(&[], &[], Kind::Demo, false), "");
        assert_eq!(listens(&[], &[], Kind::Serve, true), "");
        assert_eq!(listens(&["--http", ":1", "--https", ":2"], &[], Kind::Serve, true), ":2");
        assert_eq!(listens(&[], &[":3", ":4"], Kind::Serve, false), ":3 :4");
        assert_eq!(listens(&["--https", "off"], &[":3"], Kind::Demo, true), "");
    }
}
