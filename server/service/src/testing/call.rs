//! A request of a test, on its way to the router: written, begun, answered.

use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use trilane_exchange::current::enter;
use trilane_exchange::{
    AbortOnDrop, Address, ConnectionInfo, Exchange, Frame, Incoming, Refusal, Reply, Request,
    Response, Service, Shard, TlsInfo,
};
use trilane_semantics::{Fields, Known, Method, NameRef, Payload, Protocol, Reason, RequestHead};

use super::TestClient;
use super::response::TestResponse;
use crate::app::App;

/// A request that is being written.
#[must_use = "it is made by send"]
pub struct TestRequest<'a> {
    client: &'a TestClient,
    method: Method,
    target: String,
    protocol: Protocol,
    fields: Fields,
    connection: ConnectionInfo,
    content: Option<Vec<Payload>>,
    trailers: Option<Fields>,
    is_whole: bool,
    /// Something of it could not be said over any protocol.
    fault: Option<Reason>,
}

impl<'a> TestRequest<'a> {
    pub(super) fn new(client: &'a TestClient, method: Method, target: &str) -> Self {
        Self {
            client,
            method,
            target: target.to_owned(),
            protocol: Protocol::Http11,
            fields: Fields::new(),
            connection: TestClient::peer(),
            content: None,
            trailers: None,
            is_whole: true,
            fault: None,
        }
    }

    /// With a field more. One that RFC 9110 §5 forbids is answered by 400, as a server would.
    pub fn field<'n>(mut self, name: impl Into<NameRef<'n>>, value: impl AsRef<[u8]>) -> Self {
        if self.fields.append(name, value).is_err() {
            self.fault = Some(Reason::FieldLine);
        }
        self
    }

    /// With this content, and its length.
    pub fn body(mut self, content: impl Into<Payload>) -> Self {
        self.content = Some(vec![content.into()]);
        self.is_whole = true;
        self
    }

    /// With this value as JSON content. One that cannot be written is answered by 400.
    pub fn json(self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(text) => self.field(Known::ContentType, "application/json").body(text),
            Err(_) => Self { fault: Some(Reason::Incomplete), ..self },
        }
    }

    /// With this value as the content of a form. One that cannot be written is answered by 400.
    pub fn form(self, value: &impl Serialize) -> Self {
        match serde_urlencoded::to_string(value) {
            Ok(text) => {
                self.field(Known::ContentType, "application/x-www-form-urlencoded").body(text)
            }
            Err(_) => Self { fault: Some(Reason::Incomplete), ..self },
        }
    }

    /// With content that comes in these pieces, and whose length nobody says.
    pub fn pieces<P: Into<Payload>>(mut self, pieces: impl IntoIterator<Item = P>) -> Self {
        self.content = Some(pieces.into_iter().map(Into::into).collect());
        self.is_whole = false;
        self
    }

    /// With these fields after its content.
    pub fn trailers(mut self, fields: Fields) -> Self {
        self.trailers = Some(fields);
        self.is_whole = false;
        self
    }

    /// As if it came over that protocol. Default: HTTP/1.1.
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// As if it came from there. Default: 192.0.2.1:4711.
    pub const fn peer(mut self, peer: SocketAddr) -> Self {
        self.connection.peer = Address::Ip(peer);
        self
    }

    /// As if it came over TLS.
    pub fn tls(mut self, info: TlsInfo) -> Self {
        self.connection.tls = Some(Rc::new(info));
        self
    }

    /// Makes it, and waits until the head of its answer is there. A handler that takes longer than `handler_timeout`, or can
    /// never end, is refused, as a server would.
    #[must_use]
    pub fn send(self) -> TestResponse {
        self.begin().wait()
    }

    /// Makes it, and lets the handler come as far as it can without waiting.
    pub fn begin(mut self) -> TestCall {
        let client = self.client;
        let connection = Rc::new(self.connection.clone());
        let started = client.shard.now();
        let bytes_in = self.length();
        let exchange = |head| {
            let connection = Rc::clone(&connection);
            Rc::new(Exchange::new(head, connection, client.shard.clone(), started))
        };
        let head = self.take_head();
        let is_refused = head.is_err();
        let (exchange, reply): (_, Pin<Box<dyn Future<Output = Response>>>) = match head {
            Ok(head) => {
                client.shard.stats().requests.add(1);
                let exchange = exchange(head);
                let request = Request::new(Rc::clone(&exchange), self.take_content());
                let (app, limit) = (Rc::clone(&client.app), client.limits.handler_timeout);
                (exchange, Box::pin(answer(app, request, limit)))
            }
            Err(reason) => {
                let (app, shard) = (Rc::clone(&client.app), client.shard.clone());
                let exchange = exchange(RequestHead::blank(self.method, self.protocol));
                let refused = refused(app, reason, connection, shard);
                (exchange, Box::pin(refused))
            }
        };
        let reply = client.shard.spawn(reply).abort_on_drop();
        client.settle();
        let (app, world) = (Rc::clone(&client.app), Rc::clone(&client.world));
        let done = TestResponse::before(app, exchange, world, bytes_in);
        // What was never begun has no end.
        TestCall { reply, done: Box::new(if is_refused { done.told() } else { done }) }
    }

    fn take_head(&mut self) -> Result<RequestHead, Reason> {
        if let Some(reason) = self.fault {
            return Err(reason);
        }
        let mut fields = std::mem::take(&mut self.fields);
        if !fields.contains(Known::Host) {
            fields.append_static(Known::Host, "localhost");
        }
        if self.content.is_some() && self.is_whole {
            let length = self.length().to_string();
            fields.set(Known::ContentLength, &length).map_err(|_| Reason::FieldLine)?;
        }
        let method = self.method.clone();
        RequestHead::with_fields(method, self.protocol, fields, &self.target).ok_or(Reason::Target)
    }

    /// How much content there is, in bytes.
    fn length(&self) -> u64 {
        self.content.iter().flatten().map(|piece| piece.len() as u64).sum()
    }

    fn take_content(&mut self) -> Incoming {
        let (limit, length) = (self.client.limits.body, self.length());
        let content = self.content.take();
        if content.is_none() && self.trailers.is_none() {
            return Incoming::empty();
        }
        let content = content.unwrap_or_default();
        let (writer, incoming) = Incoming::channel(self.is_whole.then_some(length), limit);
        for piece in content.into_iter().filter(|piece| !piece.is_empty()) {
            writer.push(Frame::Data(piece));
        }
        if let Some(fields) = self.trailers.take() {
            writer.push(Frame::Trailers(fields));
        }
        writer.end(Ok(()));
        incoming
    }
}

/// What the app answers, within that time.
async fn answer(app: Rc<App>, request: Request, limit: Duration) -> Response {
    let (exchange, shard) = (Rc::clone(request.exchange()), request.shard().clone());
    let mut request = Some(request);
    let current = || enter(Some(Rc::clone(&exchange)));
    let reply = poll_fn(|cx| match request.take() {
        Some(request) => {
            let _entered = current();
            Poll::Ready(app.call(request, cx))
        }
        None => Poll::Pending,
    });
    let mut running = match reply.await {
        Reply::Ready(response) => return response,
        Reply::Pending(running) => Some(running),
    };
    let mut late = pin!(shard.sleep(limit));
    let response = poll_fn(|cx| {
        let entered = current();
        if let Some(Poll::Ready(response)) = running.as_mut().map(|running| running.poll(cx)) {
            return Poll::Ready(Some(response));
        }
        drop(entered);
        late.as_mut().poll(cx).map(|()| None)
    });
    let response = response.await;
    response.unwrap_or_else(|| {
        // Drop the handler first, so that it sees nothing of what follows.
        running = None;
        let reason = Reason::HandlerTimeout;
        let (connection, shard) = (exchange.connection(), &shard);
        app.refuse(&Refusal { reason, exchange: Some(&exchange), connection, shard })
    })
}

/// What the app answers to a head that is none.
async fn refused(
    app: Rc<App>,
    reason: Reason,
    connection: Rc<ConnectionInfo>,
    shard: Shard,
) -> Response {
    app.refuse(&Refusal { reason, exchange: None, connection: &connection, shard: &shard })
}

impl fmt::Debug for TestRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestRequest({} {})", self.method, self.target)
    }
}

/// A request under way. Dropping it is a client that leaves: the handler is dropped.
#[must_use = "dropping it cancels the handler"]
pub struct TestCall {
    reply: AbortOnDrop<Response>,
    done: Box<TestResponse>,
}

impl TestCall {
    /// Waits until the head of the answer is there, as [`TestRequest::send`] does.
    #[must_use]
    pub fn wait(mut self) -> TestResponse {
        let world = Rc::clone(self.done.world());
        let response = world.run(|cx| Pin::new(&mut self.reply).poll(cx));
        self.answered(response)
    }

    /// The answer, if its head is there by now; else the call again.
    ///
    /// # Errors
    /// There is none yet.
    pub fn now(mut self) -> Result<TestResponse, Self> {
        self.done.world().advance(Duration::ZERO);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match Pin::new(&mut self.reply).poll(&mut cx) {
            Poll::Ready(response) => Ok(self.answered(Some(response))),
            Poll::Pending => Err(self),
        }
    }

    fn answered(self, response: Option<Response>) -> TestResponse {
        // None only if the client went first, and all tasks with it.
        let gone = || Response::from(trilane_exchange::Error::from(Reason::HandlerTimeout));
        self.done.with(response.unwrap_or_else(gone))
    }
}

impl fmt::Debug for TestCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestCall")
    }
}
