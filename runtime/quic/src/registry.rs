//! Which ids lead to which connection. What is in it is bounded by connections and their ids, and by handshakes under way.

use std::collections::HashMap;

use quiche::{ConnectionId, MAX_CONN_ID_LEN};

use crate::cid::{Cid, Ids};
use crate::session::Session;

/// The id to which a client has sent its first packets. It made it up itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct First {
    length: u8,
    bytes: [u8; MAX_CONN_ID_LEN],
}

impl First {
    /// None if it is longer than ids may be (RFC 9000 §17.2).
    pub(crate) fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_CONN_ID_LEN];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { length: u8::try_from(id.len()).ok()?, bytes })
    }
}

impl AsRef<[u8]> for First {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// Keys by id.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    ours: HashMap<Cid, u32>,
    /// Only while a handshake is under way: by its end the client knows ours.
    firsts: HashMap<First, u32>,
    handshakes: usize,
}

impl Registry {
    pub(crate) fn find(&self, cid: &Cid) -> Option<u32> {
        self.ours.get(cid).copied()
    }

    pub(crate) fn find_first(&self, first: &First) -> Option<u32> {
        self.firsts.get(first).copied()
    }

    /// How many handshakes are under way.
    pub(crate) const fn handshakes(&self) -> usize {
        self.handshakes
    }

    pub(crate) fn bind(&mut self, session: &mut Session, key: u32) {
        for cid in &session.issued {
            self.ours.insert(*cid, key);
        }
        if let Some(first) = session.first {
            self.firsts.insert(first, key);
            self.handshakes += 1;
        }
    }

    /// The handshake is over: whether that is news.
    pub(crate) fn is_first_sync(&mut self, session: &mut Session) -> bool {
        let Some(first) = session.first.take() else { return false };
        self.firsts.remove(&first);
        self.handshakes -= 1;
        true
    }

    pub(crate) fn sync(&mut self, session: &mut Session, key: u32, ids: &Ids) {
        while let Some(retired) = session.connection.retired_scid_next() {
            session.issued.retain(|cid| cid[..] != retired[..]);
            if let Ok(cid) = <&Cid>::try_from(&retired[..]) {
                self.ours.remove(cid);
            }
        }
        // Without random numbers there are no more ids; those that there are serve on.
        while session.connection.scids_left() > 0 {
            let Ok(cid) = ids.mint() else { return };
            let Ok(token) = ids.reset_token(&cid) else { return };
            let scid = ConnectionId::from_ref(&cid);
            if session.connection.new_scid(&scid, u128::from_be_bytes(token), false).is_err() {
                return;
            }
            session.issued.push(cid);
            self.ours.insert(cid, key);
        }
    }

    pub(crate) fn unbind(&mut self, session: &Session) {
        for cid in &session.issued {
            self.ours.remove(cid);
        }
        if let Some(first) = session.first {
            self.firsts.remove(&first);
            self.handshakes -= 1;
        }
    }
}
