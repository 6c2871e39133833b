//! `trilane check`: everything that the start does with a file, but for listening.

use trilane::Metrics;
use trilane::testing::TestClient;

use crate::admin;
use crate::app::app;
use crate::args::Serve;
use crate::config::Config;
use crate::layers::Layers;
use crate::redirect::redirect;
use crate::run::{Failure, Kind, in_file};
use crate::secure::Tls;
use crate::site::Counted;

/// Whether `serve` would start with the file that the flags name; says what it would serve.
///
/// # Errors
/// What `serve` would say. Addresses that are in use are not found.
pub(crate) fn check(flags: &Serve) -> Result<String, Failure> {
    let config = Config::of(flags).map_err(Failure::Config)?;
    let app = app(Kind::Serve, flags, &config, None, &Counted::new(Metrics::new(), false))?;
    let layers = Layers::new(&config).map_err(|error| in_file(flags, &error))?;
    // A shard without sockets: routes and layers are made for one.
    TestClient::with(|shard| layers.around(app.router(&shard)))
        .map_err(|error| in_file(flags, &error.to_string()))?;
    let acceptor = Tls::named(flags, &config);
    let acceptor = acceptor.map_err(|error| in_file(flags, &error.to_string()))?;
    let redirects = redirect(flags, &config, acceptor.as_ref());
    redirects.map_err(|error| in_file(flags, &error))?;
    if let Some(section) = &config.record {
        section.plan().map_err(|error| in_file(flags, &error))?;
    }
    admin::Wanted::new(flags, &config).map_err(|error| in_file(flags, &error))?;
    let routes = config.hosts.iter().map(|host| host.routes.len()).sum::<usize>();
    let names = config.hosts.iter().map(|host| host.names.len()).sum::<usize>();
    let path = flags.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    Ok(format!("{path}: ok, {} routes, {names} hosts", routes + config.routes.len()))
}
