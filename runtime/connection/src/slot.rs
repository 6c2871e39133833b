//! One exchange under way: its handler or its body, its reader's queue, its waker.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{
    Asked, Exchange, ExchangeWaker, IncomingWriter, Request, Running, Service, Source,
};
use trilane_semantics::{ExchangeId, Instant, Method, Payload, Reason, StatusCode};

use crate::guarded::Guarded;
use crate::host::Host;
use crate::reading::Ahead;

/// One exchange under way.
pub(crate) struct Slot {
    pub(crate) id: ExchangeId,
    pub(crate) exchange: Rc<Exchange>,
    pub(crate) stage: Stage,
    /// The connection's end of the request's content, if it has any.
    pub(crate) writer: Option<IncomingWriter>,
    pub(crate) waker: ExchangeWaker,
    /// When the handler must have answered.
    pub(crate) deadline: Option<Instant>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// What its source gives may lie in pipes: one of them is on its way at most.
    pub(crate) takes_pipes: bool,
    /// Content has come in a pipe.
    pub(crate) is_piped: bool,
    /// Whom it is for, if we are the client.
    pub(crate) role: Role,
}

/// Which side of an exchange we are.
pub(crate) enum Role {
    /// The server: this service answers, also if another one has taken its place on the shard since.
    Server(Rc<dyn Service>),
    /// The client, who waits for the response of that server.
    Client {
        /// Who waits, until there is a response.
        asked: Option<Asked>,
        /// How long the response may take.
        timeout: Duration,
        /// It asked for a tunnel.
        is_tunnel: bool,
        /// All of the response is here.
        is_heard: bool,
        /// What was wrong with the content that was to be sent.
        broken: Option<Reason>,
    },
}

/// Where an exchange stands.
pub(crate) enum Stage {
    /// Its request is not with the service yet: content that came with the head comes first.
    Fresh(Request),
    /// Its handler works.
    Running(Running),
    /// Its head is sent, its content is on the way: what is at hand, and where more comes from.
    /// `ahead` is there if it reads files.
    Sending {
        rest: Payload,
        source: Option<Guarded<Pin<Box<dyn Source>>>>,
        ahead: Option<Rc<Ahead>>,
    },
    /// Its outgoing half is complete; the tunnel's incoming half is not.
    Sent,
}

impl Slot {
    /// The service that it began with.
    #[inline]
    pub(crate) fn app<'a>(&'a self, host: &'a Host) -> &'a dyn Service {
        match &self.role {
            Role::Server(app) => &**app,
            Role::Client { .. } => &**host.app(),
        }
    }

    /// Whether the answer has made a tunnel of the exchange (RFC 9110 §7.8, §9.3.6).
    pub(crate) fn is_tunnel(&self) -> bool {
        self.status.is_some_and(|status| {
            status == StatusCode::SWITCHING_PROTOCOLS
                || status.is_success() && self.exchange.head().method == Method::CONNECT
        })
    }

    /// Whether a response head was sent.
    pub(crate) const fn has_answered(&self) -> bool {
        matches!(self.stage, Stage::Sending { .. } | Stage::Sent)
    }

    /// What was read of files for it and cannot go yet, in bytes, or is being read.
    pub(crate) fn held(&self) -> usize {
        match &self.stage {
            Stage::Sending { rest, ahead: Some(ahead), .. } => rest.len() + ahead.under_way(),
            _ => 0,
        }
    }

    /// Whether the reader of the content waits for more of it, or did.
    pub(crate) fn is_reading(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.is_wanted() && writer.has_reader())
    }

    /// Has the exchange woken when its reader first asks for content, or takes what waits: 100 (Continue) or
    /// credit is due then, and the reader need not be the handler itself.
    pub(crate) fn notify_room(&self) {
        #[cfg(planted = "lost_wake")] // A mistake on purpose: `make planted`.
        if self.writer.as_ref().is_some_and(|writer| writer.queued() == 0) {
            return;
        }
        // And when whoever reads a response goes, for then it is given up.
        let is_ours = matches!(self.role, Role::Client { .. });
        if let Some(writer) =
            self.writer.as_ref().filter(|it| is_ours || !it.is_wanted() || it.queued() > 0)
        {
            writer.notify_room(self.waker.waker());
        }
    }

    /// Whether so much waits for the reader that no more should be read.
    pub(crate) fn is_full(&self, receive_queue: usize) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.queued() >= receive_queue)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Fresh(_) => "fresh",
            Stage::Running(_) => "running",
            Stage::Sending { .. } => "sending",
            Stage::Sent => "sent",
        };
        f.debug_struct("Slot").field("id", &self.id).field("stage", &stage).finish_non_exhaustive()
    }
}
