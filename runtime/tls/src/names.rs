//! Which certificate a client is shown: by the name that it asks for (SNI, RFC 6066 §3) and by the signatures that it
//! can verify.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

thread_local! {
    /// rustls tells the name to the resolver alone, and its connections without buffers have no other way to ask. It is
    /// passed on from one call to the next on one thread.
    static SEEN: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// The name, in small letters, that the ClientHello asked for that this thread has just been given to read; once.
pub(crate) fn seen() -> Option<Box<str>> {
    SEEN.take()
}

/// What becomes of clients that ask for no name, or for one that no certificate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are shown the first certificate.
    First,
    /// Their handshake ends.
    Refuse,
}

/// Certificates by name.
#[derive(Debug)]
pub(crate) struct Names {
    /// In the order of the configuration.
    keys: Vec<Arc<CertifiedKey>>,
    /// By exact name: places in `keys`, best first.
    exact: HashMap<String, Vec<usize>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<usize>>,
    /// For all other names: the first, and those that share a name with it. Or none.
    other: Vec<usize>,
}

impl Names {
    /// Certificates, each with the names in it.
    pub(crate) fn new(identities: Vec<(CertifiedKey, Vec<String>)>, unknown: Unknown) -> Self {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        let first: HashSet<_> = match identities.first() {
            Some((_, names)) => names.iter().cloned().collect(),
            None => HashSet::new(),
        };
        let (mut keys, mut other) = (Vec::with_capacity(identities.len()), Vec::new());
        for (at, (key, names)) in identities.into_iter().enumerate() {
            let is_first = at == 0 || names.iter().any(|name| first.contains(name));
            if is_first && unknown == Unknown::First {
                other.push(at);
            }
            for name in names {
                let (map, name): (&mut HashMap<_, Vec<_>>, _) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut wildcard, rest.to_owned()),
                    None => (&mut exact, name),
                };
                map.entry(name).or_default().push(at);
            }
            keys.push(Arc::new(key));
        }
        Self { keys, exact, wildcard, other }
    }

    /// The first certificate for the name whose key can sign as the client wants. If none can, the first: rustls then
    /// refuses with the right alert.
    fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let places = name.and_then(|name| self.of(name)).unwrap_or(&self.other);
        let mut keys = places.iter().filter_map(|at| self.keys.get(*at));
        let first = keys.clone().next();
        keys.find(|key| key.key.choose_scheme(schemes).is_some()).or(first)
    }

    /// Those with exactly this name, else those with a `*` for its first label (RFC 9525 §6.3).
    fn of(&self, name: &str) -> Option<&Vec<usize>> {
        self.exact.get(name).or_else(|| self.wildcard.get(name.split_once('.')?.1))
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls has made it small.
        let name = hello.server_name();
        SEEN.set(name.map(Into::into));
        self.choose(name, hello.signature_schemes()).cloned()
    }
}
