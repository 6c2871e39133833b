//! What an HTTP/1 connection remembers, and the one function that moves it on (RFC 9112 §9).
//!
//! Two halves, incoming and outgoing, go their own ways; [`Http1::settle`] is the only place where
//! the end of a half becomes the next message or the end of the connection. Nothing here reads or
//! writes bytes.

use std::rc::Rc;

use trilane_semantics::{Cause, Closed, ExchangeId, Fault, Instant, Limits, Linger, Reason};

use crate::chunked::Decoder;
use crate::framing::Kind;
use crate::scan::Scan;

/// An HTTP/1.0 or HTTP/1.1 connection, in the server or in the client role (RFC 9112).
///
/// Speaks [`Machine`](trilane_semantics::Machine). It keeps no bytes: what it left in its input
/// must be offered again, together with more.
///
/// ```
/// use std::rc::Rc;
/// use trilane_http1::Http1;
/// use trilane_semantics::{Event, Input, Instant, Limits, Machine, Next};
/// let mut http1 = Http1::server(Rc::new(Limits::default()), Instant::default());
/// let mut input = Input::new((), b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", false);
/// let Ok(Next::Event(Event::Request { head, .. })) =
///     http1.poll_event(Instant::default(), &mut input)
/// else {
///     panic!("a request was expected");
/// };
/// assert_eq!(head.path(), "/x");
/// ```
#[derive(Debug)]
pub struct Http1 {
    pub(crate) limits: Rc<Limits>,
    /// The exchange under way, or the last one; a count from 1.
    pub(crate) exchange: u64,
    /// Content bytes that the caller has not released.
    pub(crate) held: u64,
    /// Bytes that were thrown away, this exchange: unwanted content (server role), interim heads
    /// (client role).
    pub(crate) discarded: u64,
    /// Bytes of chunk extensions, this exchange.
    pub(crate) extensions: u32,
    pub(crate) deadline: Instant,
    /// When content will have come too slowly.
    pub(crate) rate_deadline: Instant,
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
    pub(crate) scan: Scan,
    pub(crate) closed: Option<Closed>,
    pub(crate) role: Role,
    pub(crate) kind: Kind,
    pub(crate) ending: Ending,
    pub(crate) wait: Wait,
    pub(crate) peer: Peer,
    pub(crate) expect: Expect,
    pub(crate) phase: Phase,
    /// The end of the stream does not end content.
    pub(crate) is_cut: bool,
}

/// Which side we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// The peer's version, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// No chunks, no interim responses, no upgrade.
    Http10,
    Http11,
}

/// Whether the client waits for 100 (Continue).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Nothing,
    Continue,
}

/// Whether new exchanges are welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Draining,
    Running,
}

/// The half that comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Incoming {
    /// Before the first byte of a head.
    Idle,
    /// As `Idle`, after the one empty line that is skipped.
    Skipped,
    /// An interim head came, the next one must (client role).
    Head,
    /// That many bytes of content are missing.
    Exact(u64),
    /// Content in chunks.
    Chunked(Decoder),
    /// Content up to the end of the connection.
    UntilClose,
    /// Complete; waits for the outgoing half.
    Over,
    /// A tunnel, if the answer says so.
    Held,
    /// A tunnel.
    Tunnel,
}

/// The half that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// No exchange is under way.
    Idle,
    /// The response is owed (server role).
    Owed,
    /// A tunnel, if the answer says so (client role).
    Held,
    /// That many bytes of content are missing.
    Exact(u64),
    /// Content in chunks.
    Chunked,
    /// Content up to the end of the connection.
    UntilClose,
    /// Content that must not be sent.
    Swallow,
    /// A tunnel.
    Tunnel,
    /// Complete; waits for the incoming half.
    Over,
    /// Given up: takes everything, sends nothing.
    Gone,
}

/// What comes after this exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The next one.
    Keep,
    /// The end: the peer said so.
    Peer,
    /// The end: we said so.
    Us,
    /// The end: we drain.
    Drain,
    /// The end: the peer's message was refused.
    Fault,
    /// The end of the tunnel.
    Tunnel,
}

/// What the timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It is off.
    Nothing,
    /// The first byte ever.
    First,
    /// The first byte of the next head.
    Next,
    /// The rest of a head.
    Head,
    /// The next piece of content.
    Body,
    /// The caller, who held content back, has let go of it: the peer's time runs anew.
    Released,
    /// Anything in a tunnel.
    Tunnel,
}

impl Http1 {
    /// The server's end of a connection that was accepted `now`.
    #[must_use]
    pub fn server(limits: Rc<Limits>, now: Instant) -> Self {
        let deadline = now + limits.head_timeout;
        Self { deadline, wait: Wait::First, ..Self::new(limits, Role::Server, now) }
    }

    /// The client's end of a connection that was established `now`.
    #[must_use]
    pub fn client(limits: Rc<Limits>, now: Instant) -> Self {
        Self::new(limits, Role::Client, now)
    }

    /// The server's end of a connection on which so many exchanges are over, and that waits for the next one: as
    /// [`Http1::rested`] found it.
    #[must_use]
    pub fn server_after(exchanges: u64, limits: Rc<Limits>, now: Instant) -> Self {
        Self { exchange: exchanges, ..Self::new(limits, Role::Server, now) }
    }

    /// Whether an exchange has just ended, and nothing of the next one was looked at: how many are over. All that came before may be
    /// forgotten then (server role).
    #[must_use]
    pub fn rested(&self) -> Option<u64> {
        let is_idle = matches!(self.incoming, Incoming::Idle) && self.outgoing == Outgoing::Idle;
        let is_server = self.role == Role::Server && self.phase == Phase::Running && !self.is_cut;
        let is_open = self.closed.is_none() && self.wait == Wait::Nothing;
        (is_idle && is_server && is_open).then_some(self.exchange)
    }

    const fn new(limits: Rc<Limits>, role: Role, now: Instant) -> Self {
        Self {
            limits,
            exchange: 0,
            held: 0,
            discarded: 0,
            extensions: 0,
            deadline: now,
            rate_deadline: now,
            incoming: Incoming::Idle,
            outgoing: Outgoing::Idle,
            scan: Scan::new(),
            closed: None,
            role,
            kind: Kind::Plain,
            ending: Ending::Keep,
            wait: Wait::Nothing,
            peer: Peer::Http11,
            expect: Expect::Nothing,
            phase: Phase::Running,
            is_cut: false,
        }
    }

    /// The exchange under way.
    pub(crate) const fn id(&self) -> ExchangeId {
        ExchangeId(self.exchange)
    }

    /// Begins an exchange.
    pub(crate) fn begin(&mut self, kind: Kind) -> ExchangeId {
        self.exchange += 1;
        (self.kind, self.held, self.discarded, self.extensions) = (kind, 0, 0, 0);
        self.expect = Expect::Nothing;
        self.id()
    }

    /// Whether content still comes that nobody will read: the answer is complete (server role).
    pub(crate) fn discards(&self) -> bool {
        self.role == Role::Server && matches!(self.outgoing, Outgoing::Over | Outgoing::Gone)
    }

    /// Whether a response, or a refusal, is between its head and its end.
    pub(crate) const fn is_sending(&self) -> bool {
        matches!(
            self.outgoing,
            Outgoing::Exact(_) | Outgoing::Chunked | Outgoing::UntilClose | Outgoing::Swallow
        ) || matches!((self.ending, self.outgoing), (Ending::Fault, Outgoing::Owed))
    }

    /// Ends the connection; the first reason stays.
    pub(crate) fn close(&mut self, closed: Closed) {
        self.closed.get_or_insert(closed);
        self.wait = Wait::Nothing;
    }

    /// The transition: one of the halves has ended. What comes now?
    #[inline]
    pub(crate) fn settle(&mut self) {
        let incoming_over = matches!(self.incoming, Incoming::Over);
        let outgoing_over = matches!(self.outgoing, Outgoing::Over | Outgoing::Gone);
        match (self.role, self.ending) {
            (_, Ending::Tunnel) => {
                if incoming_over && outgoing_over {
                    self.close(Closed::now(Cause::TunnelEnd));
                }
            }
            (Role::Server, _) if !outgoing_over => (),
            (Role::Server, Ending::Keep) if incoming_over => self.rest(),
            // Content is still coming: it is discarded, up to the limit, and nobody holds it back.
            (Role::Server, Ending::Keep) => {
                if self.held > 0 && self.wait == Wait::Body {
                    // Until now it was the caller who held back, not the peer.
                    self.wait = Wait::Released;
                }
                self.held = 0;
            }
            #[cfg(planted = "keep_alive")] // A mistake on purpose: `make planted`.
            (Role::Server, Ending::Peer) if incoming_over => self.rest(),
            // RFC 9112 §9.6: the connection is closed after the last response, reading on for a
            // while unless the client itself will send no more.
            (Role::Server, Ending::Peer) => {
                let linger = if incoming_over { Linger::No } else { Linger::Yes };
                self.close(Closed { cause: Cause::LastMessage, linger });
            }
            (Role::Server, Ending::Drain) => self.close(Closed::lingering(Cause::Drain)),
            (Role::Server, _) => self.close(Closed::lingering(Cause::LastMessage)),
            (Role::Client, _) if !incoming_over => (),
            (Role::Client, Ending::Keep) if outgoing_over => self.rest(),
            (Role::Client, Ending::Keep) => (),
            (Role::Client, _) => {
                self.outgoing = Outgoing::Gone;
                self.close(Closed::now(Cause::LastMessage));
            }
        }
    }

    /// Between two exchanges.
    fn rest(&mut self) {
        (self.incoming, self.outgoing) = (Incoming::Idle, Outgoing::Idle);
        (self.scan, self.wait) = (Scan::new(), Wait::Nothing);
    }

    /// The connection cannot go on: what came cannot be trusted (RFC 9112 §11.2). Before the final
    /// response began, one last answer may still say so.
    pub(crate) fn fail(&mut self, reason: Reason) -> Fault {
        let closed = match self.outgoing {
            // RFC 9112 §8: the end of the connection must not look like the end of the answer.
            Outgoing::UntilClose => Closed::reset(Cause::Fault(reason)),
            _ => Closed::lingering(Cause::Fault(reason)),
        };
        match (self.role, self.outgoing) {
            (Role::Server, Outgoing::Idle) => {
                self.begin(Kind::Plain);
                // We do not know what the peer understands: no chunks, no interim responses.
                self.peer = Peer::Http10;
                (self.outgoing, self.ending) = (Outgoing::Owed, Ending::Fault);
                self.close(closed);
            }
            (Role::Server, Outgoing::Owed) => {
                self.ending = Ending::Fault;
                self.close(closed);
            }
            (Role::Server, _) => {
                self.outgoing = Outgoing::Gone;
                self.close(closed);
            }
            (Role::Client, _) => {
                self.outgoing = Outgoing::Gone;
                self.close(Closed::now(closed.cause));
            }
        }
        self.incoming = Incoming::Over;
        Fault::connection(reason)
    }
}
