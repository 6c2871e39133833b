//! What is served: the demo, the files below one directory, or the site of a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use trilane::{Router, Shard};

use crate::args::Serve;
use crate::config::Config;
use crate::demo;
use crate::files::FilesSection;
use crate::run::{Failure, Kind, in_file};
use crate::site::{Counted, Site};

/// What a shard serves, without the layers of the file.
#[derive(Clone)]
pub(crate) struct App {
    make: Arc<dyn Fn(&Shard) -> Router + Send + Sync>,
    root: Option<PathBuf>,
    /// If it is one of hosts and routes.
    site: Option<Site>,
}

impl App {
    /// Makes it for a shard.
    pub(crate) fn router(&self, shard: &Shard) -> Router {
        (self.make)(shard)
    }

    /// It is what is served from now on.
    pub(crate) fn is_served(&self, counted: &Counted) {
        counted.are_of(self.site.as_ref().map(Site::upstreams).unwrap_or_default());
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("root", &self.root).field("site", &self.site).finish()
    }
}

/// What flags and file want served, and counted. Of what is served `before`, it keeps what need not go.
///
/// # Errors
/// Something is wrong with it, or there is nothing.
pub(crate) fn app(
    kind: Kind,
    flags: &Serve,
    config: &Config,
    before: Option<&App>,
    counted: &Counted,
) -> Result<App, Failure> {
    let refused = |error: &str| Err(Failure::Setting(error.to_owned()));
    let site = Site::with(config, counted, before.and_then(|app| app.site.as_ref()));
    let site = site.map_err(|error| in_file(flags, &error))?;
    let root = root(flags, config)?;
    let of = |make: Arc<dyn Fn(&Shard) -> Router + Send + Sync>, root, site| {
        Ok(App { make, root, site })
    };
    match (kind, site, root) {
        (Kind::Demo, Some(_), _) => {
            refused("[[hosts]] and [[routes]] are for serve, not for the demo")
        }
        (Kind::Demo, None, _) if config.files != FilesSection::default() => {
            refused("[files] is for serve, not for the demo")
        }
        (Kind::Demo, None, root) => match before.filter(|app| app.root == root) {
            // What its users have made stays.
            Some(before) => Ok(before.clone()),
            None => of(Arc::new(demo::app_with(root.clone(), counted.metrics.clone())), root, None),
        },
        (Kind::Serve, Some(_), Some(_)) => {
            refused("--root is for a site without [[routes]]: each of those has its own")
        }
        (Kind::Serve, Some(site), None) => {
            let of_shards = site.clone();
            of(Arc::new(move |shard| of_shards.router(shard)), None, Some(site))
        }
        (Kind::Serve, None, Some(root)) => {
            let (files, metrics) =
                (config.files.clone(), counted.always.then(|| counted.metrics.clone()));
            let of_shards = root.clone();
            let make = move |_: &Shard| {
                let router = Router::new().serve_dir("/", files.serve(&of_shards));
                match &metrics {
                    Some(metrics) => router.layer(metrics.clone()),
                    None => router,
                }
            };
            of(Arc::new(make), Some(root), None)
        }
        (Kind::Serve, None, None) => {
            refused("serve needs what to serve: --root DIR, or a file with [[routes]]")
        }
    }
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
