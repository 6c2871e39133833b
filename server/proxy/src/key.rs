//! What of a request decides which server it falls on, by the consistent hash.

use trilane_exchange::{Client, Network};
use trilane_semantics::field::trim_ows;
use trilane_semantics::{Known, NameRef, RequestHead};

use crate::maglev::hash;

/// What the requests have in common that go to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The network of the client: its IPv4 address, or the /64 of its IPv6 one.
    Client,
    /// The path, without the query.
    Path,
    /// The path and the query.
    Target,
    /// The first line of the field with that name.
    Header(Box<str>),
    /// The cookie of that name, case-sensitive; the first of several.
    Cookie(Box<str>),
}

impl Key {
    /// The hash of a request's key, the same in all processes; `None` where it has none, and may go anywhere.
    #[must_use]
    pub fn of(&self, head: &RequestHead, client: Client) -> Option<u64> {
        match self {
            Self::Client => client.ip().map(|ip| hash(&Network::of(ip).to_bytes())),
            Self::Path => Some(hash(head.path().as_bytes())),
            Self::Target => Some(hash(head.target().as_bytes())),
            Self::Header(name) => head.fields.get(NameRef::new(name.as_bytes())).map(hash),
            Self::Cookie(name) => cookie(head, name.as_bytes()).map(hash),
        }
    }
}

/// `cookie-pair *( ";" SP cookie-pair )` (RFC 6265 §4.2.1).
fn cookie<'a>(head: &'a RequestHead, name: &[u8]) -> Option<&'a [u8]> {
    let pairs = head.fields.all(Known::Cookie).flat_map(|line| line.split(|byte| *byte == b';'));
    pairs.map(trim_ows).find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trilane_exchange::Address;
    use trilane_semantics::Method;

    #[test]
    fn keys() {
        let mut head = RequestHead::new(Method::GET, "/a?b").unwrap();
        head.fields.append("X-User", "7").unwrap();
        head.fields.append("Cookie", "sid2=x; SID=y; sid=z;sid=w").unwrap();
        let client = |ip: &str| Client {
            address: Address::Ip((ip.parse::<std::net::IpAddr>().unwrap(), 1).into()),
            is_secure: false,
        };
        let of = |key: Key, ip: &str| key.of(&head, client(ip));
        let any = "192.0.2.1";
        assert_eq!(of(Key::Path, any), Some(hash(b"/a")));
        assert_eq!(of(Key::Target, any), Some(hash(b"/a?b")));
        assert_eq!(of(Key::Header("x-USER".into()), any), Some(hash(b"7")));
        assert_eq!(of(Key::Header("x-other".into()), any), None);
        assert_eq!(of(Key::Cookie("sid".into()), any), Some(hash(b"z")));
        assert_eq!(of(Key::Cookie("si".into()), any), None);
        assert_eq!(of(Key::Client, "2001:db8::1"), of(Key::Client, "2001:db8::2"));
        assert_ne!(of(Key::Client, "192.0.2.1"), of(Key::Client, "192.0.2.2"));
        let unix = Client { address: Address::Unix, is_secure: false };
        assert_eq!(Key::Client.of(&head, unix), None);
    }
}
