//! The listener for operators: from `--admin` and `[admin]` to a second server beside the main one.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use trilane::tls::Acceptor;
use trilane::{ListenAddress, Metrics, RunError, Running, Server, StartError};
use trilane_admin::{About, Admin, Exposed};
use trilane_profile::heap;

use crate::args::Serve;
use crate::config::Config;
use crate::reload::Reload;
use crate::run::Failure;
use crate::secure;

/// `[admin]`: what operators see, on a listener of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSection {
    /// Where to listen, as `--admin`.
    pub listen: Vec<String>,
    /// The token that clients must have.
    pub token: Option<String>,
    /// A file with that token, alone on its first line.
    pub token_file: Option<PathBuf>,
    /// Whether it is TLS that is listened for, with the certificates of `[tls]`.
    pub tls: bool,
    /// The certificates that those of clients must lead to; with `tls`, also if that is not said.
    pub client_roots: Option<PathBuf>,
    /// Connections that closed last, and why: so many are remembered on each shard.
    pub recent_closes: Option<usize>,
    /// Take samples of the heap, one in so many bytes of allocations; 0 takes none. Default 0; 524288 costs little.
    pub heap_profile: usize,
}

/// A token is this long at least: it is all that stands in front of strangers.
const TOKEN: usize = 16;

impl AdminSection {
    /// The token, if there is one.
    fn token(&self) -> Result<Option<String>, String> {
        let token = match (&self.token, &self.token_file) {
            (Some(_), Some(_)) => {
                return Err("[admin] has token or token_file, not both".to_owned());
            }
            (Some(token), None) => token.clone(),
            (None, Some(path)) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| format!("[admin] token_file {}: {error}", path.display()))?;
                text.lines().next().unwrap_or_default().trim().to_owned()
            }
            (None, None) => return Ok(None),
        };
        if token.len() < TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("[admin] a token has {TOKEN} printable ASCII characters at least"));
        }
        Ok(Some(token))
    }
}

/// What is to be listened for, found to be right before anything starts.
pub(crate) struct Wanted {
    listen: Vec<ListenAddress>,
    token: Option<String>,
    acceptor: Option<Acceptor>,
    has_clients: bool,
    heap_profile: usize,
    about: About,
}

impl Wanted {
    /// What flags and file want; nothing by default.
    pub(crate) fn new(flags: &Serve, config: &Config) -> Result<Option<Self>, String> {
        let section = &config.admin;
        let mut listen =
            if flags.admin.is_empty() { &section.listen } else { &flags.admin }.clone();
        listen.retain(|address| address != "off");
        let token = section.token()?;
        if listen.is_empty() {
            return Ok(None);
        }
        let parsed = listen.iter().map(|text| text.parse::<ListenAddress>());
        let listen = parsed.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let has_clients = section.client_roots.is_some();
        Exposed::check(&listen, token.is_some(), has_clients).map_err(|it| it.to_string())?;
        let roots = section.client_roots.as_deref();
        let acceptor = (section.tls || has_clients)
            .then(|| secure::for_operators(flags, config, roots))
            .transpose()
            .map_err(|error| format!("[admin] {error}"))?;
        let heap_profile = section.heap_profile;
        if heap_profile != 0 && !heap::RANGE.contains(&heap_profile) {
            let (least, most) = heap::RANGE.into_inner();
            return Err(format!("[admin] heap_profile is 0, or {least} to {most} bytes"));
        }
        let about = about(flags);
        Ok(Some(Self { listen, token, acceptor, has_clients, heap_profile, about }))
    }

    /// Begins to tell of `main`. While the process before us has its addresses, which it keeps until it has drained, they are waited for.
    pub(crate) fn start(
        self,
        main: &Running,
        metrics: Metrics,
        reload: Reload,
        is_after_another: bool,
    ) -> Result<Operators, Failure> {
        let reload = move || reload.now();
        heap::sample_every(self.heap_profile);
        let about = self.about.clone();
        let mut admin =
            Admin::new(main.inspector()).metrics(metrics).on_reload(reload).about(about);
        if let Some(token) = &self.token {
            admin = admin.token(token);
        }
        if self.has_clients {
            admin = admin.behind_certificates();
        }
        let operators = Operators::default();
        match self.serve(&admin) {
            Ok(running) => operators.put(running),
            Err(RunError::Start(StartError::PortInUse { .. })) if is_after_another => {
                operators.wait(self, admin).map_err(Failure::Server)?;
            }
            Err(error) => return Err(Failure::Server(error)),
        }
        Ok(operators)
    }

    fn serve(&self, admin: &Admin) -> Result<Running, RunError> {
        let admin = admin.clone();
        let server = Server::new(move |shard| admin.router(&shard))
            .shards(NonZero::<usize>::MIN)
            .unpinned()
            .limits(trilane_admin::limits());
        let server = match &self.acceptor {
            Some(acceptor) => {
                let texts = self.listen.iter().map(ToString::to_string);
                texts.fold(server.tls(acceptor.clone()), Server::listen_secure)
            }
            None => self.listen.iter().cloned().fold(server, Server::listen_on),
        };
        server.start()
    }
}

/// What this program is, and what file it was told its configuration by.
fn about(flags: &Serve) -> About {
    let features = if cfg!(feature = "http3") { "http3" } else { "" };
    let mut about =
        vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("features", features.to_owned())];
    if let Some(path) = &flags.config {
        about.push(("config", path.display().to_string()));
        // Only to be compared with others of this version.
        let mut digest = DefaultHasher::new();
        fs::read(path).unwrap_or_default().hash(&mut digest);
        about.push(("config_digest", format!("{:016x}", digest.finish())));
    }
    about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How often addresses are tried that the process before us has.
const AGAIN: Duration = Duration::from_millis(250);

/// The listener for operators, once there is one.
#[derive(Clone, Default)]
pub(crate) struct Operators(Arc<Mutex<Option<Running>>>);

impl Operators {
    fn put(&self, running: Running) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }

    /// Tries until it works, on a thread of its own, or until nobody has this any more.
    fn wait(&self, wanted: Wanted, admin: Admin) -> Result<(), RunError> {
        let place = Arc::downgrade(&self.0);
        let wait = move || {
            while let Some(place) = place.upgrade() {
                if let Ok(running) = wanted.serve(&admin) {
                    return Self(place).put(running);
                }
                drop(place);
                thread::sleep(AGAIN);
            }
        };
        thread::Builder::new().name("admin-waits".to_owned()).spawn(wait)?;
        Ok(())
    }

    /// Where it listens, ports chosen; nowhere yet while it is waited for.
    pub(crate) fn addresses(&self) -> Vec<ListenAddress> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = &*running else { return Vec::new() };
        [running.addresses(), running.secure_addresses()].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn wanted(text: &str) -> Result<Option<Wanted>, String> {
        let config = Config::parse(text, Path::new("t.toml")).map_err(|error| error.to_string())?;
        Wanted::new(&Serve::default(), &config)
    }

    #[test]
    fn nobody_is_let_in_by_mistake() {
        assert!(wanted("").unwrap().is_none());
        let near = wanted("[admin]\nlisten = ['127.0.0.1:0', 'unix:/run/x']\n").unwrap().unwrap();
        assert!((near.listen.len(), near.token.is_none()) == (2, true));
        for (text, expected) in [
            ("listen = [':1']", "would be open to others"),
            ("listen = [':1']\ntoken = 'short'", "16 printable"),
            ("listen = [':1']\ntoken = 'with a space in it'", "16 printable"),
            ("token = 'a'\ntoken_file = 'b'", "not both"),
            ("token_file = '/nowhere/at/all'", "/nowhere/at/all"),
            ("listen = ['x']", "x"),
            ("listen = ['127.0.0.1:0']\nheap_profile = 1", "1024 to 1073741824"),
            ("port = 1", "`listen`"),
        ] {
            let error = wanted(&format!("[admin]\n{text}\n")).err().unwrap();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let token = "[admin]\nlisten = [':1']\ntoken = '0123456789abcdef'\n";
        assert_eq!(wanted(token).unwrap().unwrap().token.unwrap().len(), TOKEN);
    }
}
