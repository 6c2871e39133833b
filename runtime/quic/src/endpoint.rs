//! One a shard: whose each datagram is, and who may begin a connection.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use quiche::{Config, ConnectionId, MAX_CONN_ID_LEN};

use crate::cid::{Cid, Ids, Owner, Place};
use crate::config::{self, SMALLEST};
use crate::error::Error;
use crate::header::{Header, Long, VERSION};
use crate::identity::Identity;
use crate::registry::{First, Registry};
use crate::secrets::Secrets;
use crate::session::Session;
use crate::settings::Settings;

/// Bytes of the id that a client makes up for its first packets, at least (RFC 9000 §7.2).
const FIRST_ID: usize = 8;

/// Between whom a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// Our address: the true one, also where a socket listens to all.
    pub local: SocketAddr,
    /// The peer's address.
    pub peer: SocketAddr,
}

/// What is to become of a datagram.
#[derive(Debug)]
pub enum Route {
    /// It is for the connection that was bound to this key.
    Known(u32),
    /// It begins a connection, which has not read it yet: [`Endpoint::bind`], then [`Session::receive`].
    New(Box<Session>),
    /// Whoever has sent it is owed one datagram, of so many bytes, in [`Endpoint::reply`].
    Reply(usize),
    /// It is for a connection of that shard.
    Forward(u8),
    /// Nobody's.
    Drop(Why),
}

/// Why a datagram is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// It ends within its header, or the header is not as its version has it.
    Malformed,
    /// A first packet in a datagram of less than 1,200 bytes (RFC 9000 §14.1).
    Small,
    /// It is for a connection that there is not, or not any more, and nothing can be said to that.
    Unknown,
    /// There are too many handshakes, or replies, already.
    Full,
    /// We could not make a connection.
    Failed,
}

/// All QUIC connections of a shard, as far as it takes to tell them apart.
pub struct Endpoint {
    settings: Settings,
    config: Config,
    ids: Ids,
    registry: Registry,
    reply: Vec<u8>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("registry", &self.registry).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// For a shard. `secrets` are the same for all shards of a process.
    ///
    /// # Errors
    /// A setting or a certificate cannot be used.
    pub fn new(
        settings: Settings,
        identity: &Identity,
        place: Place,
        secrets: &Secrets,
    ) -> Result<Self, Error> {
        let config = config::config(&settings, identity)?;
        let ids = Ids::new(place, secrets)?;
        Ok(Self { settings, config, ids, registry: Registry::default(), reply: Vec::new() })
    }

    /// New connections begin with this; those that there are live on as they are.
    ///
    /// # Errors
    /// A certificate cannot be used; then all stays as it was.
    pub fn replace(&mut self, identity: &Identity) -> Result<(), Error> {
        self.config = config::config(&self.settings, identity)?;
        Ok(())
    }

    /// Says what is to become of a datagram. It is not changed, but has to be mutable for whoever reads it next.
    pub fn route(&mut self, now: Instant, datagram: &mut [u8], path: Path) -> Route {
        match Header::read(datagram) {
            None => Route::Drop(Why::Malformed),
            Some(Header::Short(cid)) => match self.registry.find(cid) {
                Some(key) => Route::Known(key),
                None => self.stray(cid),
            },
            Some(Header::Long(header)) => self.long(now, &header, datagram.len(), path),
        }
    }

    /// The last [`Route::Reply`].
    #[must_use]
    pub fn reply(&self) -> &[u8] {
        &self.reply
    }

    /// From now on datagrams for that connection are known by `key`.
    pub fn bind(&mut self, session: &mut Session, key: u32) {
        self.registry.bind(session, key);
    }

    /// To be called after each datagram that a connection has received: offers new ids to its client, and forgets those that it
    /// uses no more (RFC 9000 §5.1.1, §5.1.2).
    pub fn sync(&mut self, session: &mut Session, key: u32) {
        self.registry.sync(session, key, &self.ids);
    }

    /// The end of a connection: its ids are forgotten.
    pub fn unbind(&mut self, session: &Session) {
        self.registry.unbind(session);
    }

    /// How many handshakes are under way.
    #[must_use]
    pub const fn handshakes(&self) -> usize {
        self.registry.handshakes()
    }

    /// For an id that is not known here.
    fn stray(&mut self, cid: &Cid) -> Route {
        match self.ids.owner(cid) {
            Some(Owner::Shard(shard)) => Route::Forward(shard),
            _ => Route::Drop(Why::Unknown),
        }
    }

    fn long(&mut self, now: Instant, header: &Long<'_>, length: usize, path: Path) -> Route {
        if header.version != VERSION {
            return Route::Drop(Why::Malformed);
        }
        if header.dcid.len() > MAX_CONN_ID_LEN || header.scid.len() > MAX_CONN_ID_LEN {
            return Route::Drop(Why::Malformed);
        }
        let ours: Option<&Cid> = header.dcid.try_into().ok();
        let known = ours.and_then(|cid| self.registry.find(cid));
        let Some(first) = First::new(header.dcid) else { return Route::Drop(Why::Malformed) };
        if let Some(key) = known.or_else(|| self.registry.find_first(&first)) {
            return Route::Known(key);
        }
        if let Some(cid) = ours
            && self.ids.owner(cid).is_some()
        {
            return self.stray(cid);
        }
        if !header.is_initial() {
            return Route::Drop(Why::Unknown);
        }
        // RFC 9000 §14.1.
        if length < SMALLEST {
            return Route::Drop(Why::Small);
        }
        if header.dcid.len() < FIRST_ID || header.token().is_none() {
            return Route::Drop(Why::Malformed);
        }
        if self.registry.handshakes() >= self.settings.handshakes {
            return Route::Drop(Why::Full);
        }
        match self.accept(now, first, path) {
            Ok(session) => Route::New(Box::new(session)),
            Err(_) => Route::Drop(Why::Failed),
        }
    }

    fn accept(&mut self, now: Instant, first: First, path: Path) -> Result<Session, Error> {
        let cid = self.ids.mint()?;
        let Path { local, peer } = path;
        let scid = ConnectionId::from_ref(&cid);
        let connection =
            quiche::accept_with_buf_factory(&scid, None, local, peer, &mut self.config)?;
        Ok(Session::new(connection, cid, first, &self.settings, now, path))
    }
}
