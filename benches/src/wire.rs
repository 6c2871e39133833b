//! A keep-alive connection to the demo application, or to another, without a socket: what a shard does between receiving and
//! sending, and nothing else.

use std::rc::Rc;

use trilane_connection::{Conversation, Goal, Host, Received, Sends, http1, http2, secured};
use trilane_exchange::{Address, ConnectionInfo, Shard, WakeQueue};
use trilane_semantics::{Instant, Limits, Outbox, Piece};
use trilane_service::{RouteError, Router, default_layers};
use trilane_sim::capabilities::SimShard;
use trilane_sim::clock::Clock;
use trilane_sim::rng::Rng;
use trilane_tls::Session;

use crate::frames::Talk;
use crate::requests::Scenario;

/// One connection to an application, such as the demo with the router and the default layers that `trilane demo --log off` has.
#[derive(Debug)]
pub struct Wire {
    host: Host,
    conversation: Box<dyn Conversation>,
    /// The client's side, where it is HTTP/2.
    talk: Talk,
    now: Instant,
}

impl Wire {
    /// A new connection to a new demo, in the protocol of that scenario. Over HTTP/2 a first request was answered.
    ///
    /// # Errors
    /// The demo's routes conflict.
    pub fn new(scenario: &Scenario) -> Result<Self, RouteError> {
        let mut wire = Self::serving(|shard| trilane_cli::demo::router(shard, None))?;
        if let Some(frames) = &scenario.frames {
            let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
            wire.conversation = http2(&wire.host, wire.now, 0, info);
            let first = Received::copied(wire.talk.next(frames));
            wire.conversation.receive(&wire.host, wire.now, first);
            wire.answers(|talk, out| talk.reads(out, 1, &scenario.body));
        }
        Ok(wire)
    }

    /// A new connection in HTTP/1.1 to another application, with the default layers.
    ///
    /// # Errors
    /// Its routes conflict.
    pub fn serving(routes: impl FnOnce(&Shard) -> Router) -> Result<Self, RouteError> {
        let queue = WakeQueue::new(|| ());
        let clock = Rc::new(Clock::default());
        let now = clock.now();
        let shard = Shard::new(Rc::new(SimShard::new(clock, Rng::new(1), queue.clone())));
        let app = routes(&shard).layer(default_layers(None)).build()?;
        let limits = Rc::new(Limits::default());
        let host = Host::new(Rc::new(app), limits, shard, queue, "trilane");
        let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
        let conversation = http1(&host, now, 0, info, Sends::Bytes);
        Ok(Self { host, conversation, talk: Talk::default(), now })
    }

    /// One turn: the bytes of a scenario come, and what they are answered with is sent at once. Whether each
    /// request got its answer, in one piece over HTTP/1.1, and the connection stays open.
    #[must_use]
    pub fn turn(&mut self, scenario: &Scenario) -> bool {
        self.host.tick();
        let bytes = match &scenario.frames {
            None => &scenario.bytes[..],
            Some(frames) => self.talk.next(frames),
        };
        self.conversation.receive(&self.host, self.now, Received::copied(bytes));
        if scenario.frames.is_some() {
            return self.answers(|talk, out| talk.reads(out, scenario.requests, &scenario.body));
        }
        // The answers of one turn are equally long.
        self.answers(|_, outbox| {
            outbox.single().is_some_and(|bytes| {
                let length = bytes.len() / scenario.requests;
                bytes.len() == length * scenario.requests
                    && bytes.chunks(length).all(|answer| {
                        answer.starts_with(b"HTTP/1.1 200 OK\r\n")
                            && answer.ends_with(&scenario.body)
                    })
            })
        })
    }

    /// The same over TLS: the connection is new, and its handshake to be done.
    pub fn secure(&mut self, session: Session) {
        let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
        self.conversation = secured(&self.host, self.now, 0, info, session);
    }

    /// Bytes come that may be changed where they lie; what they are answered with is put behind `out`.
    pub fn records(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) {
        self.host.tick();
        self.conversation.receive_in_place(&self.host, self.now, bytes);
        while let Some(outbox) = self.conversation.take_output(&self.host, self.now) {
            for piece in outbox.pieces() {
                if let Piece::Bytes(bytes) = piece {
                    out.extend_from_slice(bytes);
                }
            }
            self.host.give_outbox(outbox);
            self.conversation.sent(&self.host, self.now);
        }
    }

    /// Takes what is to be sent, and looks at it.
    fn answers(&mut self, is_right: impl FnOnce(&mut Talk, &Outbox) -> bool) -> bool {
        let Some(outbox) = self.conversation.take_output(&self.host, self.now) else {
            return false;
        };
        let is_right = is_right(&mut self.talk, &outbox);
        self.host.give_outbox(outbox);
        self.conversation.sent(&self.host, self.now);
        is_right && self.conversation.goal() == Goal::Open && self.conversation.is_idle()
    }
}
