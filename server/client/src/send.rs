//! A request on its way: a connection, the response, and again if that is called for.

use std::pin::pin;
use std::task::Poll;

use trilane_coding::{TAKEN, codings, decode};
use trilane_exchange::{
    Answer, Ask, AskError, AskFailure, Asking, Outgoing, current, trace::trace_state,
};
use trilane_semantics::{
    Effect, Fields, Instant, Known, Method, NameRef, Payload, Protocol, RequestHead, Target,
};

use crate::client::Client;
use crate::error::{ClientError, Failure};
use crate::redirect;
use crate::request::{Draft, OnInterim};
use crate::response::ClientResponse;
use crate::url::Url;

/// A request that is sent, maybe more than once.
pub(crate) struct Sending {
    pub(crate) client: Client,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) fields: Fields,
    pub(crate) content: Content,
    on_interim: Option<OnInterim>,
    /// When all of it must be over.
    deadline: Option<Instant>,
    /// We have said which codings we know: the response is decoded.
    decodes: bool,
}

/// The content of a request.
pub(crate) enum Content {
    None,
    /// To be had as often as need be.
    Whole(Payload),
    /// To be had once; nothing, when it is under way.
    Once(Option<Outgoing>),
}

impl Content {
    fn new(body: Outgoing) -> Self {
        match body {
            Outgoing::Empty => Self::None,
            Outgoing::Full(payload) => Self::Whole(payload),
            stream @ Outgoing::Stream { .. } => Self::Once(Some(stream)),
        }
    }

    /// Whether it can be sent now.
    pub(crate) const fn is_there(&self) -> bool {
        !matches!(self, Self::Once(None))
    }

    fn take(&mut self) -> Option<Outgoing> {
        match self {
            Self::None => Some(Outgoing::Empty),
            Self::Whole(payload) => Some(Outgoing::Full(payload.clone())),
            Self::Once(stream) => stream.take(),
        }
    }
}

impl Sending {
    pub(crate) fn new(client: Client, draft: Draft) -> Result<Self, ClientError> {
        let Draft { method, url, mut fields, body, timeout, on_interim } = draft;
        if matches!(method, Method::CONNECT) {
            return Err(ClientError::request("CONNECT is no request of a client's").at(&url));
        }
        fields.retain(|name| !is_of_connection(name));
        if client.config().propagates {
            propagate(&client, &mut fields).map_err(ClientError::request)?;
        }
        fields.append_missing(&client.config().fields).map_err(ClientError::request)?;
        // Of a range only a part could be decoded, or nothing.
        let decodes =
            client.config().decodes && !fields.has_any(&[Known::AcceptEncoding, Known::Range]);
        if decodes {
            fields.append_static(Known::AcceptEncoding, TAKEN);
        }
        let deadline = timeout.map(|timeout| client.shard().now() + timeout);
        let content = Content::new(body);
        Ok(Self { client, method, url, fields, content, on_interim, deadline, decodes })
    }

    /// The response, wherever it comes from.
    pub(crate) async fn run(mut self) -> Result<ClientResponse, ClientError> {
        let shard = self.client.shard().clone();
        let left = self.deadline.map(|deadline| deadline.since(shard.now()));
        let outcome = match left {
            None => self.follow().await,
            Some(left) => match shard.timeout(left, self.follow()).await {
                Some(outcome) => outcome,
                None => Err(ClientError::new(Failure::Timeout)),
            },
        };
        outcome.map_err(|error| error.at(&self.url))
    }

    /// Asks, and goes where redirects lead to.
    async fn follow(&mut self) -> Result<ClientResponse, ClientError> {
        let mut redirects = 0;
        loop {
            let (answer, protocol) = self.ask().await?;
            let Some(next) = redirect::next(self, &answer.head, redirects)? else {
                let deadline = self.deadline.map(|at| (self.client.shard().clone(), at));
                let limit = self.client.config().limit;
                let answer = if self.decodes { decoded(answer)? } else { answer };
                let response = ClientResponse::new(answer, protocol, self.url.clone());
                return Ok(response.within(deadline, limit));
            };
            redirects += 1;
            redirect::drain(answer.body).await;
            redirect::go(self, next, answer.head.status);
        }
    }

    /// Asks, and again if the connection ended before there was a response.
    async fn ask(&mut self) -> Result<(Answer, Protocol), ClientError> {
        let mut retries = self.client.config().retries;
        loop {
            let pool = self.client.pool(self.url.origin())?;
            let taken = pool.take().await.map_err(ClientError::connect)?;
            let protocol = taken.protocol();
            let head = self.head(protocol)?;
            let Some(body) = self.content.take() else {
                return Err(ClientError::request("its content is gone"));
            };
            let timeout = self.client.config().response_timeout;
            let asking = taken.ask(Ask { head, body, is_tunnel: false, timeout });
            let error = match answer(asking, self.on_interim.as_mut()).await {
                Ok(answer) => {
                    self.client.hear(self.url.origin(), &answer.head);
                    return Ok((answer, protocol));
                }
                Err(error) => error,
            };
            let AskError { failure, effect, request, .. } = error;
            if let (Content::Once(stream), Some(request)) = (&mut self.content, request) {
                *stream = Some(request.1);
            }
            let may = retries > 0 && self.content.is_there();
            if !may || !can_be_repeated(&failure, effect, &self.method) {
                return Err(ClientError::new(Failure::Response(failure)));
            }
            retries -= 1;
        }
    }

    fn head(&self, protocol: Protocol) -> Result<RequestHead, ClientError> {
        let mut head = RequestHead::blank(self.method.clone(), protocol);
        head.fields.clone_from(&self.fields);
        let origin = self.url.origin();
        if !head.fields.contains(Known::Host) {
            let authority = origin.authority();
            head.fields.append(Known::Host, authority).map_err(ClientError::request)?;
        }
        let target = self.url.target();
        // Else HTTP/2 would say `http` (RFC 9113 §8.3.1).
        let absolute = (origin.is_secure && protocol >= Protocol::Http2).then(|| {
            let authority = head.fields.get_str(Known::Host).unwrap_or_default();
            format!("https://{authority}{target}")
        });
        let target = absolute.as_deref().unwrap_or(target);
        let parsed = Target::parse(target.as_bytes());
        head.set_target(parsed.ok_or_else(|| ClientError::request("its target"))?, target);
        Ok(head)
    }
}

/// Waits for the answer; what comes before it is told.
async fn answer(asking: Asking, mut hear: Option<&mut OnInterim>) -> Result<Answer, AskError> {
    let mut asking = pin!(asking);
    std::future::poll_fn(|cx| {
        while let Some(hear) = &mut hear
            && let Poll::Ready(Some(head)) = asking.poll_interim(cx)
        {
            hear(head);
        }
        asking.as_mut().poll(cx)
    })
    .await
}

/// The answer with its content decoded (RFC 9110 §8.4). What is in a coding that we did not ask for stays as it is. How much it becomes
/// is for its reader to say, who gets it piece by piece.
fn decoded(mut answer: Answer) -> Result<Answer, ClientError> {
    let fields = &mut answer.head.fields;
    if !fields.contains(Known::ContentEncoding) || answer.body.promised() == Some(0) {
        return Ok(answer);
    }
    if let Some(codings) = codings(fields) {
        let body = decode(&codings, answer.body, u64::MAX, u64::MAX);
        answer.body = body.map_err(|error| ClientError::new(Failure::Body(error)))?;
        fields.remove(Known::ContentEncoding);
        fields.remove(Known::ContentLength);
    }
    Ok(answer)
}

/// Whether the same request may be made again. What had no effect may; else the connection must have ended, and the method be idempotent
/// (RFC 9110 §9.2.2).
fn can_be_repeated(failure: &AskFailure, effect: Effect, method: &Method) -> bool {
    match failure {
        AskFailure::NotNow | AskFailure::Reset(_) => effect == Effect::None,
        AskFailure::Connection(_) => effect == Effect::None || method.is_idempotent(),
        _ => false,
    }
}

/// What a field says that belongs to the connection, or to the framing, is not the user's to say (RFC 9110 §7.6.1).
const fn is_of_connection(name: NameRef<'_>) -> bool {
    use Known::{Connection, ContentLength, KeepAlive, ProxyConnection, TransferEncoding, Upgrade};
    matches!(
        name,
        NameRef::Known(
            Connection | ContentLength | KeepAlive | ProxyConnection | TransferEncoding | Upgrade
        )
    )
}

/// What the request of this handler is a part of (FEATURES W6): its trace and its id.
fn propagate(client: &Client, fields: &mut Fields) -> Result<(), trilane_semantics::InvalidField> {
    let Some(exchange) = current() else { return Ok(()) };
    if let Some(trace) = exchange.trace()
        && !fields.contains(Known::Traceparent)
    {
        fields.append(Known::Traceparent, trace.child(client.shard()).to_string())?;
        // Only what came with it belongs to it (W3C Trace Context §3.3).
        if let Some(state) = trace_state(&exchange.head().fields) {
            fields.append("tracestate", state)?;
        }
    }
    if let Some(id) = exchange.request_id()
        && !fields.contains(Known::XRequestId)
    {
        fields.append(Known::XRequestId, id)?;
    }
    Ok(())
}
