//! Origins (RFC 6454 §6.2) that layers are told to trust: one, all, or those of subdomains.

use trilane_semantics::Target;

/// Which origins are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginPattern {
    /// `*`.
    Any,
    /// Exactly that one, as browsers write it; also `null`.
    One(Box<str>),
    /// `https://*.example.org:8443`: what comes before the star, and after it.
    Below(Box<str>, Box<str>),
}

impl OriginPattern {
    /// Reads one: `*`, `null`, an origin, or an origin whose host begins with `*.`. `None` for what no browser sends.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "*" => return Some(Self::Any),
            "null" => return Some(Self::One(text.into())),
            _ => (),
        }
        let text = text.to_ascii_lowercase();
        match text.split_once("://*.") {
            Some((scheme, rest)) => {
                let is_origin = is_origin(&format!("{scheme}://{rest}"));
                let (before, after) = (format!("{scheme}://"), format!(".{rest}"));
                is_origin.then(|| Self::Below(before.into(), after.into()))
            }
            None => is_origin(&text).then(|| Self::One(text.into())),
        }
    }

    /// Whether that is one of them. Browsers write origins in one form, so the comparison is exact.
    pub(crate) fn has(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => **one == *origin,
            Self::Below(before, after) => {
                let label = origin.strip_prefix(&**before).and_then(|it| it.strip_suffix(&**after));
                // Neither a port nor a path nor a name of a user may hide in it.
                let is_name =
                    |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
                label.is_some_and(|label| !label.is_empty() && label.bytes().all(is_name))
            }
        }
    }

    /// Whether it lets in origins without TLS, which anybody on the way can pretend to be. This machine is no way.
    pub(crate) fn is_insecure(&self) -> bool {
        let (Self::One(text) | Self::Below(_, text)) = self else { return false };
        let of_scheme = match self {
            Self::Below(before, _) => &**before == "http://",
            _ => text.starts_with("http://"),
        };
        let host = authority(text).map_or(&**text, |(_, host)| host);
        let name = host_of(host).0;
        let is_here = matches!(name, "localhost" | ".localhost" | "127.0.0.1" | "[::1]");
        of_scheme && !is_here && !name.ends_with(".localhost")
    }
}

/// Scheme and authority of an origin.
pub(crate) fn authority(origin: &str) -> Option<(&str, &str)> {
    origin.split_once("://")
}

/// Whether an origin is that of the scheme and host that a request is for: the same host and port, whatever the scheme, as a proxy
/// may have taken TLS away. Ports that go without saying are left out.
pub(crate) fn is_for(origin: &str, authority_asked: &str) -> bool {
    let Some((scheme, own)) = authority(origin) else { return false };
    let default = if scheme == "https" { "443" } else { "80" };
    let ((host, port), (asked, asked_port)) = (host_of(own), host_of(authority_asked));
    let of =
        |port: Option<&str>| port.filter(|port| !port.is_empty()).unwrap_or(default).to_owned();
    host.eq_ignore_ascii_case(asked) && of(port) == of(asked_port)
}

/// Host and port of an authority.
fn host_of(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    }
}

/// A scheme and an authority, and nothing else.
fn is_origin(text: &str) -> bool {
    let Some(target) = Target::parse(text.as_bytes()) else { return false };
    let (scheme, authority) = (target.scheme(text), target.authority(text));
    // A star is a good byte of a name (RFC 3986 §3.2.2), but nobody means it.
    !scheme.is_empty()
        && !text.contains('*')
        && text.len() == scheme.len() + 3 + authority.len()
        && trilane_semantics::target::is_authority(authority.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_origins_a_pattern_has() {
        let has = |pattern: &str, origin: &str| OriginPattern::parse(pattern).unwrap().has(origin);
        for (pattern, origin) in [
            ("*", "https://a.example"),
            ("https://a.example", "https://a.example"),
            ("HTTPS://A.example", "https://a.example"),
            ("null", "null"),
            ("https://*.a.example", "https://b.a.example"),
            ("https://*.a.example", "https://c.b.a.example"),
            ("https://*.a.example:8443", "https://b.a.example:8443"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert!(has(pattern, origin), "{pattern} {origin}");
        }
        for (pattern, origin) in [
            ("https://a.example", "http://a.example"),
            ("https://a.example", "https://a.example:8443"),
            ("https://a.example", "https://a.example.evil"),
            ("https://a.example", "https://A.example"),
            ("https://a.example", "null"),
            ("https://*.a.example", "https://a.example"),
            ("https://*.a.example", "https://.a.example"),
            ("https://*.a.example", "https://evila.example"),
            ("https://*.a.example", "http://b.a.example"),
            ("https://*.a.example", "https://b.a.example:8443"),
            ("https://*.a.example", "https://evil/.a.example"),
            ("https://*.a.example", "https://evil:443@b.a.example"),
            ("https://*.a.example", "https://evil?.a.example"),
        ] {
            assert!(!has(pattern, origin), "{pattern} {origin}");
        }
        for bad in [
            "",
            "a.example",
            "https://",
            "https://a/",
            "https://a b",
            "https://u@a",
            "**",
            "https://*",
            "https://a?x",
        ] {
            assert_eq!(OriginPattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn which_are_insecure() {
        for (pattern, is) in [
            ("http://a.example", true),
            ("http://*.a.example:80", true),
            ("http://localhost.example", true),
            ("https://a.example", false),
            ("https://*.a.example", false),
            ("http://localhost:3000", false),
            ("http://app.localhost", false),
            ("http://*.localhost:1", false),
            ("http://127.0.0.1:3000", false),
            ("http://[::1]", false),
            ("*", false),
            ("null", false),
        ] {
            assert_eq!(OriginPattern::parse(pattern).unwrap().is_insecure(), is, "{pattern}");
        }
    }

    #[test]
    fn whose_origin_a_request_has() {
        for (origin, asked, is) in [
            ("https://a.example", "a.example", true),
            ("https://a.example", "A.example:443", true),
            ("http://a.example", "a.example:80", true),
            ("https://a.example:8443", "a.example:8443", true),
            ("https://[::1]", "[::1]:443", true),
            ("https://a.example", "a.example:80", false),
            ("https://a.example", "b.example", false),
            ("https://a.example", "a.example.evil", false),
            ("null", "a.example", false),
            ("", "", false),
        ] {
            assert_eq!(is_for(origin, asked), is, "{origin} {asked}");
        }
    }
}
