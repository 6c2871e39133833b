//! A request on its way through: a server is chosen, the head is rewritten, the answer is passed on as it comes. If there is none, another
//! server may be asked.

use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use trilane_exchange::{
    Answer, Ask, AskError, AskFailure, Asking, DialError, Error, Exchange, Incoming, Outgoing,
    Request, Response,
};
use trilane_semantics::{Effect, Method, Protocol, Reason, StatusCode};

use crate::balance::Wanted;
use crate::breaker::{Counted, Permit};
use crate::members::Members;
use crate::relay;
use crate::retry::{ContentState, Failure, is_idempotent};
use crate::rewrite::{self, Bridge, Facts, Policy};
use crate::servers::{Inner, Servers};
use crate::tunnel::{self, Gate};

/// Passes requests on to a group of servers. One a route and shard; clones share it.
#[derive(Clone, Debug)]
pub struct Proxy {
    policy: Rc<Policy>,
    servers: Servers,
}

/// An answer, and what is known of how it was come by.
struct Answered {
    answer: Answer,
    bridge: Bridge,
    server: usize,
    protocol: Protocol,
    gate: Option<Rc<Gate>>,
    permit: Permit<Servers>,
}

/// The content of a request, which may have to be sent again.
struct Content {
    body: Incoming,
    /// It is here, in one piece.
    whole: Option<Outgoing>,
    state: ContentState,
}

impl Proxy {
    /// Passes requests on to `servers`, as `policy` says.
    #[must_use]
    pub const fn new(policy: Rc<Policy>, servers: Servers) -> Self {
        Self { policy, servers }
    }

    /// Passes a request on, and gives the answer.
    ///
    /// # Errors
    /// It is not passed on, or there is no answer: 502, 503 or 504, with the cause for the log.
    pub async fn forward(self, mut request: Request) -> Result<Response, Error> {
        let exchange = Rc::clone(request.exchange());
        // Nobody need be asked: the server would hear of a request that breaks off.
        if request.body.is_too_large() {
            return Err(Error::from(Reason::ContentTooLarge));
        }
        let answered = self.answered(&exchange, std::mem::take(&mut request.body)).await?;
        let Answered { answer: Answer { mut head, body }, bridge, server, protocol, .. } = answered;
        let inner = self.servers.inner();
        let method = &exchange.head().method;
        let upstream = (&bridge, inner.asked(server, protocol));
        // By the server's status: over an Upgrade in front of a CONNECT it is another in a moment.
        let is_open = bridge.opens(head.status);
        let length = rewrite::response(&mut head, exchange.head(), upstream, &self.policy)?;
        let mut response = Response::new(head.status);
        response.body = match answered.gate {
            Some(gate) if is_open => tunnel::back(body, gate, answered.permit),
            _ if *method == Method::HEAD => relay::bare(length),
            _ => relay::answer(body, &self.policy, answered.permit),
        };
        response.head = head;
        Ok(response)
    }

    /// Asks one server after the other, as far as the request may be made again.
    async fn answered(&self, exchange: &Exchange, body: Incoming) -> Result<Answered, Error> {
        let inner = self.servers.inner();
        let (terms, method) = (&inner.upstream.terms, &exchange.head().method);
        let mut content = Content::new(body);
        let (mut tried, mut attempts) = (Members::default(), 0);
        let mut again = None;
        let key = terms.key.as_ref().and_then(|key| key.of(exchange.head(), exchange.client()));
        inner.upstream.budget.deposit();
        loop {
            let wanted = Wanted {
                key,
                tried,
                is_repeatable: is_idempotent(method) && content.state == ContentState::Whole,
                chance: inner.shard.random(),
            };
            let choice = inner.balancer.choose(&wanted, inner.shard.now());
            let server = choice.map_err(|why| unavailable(inner, &why.to_string()))?.server;
            let permit = Permit::new(self.servers.clone(), Counted::UnderWay(server));
            let permit = permit.ok_or_else(|| unavailable(inner, "too much is under way"))?;
            inner.upstream.count(server, |counts| &counts.asked);
            attempts += 1;
            let now = || inner.shard.now();
            let error = match self.ask(exchange, server, &mut content).await? {
                Ok((answer, bridge, protocol, gate)) => {
                    inner.upstream.tell(inner.balancer.health().succeeded(server, now()));
                    return Ok(Answered { answer, bridge, server, protocol, gate, permit });
                }
                Err(error) => error,
            };
            drop(permit);
            inner.upstream.count(server, |counts| &counts.failed);
            if is_of_server(&error) {
                inner.upstream.tell(inner.balancer.health().failed(server, now()));
            }
            let failure = kind(&error);
            // A connection that had grown old says nothing of its server, which may be asked again.
            let another = !error.is_reused;
            let last = content.take_back(error);
            let is_allowed = terms.retry.allows(method, content.state, (attempts, failure)).is_ok()
                && inner.upstream.budget.withdraw(now());
            again = again.or_else(|| Permit::new(self.servers.clone(), Counted::Retry));
            if !is_allowed || again.is_none() {
                return Err(failed(inner, server, &last));
            }
            inner.upstream.count(server, |counts| &counts.repeated);
            if another {
                tried = tried.with(server);
            }
            if inner.balancer.health().fit().without(&tried).is_empty() {
                // All were tried: who is left is asked again, as far as that is allowed.
                tried = Members::default();
            }
        }
    }

    /// Asks a server. The outer error is for the client: the request is not passed on.
    async fn ask(
        &self,
        exchange: &Exchange,
        server: usize,
        content: &mut Content,
    ) -> Result<Result<(Answer, Bridge, Protocol, Option<Rc<Gate>>), AskError>, Error> {
        let inner = self.servers.inner();
        let terms = &inner.upstream.terms;
        let nowhere = || unavailable(inner, "no such server");
        // A connection of the client's own has one request, whose protocol is known.
        let own = terms.proxy_protocol;
        let taken = match inner.pool(server).ok_or_else(nowhere)? {
            _ if own.is_some() => None,
            pool => match pool.try_take() {
                Some(taken) => Some(taken),
                None => {
                    let waiting = Permit::new(self.servers.clone(), Counted::Waiting);
                    let _waiting = waiting.ok_or_else(|| unavailable(inner, "too many wait"))?;
                    // Boxed: what few need makes the future of all no larger.
                    match Box::pin(pool.take()).await {
                        Ok(taken) => Some(taken),
                        Err(failure) => return Ok(Err(unasked(failure))),
                    }
                }
            },
        };
        let protocol = taken.as_ref().map_or(terms.spoken(), |taken| taken.protocol());
        let upstream = inner.asked(server, protocol);
        let facts = Facts::of(exchange, upstream);
        let rewritten = rewrite::request(exchange.head(), &facts, &self.policy)?;
        let is_tunnel = rewritten.bridge != Bridge::None;
        let (body, gate) = content.send(is_tunnel, &self.policy, facts.is_trusted);
        let timeout = terms.retry.per_try.map_or(terms.timeout, |it| it.min(terms.timeout));
        let ask = Ask { head: rewritten.head, body, is_tunnel, timeout };
        let asking = match (taken, own) {
            (Some(taken), _) => taken.ask(ask),
            (None, Some(_)) => match inner.ask_for(server, exchange, ask) {
                Ok(asking) => asking,
                Err(error) => return Ok(Err(error)),
            },
            (None, None) => return Err(nowhere()),
        };
        let answer = answer(asking, exchange, &self.policy).await;
        Ok(answer.map(|answer| (answer, rewritten.bridge, protocol, gate)))
    }
}

impl Content {
    fn new(mut body: Incoming) -> Self {
        let whole = match body.take_whole() {
            Some(whole) if !whole.is_empty() => Some(Outgoing::Full(whole)),
            Some(_) => Some(Outgoing::Empty),
            // An upgrade was asked for: where it is not passed on, nothing comes.
            None => body.is_held().then_some(Outgoing::Empty),
        };
        let state = if whole.is_some() { ContentState::Whole } else { ContentState::Untouched };
        Self { body, whole, state }
    }

    /// What is sent this time, and what lets a tunnel begin.
    fn send(
        &mut self,
        is_tunnel: bool,
        policy: &Rc<Policy>,
        is_trusted: bool,
    ) -> (Outgoing, Option<Rc<Gate>>) {
        if is_tunnel {
            self.state = ContentState::Begun;
            let (body, gate) = tunnel::front(std::mem::take(&mut self.body));
            return (body, Some(gate));
        }
        match &self.whole {
            Some(Outgoing::Full(whole)) => (Outgoing::Full(whole.clone()), None),
            Some(_) => (Outgoing::Empty, None),
            None => {
                self.state = ContentState::Begun;
                (relay::request(std::mem::take(&mut self.body), policy, is_trusted), None)
            }
        }
    }

    /// After a failure: what was not sent is whole again.
    fn take_back(&mut self, mut error: AskError) -> AskError {
        if let Some(request) = error.request.take()
            && self.whole.is_none()
            && error.effect == Effect::None
        {
            let (_, body) = *request;
            if !matches!(body, Outgoing::Stream { .. }) {
                (self.whole, self.state) = (Some(body), ContentState::Whole);
            }
        }
        error
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

/// There was no connection to ask over.
fn unasked(failure: AskFailure) -> AskError {
    AskError { failure, effect: Effect::None, is_reused: false, request: None }
}

/// Whether a failure says something about the server, and not about a connection that it ended for having been idle or old, or about
/// what the client has sent.
fn is_of_server(error: &AskError) -> bool {
    // RFC 9113 §6.8: a GOAWAY without an error leaves out what came after it was sent.
    let is_left_out = matches!(error.failure, AskFailure::Reset(0)) && error.effect == Effect::None;
    let is_closed = matches!(error.failure, AskFailure::Connection(DialError::Closed(_)));
    let is_ours = matches!(error.failure, AskFailure::Content(_) | AskFailure::NotNow);
    !(is_ours || is_left_out || is_closed && error.is_reused)
}

fn kind(error: &AskError) -> Failure {
    match &error.failure {
        AskFailure::Connection(DialError::Closed(_)) => Failure::Reset(error.effect),
        AskFailure::Connection(_) | AskFailure::NotNow => Failure::Connect,
        AskFailure::Timeout => Failure::Timeout,
        _ => Failure::Reset(error.effect),
    }
}

/// What a client is told of a request without an answer.
fn failed(inner: &Inner, server: usize, error: &AskError) -> Error {
    if let AskFailure::Content(Some(reason)) = error.failure {
        // It is the client's: too large, too slow, cut short.
        return Error::from(reason);
    }
    let status = match &error.failure {
        AskFailure::Timeout => StatusCode::GATEWAY_TIMEOUT,
        AskFailure::Connection(DialError::Io(std::io::ErrorKind::TimedOut, _)) => {
            StatusCode::GATEWAY_TIMEOUT
        }
        AskFailure::NotNow => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    let name = inner.upstream.targets.get(server).map_or("", |target| &target.member.name);
    let upstream = inner.upstream.group.name();
    tracing::warn!(upstream, server = name, cause = %error, "no answer");
    Error::new(status).internal(format!("{} of {}: {error}", name, inner.upstream.group.name()))
}

fn unavailable(inner: &Inner, why: &str) -> Error {
    let upstream = inner.upstream.group.name();
    tracing::warn!(upstream, cause = why, "no server is asked");
    let text = format!("{upstream}: {why}");
    Error::new(StatusCode::SERVICE_UNAVAILABLE).internal(text)
}

#[cfg(test)]
#[path = "tests/forward.rs"]
mod tests;
