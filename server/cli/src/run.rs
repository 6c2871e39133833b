//! From arguments to a server that runs until it is told to stop.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use trilane::tls::{Acceptor, Identity, Pem, TlsConfig};
use trilane::{ListenAddress, Log, Router, RunError, ServeDir, Server, Shard};

use crate::args::{Alpn, Args, Command, LogFormat, Serve};
use crate::config::{Config, ConfigError};
use crate::demo;

/// Where the demo listens when nobody says where.
const HOST: &str = "127.0.0.1";
/// The port of that.
const PORT: u16 = 8080;

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
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Setting(text) => f.write_str(text),
            Self::Server(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Does what the arguments say.
///
/// # Errors
/// What went wrong, fit to be shown.
pub fn run(args: Args) -> Result<(), Failure> {
    let (is_demo, flags) = match args.command {
        Some(Command::Demo(flags)) => (true, flags),
        Some(Command::Serve(flags)) => (false, flags),
        None => (true, args.serve),
    };
    let config = match &flags.config {
        Some(path) => Config::read(path).map_err(Failure::Config)?,
        None => Config::default(),
    };
    let root = root(&flags, &config)?;
    if is_demo {
        return serve(flags, config, demo::app(root));
    }
    let Some(root) = root else {
        return Err(Failure::Setting("serve needs the directory to serve: --root DIR".to_owned()));
    };
    serve(flags, config, move |_: &Shard| Router::new().serve_dir("/", ServeDir::new(&root)))
}

/// The directory whose files are served, which must be one.
fn root(flags: &Serve, config: &Config) -> Result<Option<PathBuf>, Failure> {
    let Some(root) = flags.root.as_ref().or(config.root.as_ref()) else { return Ok(None) };
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => Ok(Some(root.clone())),
        Ok(_) => Err(Failure::Setting(format!("--root {}: not a directory", root.display()))),
        Err(error) => Err(Failure::Setting(format!("--root {}: {error}", root.display()))),
    }
}

/// Serves what `app` makes on each shard, until it is told to stop.
fn serve(
    flags: Serve,
    config: Config,
    app: impl Fn(&Shard) -> Router + Send + Sync + 'static,
) -> Result<(), Failure> {
    let mut server = Server::new(move |shard| app(&shard))
        .limits(config.limits())
        .zero_copy_from(config.ring.zero_copy_from)
        .log(log(&flags, &config)?);
    let (grace, deadline) = config.drain();
    server = server.drain(grace, deadline);
    let secure: Vec<_> = flags.https.iter().filter(|address| *address != "off").collect();
    let clear = addresses(&flags, &config, std::env::var("PORT").ok())?;
    if clear.is_empty() && secure.is_empty() {
        return Err(Failure::Setting(
            "nothing to listen on: --http off, and no --https".to_owned(),
        ));
    }
    for address in clear {
        server = server.listen(address);
    }
    if !secure.is_empty() {
        server = server.tls(acceptor(&flags)?);
    }
    for address in secure {
        server = server.listen_secure(address);
    }
    if flags.h2c || config.h2c {
        server = server.h2c();
    }
    if let Some(most) = config.limits.connections {
        server = server.connections(most);
    }
    if let Some(cpus) = flags.cpus.or(config.cpus) {
        server = server.cpus(cpus);
    }
    if let Some(shards) = flags.shards.or(config.shards) {
        server = server.shards(shards);
    }
    let running = server.start().map_err(Failure::Server)?;
    // Before anybody is told that we are ready: from then on a signal drains.
    let _signals = running.drain_on_signals().map_err(Failure::Server)?;
    let list = |addresses: &[ListenAddress]| {
        let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        if texts.is_empty() { "off".to_owned() } else { texts.join(",") }
    };
    let (http, https) = (list(running.addresses()), list(running.secure_addresses()));
    let (shards, pid) = (running.stats().len(), std::process::id());
    writeln!(io::stdout(), "trilane ready http={http} https={https} shards={shards} pid={pid}")
        .and_then(|()| io::stdout().flush())
        .map_err(Failure::Output)?;
    running.wait().map_err(Failure::Server)
}

/// Where to listen: flags, else the file, else the default with the environment's port.
fn addresses(flags: &Serve, config: &Config, port: Option<String>) -> Result<Vec<String>, Failure> {
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

/// How TLS is done.
fn acceptor(flags: &Serve) -> Result<Acceptor, Failure> {
    let Some(certificate) = &flags.cert else {
        return Err(Failure::Setting("--https needs a certificate: --cert FILE".to_owned()));
    };
    let key = flags.key.as_ref().unwrap_or(certificate);
    let identity = Identity::new(Pem::File(certificate.clone()), Pem::File(key.clone()));
    let alpn = if flags.alpn.is_empty() { &[Alpn::H2, Alpn::Http1][..] } else { &flags.alpn };
    let alpn = alpn.iter().map(|protocol| protocol.name().to_vec()).collect();
    let config = TlsConfig { identities: vec![identity], alpn, ..TlsConfig::default() };
    Acceptor::new(config).map_err(|error| Failure::Setting(error.to_string()))
}

fn log(flags: &Serve, config: &Config) -> Result<Log, Failure> {
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
}
