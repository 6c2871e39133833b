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

/// Places of certificates by name, whoever shows them.
#[derive(Debug)]
pub(crate) struct Index {
    /// By exact name, best first.
    exact: HashMap<String, Vec<usize>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<usize>>,
    /// For all other names: the first, and those that share a name with it. Or none.
    other: Vec<usize>,
}

impl Index {
    /// The names of each certificate, in the order of the configuration.
    pub(crate) fn new<'a>(lists: impl Iterator<Item = &'a [String]>, unknown: Unknown) -> Self {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        let (mut first, mut other) = (HashSet::new(), Vec::new());
        for (at, names) in lists.enumerate() {
            if at == 0 {
                first.extend(names);
            }
            let is_first = at == 0 || names.iter().any(|name| first.contains(name));
            if is_first && unknown == Unknown::First {
                other.push(at);
            }
            for name in names {
                let (map, name): (&mut HashMap<_, Vec<_>>, _) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut wildcard, rest.to_owned()),
                    None => (&mut exact, name.clone()),
                };
                map.entry(name).or_default().push(at);
            }
        }
        Self { exact, wildcard, other }
    }

    /// For a name in small letters: those with exactly this name, else those with a `*` for its first label (RFC 9525 §6.3), else
    /// those for all other names.
    pub(crate) fn of(&self, name: Option<&str>) -> &[usize] {
        let exact = |name: &str| self.exact.get(name);
        let wildcard = |name: &str| self.wildcard.get(name.split_once('.')?.1);
        name.and_then(|name| exact(name).or_else(|| wildcard(name))).unwrap_or(&self.other)
    }
}

/// Certificates by name.
#[derive(Debug)]
pub(crate) struct Names {
    /// In the order of the configuration.
    keys: Vec<Arc<CertifiedKey>>,
    index: Arc<Index>,
}

impl Names {
    /// Certificates, and the index of their names.
    pub(crate) const fn new(keys: Vec<Arc<CertifiedKey>>, index: Arc<Index>) -> Self {
        Self { keys, index }
    }

    /// The first certificate for the name whose key can sign as the client wants. If none can, the first: rustls then
    /// refuses with the right alert.
    fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let mut keys = self.index.of(name).iter().filter_map(|at| self.keys.get(*at));
        let first = keys.clone().next();
        keys.find(|key| key.key.choose_scheme(schemes).is_some()).or(first)
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
