//! Which stored responses a request may be answered from (RFC 9111 §2): its scheme, its authority, and its target.
//!
//! The authority is in lower case and without the scheme's own port (RFC 9110 §4.2.3). Path and query are as they were
//! sent: the router, too, tells apart what is encoded differently.

use std::fmt;
use std::sync::Arc;

use trilane_semantics::{Known, Method, RequestHead};

type Write = dyn Fn(&RequestHead, &mut String) + Send + Sync;

/// How the part of a key after the authority is made.
#[derive(Clone, Default)]
pub(super) struct KeyMaker(Option<Arc<Write>>);

impl KeyMaker {
    pub(super) fn of(write: impl Fn(&RequestHead, &mut String) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(write)))
    }

    /// Writes the key of a request in place of what is in `out`.
    pub(super) fn write(&self, head: &RequestHead, is_secure: bool, out: &mut String) {
        out.clear();
        out.push_str(if is_secure { "https://" } else { "http://" });
        let start = out.len();
        out.push_str(head.authority().unwrap_or_default());
        out[start..].make_ascii_lowercase();
        let port = if is_secure { ":443" } else { ":80" };
        let end = out.strip_suffix(port).unwrap_or(out).len();
        out.truncate(end);
        match &self.0 {
            Some(write) => write(head, out),
            None => {
                out.push_str(head.path());
                if let Some(query) = head.query() {
                    out.push('?');
                    out.push_str(query);
                }
            }
        }
    }

    /// The key of what Location or Content-Location of a response refers to, if that is of the same origin as its request
    /// (RFC 9111 §4.4, MUST).
    pub(super) fn of_reference(
        &self,
        head: &RequestHead,
        is_secure: bool,
        reference: &str,
    ) -> Option<String> {
        let reference = reference.split('#').next().unwrap_or_default();
        let target = match reference.split_once("://") {
            Some((scheme, _)) if !scheme.contains(['/', '?']) => {
                let own = if is_secure { "https" } else { "http" };
                scheme.eq_ignore_ascii_case(own).then(|| reference.to_owned())?
            }
            _ if reference.starts_with("//") => format!("http:{reference}"),
            _ if reference.starts_with('/') => reference.to_owned(),
            // Dot segments would have to be resolved first: no handler of ours has such a path.
            _ if reference.is_empty() || reference.starts_with(['.', '?']) => return None,
            _ => format!("{}/{reference}", head.path().rsplit_once('/')?.0),
        };
        let mut other = RequestHead::new(Method::GET, &target)?;
        let absolute = other.scheme().is_some();
        for (known, name, value) in head.fields.lines() {
            if !(absolute && known == Some(Known::Host)) {
                other.fields.append(trilane_semantics::NameRef::new(name), value).ok()?;
            }
        }
        let (mut ours, mut theirs) = (String::new(), String::new());
        let origin = Self::of(|_, _| ());
        origin.write(head, is_secure, &mut ours);
        if !absolute {
            // The authority may be the target's own, as over HTTP/2.
            theirs.push_str(&ours);
            match &self.0 {
                Some(write) => write(&other, &mut theirs),
                None => theirs.push_str(&target),
            }
            return Some(theirs);
        }
        origin.write(&other, is_secure, &mut theirs);
        if ours != theirs {
            return None;
        }
        self.write(&other, is_secure, &mut theirs);
        Some(theirs)
    }
}

impl fmt::Debug for KeyMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "KeyMaker(own)" } else { "KeyMaker(target)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, host: &str) -> RequestHead {
        let mut head = RequestHead::new(Method::GET, target).unwrap();
        head.fields.append(Known::Host, host).unwrap();
        head
    }

    #[test]
    fn keys_of_requests() {
        for (target, host, is_secure, expected) in [
            ("/a?b=c", "Example.ORG", false, "http://example.org/a?b=c"),
            ("/a?", "example.org:80", false, "http://example.org/a?"),
            ("/a", "example.org:443", false, "http://example.org:443/a"),
            ("/A%2f", "example.org:443", true, "https://example.org/A%2f"),
            ("/a", "example.org:8443", true, "https://example.org:8443/a"),
            ("http://other", "example.org", true, "https://other/"),
        ] {
            let mut key = "left over".to_owned();
            KeyMaker::default().write(&head(target, host), is_secure, &mut key);
            assert_eq!(key, expected);
        }
        let own = KeyMaker::of(|head, key| key.push_str(head.path()));
        let mut key = String::new();
        own.write(&head("/a?utm=1", "h"), false, &mut key);
        assert_eq!(key, "http://h/a");
    }

    #[test]
    fn keys_of_references() {
        for (reference, expected) in [
            ("/x?y", Some("http://h:8080/x?y")),
            ("/x#y", Some("http://h:8080/x")),
            ("x", Some("http://h:8080/a/x")),
            ("http://H:8080/x", Some("http://h:8080/x")),
            ("HTTP://h:8080", Some("http://h:8080/")),
            ("//h:8080/x", Some("http://h:8080/x")),
            // RFC 9111 §4.4: never of another origin.
            ("//other/x", None),
            ("http://other/x", None),
            ("http://h/x", None),
            ("https://h:8080/x", None),
            ("", None),
            ("../x", None),
            ("/x y", None),
        ] {
            let head = head("/a/b?c", "h:8080");
            let key = KeyMaker::default().of_reference(&head, false, reference);
            assert_eq!(key.as_deref(), expected, "{reference}");
        }
        let whole = RequestHead::new(Method::GET, "https://h/a").unwrap();
        let key = KeyMaker::default().of_reference(&whole, true, "/x");
        assert_eq!(key.as_deref(), Some("https://h/x"));
    }
}
