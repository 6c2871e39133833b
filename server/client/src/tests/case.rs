//! A client whose servers a test plays.

use std::rc::Rc;

use trilane_exchange::{Ask, AskError, AskFailure, Asked, DialError, JoinHandle, Outgoing, Shard};
use trilane_semantics::{Cause, Effect, Protocol, RequestHead};

use super::world::{World, answer, over};
use crate::{Client, ClientBuilder, ClientError, ClientResponse, RequestBuilder};

pub(crate) type Sent = JoinHandle<Result<ClientResponse, ClientError>>;

pub(crate) struct Case {
    pub(crate) world: Rc<World>,
    pub(crate) shard: Shard,
    pub(crate) client: Client,
}

impl Case {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let (world, shard) = World::new();
        let builder =
            Client::builder().decompress(false).lookup(|_| Ok(vec![[127, 0, 0, 1].into()]));
        let clients = change(builder).build().unwrap();
        let client = clients.on(&shard);
        Self { world, shard, client }
    }

    pub(crate) fn send(&self, request: RequestBuilder) -> Sent {
        self.world.begin(&self.shard, request.send())
    }

    /// A request that goes out over a new connection, the one with that number.
    pub(crate) fn ask(&self, number: usize, request: RequestBuilder) -> (Sent, Ask, Asked) {
        let sent = self.send(request);
        self.world.line(number).open(Protocol::Http11, 1);
        self.world.run();
        let (ask, asked) = self.world.line(number).asked();
        (sent, ask, asked)
    }

    /// What a request looks like: its line, and its fields.
    pub(crate) fn told(&self, request: RequestBuilder) -> (String, Outgoing) {
        let number = self.world.dials();
        let (_sent, ask, asked) = self.ask(number, request);
        asked.end(Ok(answer(200, &[], b"")));
        self.world.run();
        // It is not used again.
        self.world.line(number).desk.end(DialError::Closed(Cause::Peer));
        (text(&ask.head), ask.body)
    }

    /// Answers on that connection, which is free then.
    pub(crate) fn reply(&self, number: usize, asked: Asked, status: u16, fields: &[(&str, &str)]) {
        asked.end(Ok(answer(status, fields, b"")));
        self.world.line(number).desk.offer(0, 1);
        self.world.run();
    }

    pub(crate) fn wait<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        let mut handle = self.world.begin(&self.shard, future);
        over(&mut handle).expect("not over")
    }
}

pub(crate) fn text(head: &RequestHead) -> String {
    let mut text = format!("{} {}", head.method, head.target());
    for (name, value) in head.fields.iter() {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        text.push_str(&format!("|{name}: {value}"));
    }
    text.to_lowercase()
}

pub(crate) fn whole(body: Outgoing) -> Vec<u8> {
    match body {
        Outgoing::Empty => Vec::new(),
        Outgoing::Full(payload) => payload.as_ref().to_vec(),
        Outgoing::Stream { .. } => panic!("a stream"),
    }
}

pub(crate) fn lost(effect: Effect) -> AskError {
    let failure = AskFailure::Connection(DialError::Closed(Cause::Peer));
    AskError { failure, effect, is_reused: false, request: None }
}

#[track_caller]
pub(crate) fn failed(sent: &mut Sent) -> ClientError {
    over(sent).expect("not over").expect_err("a response")
}

#[track_caller]
pub(crate) fn response(sent: &mut Sent) -> ClientResponse {
    over(sent).expect("not over").expect("no response")
}
