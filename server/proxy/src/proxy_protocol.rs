//! Tells a server who is connected, before anything else: the PROXY protocol, versions 1 and 2, by its description of 2020.
//!
//! Only writes; what others send us is read by `connection`. A connection with such a header is one client's: it is not for a pool
//! that others share, unless it speaks for ourselves.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The protocol that was agreed on over TLS.
const ALPN: u8 = 0x01;
/// Whom the client asks for.
const AUTHORITY: u8 = 0x02;
/// That the client speaks TLS.
const SSL: u8 = 0x20;
/// The version of TLS, within [`SSL`].
const SSL_VERSION: u8 = 0x21;
/// The client has connected over TLS.
const CLIENT_SSL: u8 = 0x01;
/// The longest text that is told, in bytes: a name has 255 at most.
const LONGEST: usize = 255;

/// Which version is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary, with more to be told.
    V2,
}

/// What is told of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// The client, and whom it has connected to. None where there is nothing to be told, such as of a check of ours: the connection
    /// stands for itself.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// The name that the client asks for over TLS; version 2 alone tells it, and what follows.
    pub authority: Option<&'a str>,
    /// The protocol that was agreed on over TLS.
    pub alpn: Option<&'a [u8]>,
    /// The version of TLS that the client speaks, such as `TLSv1.3`.
    pub tls: Option<&'a str>,
}

impl Told<'_> {
    /// Both ends as addresses of one kind: IPv4 ones, or, where one is not, IPv6 ones.
    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (client, asked) = self.ends?;
        let as_v6 = |end: SocketAddr| {
            let ip = match end.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            SocketAddr::new(ip.into(), end.port())
        };
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let (client, asked) = (plain(client), plain(asked));
        let is_one = client.is_ipv4() == asked.is_ipv4();
        Some(if is_one { (client, asked) } else { (as_v6(client), as_v6(asked)) })
    }
}

/// Appends a header of version 1: a line.
pub fn write_v1(out: &mut Vec<u8>, told: &Told<'_>) {
    let Some((client, asked)) = told.ends() else {
        return out.extend_from_slice(b"PROXY UNKNOWN\r\n");
    };
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (client.port(), asked.port());
    // Memory takes everything.
    let _ = write!(out, "PROXY {family} {} {} {from} {to}\r\n", client.ip(), asked.ip());
}

/// Appends a header of version 2: binary, with what is known of TLS.
pub fn write_v2(out: &mut Vec<u8>, told: &Told<'_>) {
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    match told.ends() {
        // LOCAL, and no addresses.
        None => out.extend_from_slice(&[0x20, 0x00, 0, 0]),
        Some((client, asked)) => {
            // PROXY; TCP over IPv4 or IPv6.
            out.extend_from_slice(&[0x21, if client.is_ipv4() { 0x11 } else { 0x21 }, 0, 0]);
            for end in [client, asked] {
                match end.ip() {
                    IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
                    IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
                }
            }
            out.extend_from_slice(&client.port().to_be_bytes());
            out.extend_from_slice(&asked.port().to_be_bytes());
            more(out, told);
        }
    }
    // 36 bytes of addresses, and four short texts at most.
    let length = (out.len() - start - 16) as u16;
    if let Some(place) = out.get_mut(start + 14..start + 16) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// What is known of TLS, as types, lengths and values.
fn more(out: &mut Vec<u8>, told: &Told<'_>) {
    if let Some(alpn) = told.alpn {
        piece(out, ALPN, alpn);
    }
    if let Some(authority) = told.authority {
        piece(out, AUTHORITY, authority.as_bytes());
    }
    if let Some(version) = told.tls {
        // What the client has connected with, and that no certificate of its own was verified (0 would say that one was).
        let mut ssl = vec![CLIENT_SSL, 0, 0, 0, 1];
        piece(&mut ssl, SSL_VERSION, version.as_bytes());
        piece(out, SSL, &ssl);
    }
}

/// What is too long is left out: cut, it would say something else.
fn piece(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    if value.len() <= LONGEST {
        // No more than 255.
        out.extend_from_slice(&[kind, 0, value.len() as u8]);
        out.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>(client: &str, asked: &str) -> Told<'a> {
        Told { ends: Some((client.parse().unwrap(), asked.parse().unwrap())), ..Told::default() }
    }

    fn v1(told: &Told<'_>) -> String {
        let mut out = Vec::new();
        write_v1(&mut out, told);
        String::from_utf8(out).unwrap()
    }

    fn v2(told: &Told<'_>) -> Vec<u8> {
        let mut out = b"before".to_vec();
        write_v2(&mut out, told);
        out.split_off(6)
    }

    /// §2.1.
    #[test]
    fn lines() {
        for (client, asked, expected) in [
            ("192.0.2.1:56324", "198.51.100.1:443", "TCP4 192.0.2.1 198.51.100.1 56324 443"),
            ("[2001:db8::1]:1", "[::1]:2", "TCP6 2001:db8::1 ::1 1 2"),
            ("[::ffff:192.0.2.1]:1", "198.51.100.1:2", "TCP4 192.0.2.1 198.51.100.1 1 2"),
            ("[2001:db8::1]:1", "198.51.100.1:2", "TCP6 2001:db8::1 ::ffff:198.51.100.1 1 2"),
        ] {
            assert_eq!(v1(&told(client, asked)), format!("PROXY {expected}\r\n"));
        }
        assert_eq!(v1(&Told::default()), "PROXY UNKNOWN\r\n");
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        assert!(v1(&told(longest, longest)).len() <= 107);
    }

    /// §2.2.
    #[test]
    fn binaries() {
        let plain = told("192.0.2.1:56324", "198.51.100.1:443");
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
        assert_eq!(v2(&plain), [&SIGNATURE[..], &[0x21, 0x11, 0, 12], &v4].concat());
        assert_eq!(v2(&Told::default()), [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat());
        let v6 = v2(&told("[2001:db8::1]:1", "[::1]:2"));
        assert_eq!((v6.len(), &v6[12..18]), (52, &[0x21, 0x21, 0, 36, 0x20, 0x01][..]));
        let tls =
            Told { authority: Some("a.example"), alpn: Some(b"h2"), tls: Some("TLSv1.3"), ..plain };
        let more = b"\x01\0\x02h2\x02\0\x09a.example\x20\0\x0f\x01\0\0\0\x01\x21\0\x07TLSv1.3";
        let all = [&SIGNATURE[..], &[0x21, 0x11, 0, 12 + more.len() as u8], &v4, more].concat();
        assert_eq!(v2(&tls), all);
        let long = "x".repeat(256);
        assert_eq!(v2(&Told { authority: Some(&long), ..plain }), v2(&plain));
    }
}
