//! The listener for operators: from `--admin` and `[admin]` to a second server beside the main one.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::path::PathBuf;

use serde::Deserialize;
use trilane::{Inherited, ListenAddress, Metrics, Running, Server};
use trilane_admin::{About, Admin, Exposed, Token};
use trilane_profile::heap;

use crate::args::Serve;
use crate::config::Config;
use crate::reload::Reload;
use crate::run::Failure;
use crate::secure::Tls;

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
    guard: Guard,
    heap_profile: usize,
    about: About,
}

/// Who may ask, as far as it can change while it is listened. Clones are the same.
#[derive(Clone)]
pub(crate) struct Guard {
    token: Option<Token>,
    tls: Option<Tls>,
    has_clients: bool,
}

/// What was read again of it, found to be right.
pub(crate) struct Renewed {
    token: Option<String>,
    tls: Option<Tls>,
    /// Keys that say now that there is something, or is nothing, where it was the other way round.
    pub(crate) left: Vec<&'static str>,
}

impl Guard {
    /// Reads it again; nothing is in force of it yet.
    ///
    /// # Errors
    /// Something cannot be read or used, in words.
    pub(crate) fn renewed(&self, flags: &Serve, config: &Config) -> Result<Renewed, String> {
        let section = &config.admin;
        let token = section.token()?;
        let roots = section.client_roots.as_deref();
        let mut left = Vec::new();
        if token.is_some() != self.token.is_some() {
            left.push("admin.token");
        }
        // Without its roots there is nothing to renew it by: nobody is let in who was not before.
        let tls = match (&self.tls, roots.is_some() == self.has_clients) {
            (Some(tls), true) => Some(tls.renewed_for_operators(flags, config, roots)),
            (Some(_), false) => {
                left.push("admin.client_roots");
                None
            }
            (None, _) => None,
        };
        let tls = tls.transpose().map_err(|error| format!("[admin] {error}"))?;
        Ok(Renewed { token, tls, left })
    }

    /// Puts it in force.
    pub(crate) fn adopt(&mut self, renewed: Renewed) {
        if let (Some(mine), Some(new)) = (&self.token, renewed.token) {
            mine.replace(&new);
        }
        if let (Some(mine), Some(new)) = (&mut self.tls, renewed.tls) {
            mine.adopt(new);
        }
    }
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
        let tls = (section.tls || has_clients)
            .then(|| Tls::for_operators(flags, config, roots))
            .transpose()
            .map_err(|error| format!("[admin] {error}"))?;
        let heap_profile = section.heap_profile;
        if heap_profile != 0 && !heap::RANGE.contains(&heap_profile) {
            let (least, most) = heap::RANGE.into_inner();
            return Err(format!("[admin] heap_profile is 0, or {least} to {most} bytes"));
        }
        let about = about(flags);
        let guard = Guard { token: token.as_deref().map(Token::from), tls, has_clients };
        Ok(Some(Self { listen, guard, heap_profile, about }))
    }

    /// What a reload changes of it.
    pub(crate) fn guard(&self) -> Guard {
        self.guard.clone()
    }

    /// Begins to tell of `main`, by the sockets of the process before this one, if it has left some.
    pub(crate) fn start(
        self,
        main: &Running,
        metrics: Metrics,
        reload: Reload,
        inherited: Inherited,
    ) -> Result<Running, Failure> {
        let reload = move || reload.now();
        heap::sample_every(self.heap_profile);
        let mut admin =
            Admin::new(main.inspector()).metrics(metrics).on_reload(reload).about(self.about);
        let guard = self.guard;
        if let Some(token) = guard.token {
            admin = admin.token(token);
        }
        if guard.has_clients {
            admin = admin.behind_certificates();
        }
        let server = Server::new(move |shard| admin.router(&shard))
            .shards(NonZero::<usize>::MIN)
            .unpinned()
            .limits(trilane_admin::limits());
        let server = match guard.tls {
            Some(tls) => {
                let texts = self.listen.iter().map(ToString::to_string);
                texts.fold(server.tls(tls.acceptor()), Server::listen_secure)
            }
            None => self.listen.into_iter().fold(server, Server::listen_on),
        };
        server.inherit(inherited).start().map_err(Failure::Server)
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

/// Where it listens, ports chosen.
pub(crate) fn addresses(admin: &Running) -> &[ListenAddress] {
    match admin.addresses() {
        [] => admin.secure_addresses(),
        addresses => addresses,
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
        assert!((near.listen.len(), near.guard.token.is_none()) == (2, true));
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
        assert!(wanted(token).unwrap().unwrap().guard.token.unwrap().is("0123456789abcdef"));
    }

    #[test]
    fn it_is_read_again_while_it_is_listened() {
        let folder = std::env::temp_dir().join(format!("trilane-admin-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        let config = |more: &str| {
            let text = format!(
                "[admin]\nlisten = ['127.0.0.1:0']\ntls = true\n{more}\n[tls]\ndevelopment = '{}'\n",
                path("kept")
            );
            Config::parse(&text, Path::new("t.toml")).unwrap()
        };
        let flags = Serve::default();
        let text = format!("token_file = '{}'", path("token"));
        fs::write(folder.join("token"), "the-first-of-the-tokens\n").unwrap();
        let wanted = Wanted::new(&flags, &config(&text)).unwrap().unwrap();
        let (mut guard, listening) = (wanted.guard(), wanted.guard.clone());
        let (token, acceptor) = (listening.token.unwrap(), listening.tls.unwrap().acceptor());
        let before = acceptor.current();
        fs::write(folder.join("token"), "another-of-the-tokens\n").unwrap();
        let renewed = guard.renewed(&flags, &config(&text)).unwrap();
        assert!(token.is("the-first-of-the-tokens") && renewed.left.is_empty());
        guard.adopt(renewed);
        assert!(token.is("another-of-the-tokens") && !token.is("the-first-of-the-tokens"));
        assert!(!std::sync::Arc::ptr_eq(&before, &acceptor.current()));
        // What would open it, or cannot be, changes nothing.
        let renewed = guard.renewed(&flags, &config("")).unwrap();
        assert_eq!(renewed.left, ["admin.token"]);
        guard.adopt(renewed);
        assert!(token.is("another-of-the-tokens"));
        fs::write(folder.join("token"), "short").unwrap();
        assert!(guard.renewed(&flags, &config(&text)).err().unwrap().contains("16 printable"));
        let roots = format!("token = 'another-of-the-tokens'\nclient_roots = '{}'", path("none"));
        let renewed = guard.renewed(&flags, &config(&roots)).unwrap();
        assert_eq!(renewed.left, ["admin.client_roots"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
