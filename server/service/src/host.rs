//! Routing by host (RFC 9110 §7.2): which router a request is for. Allocates nothing, looks nothing
//! up where no host was given.

use trilane_semantics::RequestHead;

/// What a pattern begins with.
const ANY: &str = "*.";

/// Routers, or apps, of hosts; sorted by host, in lower case. `*.example.org` stands for any one label before that, as in
/// certificates (RFC 9525 §6.3).
#[derive(Clone)]
pub(crate) struct Hosts<T>(Vec<(String, T)>);

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Hosts<T> {
    /// Adds one; `false` when no request can have that host, or it is there already.
    pub(crate) fn add(&mut self, host: &str, value: T) -> bool {
        let is_host = |byte: u8| {
            let is_other = matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':');
            byte.is_ascii_alphanumeric() || is_other
        };
        let name = host.strip_prefix(ANY).unwrap_or(host);
        // A port is no part of it: what is left without one must be all of it.
        if name.is_empty() || !name.bytes().all(is_host) || of_authority(name) != name {
            return false;
        }
        match self.position(host.bytes()) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, (host.to_ascii_lowercase(), value));
                true
            }
        }
    }

    /// What belongs to the host of a request.
    pub(crate) fn find(&self, head: &RequestHead) -> Option<&T> {
        if self.0.is_empty() {
            return None;
        }
        self.find_host(of_authority(head.authority()?))
    }

    /// What belongs to a host: as it is named, else by its pattern.
    pub(crate) fn find_host(&self, host: &str) -> Option<&T> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let of_pattern = || {
            let (label, rest) = host.split_once('.')?;
            let is_label = !label.is_empty() && label.bytes().all(is_fit);
            self.position(ANY.bytes().chain(rest.bytes())).ok().filter(|_| is_label)
        };
        // Who asks for a pattern asks for no host.
        let named = self.position(host.bytes()).ok().filter(|_| !host.starts_with('*'));
        let at = named.or_else(of_pattern);
        at.and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    /// Whether that host, or that pattern, is one of them.
    pub(crate) fn has(&self, host: &str) -> bool {
        self.position(host.bytes()).is_ok()
    }

    /// Whether there are any.
    pub(crate) fn is_some(&self) -> bool {
        !self.0.is_empty()
    }

    /// The first host.
    pub(crate) fn into_first(self) -> Option<String> {
        self.0.into_iter().next().map(|(host, _)| host)
    }

    /// What belongs to each host.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// What belongs to each host, to be changed.
    pub(crate) fn routers(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// The same hosts with something else.
    pub(crate) fn map<U>(self, mut with: impl FnMut(T) -> U) -> Hosts<U> {
        Hosts(self.0.into_iter().map(|(host, value)| (host, with(value))).collect())
    }

    /// The same hosts with something else, or the first error.
    pub(crate) fn try_map<U, E>(
        self,
        mut with: impl FnMut(T) -> Result<U, E>,
    ) -> Result<Hosts<U>, E> {
        let all = self.0.into_iter().map(|(host, value)| Ok((host, with(value)?)));
        all.collect::<Result<_, E>>().map(Hosts)
    }

    /// RFC 9110 §4.2.3: the host is case-insensitive.
    fn position(&self, host: impl Iterator<Item = u8> + Clone) -> Result<usize, usize> {
        let host = host.map(|byte| byte.to_ascii_lowercase());
        self.0.binary_search_by(|(known, _)| known.bytes().cmp(host.clone()))
    }
}

impl<T> IntoIterator for Hosts<T> {
    type Item = (String, T);
    type IntoIter = std::vec::IntoIter<(String, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The host of an authority: without its port, and without the dot of a name that is complete.
pub(crate) fn of_authority(authority: &str) -> &str {
    let host = match authority.find(']') {
        // RFC 3986 §3.2.2: an IP literal has colons of its own.
        Some(end) if authority.starts_with('[') => &authority[..=end],
        _ => authority.split(':').next().unwrap_or_default(),
    };
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use trilane_semantics::{Known, Method};

    use super::*;

    #[test]
    fn a_pattern_is_for_one_label() {
        let mut hosts = Hosts::default();
        assert!(hosts.add("*.A.example", 1) && hosts.add("b.a.example", 2));
        assert!(!hosts.add("*.a.EXAMPLE", 9));
        for (host, expected) in [
            ("x.a.example", Some(1)),
            ("X-1.A.EXAMPLE", Some(1)),
            ("B.a.example", Some(2)),
            ("a.example", None),
            ("y.x.a.example", None),
            (".a.example", None),
            ("*.a.example", None),
            ("%78.a.example", None),
        ] {
            assert_eq!(hosts.find_host(host).copied(), expected, "{host}");
        }
    }

    #[test]
    fn which_authority_is_which_host() {
        let mut hosts = Hosts::default();
        assert!(hosts.add("Example.org", 1) && hosts.add("[::1]", 2) && hosts.add("a_b", 3));
        for wrong in [
            "",
            "example.ORG",
            "a.example:80",
            "a.",
            "a/b",
            "a b",
            "[::1]:80",
            "*",
            "*.",
            "*.*.a",
            "a.*",
            "u@a",
        ] {
            assert!(!hosts.add(wrong, 9), "{wrong}");
        }
        for (authority, expected) in [
            ("example.org", Some(1)),
            ("EXAMPLE.org:8080", Some(1)),
            ("example.org.", Some(1)),
            ("example.org.:80", Some(1)),
            ("[::1]:443", Some(2)),
            ("[::1]", Some(2)),
            ("a_b", Some(3)),
            ("xexample.org", None),
            ("example.or", None),
            ("example.orgx", None),
            ("[::2]", None),
            ("example.org..", None),
            ("", None),
        ] {
            let mut head = RequestHead::new(Method::GET, "/").unwrap();
            head.fields.append(Known::Host, authority).unwrap();
            assert_eq!(hosts.find(&head).copied(), expected, "{authority}");
        }
        assert_eq!(hosts.find(&RequestHead::new(Method::GET, "/").unwrap()), None);
        let absolute = RequestHead::new(Method::GET, "http://example.org/").unwrap();
        assert_eq!(hosts.find(&absolute), Some(&1));
    }
}
