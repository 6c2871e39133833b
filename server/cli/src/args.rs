//! The command line. Flags win over the configuration file.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use serde::Deserialize;

use crate::health::Health;
use crate::probe::Probe;
use crate::record::Replay;
use crate::upgrade::Upgrade;

/// An HTTP server with one shard a core.
#[derive(Clone, Debug, Parser)]
#[command(name = "trilane", version)]
pub struct Args {
    /// What to do; without it, `demo`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of the demo.
    #[command(flatten)]
    pub serve: Serve,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the demo application.
    Demo(Serve),
    /// Serve the files below `--root`, or what the configuration file says, and nothing else.
    Serve(Serve),
    /// Say whether `serve` would start with a configuration file, and with what.
    Check {
        /// The file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Say with what `serve` would run: every value, who says so, and what it means on each protocol.
    Explain(Serve),
    /// Say what a server speaks, a line a protocol.
    Probe(Probe),
    /// Run recordings of connections again, and say whether all went as it was recorded. The status is 0 if it did, to the end of each;
    /// 2 if it did as far as it was recorded; else 1.
    Replay(Replay),
    /// Say whether a server is well, by how it ends.
    Health(Health),
    /// Write the manual page to standard output.
    #[command(hide = true)]
    Man,
    /// Write what a shell reads to complete arguments.
    #[command(hide = true)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Have another process take over from one that serves, without a pause.
    Upgrade(Upgrade),
}

/// How to serve.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Serve {
    /// Listen for HTTP/1.1 on ADDR (`127.0.0.1:8080`, `:8080`), `unix:PATH`, or not at all (`off`).
    /// Repeatable. Default: 127.0.0.1:8080. PORT in the environment changes the default's port.
    #[arg(long, value_name = "ADDR|unix:PATH|off")]
    pub http: Vec<String>,
    /// Listen for HTTP over TLS on ADDR, or not at all (`off`). Repeatable. Default: for the demo 127.0.0.1:8443, if it is free;
    /// else off.
    #[arg(long, value_name = "ADDR|off")]
    pub https: Vec<String>,
    /// Listen for HTTP/3 on the UDP address ADDR, or not at all (`off`). Repeatable. Default: where `--https` listens, and port 0
    /// is the number that it got there.
    #[arg(long, value_name = "ADDR|off")]
    pub http3: Vec<String>,
    /// Listen on ADDR in clear, and do nothing there but redirect to HTTPS: whoever asks for a name in our certificates, or in
    /// `[redirect]`. Repeatable.
    #[arg(long, value_name = "ADDR|off")]
    pub redirect: Vec<String>,
    /// Show operators what the server does, on ADDR or `unix:PATH`. An address that others can reach needs a token or certificates:
    /// `[admin]`. Repeatable. Default: off.
    #[arg(long, value_name = "ADDR|unix:PATH|off")]
    pub admin: Vec<String>,
    /// The certificate chain, in PEM. Default: those of the configuration file, or else one for development.
    #[arg(long, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM. Default: in the file of the certificate.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// What is offered over TLS, best first: `h2`, `http/1.1`. Default: h2,http/1.1.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub alpn: Vec<Alpn>,
    /// Speak HTTP/2 in clear too, to clients that begin with its preface (prior knowledge).
    #[arg(long)]
    pub h2c: bool,
    /// How many shards. Default: one for each CPU that may be used.
    #[arg(long, value_name = "N")]
    pub shards: Option<NonZero<usize>>,
    /// Run the shards on these CPUs, such as 0,2-3.
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<String>,
    /// Serve the files below DIR: the demo at /static/ instead of its sample, `serve` at /.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The access log, on standard output or in --log-file. Default: text.
    #[arg(long, value_enum)]
    pub log: Option<LogFormat>,
    /// Write the access log to FILE; SIGHUP has it opened anew.
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Read settings from a TOML file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A protocol that TLS can agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
pub enum Alpn {
    /// HTTP/2.
    #[serde(rename = "h2")]
    #[value(name = "h2")]
    H2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    #[value(name = "http/1.1")]
    Http1,
}

impl Alpn {
    /// Its name on the wire (RFC 7301).
    #[must_use]
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::H2 => b"h2",
            Self::Http1 => b"http/1.1",
        }
    }
}

/// The form of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// An object a line.
    Json,
    /// For people.
    Text,
    /// None.
    Off,
}
