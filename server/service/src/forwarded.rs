//! What proxies write of those they ask for: the `Forwarded` field (RFC 7239), and addresses as they stand in others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smallvec::SmallVec;
use trilane_semantics::field::{is_token, trim_ows};
use trilane_semantics::target::is_authority;
use trilane_semantics::{Fields, Known};

/// Elements that are read, from the last; no chain of proxies is longer.
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

/// The elements of all `Forwarded` lines (RFC 7239 §4), in order. They are read from the end, where our own proxies write, so that
/// nothing a client has put before that can hide it: where something cannot be read, a hop that says nothing stands for all up to
/// there.
pub(crate) fn elements(fields: &Fields) -> Vec<Hop> {
    let (mut hops, mut value) = (Vec::new(), Vec::new());
    let lines: SmallVec<[_; 4]> = fields.all(Known::Forwarded).collect();
    'lines: for line in lines.into_iter().rev() {
        let mut rest = line;
        while !rest.is_empty() && hops.len() < MOST {
            let (before, last) = split_last(rest);
            rest = before;
            if last.is_empty() {
                // RFC 9110 §5.6.1.2: a recipient MUST ignore empty elements.
                continue;
            }
            let hop = element(last, &mut value);
            let is_read = hop.is_some();
            hops.push(hop.unwrap_or_default());
            if !is_read {
                break 'lines;
            }
        }
    }
    hops.reverse();
    hops
}

/// What is before the last comma that stands in no quoted string, and what is after it.
fn split_last(text: &[u8]) -> (&[u8], &[u8]) {
    let mut is_quoted = false;
    for (at, &byte) in text.iter().enumerate().rev() {
        let before = text.get(..at).unwrap_or_default();
        match byte {
            b',' if !is_quoted => {
                return (before, trim_ows(text.get(at + 1..).unwrap_or_default()));
            }
            // A backslash before it takes its meaning, unless another one takes that one's.
            b'"' => is_quoted ^= before.iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 0,
            _ => (),
        }
    }
    (&[], trim_ows(text))
}

/// `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`. `None` when it is malformed.
fn element(mut rest: &[u8], value: &mut Vec<u8>) -> Option<Hop> {
    let (mut hop, mut seen) = (Hop::default(), 0u8);
    loop {
        match rest {
            [] => return Some(hop),
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

/// `value = token / quoted-string`, unquoted into `value`; what is after it begins with `;`.
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
            let end = text.iter().position(|b| matches!(b, b';' | b' ' | b'\t'));
            let (token, rest) = text.split_at(end.unwrap_or(text.len()));
            if !is_token(token) {
                return None;
            }
            value.extend_from_slice(token);
            rest
        }
    };
    let rest = trim_ows(rest);
    matches!(rest, [] | [b';', ..]).then_some(rest)
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

    fn read(lines: &[&str]) -> Vec<Hop> {
        let mut fields = Fields::new();
        for line in lines {
            fields.append(Known::Forwarded, line).unwrap();
        }
        elements(&fields)
    }

    fn addresses(line: &str) -> Vec<String> {
        let text = |hop: Hop| hop.address.map_or_else(|| "-".to_owned(), |it| it.to_string());
        read(&[line]).into_iter().map(text).collect()
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
            assert_eq!(addresses(line), expected, "{line}");
        }
        let hops = read(&["for=192.0.2.1;proto=HTTPS;host=\"a.example:8443\"", "for=192.0.2.2"]);
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
            "for=\"a",
        ] {
            assert_eq!(read(&[line]), [Hop::default()], "{line}");
            // It hides nothing of what a proxy writes after it.
            for lines in [&[&*format!("{line}, for=192.0.2.7")][..], &[line, "for=192.0.2.7"]] {
                let last = Hop::at("192.0.2.7:0".parse().ok());
                assert_eq!(read(lines), [Hop::default(), last], "{lines:?}");
            }
        }
        assert_eq!(read(&[&"for=192.0.2.1,".repeat(MOST + 1), ""]).len(), MOST);
        assert_eq!(
            addresses("for=x, ,, for=\"a, b\";by=\"\\\",\\\\\", for=192.0.2.1,"),
            ["-", "-", "192.0.2.1:0"]
        );
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
