//! Which fields are about one connection only, and go no further (RFC 9110 §7.6.1).

use smallvec::SmallVec;
use trilane_semantics::{Fields, Known, NameRef};

/// Fields of their own that a message may name in Connection; nobody needs more.
const MOST_NAMED: usize = 16;

/// A set of well-known names, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set(u64);

impl Set {
    /// What is about a connection whether Connection names it or not (RFC 9110 §7.6.1).
    pub(crate) const CONNECTION: Self = Self::of(&[
        Known::Connection,
        Known::KeepAlive,
        Known::ProxyConnection,
        Known::Te,
        Known::TransferEncoding,
        Known::Upgrade,
    ]);

    pub(crate) const fn of(names: &[Known]) -> Self {
        let (mut set, mut at) = (Self(0), 0);
        while at < names.len() {
            set = set.and(names[at]);
            at += 1;
        }
        set
    }

    #[must_use]
    pub(crate) const fn and(self, name: Known) -> Self {
        Self(self.0 | 1 << name as u64)
    }

    #[must_use]
    pub(crate) const fn and_all(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    #[must_use]
    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    #[inline]
    pub(crate) const fn has(self, name: Known) -> bool {
        self.0 & 1 << name as u64 != 0
    }
}

/// What Connection names.
#[derive(Debug, Default)]
pub(crate) struct Named<'a> {
    pub(crate) known: Set,
    others: SmallVec<[&'a [u8]; 4]>,
}

impl<'a> Named<'a> {
    /// RFC 9110 §7.6.1: what Connection names MUST be removed. `None` where it names more than anybody needs.
    #[inline]
    pub(crate) fn of(fields: &'a Fields) -> Option<Self> {
        // What most say names no field that would not go anyway.
        let usual = |value: &[u8]| value == b"keep-alive";
        match fields.get(Known::Connection) {
            None => Some(Self::default()),
            Some(value) if usual(value) && !fields.is_repeated(Known::Connection) => {
                Some(Self::default())
            }
            Some(_) => Self::read(fields),
        }
    }

    fn read(fields: &'a Fields) -> Option<Self> {
        let mut named = Self::default();
        for option in fields.list(Known::Connection) {
            match NameRef::new(option) {
                NameRef::Known(known) => named.known = named.known.and(known),
                NameRef::Other(other) if other.eq_ignore_ascii_case(b"close") => (),
                NameRef::Other(_) if named.others.len() == MOST_NAMED => return None,
                NameRef::Other(other) => named.others.push(other),
            }
        }
        Some(named)
    }

    pub(crate) fn has_others(&self) -> bool {
        !self.others.is_empty()
    }

    #[inline]
    pub(crate) fn has_other(&self, name: &[u8]) -> bool {
        self.others.iter().any(|other| other.eq_ignore_ascii_case(name))
    }
}
