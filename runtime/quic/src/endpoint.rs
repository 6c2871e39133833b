//! One a shard: whose each datagram is, and who may begin a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use quiche::{Config, ConnectionId, RetryConnectionIds};

use crate::cid::{Cid, Ids, Owner, Place};
use crate::config::{self, SMALLEST};
use crate::error::Error;
use crate::header::{Header, Long, VERSION};
use crate::identity::Identity;
use crate::registry::{First, Registry};
use crate::reply::{self, Allowance, Refusal};
use crate::secrets::Secrets;
use crate::session::{Session, Side};
use crate::settings::{Retry, Settings};
use crate::stats::Stats;
use crate::token::{Tokens, Worth};

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
    /// Too many replies were sent already.
    Full,
    /// We could not make a connection, or an answer.
    Failed,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Malformed, Self::Small, Self::Unknown, Self::Full, Self::Failed];
}

/// All QUIC connections of a shard, as far as it takes to tell them apart.
pub struct Endpoint {
    pub(crate) settings: Settings,
    secrets: Secrets,
    /// None: nobody may begin a connection.
    server: Option<Server>,
    pub(crate) ids: Ids,
    pub(crate) registry: Registry,
    allowance: Allowance,
    is_draining: bool,
    reply: Vec<u8>,
    stats: Stats,
}

/// What it takes to be a server.
struct Server {
    identity: Identity,
    config: Config,
    tokens: Tokens,
}

impl Server {
    fn new(settings: &Settings, identity: &Identity, secrets: &Secrets) -> Result<Self, Error> {
        Ok(Self {
            config: config::config(settings, identity, secrets)?,
            tokens: Tokens::new(&identity.0)?,
            identity: identity.clone(),
        })
    }
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
        let server = Server::new(&settings, identity, secrets)?;
        Ok(Self { server: Some(server), ..Self::dialing(settings, place, secrets)? })
    }

    /// The same for connections that are begun here ([`Endpoint::dial`]), and no others.
    ///
    /// # Errors
    /// There is no such place.
    pub fn dialing(settings: Settings, place: Place, secrets: &Secrets) -> Result<Self, Error> {
        Ok(Self {
            server: None,
            ids: Ids::new(place, secrets)?,
            registry: Registry::default(),
            allowance: Allowance::new(settings.replies),
            is_draining: false,
            reply: Vec::new(),
            stats: Stats::default(),
            secrets: secrets.clone(),
            settings,
        })
    }

    /// New connections begin with this; those that there are live on as they are.
    ///
    /// # Errors
    /// A certificate cannot be used; then all stays as it was.
    pub fn replace(&mut self, identity: &Identity) -> Result<(), Error> {
        self.server = Some(Server::new(&self.settings, identity, &self.secrets)?);
        Ok(())
    }

    /// Says what is to become of a datagram. It is not changed, but has to be mutable for whoever reads it next.
    pub fn route(&mut self, now: Instant, datagram: &mut [u8], path: Path) -> Route {
        let route = match Header::read(datagram) {
            None => Route::Drop(Why::Malformed),
            Some(Header::Short(cid)) => match self.registry.find(cid) {
                Some(key) => return Route::Known(key),
                None => self.stray(now, cid, datagram.len()),
            },
            Some(Header::Long(header)) => self.long(now, &header, datagram.len(), path),
        };
        match route {
            Route::Drop(why) => self.stats.drop(why),
            Route::Forward(_) => self.stats.forwarded += 1,
            _ => {}
        }
        route
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
        self.stats.moved += u64::from(session.take_moves());
        if !session.is_established() {
            return;
        }
        if self.registry.is_first_sync(session) {
            self.stats.handshakes += 1;
            self.stats.resumed += u64::from(session.connection.is_resumed());
            self.stats.early += u64::from(session.was_early());
            session.look_at_client();
        }
        self.registry.sync(session, key, &self.ids);
    }

    /// The end of a connection: its ids are forgotten.
    pub fn unbind(&mut self, session: &Session) {
        self.stats.failed += u64::from(session.first.is_some());
        self.registry.unbind(session);
    }

    /// From now on nobody may begin a connection: clients are told so, and try elsewhere. Those that there are live on.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// How many handshakes are under way.
    #[must_use]
    pub const fn handshakes(&self) -> usize {
        self.registry.handshakes()
    }

    /// What was seen so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// For an id that is not known here.
    fn stray(&mut self, now: Instant, cid: &Cid, length: usize) -> Route {
        match self.ids.owner(cid) {
            Some(Owner::Shard(shard)) => Route::Forward(shard),
            // RFC 9000 §10.3: whoever uses it still is told that the connection is gone. Ids of others are none of our business.
            Some(Owner::Ours | Owner::Gone) if length >= reply::SMALLEST_SHORT => {
                let Ok(token) = self.ids.reset_token(cid) else { return Route::Drop(Why::Failed) };
                self.answer(now, |out| reply::reset(length, token, out), |stats| &mut stats.resets)
            }
            _ => Route::Drop(Why::Unknown),
        }
    }

    fn long(&mut self, now: Instant, header: &Long<'_>, length: usize, path: Path) -> Route {
        if header.version != VERSION {
            return match header.version {
                // Version negotiation is for clients (RFC 9000 §17.2.1).
                0 => Route::Drop(Why::Malformed),
                // RFC 9000 §6.1.
                _ if length < SMALLEST => Route::Drop(Why::Small),
                _ => self.answer(
                    now,
                    |out| reply::versions(header, out),
                    |stats| &mut stats.versions,
                ),
            };
        }
        let (Some(first), Some(_)) = (First::new(header.dcid), First::new(header.scid)) else {
            return Route::Drop(Why::Malformed);
        };
        let ours: Option<&Cid> = header.dcid.try_into().ok();
        let known = ours.and_then(|cid| self.registry.find(cid));
        if let Some(key) = known.or_else(|| self.registry.find_first(&first)) {
            return Route::Known(key);
        }
        let owner = ours.and_then(|cid| self.ids.owner(cid));
        if let Some(Owner::Shard(shard)) = owner {
            return Route::Forward(shard);
        }
        if !header.is_initial() {
            return Route::Drop(Why::Unknown);
        }
        // RFC 9000 §14.1.
        if length < SMALLEST {
            return Route::Drop(Why::Small);
        }
        let Some(token) = header.token().filter(|_| header.dcid.len() >= FIRST_ID) else {
            return Route::Drop(Why::Malformed);
        };
        let Some(server) = &self.server else { return Route::Drop(Why::Unknown) };
        let worth = match ours {
            Some(cid) if !token.is_empty() => server.tokens.open(token, cid, path.peer),
            _ => Worth::Foreign,
        };
        match (worth, owner) {
            // RFC 9000 §8.1.2.
            (Worth::Invalid, _) => return self.refuse(now, header, Refusal::Token),
            // Of a connection that is over: a client makes up no id of ours.
            (Worth::Foreign, Some(_)) => return Route::Drop(Why::Unknown),
            _ => {}
        }
        let handshakes = self.registry.handshakes();
        // RFC 9000 §5.2.2.
        if self.is_draining || handshakes >= self.settings.handshakes {
            return self.refuse(now, header, Refusal::Refused);
        }
        let original = match worth {
            Worth::Valid(original) => Some(original),
            _ => None,
        };
        let is_asked = match self.settings.retry {
            Retry::Never => false,
            Retry::UnderLoad => handshakes >= self.settings.busy,
            Retry::Always => true,
        };
        if is_asked && original.is_none() {
            return self.retry(now, header, path);
        }
        match self.accept(now, first, original, path) {
            Ok(session) => Route::New(Box::new(session)),
            Err(_) => Route::Drop(Why::Failed),
        }
    }

    fn accept(
        &mut self,
        now: Instant,
        first: First,
        original: Option<First>,
        path: Path,
    ) -> Result<Session, Error> {
        let cid = self.ids.mint()?;
        let Path { local, peer } = path;
        let id = ConnectionId::from_ref;
        let Some(Server { config, identity, .. }) = &mut self.server else {
            return Err(Error::Setting("there is no server"));
        };
        let scid = id(&cid);
        // For the first id the token is a transport parameter (RFC 9000 §18.2), for others it goes with them.
        let token = self.ids.reset_token(&cid)?;
        config.set_stateless_reset_token(Some(u128::from_be_bytes(token)));
        let connection = match &original {
            None => quiche::accept_with_buf_factory(&scid, None, local, peer, config)?,
            Some(original) => {
                let retry = RetryConnectionIds {
                    original_destination_cid: &id(original.as_ref()),
                    retry_source_cid: &id(first.as_ref()),
                };
                quiche::accept_with_retry(&scid, retry, local, peer, config)?
            }
        };
        let side = Side::Server(Arc::clone(&identity.0), first);
        let mut session = Session::new(connection, cid, side, &self.settings, now, path);
        // RFC 9000 §8.1.2: the token has shown that the address receives.
        session.credit = session.credit.filter(|_| original.is_none());
        Ok(session)
    }

    fn retry(&mut self, now: Instant, header: &Long<'_>, path: Path) -> Route {
        let made = self.ids.mint().and_then(|cid| {
            let Some(server) = &self.server else { return Ok(None) };
            let token = server.tokens.seal(header.dcid, &cid, path.peer)?;
            Ok(Some((cid, token)))
        });
        let Ok(Some((cid, token))) = made else { return Route::Drop(Why::Failed) };
        let write = |out: &mut Vec<u8>| reply::retry(header, &cid, &token, out);
        self.answer(now, write, |stats| &mut stats.retries)
    }

    fn refuse(&mut self, now: Instant, header: &Long<'_>, why: Refusal) -> Route {
        self.answer(now, |out| reply::refuse(header, why, out), |stats| &mut stats.refused)
    }

    fn answer(
        &mut self,
        now: Instant,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
        count: impl FnOnce(&mut Stats) -> &mut u64,
    ) -> Route {
        if !self.allowance.take(now) {
            return Route::Drop(Why::Full);
        }
        match write(&mut self.reply) {
            Ok(()) => {
                *count(&mut self.stats) += 1;
                Route::Reply(self.reply.len())
            }
            Err(_) => Route::Drop(Why::Failed),
        }
    }
}
