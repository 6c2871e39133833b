//! Whose budget a request is charged to.

use std::sync::Arc;

use smallvec::SmallVec;
use trilane_exchange::{Network, Request};

use crate::principal::Principal;

/// The name of a budget, put together of parts, and the class whose quota it has.
#[derive(Clone, Debug, Default)]
pub struct Key {
    /// Each part with its kind before it, and its length where that does not say it: no two lists of parts are the same bytes.
    bytes: SmallVec<[u8; 64]>,
    /// The number of its class; 0 is that of everybody.
    pub(super) class: usize,
    pub(super) is_exempt: bool,
}

impl Key {
    /// One part more. Requests with the same parts, in the same order, share a budget.
    pub fn part(&mut self, part: impl AsRef<[u8]>) {
        self.tagged(b'=', part.as_ref());
    }

    /// The client's address: an IPv6 one by its /64, and all who come by unix sockets as one.
    pub fn ip(&mut self, request: &Request) {
        match request.exchange().client().ip() {
            Some(ip) => self.fixed(b'i', Network::of(ip).to_bytes()),
            None => self.fixed(b'x', []),
        }
    }

    /// The request is not limited, and charged to nobody.
    pub const fn exempt(&mut self) {
        self.is_exempt = true;
    }

    /// A part whose kind says how long it is.
    pub(super) fn fixed<const N: usize>(&mut self, kind: u8, part: [u8; N]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&part);
    }

    fn tagged(&mut self, kind: u8, part: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&part.len().to_ne_bytes());
        self.bytes.extend_from_slice(part);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A user's own key: fills it, and may name the class of the request.
pub(super) type MakeKey = dyn Fn(&Request, &mut Key) -> Option<&'static str> + Send + Sync;

/// What keys are made of.
#[derive(Clone)]
pub(super) enum By {
    Header(Box<str>),
    Ip,
    Own(Arc<MakeKey>),
    Route,
    User,
}

impl By {
    /// Adds its part. Who has no such header, or no name, is known by the address. The class, if it says one.
    pub(super) fn add(&self, request: &Request, key: &mut Key) -> Option<&'static str> {
        match self {
            Self::Header(name) => match request.head().fields.get(&**name) {
                Some(value) => key.tagged(b'h', value),
                None => key.ip(request),
            },
            Self::Ip => key.ip(request),
            Self::Own(make) => return make(request, key),
            Self::Route => {
                let template = request.exchange().params().template();
                key.tagged(b'r', template.unwrap_or_default().as_bytes());
            }
            Self::User => match request.exchange().noted::<Principal>() {
                Some(user) => key.tagged(b'u', user.name().as_bytes()),
                None => key.ip(request),
            },
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_parts_are_different_keys() {
        let of = |parts: &[&str]| {
            let mut key = Key::default();
            parts.iter().for_each(|part| key.part(part));
            key.bytes
        };
        let keys: &[&[&str]] = &[&[], &[""], &["", ""], &["ab"], &["a", "b"], &["b", "a"]];
        for (at, one) in keys.iter().enumerate() {
            for other in &keys[at + 1..] {
                assert_ne!(of(one), of(other), "{one:?} {other:?}");
            }
        }
        let mut tagged = Key::default();
        tagged.tagged(b'u', b"ab");
        assert_ne!(tagged.bytes, of(&["ab"]), "a user is no header");
    }
}
