//! A request on its way through: its head is rewritten, a server is asked, and the answer is passed on as it comes.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use trilane_client::Pool;
use trilane_exchange::{
    Answer, Ask, AskError, AskFailure, Asking, DialError, Error, Exchange, Incoming, Outgoing,
    Request, Response,
};
use trilane_semantics::{Method, Protocol, StatusCode};

use crate::rewrite::{self, Bridge, Facts, Policy, Upstream};
use crate::tunnel;

/// A server behind us, as a shard has it.
#[derive(Debug)]
pub struct Server {
    /// Its connections.
    pub pool: Pool,
    /// Its name, for Host and for the log.
    pub authority: Box<str>,
    /// What is spoken with it.
    pub protocol: Protocol,
    /// Whether that goes over TLS.
    pub is_secure: bool,
}

impl Server {
    fn upstream(&self) -> Upstream<'_> {
        Upstream { protocol: self.protocol, is_secure: self.is_secure, authority: &self.authority }
    }
}

/// Passes requests on. One a route and shard; clones share it.
#[derive(Clone, Debug)]
pub struct Proxy(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: Rc<Policy>,
    server: Server,
    timeout: Duration,
}

impl Proxy {
    /// Passes requests on to `server`, as `policy` says.
    #[must_use]
    pub fn new(policy: Rc<Policy>, server: Server) -> Self {
        Self(Rc::new(Inner { policy, server, timeout: Duration::from_secs(60) }))
    }

    /// Passes a request on, and gives the answer.
    ///
    /// # Errors
    /// It is not passed on, or there is no answer: 502, 503 or 504, with the cause for the log.
    pub async fn forward(self, mut request: Request) -> Result<Response, Error> {
        let inner = &*self.0;
        let (exchange, upstream) = (Rc::clone(request.exchange()), inner.server.upstream());
        let facts = Facts::of(&exchange, upstream);
        let rewritten = rewrite::request(exchange.head(), &facts, &inner.policy)?;
        let (body, gate) = match rewritten.bridge {
            Bridge::None => (content(std::mem::take(&mut request.body)), None),
            _ => {
                let (body, gate) = tunnel::front(std::mem::take(&mut request.body));
                (body, Some(gate))
            }
        };
        let is_tunnel = gate.is_some();
        let ask = Ask { head: rewritten.head, body, is_tunnel, timeout: inner.timeout };
        let failed = |error| failure(&error, &inner.server.authority);
        let asking = match inner.server.pool.try_ask(ask) {
            Ok(asking) => asking,
            Err(ask) => inner.server.pool.ask(ask).await.map_err(failed)?,
        };
        let answer = answer(asking, &exchange, &inner.policy).await.map_err(failed)?;
        let Answer { mut head, body } = answer;
        let bridge = (&rewritten.bridge, upstream);
        let length = rewrite::response(&mut head, exchange.head(), bridge, &inner.policy)?;
        let is_open = head.status == StatusCode::SWITCHING_PROTOCOLS
            || exchange.head().method == Method::CONNECT && head.status.is_success();
        let mut response = Response::new(head.status);
        response.body = match gate {
            Some(gate) if is_open => tunnel::back(body, gate),
            _ if exchange.head().method == Method::HEAD => bare(length),
            _ => content(body),
        };
        response.head = head;
        Ok(response)
    }
}

/// Waits for the answer; what comes before it is passed on.
async fn answer(asking: Asking, exchange: &Exchange, policy: &Policy) -> Result<Answer, AskError> {
    let mut asking = pin!(asking);
    std::future::poll_fn(|cx| {
        while let Poll::Ready(Some(mut head)) = asking.poll_interim(cx) {
            if rewrite::interim(&mut head, policy) {
                // One that says too much is not heard to the end.
                let _ = exchange.interim(head);
            }
        }
        asking.as_mut().poll(cx)
    })
    .await
}

/// Content that is passed on as it comes; or at once, if all of it is here.
fn content(mut body: Incoming) -> Outgoing {
    if let Some(whole) = body.take_whole() {
        return if whole.is_empty() { Outgoing::Empty } else { Outgoing::Full(whole) };
    }
    match body.promised() {
        Some(length) => Outgoing::frames(body).with_length(length),
        None => Outgoing::frames(body),
    }
}

/// No content, of which the length is told all the same (RFC 9110 §9.3.2).
fn bare(length: Option<u64>) -> Outgoing {
    match length {
        Some(length) => Outgoing::frames(Incoming::empty()).with_length(length),
        None => Outgoing::Empty,
    }
}

/// What a client is told of a request without an answer.
fn failure(error: &AskError, server: &str) -> Error {
    let status = match &error.failure {
        AskFailure::Timeout => StatusCode::GATEWAY_TIMEOUT,
        AskFailure::Connection(DialError::Io(std::io::ErrorKind::TimedOut, _)) => {
            StatusCode::GATEWAY_TIMEOUT
        }
        AskFailure::NotNow => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    Error::new(status).internal(format!("{server}: {error}"))
}
