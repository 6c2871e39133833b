//! What a proxy says of its client before anything else comes: the PROXY protocol, versions 1 and 2, by its description of 2020.
//!
//! Bytes in, addresses out. A header that is not complete is asked for again with more bytes, so that nothing is kept here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is read, in bytes. Version 1 has 107 at most; what version 2 may have besides addresses (names, keys,
/// certificates) is passed over.
pub(super) const LONGEST: usize = 4096;

/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;

/// A header that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// How many bytes it has.
    pub(super) len: usize,
    /// The client and whom it has asked. None where the proxy speaks for itself (LOCAL), does not know (UNKNOWN), or means something
    /// else than TCP over IP: then the connection's own ends are meant.
    pub(super) ends: Option<Ends>,
}

/// Both ends of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) asked: SocketAddr,
}

/// No header, or none that can be read: the connection cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The header at the front of `bytes`; `None` when more of them are needed.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    match bytes {
        [] => Ok(None),
        [b'P', ..] => read_line(bytes),
        _ => read_binary(bytes),
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443` and a line break (version 1, §2.1).
fn read_line(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    const START: &[u8] = b"PROXY ";
    let common = START.len().min(bytes.len());
    if bytes.get(..common) != START.get(..common) {
        return Err(Malformed);
    }
    let front = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
    let Some(end) = front.iter().position(|&byte| byte == b'\n') else {
        return if front.len() < LONGEST_LINE { Ok(None) } else { Err(Malformed) };
    };
    let line =
        front.get(START.len()..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let mut words = line.split(' ');
    let ends = match words.next() {
        // What follows is to be ignored.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(read_ends::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(read_ends::<Ipv6Addr>(words)?),
        _ => return Err(Malformed),
    };
    Ok(Some(Header { len: end + 1, ends }))
}

/// Two addresses and two ports.
fn read_ends<'a, A: std::str::FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<Ends, Malformed> {
    let mut address =
        || words.next().and_then(|word| word.parse::<A>().ok()).map(Into::into).ok_or(Malformed);
    let (client, asked) = (address()?, address()?);
    let mut port = || {
        // `parse` takes a sign too; a port has neither that nor leading zeros.
        let is_port = |word: &&str| {
            word.bytes().all(|b| b.is_ascii_digit()) && (*word == "0" || !word.starts_with('0'))
        };
        words.next().filter(is_port).and_then(|word| word.parse().ok()).ok_or(Malformed)
    };
    let (from, to) = (port()?, port()?);
    match words.next() {
        None => {
            Ok(Ends { client: SocketAddr::new(client, from), asked: SocketAddr::new(asked, to) })
        }
        Some(_) => Err(Malformed),
    }
}

/// The signature, version and command, family and transport, a length, and that many bytes (version 2, §2.2).
fn read_binary(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let common = SIGNATURE.len().min(bytes.len());
    if bytes.get(..common) != SIGNATURE.get(..common) {
        return Err(Malformed);
    }
    let Some(&[command, family, high, low]) = bytes.get(12..16) else { return Ok(None) };
    let len = 16 + usize::from(u16::from_be_bytes([high, low]));
    // Version 2; LOCAL or PROXY: what is neither MUST be refused, as must longer headers than we take.
    if !matches!(command, 0x20 | 0x21) || len > LONGEST {
        return Err(Malformed);
    }
    let Some(rest) = bytes.get(16..len) else { return Ok(None) };
    let ends = match (command, family) {
        // LOCAL: the proxy speaks for itself, such as to see whether we are there. What else it says is to be ignored.
        (0x20, _) => None,
        (_, 0x11) => Some(binary_ends::<4>(rest)?),
        (_, 0x21) => Some(binary_ends::<16>(rest)?),
        // Unspecified, datagrams, unix sockets: valid, and no client of ours.
        (_, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => None,
        _ => return Err(Malformed),
    };
    Ok(Some(Header { len, ends }))
}

/// Two addresses of that many bytes, and two ports.
fn binary_ends<const N: usize>(bytes: &[u8]) -> Result<Ends, Malformed>
where
    [u8; N]: Into<IpAddr>,
{
    let read = || {
        let (client, rest) = bytes.split_first_chunk::<N>()?;
        let (asked, rest) = rest.split_first_chunk::<N>()?;
        let (from, rest) = rest.split_first_chunk()?;
        let (to, _) = rest.split_first_chunk()?;
        let end = |ip: [u8; N], port: [u8; 2]| SocketAddr::new(ip.into(), u16::from_be_bytes(port));
        Some(Ends { client: end(*client, *from), asked: end(*asked, *to) })
    };
    read().ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, rest].concat()
    }

    /// What a header says, and how long it is. Cut anywhere, it asks for more; what follows is not looked at.
    fn said(bytes: &[u8]) -> Option<(String, usize)> {
        let header = match read(bytes) {
            Ok(header) => header.expect("complete"),
            Err(Malformed) => return None,
        };
        for cut in 0..header.len {
            assert_eq!(read(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(read(&[bytes, b"GET / HTTP/1.1\r\n"].concat()), Ok(Some(header)));
        let text = header.ends.map_or("-".into(), |it| format!("{} {}", it.client, it.asked));
        Some((text, header.len))
    }

    #[test]
    fn lines() {
        for (line, expected) in [
            ("TCP4 192.0.2.1 198.51.100.1 56324 443", "192.0.2.1:56324 198.51.100.1:443"),
            (
                "TCP4 255.255.255.255 255.255.255.255 65535 65535",
                "255.255.255.255:65535 255.255.255.255:65535",
            ),
            ("TCP6 2001:db8::1 ::1 0 1", "[2001:db8::1]:0 [::1]:1"),
            ("UNKNOWN", "-"),
            ("UNKNOWN ffff::ffff anything at all", "-"),
        ] {
            let text = format!("PROXY {line}\r\n");
            assert_eq!(said(text.as_bytes()), Some((expected.into(), text.len())), "{line}");
        }
        for bad in [
            "",
            "TCP4",
            "TCP4 192.0.2.1 198.51.100.1 56324",
            "TCP4 192.0.2.1 198.51.100.1 56324 443 ",
            "TCP4 192.0.2.1 198.51.100.1 56324 443 5",
            "TCP4 192.0.2.1  198.51.100.1 56324 443",
            "TCP4 192.0.2.1 198.51.100.1 +1 443",
            "TCP4 192.0.2.1 198.51.100.1 01 443",
            "TCP4 192.0.2.1 198.51.100.1 65536 443",
            "TCP4 ::1 ::1 1 2",
            "TCP6 192.0.2.1 192.0.2.1 1 2",
            "TCP5 192.0.2.1 192.0.2.1 1 2",
            "tcp4 192.0.2.1 192.0.2.1 1 2",
        ] {
            assert_eq!(read(format!("PROXY {bad}\r\n").as_bytes()), Err(Malformed), "{bad}");
        }
        for bad in [
            "GET / HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n",
            "PROXYTCP4",
            "PROXY UNKNOWN\n",
            "\x16\x03\x01",
        ] {
            assert_eq!(read(bad.as_bytes()), Err(Malformed), "{bad}");
        }
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE - 16));
        assert_eq!(said(longest.as_bytes()).map(|(_, len)| len), Some(LONGEST_LINE));
        assert_eq!(read(longest.replace("\r\n", "x\r\n").as_bytes()), Err(Malformed));
    }

    #[test]
    fn binaries() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
        let mut v6 = [0; 36];
        (v6[0], v6[15], v6[31], v6[33], v6[35]) = (0x20, 1, 2, 3, 4);
        let more = [&v4[..], b"\x04\0\x03abc"].concat();
        for (command, family, rest, expected) in [
            (0x21, 0x11, &v4[..], "192.0.2.1:56324 198.51.100.1:443"),
            (0x21, 0x11, &more, "192.0.2.1:56324 198.51.100.1:443"),
            (0x21, 0x21, &v6, "[2000::1]:3 [::2]:4"),
            (0x20, 0x11, &v4, "-"),
            (0x20, 0x00, &[], "-"),
            (0x20, 0xff, b"anything", "-"),
            (0x21, 0x00, b"anything", "-"),
            (0x21, 0x12, &v4, "-"),
            (0x21, 0x31, &[0; 216], "-"),
        ] {
            let bytes = binary(command, family, rest);
            assert_eq!(
                said(&bytes),
                Some((expected.into(), bytes.len())),
                "{command:x} {family:x}"
            );
        }
        for (command, family, rest) in [
            (0x21, 0x11, &v4[..11]),
            (0x21, 0x21, &v6[..35]),
            (0x22, 0x11, &v4),
            (0x11, 0x11, &v4),
            (0x21, 0x13, &v4),
            (0x21, 0x41, &v4),
            (0x21, 0x00, &[0; LONGEST - 15]),
        ] {
            assert_eq!(
                read(&binary(command, family, rest)),
                Err(Malformed),
                "{command:x} {family:x}"
            );
        }
        assert!(read(&binary(0x21, 0x00, &[0; LONGEST - 16])).is_ok_and(|header| header.is_some()));
        assert_eq!(read(b"\r\n\r\n\0\r\nQUIT\r"), Err(Malformed));
    }

    /// What our own proxy writes is read here.
    #[test]
    fn what_we_write_ourselves() {
        use trilane_proxy::proxy_protocol::{Told, write_v1, write_v2};
        let both = |told: &Told<'_>| {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            write_v1(&mut one, told);
            write_v2(&mut two, told);
            [one, two].map(|bytes| {
                let (text, len) = said(&bytes).unwrap();
                assert_eq!(len, bytes.len(), "{told:?}");
                text
            })
        };
        for (client, asked, expected) in [
            ("192.0.2.1:56324", "198.51.100.1:443", "192.0.2.1:56324 198.51.100.1:443"),
            ("[2001:db8::1]:0", "[::1]:65535", "[2001:db8::1]:0 [::1]:65535"),
            ("[2001:db8::1]:1", "192.0.2.1:2", "[2001:db8::1]:1 [::ffff:192.0.2.1]:2"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.2:2", "192.0.2.1:1 192.0.2.2:2"),
        ] {
            let ends = Some((client.parse().unwrap(), asked.parse().unwrap()));
            let plain = Told { ends, ..Told::default() };
            let (authority, alpn) = (Some("a.example"), Some(&b"h2"[..]));
            let full = Told { authority, alpn, tls: Some("TLSv1.3"), ..plain };
            assert_eq!(both(&plain), [expected; 2]);
            assert_eq!(both(&full), [expected; 2]);
        }
        assert_eq!(both(&Told::default()), ["-"; 2]);
    }
}
