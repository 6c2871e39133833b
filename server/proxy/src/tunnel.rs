//! What goes through a tunnel in both directions. Its front half is not there before the client has our answer: until then nobody
//! reads it.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{Frame, Incoming, Outgoing, Source};

use crate::breaker::Permit;
use crate::servers::Servers;

/// Opened when the client's half of a tunnel is there.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// What the client sends, once the gate is open.
struct Front {
    body: Incoming,
    gate: Rc<Gate>,
}

/// What the server sends: whoever asks for it has told the client that there is a tunnel.
struct Back {
    body: Incoming,
    gate: Rc<Gate>,
    _permit: Permit<Servers>,
}

/// What the client will send through the tunnel, and what lets it begin.
pub(crate) fn front(body: Incoming) -> (Outgoing, Rc<Gate>) {
    let gate = Rc::new(Gate::default());
    (Outgoing::source(Front { body, gate: Rc::clone(&gate) }), gate)
}

/// What the server sends through it.
pub(crate) fn back(body: Incoming, gate: Rc<Gate>, permit: Permit<Servers>) -> Outgoing {
    Outgoing::source(Back { body, gate, _permit: permit })
}

impl Source for Front {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        if self.gate.is_open.get() {
            return self.body.poll_frame(cx).map(|next| next.map(|it| it.map_err(Into::into)));
        }
        *self.gate.waiting.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Source for Back {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        if !self.gate.is_open.replace(true)
            && let Some(waker) = self.gate.waiting.take()
        {
            waker.wake();
        }
        self.body.poll_frame(cx).map(|next| next.map(|it| it.map_err(Into::into)))
    }
}
