//! The extractor that opens a WebSocket, and what may be asked of it before.

use std::future::Future;
use std::time::Duration;

use trilane_exchange::{Error, Incoming, Outgoing, Request, Response, Shard};
use trilane_semantics::{Known, StatusCode};
use trilane_websocket::{Deflate, Limits, Receiver, Role, Sender};

use crate::extract::FromRequest;
use crate::origin::OriginPattern;
use crate::ws::drive::Driver;
use crate::ws::handshake::{self, EXTENSIONS, Opening, PROTOCOL};
use crate::ws::link::{Link, Options};
use crate::ws::socket::WebSocket;

/// The shortest silence after which a client is asked: one of nothing at all would never end.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// Opens a WebSocket: the last extractor of a handler whose route is [`websocket`](crate::websocket).
///
/// A request that asks for none is answered with 426 (400 over HTTP/2 and HTTP/3), as is one for another version than 13; one that
/// does so badly with 400 (RFC 6455 §4.2.1).
///
/// ```
/// use trilane_service::ws::{Deflate, WebSocketUpgrade};
/// use trilane_service::Response;
///
/// async fn chat(upgrade: WebSocketUpgrade) -> Response {
///     upgrade
///         .protocols(["chat.v2", "chat"])
///         .allow_origins(["https://example.org"])
///         .max_message_size(64 << 10)
///         .deflate(Deflate::new().contexts(true, true).windows(11, 11))
///         .on_upgrade(|mut socket| async move {
///             let _ = socket.send("welcome").await;
///         })
/// }
/// ```
#[derive(Debug)]
pub struct WebSocketUpgrade {
    opening: Opening,
    shard: Shard,
    body: Incoming,
    requested: Vec<String>,
    selected: Option<&'static str>,
    origin: Option<String>,
    is_foreign: bool,
    offers: String,
    deflate: Option<Deflate>,
    limits: Limits,
    options: Options,
}

impl<S> FromRequest<S> for WebSocketUpgrade {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let head = request.head();
        let fields = &head.fields;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            opening: Opening::of(head)?,
            shard: request.shard().clone(),
            requested: fields.list(PROTOCOL).map(text).collect(),
            selected: None,
            origin: fields.get(Known::Origin).map(text),
            is_foreign: false,
            offers: handshake::extensions(fields),
            deflate: Some(Deflate::new()),
            limits: Limits::default(),
            options: Options::default(),
            body: request.body,
        })
    }
}

impl WebSocketUpgrade {
    /// The subprotocols that are spoken here, best first: the first that the client asks for is selected (RFC 6455 §1.9). None of
    /// them is none, and the client decides whether it goes on.
    #[must_use]
    pub fn protocols(mut self, ours: impl IntoIterator<Item = &'static str>) -> Self {
        let mut ours = ours.into_iter();
        self.selected = ours.find(|ours| self.requested.iter().any(|name| name == ours));
        self
    }

    /// The subprotocols that the client asks for, best first.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &str> {
        self.requested.iter().map(String::as_str)
    }

    /// The subprotocol that was selected.
    #[must_use]
    pub const fn selected_protocol(&self) -> Option<&'static str> {
        self.selected
    }

    /// Opens it for pages of these origins alone, such as `https://example.org` or `https://*.example.org`; others are answered with
    /// 403 (RFC 6455 §10.2). Who names no origin is no browser. Without this anybody's page may open it, with the visitor's
    /// cookies. What is no origin lets nobody in.
    #[must_use]
    pub fn allow_origins<'a>(mut self, origins: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known = origins.into_iter().filter_map(OriginPattern::parse);
        self.is_foreign =
            self.origin.as_deref().is_some_and(|origin| !known.any(|known| known.has(origin)));
        self
    }

    /// The most of a message that comes, inflated, in bytes; more is closed with 1009. Default 16 MiB.
    #[must_use]
    pub const fn max_message_size(mut self, bytes: usize) -> Self {
        self.limits.message = bytes;
        self
    }

    /// The most of a frame that comes, in bytes; more is closed with 1009. Default 16 MiB.
    #[must_use]
    pub const fn max_frame_size(mut self, bytes: u64) -> Self {
        self.limits.frame = bytes;
        self
    }

    /// How much may wait to be sent before [`Sender::send`](crate::ws::Sender::send) waits, in bytes. Default 64 KiB.
    #[must_use]
    pub const fn write_buffer(mut self, bytes: usize) -> Self {
        self.options.write_buffer = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// How messages are compressed, if the client offers it (RFC 7692); `None` for never. Default [`Deflate::new`].
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<Deflate>>) -> Self {
        self.deflate = deflate.into();
        self
    }

    /// After how long a silence the client is asked for a pong; `None` for never, and then
    /// [`Limits::tunnel_timeout`](trilane_semantics::Limits) ends a socket on which nothing is said. Default 20 s, less than
    /// the 30 s after which QUIC gives a silent connection up; at least 1 ms.
    #[must_use]
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.options.ping_interval = interval.into().map(|it| it.max(LEAST_INTERVAL));
        self
    }

    /// How long it is waited for; then the client is taken for gone. Default 20 s. A client that reads slowly, so that the
    /// question had to wait for room, has as much time more as that took.
    #[must_use]
    pub const fn pong_timeout(mut self, timeout: Duration) -> Self {
        self.options.pong_timeout = timeout;
        self
    }

    /// How long the client has to answer our close with its own. Default 5 s.
    #[must_use]
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.options.close_timeout = timeout;
        self
    }

    /// The answer that opens it; then `handler` has it. When nobody holds a part of the socket any more, it is closed with
    /// 1000. A client that leaves ends [`WebSocket::recv`]; the handler itself goes on to its end.
    #[must_use]
    pub fn on_upgrade<F>(self, handler: impl FnOnce(WebSocket) -> F) -> Response
    where
        F: Future<Output = ()> + 'static,
    {
        if self.is_foreign {
            return Error::new(StatusCode::FORBIDDEN)
                .message("not for pages of that origin")
                .into();
        }
        let agreed = match self.deflate.map(|deflate| deflate.accept(&self.offers)).transpose() {
            Ok(agreed) => agreed.flatten(),
            Err(_) => return handshake::bad("Sec-WebSocket-Extensions is malformed"),
        };
        let mut response = self.opening.response();
        if let Some(protocol) = self.selected {
            response = response.field(PROTOCOL, protocol);
        }
        let mut receiver = Receiver::new(Role::Server, self.limits);
        let mut sender = Sender::new(Role::Server);
        if let Some(agreed) = agreed {
            response = response.field(EXTENSIONS, agreed.to_string());
            (receiver, sender) = (receiver.compressed(&agreed), sender.compressed(&agreed));
        }
        let link = Link::new(self.shard, self.options, self.body, receiver, sender);
        let handler = Box::pin(handler(WebSocket::new(&link)));
        response.body(Outgoing::source(Driver::new(link, handler)))
    }
}
