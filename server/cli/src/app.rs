//! What is served: the demo, the files below one directory, or the site of a file.

use std::path::PathBuf;

use trilane::{Metrics, Router, Shard};

use crate::args::Serve;
use crate::config::Config;
use crate::demo;
use crate::files::FilesSection;
use crate::run::{Failure, Kind, in_file};
use crate::site::Site;

/// Makes what a shard serves, without the layers of the file.
pub(crate) type App = Box<dyn Fn(&Shard) -> Router + Send + Sync>;

/// What flags and file want served. It is counted in `metrics`: always, or where a route shows it.
///
/// # Errors
/// Something is wrong with it, or there is nothing.
pub(crate) fn app(
    kind: Kind,
    flags: &Serve,
    config: &Config,
    (metrics, always): (&Metrics, bool),
) -> Result<App, Failure> {
    let refused = |error: &str| Err(Failure::Setting(error.to_owned()));
    let site =
        Site::with(config, metrics.clone(), always).map_err(|error| in_file(flags, &error))?;
    let root = root(flags, config)?;
    match (kind, site, root) {
        (Kind::Demo, Some(_), _) => {
            refused("[[hosts]] and [[routes]] are for serve, not for the demo")
        }
        (Kind::Demo, None, _) if config.files != FilesSection::default() => {
            refused("[files] is for serve, not for the demo")
        }
        (Kind::Demo, None, root) => Ok(Box::new(demo::app_with(root, metrics.clone()))),
        (Kind::Serve, Some(_), Some(_)) => {
            refused("--root is for a site without [[routes]]: each of those has its own")
        }
        (Kind::Serve, Some(site), None) => Ok(Box::new(move |shard| site.router(shard))),
        (Kind::Serve, None, Some(root)) => {
            let (files, metrics) = (config.files.clone(), always.then(|| metrics.clone()));
            Ok(Box::new(move |_| {
                let router = Router::new().serve_dir("/", files.serve(&root));
                match &metrics {
                    Some(metrics) => router.layer(metrics.clone()),
                    None => router,
                }
            }))
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
