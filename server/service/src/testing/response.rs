//! The answer that a test got: its head, and its content whole or piece by piece.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use trilane_exchange::current::enter;
use trilane_exchange::read::read_now;
use trilane_exchange::{
    Error, Exchange, Frame, Outcome, Outgoing, Response, Service, Source, Summary,
};
use trilane_semantics::{Fields, Method, NameRef, Payload, ResponseHead, StatusCode, section};

use super::world::World;
use crate::app::App;

/// The most content that is read, in bytes: a stream without an end is cut there.
const LONGEST: usize = 256 << 20;

/// An answer. Its content is made while it is read, as it would be while it is sent; dropping it before is a client that
/// leaves.
pub struct TestResponse {
    app: Rc<App>,
    exchange: Rc<Exchange>,
    world: Rc<World>,
    head: ResponseHead,
    error: Option<Box<Error>>,
    waiting: Payload,
    source: Option<Pin<Box<dyn Source>>>,
    /// What was read so far.
    content: Vec<u8>,
    trailers: Option<Fields>,
    /// Why the content broke off.
    broken: Option<String>,
    outcome: Option<Outcome>,
    bytes_in: u64,
}

impl TestResponse {
    /// An answer that is not there yet.
    pub(super) fn before(
        app: Rc<App>,
        exchange: Rc<Exchange>,
        world: Rc<World>,
        bytes_in: u64,
    ) -> Self {
        Self {
            app,
            exchange,
            world,
            head: ResponseHead::default(),
            error: None,
            waiting: Payload::new(),
            source: None,
            content: Vec::new(),
            trailers: None,
            broken: None,
            outcome: None,
            bytes_in,
        }
    }

    /// Its end is nobody's business.
    pub(super) const fn told(mut self) -> Self {
        self.outcome = Some(Outcome::Complete);
        self
    }

    /// It is there.
    pub(super) fn with(mut self, response: Response) -> Self {
        let Response { head, body, error, .. } = response;
        if error.as_ref().is_some_and(|error| error.is_panic()) {
            self.exchange.shard().stats().panics.add(1);
        }
        let is_bare = self.exchange.head().method == Method::HEAD
            || section::is_bare(head.status)
            || head.status == StatusCode::RESET_CONTENT;
        (self.head, self.error) = (head, error);
        match body {
            _ if is_bare => {}
            Outgoing::Empty => {}
            Outgoing::Full(payload) => self.waiting = payload,
            Outgoing::Stream { source, .. } => self.source = Some(source),
        }
        if self.source.is_none() && self.waiting.is_empty() {
            self.end(Outcome::Complete);
        }
        self
    }

    pub(super) const fn world(&self) -> &Rc<World> {
        &self.world
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// The value of a field, the first if there are several; `None` if there is none, or if it is not UTF-8.
    #[must_use]
    pub fn field<'n>(&self, name: impl Into<NameRef<'n>>) -> Option<&str> {
        self.head.fields.get_str(name)
    }

    /// All fields.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.head.fields
    }

    /// The error that it was made of, with what only the log is told.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_deref()
    }

    /// What is known of its exchange: its route, its id, what layers have noted.
    #[must_use]
    pub const fn exchange(&self) -> &Rc<Exchange> {
        &self.exchange
    }

    /// The next piece of content, waiting for it if need be; `None` after the last.
    pub fn chunk(&mut self) -> Option<Bytes> {
        let piece = self.next()?;
        self.content.extend_from_slice(&piece);
        if self.content.len() >= LONGEST {
            self.cut("more content than a test reads");
        } else if self.source.is_none() {
            self.end(Outcome::Complete);
        }
        Some(piece)
    }

    /// All content, with what [`TestResponse::chunk`] has given.
    pub fn bytes(&mut self) -> &[u8] {
        while self.chunk().is_some() {}
        &self.content
    }

    /// All content as text; what is not UTF-8 is replaced.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// All content, read as JSON.
    ///
    /// # Errors
    /// It is none, or not of that type.
    pub fn json<T: DeserializeOwned>(&mut self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.bytes())
    }

    /// The fields after the content, if there are any; reads all of it.
    pub fn trailers(&mut self) -> Option<&Fields> {
        self.bytes();
        self.trailers.as_ref()
    }

    /// Why the content broke off before its end, if it did; reads all of it.
    pub fn broken(&mut self) -> Option<&str> {
        self.bytes();
        self.broken.as_deref()
    }

    fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.waiting.is_empty() {
                let waiting = std::mem::take(&mut self.waiting);
                return self.read(waiting);
            }
            let source = self.source.as_mut()?;
            let exchange = &self.exchange;
            let frame = self.world.run(|cx| {
                let _entered = enter(Some(Rc::clone(exchange)));
                source.as_mut().poll_frame(cx)
            });
            match frame {
                Some(Some(Ok(Frame::Data(data)))) => self.waiting = data,
                Some(Some(Ok(Frame::Trailers(fields)))) => {
                    self.trailers = Some(fields);
                    self.end(Outcome::Complete);
                }
                Some(Some(Err(error))) => self.cut(&error.to_string()),
                Some(None) => self.end(Outcome::Complete),
                None => self.cut("the content waits for what never comes"),
            }
        }
    }

    /// The bytes of a piece, read now if they are those of a file.
    fn read(&mut self, piece: Payload) -> Option<Bytes> {
        let Some((file, at)) = piece.file() else { return Some(piece.into_bytes()) };
        match read_now(&**file, at as u64, piece.len()) {
            Ok(bytes) if bytes.len() == piece.len() => Some(bytes.into()),
            Ok(_) => {
                self.cut("the file has become shorter");
                None
            }
            Err(error) => {
                self.cut(&error.to_string());
                None
            }
        }
    }

    fn cut(&mut self, why: &str) {
        self.broken = Some(why.to_owned());
        self.end(Outcome::Aborted);
    }

    /// The exchange is over, if it was not before.
    fn end(&mut self, outcome: Outcome) {
        // A source may hold what the end of the exchange tells of it: first it goes.
        self.source = None;
        if self.outcome.is_some() {
            return;
        }
        self.outcome = Some(outcome);
        let summary = Summary {
            outcome,
            closed: None,
            status: Some(self.head.status),
            duration: self.exchange.shard().now().since(self.exchange.started()),
            bytes_in: self.bytes_in,
            bytes_out: self.content.len() as u64,
        };
        self.exchange.shard().stats().finished.add(1);
        self.app.finished(&self.exchange, &summary);
    }
}

impl Drop for TestResponse {
    fn drop(&mut self) {
        self.end(Outcome::PeerLeft);
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestResponse({:?})", self.head)
    }
}
