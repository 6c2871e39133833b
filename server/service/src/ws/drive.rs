//! Who moves a socket: the content of the answer that opened it. Its connection polls it when something came, and when there is
//! room to send.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use trilane_exchange::outgoing::SourceError;
use trilane_exchange::shard::Sleep;
use trilane_exchange::{Frame, Source};
use trilane_semantics::Instant;
use trilane_websocket::{CloseCode, CloseFrame, Message};

use crate::ws::link::Link;
use crate::ws::socket::Error;

/// Runs a handler, and what its socket does by itself.
pub(crate) struct Driver<F: Future<Output = ()> + 'static> {
    link: Rc<Link>,
    handler: Option<Pin<Box<F>>>,
    timer: Option<(Instant, Sleep)>,
    /// When a pong was asked for that has not come, and until when it is waited for.
    asked: Option<(Instant, Instant)>,
}

impl<F: Future<Output = ()> + 'static> Driver<F> {
    pub(crate) const fn new(link: Rc<Link>, handler: Pin<Box<F>>) -> Self {
        Self { link, handler: Some(handler), timer: None, asked: None }
    }

    fn run(&mut self, cx: &mut Context<'_>) {
        // One that panics is not polled again.
        if let Some(mut handler) = self.handler.take()
            && handler.as_mut().poll(cx).is_pending()
        {
            self.handler = Some(handler);
        }
        // Nobody has a part of it any more; a handler may go on without.
        let is_alone = Rc::strong_count(&self.link) == 1;
        let code = match () {
            // RFC 6455 §7.4.1: a server goes down. The handler hears the client's answer to that.
            () if self.link.shard.is_draining() => CloseCode::GOING_AWAY,
            () if is_alone => CloseCode::NORMAL,
            () => return,
        };
        // Nothing is said after another close.
        let _ = self.link.send(Message::Close(Some(CloseFrame::new(code, ""))));
    }

    /// Asks a silent peer for a pong, and waits neither for that nor for a close longer than it may take.
    fn watch(&mut self, cx: &mut Context<'_>) {
        let now = self.link.shard.now();
        let due = loop {
            match self.next_due() {
                Some(due) if due <= now => self.be_due(due, now),
                due => break due,
            }
        };
        let Some(due) = due else {
            self.timer = None;
            return;
        };
        // One that fires early is armed again; so nothing is done for each message.
        if self.timer.as_ref().is_none_or(|(at, _)| due < *at || *at <= now) {
            let mut sleep = self.link.shard.sleep(due.since(now));
            let _ = Pin::new(&mut sleep).poll(cx);
            self.timer = Some((due, sleep));
        }
    }

    fn next_due(&mut self) -> Option<Instant> {
        let (link, options) = (&self.link, &self.link.options);
        if link.is_over() {
            return None;
        }
        if let Some(due) = link.close_due() {
            return Some(due);
        }
        let interval = options.ping_interval?;
        let heard = link.heard();
        self.asked = self.asked.filter(|(asked, _)| heard.is_some_and(|heard| heard < *asked));
        match (self.asked, heard) {
            (Some((_, until)), _) => Some(until),
            (None, Some(heard)) => Some(heard + interval),
            // It is our handler that takes its time.
            (None, None) => None,
        }
    }

    fn be_due(&mut self, due: Instant, now: Instant) {
        if self.link.close_due().is_some() {
            self.link.leave();
        } else if self.asked.is_some() {
            self.link.time_out();
        } else {
            // Who asks late is behind much that the client takes its time to read: it may take as long to come to the question.
            self.asked = Some((now, now + now.since(due) + self.link.options.pong_timeout));
            let _ = self.link.send(Message::Ping(Bytes::new()));
        }
    }
}

impl<F: Future<Output = ()> + 'static> Source for Driver<F> {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        let this = &mut *self;
        this.link.begin(cx.waker());
        this.run(cx);
        this.link.read();
        this.watch(cx);
        let piece = this.link.take();
        this.link.rest();
        match piece {
            Some(piece) => Poll::Ready(Some(Ok(Frame::Data(piece)))),
            // Nothing is waited for, and nobody is to take it for a good end (RFC 8441 §5).
            None if this.link.is_lost() => Poll::Ready(Some(Err(Error::Gone.into()))),
            // RFC 6455 §7.1.1: nobody says anything more, and the server ends the connection first.
            None if this.link.is_over() && this.link.is_closed() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl<F: Future<Output = ()> + 'static> Drop for Driver<F> {
    fn drop(&mut self) {
        self.link.leave();
        if let Some(handler) = self.handler.take() {
            // What it does after its last message is done all the same.
            self.link.shard.spawn(handler);
        }
    }
}
