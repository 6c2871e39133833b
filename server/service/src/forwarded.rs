//! What proxies write of those they ask for: the `Forwarded` field (RFC 7239), and addresses as they stand in others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use trilane_semantics::field::{is_token, trim_ows};
use trilane_semantics::target::is_authority;
use trilane_semantics::{Fields, Known};

/// Elements that are read; a chain of more proxies is none.
const MOST: usize = 64;

/// One step on the way of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Who asked; the port is 0 where it is not said. None where it is hidden (RFC 7239 §6.2, §6.3) or cannot be read.
    pub(crate) address: Option<SocketAddr>,
    /// Whether it spoke TLS.
    pub(crate) is_secure: Option<bool>,
    /// Which host it asked.
    pub(crate) host: Option<Box<str>>,
}

impl Hop {
    pub(crate) fn at(address: Option<SocketAddr>) -> Self {
        Self { address, ..Self::default() }
    }
}

/// The elements of all `Forwarded` lines, in order (RFC 7239 §4). `None` when any of it is malformed: whose fault that is, and where
/// what our own proxy wrote begins, nobody can tell then.
pub(crate) fn elements(fields: &Fields) -> Option<Vec<Hop>> {
    let (mut hops, mut values) = (Vec::new(), Vec::new());
    for line in fields.all(Known::Forwarded) {
        let mut rest = trim_ows(line);
        while !rest.is_empty() {
            let (hop, after) = element(rest, &mut values)?;
            if hops.len() == MOST {
                return None;
            }
            hops.push(hop);
            rest = after;
        }
    }
    Some(hops)
}

/// `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`, up to the comma after it.
fn element<'a>(mut rest: &'a [u8], value: &mut Vec<u8>) -> Option<(Hop, &'a [u8])> {
    let (mut hop, mut seen) = (Hop::default(), 0u8);
    loop {
        match rest {
            [] => return Some((hop, rest)),
            [b',', after @ ..] => return Some((hop, trim_ows(after))),
            [b';', after @ ..] => {
                rest = trim_ows(after);
                continue;
            }
            _ => (),
        }
        let equals = rest.iter().position(|&b| b == b'=')?;
        let (name, after) = (rest.get(..equals)?, rest.get(equals + 1..)?);
        if !is_token(name) {
            return None;
        }
        rest = read_value(after, value)?;
        let bit = match &*name.to_ascii_lowercase() {
            b"for" => {
                hop.address = address(value);
                1
            }
            b"proto" => {
                hop.is_secure = is_secure(value);
                2
            }
            b"host" => {
                hop.host = host(value);
                4
            }
            b"by" => 8,
            _ => 0,
        };
        // RFC 7239 §4: each parameter MUST NOT occur more than once per element.
        if seen & bit != 0 {
            return None;
        }
        seen |= bit;
    }
}

/// `value = token / quoted-string`, unquoted into `value`; what is after it begins with `;` or `,`.
fn read_value<'a>(text: &'a [u8], value: &mut Vec<u8>) -> Option<&'a [u8]> {
    value.clear();
    let rest = match text {
        [b'"', quoted @ ..] => {
            let mut rest = quoted;
            loop {
                rest = match rest {
                    [b'"', after @ ..] => break after,
                    // RFC 9110 §5.6.4: quoted-pair.
                    [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                        value.push(*byte);
                        after
                    }
                    [] => return None,
                };
            }
        }
        _ => {
            let end = text.iter().position(|b| matches!(b, b';' | b',' | b' ' | b'\t'));
            let (token, rest) = text.split_at(end.unwrap_or(text.len()));
            if !is_token(token) {
                return None;
            }
            value.extend_from_slice(token);
            rest
        }
    };
    let rest = trim_ows(rest);
    matches!(rest, [] | [b';' | b',', ..]).then_some(rest)
}

/// An address, with or without a port: `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`
/// (RFC 7239 §6; a port that is hidden is 0). An IPv4 address in IPv6 clothes is itself.
pub(crate) fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let (ip, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, after) = rest.split_once(']')?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            (IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?), port)
        }
        None => match text.parse::<IpAddr>() {
            Ok(ip) => (ip, None),
            Err(_) => {
                let (ip, port) = text.split_once(':')?;
                (IpAddr::V4(ip.parse::<Ipv4Addr>().ok()?), Some(port))
            }
        },
    };
    let port = match port {
        None => 0,
        Some(hidden) if hidden.starts_with('_') && is_token(hidden.as_bytes()) => 0,
        // `parse` takes a sign too, and a port has none.
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// Whether that is the scheme of TLS; none of the others is looked at.
pub(crate) fn is_secure(scheme: &[u8]) -> Option<bool> {
    match &*scheme.to_ascii_lowercase() {
        b"https" | b"wss" => Some(true),
        b"http" | b"ws" => Some(false),
        _ => None,
    }
}

/// A host, with or without a port (RFC 7239 §5.3).
pub(crate) fn host(text: &[u8]) -> Option<Box<str>> {
    is_authority(text).then(|| String::from_utf8_lossy(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<Vec<Hop>> {
        let mut fields = Fields::new();
        for line in lines {
            fields.append(Known::Forwarded, line).unwrap();
        }
        elements(&fields)
    }

    fn addresses(line: &str) -> Option<Vec<String>> {
        let text = |hop: Hop| hop.address.map_or_else(|| "-".to_owned(), |it| it.to_string());
        read(&[line]).map(|hops| hops.into_iter().map(text).collect())
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (line, expected) in [
            ("for=\"_gazonk\"", &["-"][..]),
            ("For=\"[2001:db8:cafe::17]:4711\"", &["[2001:db8:cafe::17]:4711"]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60:0"]),
            ("for=192.0.2.43, for=198.51.100.17", &["192.0.2.43:0", "198.51.100.17:0"]),
            ("for=_hidden, for=_SEVKISEK", &["-", "-"]),
            ("for=unknown", &["-"]),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                &["192.0.2.43:0", "[2001:db8:cafe::17]:0", "-"],
            ),
            ("for=\"192.0.2.43:47011\"", &["192.0.2.43:47011"]),
            ("for=\"192.0.2.43:_port\"", &["192.0.2.43:0"]),
            ("for=\"\\1\\9\\2.0.2.1\" ; proto=https , ;;host=a", &["192.0.2.1:0", "-"]),
            ("", &[]),
        ] {
            assert_eq!(
                addresses(line).as_deref(),
                Some(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{line}"
            );
        }
        let hops = read(&["for=192.0.2.1;proto=HTTPS;host=\"a.example:8443\"", "for=192.0.2.2"]);
        let hops = hops.unwrap();
        assert_eq!((hops.len(), hops[0].is_secure, hops[1].is_secure), (2, Some(true), None));
        assert_eq!(hops[0].host.as_deref(), Some("a.example:8443"));
    }

    #[test]
    fn what_is_malformed_is_not_believed() {
        for line in [
            "for",
            "for=",
            "=a",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=\"192.0.2.1\"x",
            "for=[2001:db8::1]",
            "for=192.0.2.1:80",
            "for=192.0.2.1 for=192.0.2.2",
            "for=192.0.2.1;for=192.0.2.2",
            "f or=192.0.2.1",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for=\"\\",
            "for=\"a, for=192.0.2.1",
        ] {
            assert_eq!(read(&[line]), None, "{line}");
        }
        assert_eq!(read(&[&"for=192.0.2.1,".repeat(MOST)]).map(|hops| hops.len()), Some(MOST));
        assert_eq!(read(&[&"for=192.0.2.1,".repeat(MOST + 1)]), None);
    }

    #[test]
    fn addresses_in_all_forms() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1:0")),
            ("192.0.2.1:80", Some("192.0.2.1:80")),
            ("2001:db8::1", Some("[2001:db8::1]:0")),
            ("[2001:db8::1]", Some("[2001:db8::1]:0")),
            ("[2001:db8::1]:80", Some("[2001:db8::1]:80")),
            ("::ffff:192.0.2.1", Some("192.0.2.1:0")),
            ("[::1]80", None),
            ("[192.0.2.1]", None),
            ("192.0.2.1:65536", None),
            ("192.0.2.1:+1", None),
            ("192.0.2.1:", None),
            ("192.0.2", None),
            ("[::1", None),
            ("unknown", None),
            ("", None),
        ] {
            let got = address(text.as_bytes()).map(|address| address.to_string());
            assert_eq!(got.as_deref(), expected, "{text}");
        }
    }
}
