//! What is known of a server at work, as plain data: its shards, its connections. [`Inspector`](crate::Inspector) asks for it.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use trilane_connection::{Description, State, Traffic, Waits};
use trilane_exchange::{Address, TlsVersion};
use trilane_semantics::{Instant, Protocol, Reason};

/// Slots that are looked through in one go, so that nobody waits long for those who ask.
pub(crate) const SLICE: usize = 2048;

/// Where a look through a shard's connections goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    Sockets(usize),
    Quic(usize),
}

/// How a shard is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its number.
    pub shard: usize,
    /// It finishes what there is, and takes nothing new.
    pub is_draining: bool,
    /// CPU time of its thread.
    pub cpu: Duration,
    /// Connections of clients.
    pub connections: usize,
    /// Connections that it has begun, to servers.
    pub outward: usize,
    /// Connections of clients over QUIC, which are among [`connections`](Self::connections).
    pub quic: usize,
    /// Connections that were accepted, and wait for a place.
    pub surplus: usize,
    /// Slots for sockets, used or free.
    pub slots: usize,
    /// Tasks.
    pub tasks: usize,
    /// Timers that are set.
    pub timers: usize,
    /// Reads of files under way.
    pub reads: usize,
    /// Bytes that were received, and wait for handlers.
    pub waiting: usize,
    /// Memory that the kernel receives into.
    pub buffers: BufferReport,
    /// Large pieces of memory for content that are spare, in bytes.
    pub bulk: usize,
    /// Pipes in use, for content that goes from socket to socket.
    pub pipes: usize,
    /// Its io_uring.
    pub ring: RingReport,
}

/// The receive buffers of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferReport {
    /// How many are in use: with the kernel, or filled.
    pub in_use: usize,
    /// How many the kernel can fill.
    pub free: usize,
    /// How many handlers hold.
    pub leased: usize,
    /// How many there can be.
    pub most: usize,
    /// Bytes of each.
    pub size: usize,
    /// Connections that wait for one.
    pub starved: usize,
}

/// The io_uring of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingReport {
    /// Entries of its submission queue.
    pub submissions: usize,
    /// Operations that wait there for the next system call.
    pub submitted: usize,
    /// Operations that did not fit there.
    pub backlog: usize,
    /// Entries of its completion queue.
    pub completions: usize,
    /// Completions that wait there.
    pub completed: usize,
    /// Completions that were lost because there was no memory for them. Always 0 but for a defect.
    pub overflow: u32,
}

/// Names a connection of a server, as long as it is open: `SHARD-NUMBER`, the latter in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// The shard's number.
    pub shard: usize,
    pub(crate) key: u64,
}

impl ConnectionId {
    /// Whether it is one over QUIC.
    #[must_use]
    pub const fn is_quic(self) -> bool {
        trilane_connection::is_quic_key(self.key)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.shard, self.key)
    }
}

/// Text that names no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConnectionId;

impl fmt::Display for InvalidConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a connection is named SHARD-NUMBER")
    }
}

impl std::error::Error for InvalidConnectionId {}

impl From<ParseIntError> for InvalidConnectionId {
    fn from(_: ParseIntError) -> Self {
        Self
    }
}

impl FromStr for ConnectionId {
    type Err = InvalidConnectionId;

    fn from_str(text: &str) -> Result<Self, InvalidConnectionId> {
        let (shard, key) = text.split_once('-').ok_or(InvalidConnectionId)?;
        Ok(Self { shard: shard.parse()?, key: u64::from_str_radix(key, 16)? })
    }
}

/// Which connections are wanted: all of them, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// That speak this.
    pub protocol: Option<Protocol>,
    /// That stand there.
    pub state: Option<State>,
}

impl Filter {
    pub(crate) fn wants(self, description: &Description) -> bool {
        self.protocol.is_none_or(|wanted| description.protocol == Some(wanted))
            && self.state.is_none_or(|wanted| description.state == wanted)
    }
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionEntry {
    /// Its name.
    pub id: ConnectionId,
    /// We began it: it leads to a server.
    pub is_outward: bool,
    /// What is spoken, once that is known. HTTP/1.0 is HTTP/1.1 here.
    pub protocol: Option<Protocol>,
    /// Where it stands.
    pub state: State,
    /// What it waits for.
    pub waits: Waits,
    /// What TLS has agreed on; none in clear, and before that.
    pub tls: Option<TlsEntry>,
    /// The peer's end.
    pub peer: Address,
    /// Our end.
    pub local: Address,
    /// How long there has been one.
    pub age: Duration,
    /// How long nothing came or went.
    pub idle: Duration,
    /// When its time is over, if nothing happens before.
    pub deadline: Option<Duration>,
    /// Exchanges under way.
    pub open: usize,
    /// Exchanges that were begun.
    pub exchanges: u64,
    /// The last message that was refused.
    pub fault: Option<Reason>,
    /// Bytes that came.
    pub received: u64,
    /// Bytes that were sent.
    pub sent: u64,
}

/// Something that a shard is at: an exchange, or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEntry {
    /// Method and route, or the type of a task's future.
    pub what: String,
    /// It is a task, and no exchange.
    pub is_task: bool,
    /// What it waits for.
    pub waits: &'static str,
    /// How long there has been one.
    pub age: Duration,
}

/// What TLS has agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsEntry {
    /// Its version.
    pub version: TlsVersion,
    /// Its cipher suite.
    pub cipher_suite: &'static str,
    /// The protocol that ALPN has chosen.
    pub alpn: Option<String>,
    /// The name that the client has asked for.
    pub server_name: Option<Box<str>>,
    /// An earlier session was resumed.
    pub resumed: bool,
    /// Whom the client's certificate names.
    pub client: Option<String>,
}

impl ConnectionEntry {
    pub(crate) fn new(
        id: ConnectionId,
        now: Instant,
        is_outward: bool,
        description: &Description,
        traffic: Traffic,
    ) -> Self {
        let tls = description.info.tls.as_ref().map(|tls| TlsEntry {
            version: tls.version,
            cipher_suite: tls.cipher_suite,
            alpn: tls.alpn.as_ref().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
            server_name: tls.server_name.clone(),
            resumed: tls.resumed,
            client: tls.client.as_ref().map(|client| client.subject.clone()),
        });
        Self {
            id,
            is_outward,
            protocol: description.protocol,
            state: description.state,
            waits: description.waits,
            tls,
            peer: description.info.peer,
            local: description.info.local,
            age: now.since(traffic.since),
            idle: now.since(traffic.last),
            deadline: description.deadline.map(|at| at.since(now)),
            open: description.open,
            exchanges: description.begun,
            fault: description.fault,
            received: traffic.received,
            sent: traffic.sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_names() {
        for id in [
            ConnectionId { shard: 0, key: 0 },
            ConnectionId { shard: 12, key: u64::MAX },
            ConnectionId { shard: 1, key: 0xab_0000_0001 },
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "-", "1", "1-", "-1", "1-g", "x-1", "1-10000000000000000", "1--1"] {
            assert_eq!(text.parse::<ConnectionId>(), Err(InvalidConnectionId), "{text}");
        }
    }
}
