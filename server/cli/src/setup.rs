//! A server as flags and file have it: at the start, and again whenever the file is read again.

use trilane::tls::Acceptor;
use trilane::{LogWriter, Router, Server, Shard};

use crate::app::App;
use crate::args::Serve;
use crate::config::Config;
use crate::layers::Layers;
use crate::redirect::redirect;
use crate::run::{Failure, log};

/// Where it listens, which is said at the start only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) clear: Vec<String>,
    pub(crate) secure: Vec<String>,
    pub(crate) quic: Vec<String>,
}

/// What is made before, and outlives what is read again.
pub(crate) struct Made<'a> {
    pub(crate) places: &'a Places,
    pub(crate) acceptor: Option<Acceptor>,
    pub(crate) log_file: Option<LogWriter>,
}

/// A server of that application, with the layers of the file around it.
///
/// # Errors
/// Something cannot be as flags and file have it.
pub(crate) fn server(
    flags: &Serve,
    config: &Config,
    (app, layers): (App, Layers),
    made: Made<'_>,
) -> Result<Server<impl Fn(Shard) -> Router + Send + Sync + use<>>, Failure> {
    let mut server = Server::new(move |shard| layers.around(app.router(&shard)))
        .limits(config.limits())
        .zero_copy_from(config.ring.zero_copy_from)
        .log(log(flags, config)?);
    server = config.access_log.exclude.iter().fold(server, Server::log_exclude);
    if let Some(writer) = made.log_file {
        server = server.log_to(writer);
    }
    let (grace, deadline) = config.drain();
    server = server.drain(grace, deadline);
    let Places { clear, secure, quic } = made.places;
    // Those of TCP and unix sockets.
    let mut streams = [&clear[..], secure].concat();
    server = clear.iter().fold(server, Server::listen);
    server = secure.iter().fold(server, Server::listen_secure);
    let to_https = redirect(flags, config, made.acceptor.as_ref()).map_err(Failure::Setting)?;
    if let Some((addresses, to_https)) = to_https {
        streams.extend_from_slice(&addresses);
        server = server.redirect(addresses, to_https);
    }
    if let Some(acceptor) = made.acceptor {
        server = server.tls(acceptor);
    }
    if let Some(section) = &config.proxies
        && let Some(protocol) = section.protocol(&streams).map_err(Failure::Setting)?
    {
        server = server.proxy_protocol(protocol);
    }
    #[cfg(feature = "http3")]
    {
        server = quic.iter().fold(server, Server::listen_quic).quic(config.quic.settings());
        if let Some(port) = config.quic.advertised_port {
            server = server.advertised_port(port);
        }
        if let Some(folder) = &config.quic.qlog {
            server = server.qlog(folder);
        }
    }
    #[cfg(not(feature = "http3"))]
    let _ = quic;
    if flags.h2c || config.h2c {
        server = server.h2c();
    }
    if let Some(most) = config.limits.connections_per_ip {
        server = server.connections_per_ip(most);
    }
    if let Some(most) = config.limits.connections {
        server = server.connections(most);
    }
    if let Some(most) = config.admin.recent_closes {
        server = server.recent_closes(most);
    }
    if let Some(cpus) = flags.cpus.as_ref().or(config.cpus.as_ref()) {
        server = server.cpus(cpus);
    }
    if let Some(shards) = flags.shards.or(config.shards) {
        server = server.shards(shards);
    }
    Ok(server)
}
