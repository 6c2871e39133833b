//! Forgery across origins (OWASP CSRF, FEATURES X7): browsers say where a request comes from, and that is believed.

use trilane_exchange::{Error, Request, Response};
use trilane_semantics::{Fields, Known, Method, RequestHead, StatusCode};

use crate::chain::Chain;
use crate::layer::{Hook, Layer, Phases};
use crate::layers::trusted_proxies::ForwardedHost;
use crate::origin::{self, OriginPattern};
use crate::paths::Paths;

/// Refuses, with 403, what a page of another origin makes a browser send: requests that are not safe (RFC 9110 §9.2.1), and handshakes of
/// WebSockets. `Sec-Fetch-Site` must be `same-origin` or `none`; where a browser does not send it, the host in `Origin` must be the one
/// that is asked. Who sends neither is no browser, and nobody's cookies are misused by it. There are no tokens.
///
/// ```
/// use trilane_service::{Csrf, Router, post};
/// let csrf = Csrf::new().trust("https://login.example.org").except("/hooks/");
/// let router: Router = Router::new().route("/", post(|| async { "done" })).layer(csrf);
/// # router.build().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Csrf {
    trusted: Vec<OriginPattern>,
    excepted: Paths,
    wrong: Option<String>,
}

impl Csrf {
    /// No other origin is trusted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Pages of that origin may send anything: `https://example.org`, or `https://*.example.org` for all hosts below that one. What is
    /// none is an error of [`Router::build`](crate::Router::build).
    #[must_use]
    pub fn trust(mut self, origin: &str) -> Self {
        match OriginPattern::parse(origin).filter(|pattern| *pattern != OriginPattern::Any) {
            Some(pattern) => self.trusted.push(pattern),
            None => {
                self.wrong = Some(format!("'{origin}' is no origin, such as https://example.org"))
            }
        }
        self
    }

    /// Not for that path; for all paths that begin with it, if it ends with a slash. `/` is the root alone.
    #[must_use]
    pub fn except(mut self, path: &str) -> Self {
        self.excepted.add(path);
        self
    }

    /// Whether a request may be what its sender's user wants. `host` is the one that the client has asked.
    fn is_meant(&self, head: &RequestHead, host: &str) -> bool {
        let fields = &head.fields;
        let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&head.method);
        // A handshake is a safe request, and what it opens is not.
        if is_safe && !fields.contains(Known::Upgrade) || self.excepted.has(head.path()) {
            return true;
        }
        let origin = single(fields, "origin");
        let is_trusted =
            || matches!(origin, Ok(Some(origin)) if self.trusted.iter().any(|one| one.has(origin)));
        match single(fields, "sec-fetch-site") {
            Ok(Some("same-origin" | "none")) => true,
            Ok(Some(_)) | Err(()) => is_trusted(),
            Ok(None) => match origin {
                Ok(None) => true,
                Ok(Some(origin)) => origin::is_for(origin, host) || is_trusted(),
                Err(()) => false,
            },
        }
    }
}

/// The value of a field that may come once.
fn single<'a>(fields: &'a Fields, name: &'static str) -> Result<Option<&'a str>, ()> {
    let mut values = fields.all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => std::str::from_utf8(value).map(Some).map_err(drop),
        _ => Err(()),
    }
}

impl Layer for Csrf {
    fn add_to(mut self, chain: &mut Chain) {
        match self.wrong.take() {
            Some(reason) => chain.refuse("Csrf", reason),
            None => chain.add(Guard(self)),
        }
    }
}

struct Guard(Csrf);

impl Hook for Guard {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let (head, forwarded) = (request.head(), request.exchange().noted::<ForwardedHost>());
        let host = forwarded.as_ref().map(|host| &*host.0).or_else(|| head.authority());
        let is_meant = self.0.is_meant(head, host.unwrap_or_default());
        (!is_meant).then(|| {
            Error::new(StatusCode::FORBIDDEN)
                .message("a page of another origin has sent this")
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Router;

    #[test]
    fn everybody_cannot_be_trusted() {
        for bad in ["*", "", "a.example", "https://a.example/"] {
            assert!(Router::<()>::new().layer(Csrf::new().trust(bad)).build().is_err(), "{bad}");
        }
    }

    fn meant(method: &str, path: &str, fields: &[(&str, &str)]) -> bool {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut head = RequestHead::new(method, path).unwrap();
        for (name, value) in fields {
            head.fields.append(*name, value).unwrap();
        }
        let csrf = Csrf::new().trust("https://*.b.example").except("/hooks/").except("/in");
        csrf.is_meant(&head, "a.example")
    }

    #[test]
    fn who_may_send_what() {
        let own = ("origin", "https://a.example");
        let friend = ("origin", "https://x.b.example");
        let evil = ("origin", "https://evil.example");
        for (fields, is) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "Same-Origin")], false),
            (&[("sec-fetch-site", "")], false),
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "none")], false),
            // A proxy may have taken TLS away, or moved the host: the browser's own word counts.
            (&[("sec-fetch-site", "same-origin"), evil], true),
            (&[("sec-fetch-site", "cross-site"), own], false),
            (&[("sec-fetch-site", "cross-site"), friend], true),
            (&[own], true),
            (&[("origin", "http://a.example")], true),
            (&[("origin", "http://a.example:443")], false),
            (&[("origin", "https://a.example:8443")], false),
            (&[friend], true),
            (&[evil], false),
            (&[("origin", "null")], false),
            (&[own, own], false),
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT"] {
                assert_eq!(meant(method, "/", fields), is, "{method} {fields:?}");
            }
            for method in ["GET", "HEAD", "OPTIONS"] {
                assert!(meant(method, "/", fields), "{method} {fields:?}");
            }
            for path in ["/hooks/x", "/in"] {
                assert!(meant("POST", path, fields));
            }
            for path in ["/hooks", "/in/x"] {
                assert_eq!(meant("POST", path, fields), is);
            }
            let handshake = [fields, &[("upgrade", "websocket")]].concat();
            assert_eq!(meant("GET", "/", &handshake), is, "{handshake:?}");
        }
    }
}
