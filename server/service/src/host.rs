//! Routing by host (RFC 9110 §7.2): which router a request is for. Allocates nothing, looks nothing
//! up where no host was given.

use std::cmp::Ordering;

use trilane_semantics::RequestHead;

/// Routers, or apps, of hosts; sorted by host, in lower case.
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
        // A port is no part of it: what is left without one must be all of it.
        if host.is_empty() || !host.bytes().all(is_host) || of_authority(host) != host {
            return false;
        }
        match self.position(host) {
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

    /// What belongs to a host.
    pub(crate) fn find_host(&self, host: &str) -> Option<&T> {
        let at = self.position(host).ok()?;
        self.0.get(at).map(|(_, value)| value)
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
    fn position(&self, host: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| compare(known.as_bytes(), host.as_bytes()))
    }
}

impl<T> IntoIterator for Hosts<T> {
    type Item = (String, T);
    type IntoIter = std::vec::IntoIter<(String, T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn compare(one: &[u8], other: &[u8]) -> Ordering {
    one.iter().map(u8::to_ascii_lowercase).cmp(other.iter().map(u8::to_ascii_lowercase))
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
    fn which_authority_is_which_host() {
        let mut hosts = Hosts::default();
        assert!(hosts.add("Example.org", 1) && hosts.add("[::1]", 2) && hosts.add("a_b", 3));
        for wrong in
            ["", "example.ORG", "a.example:80", "a.", "a/b", "a b", "[::1]:80", "*.a", "u@a"]
        {
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
