//! A request, and what is known of its exchange for as long as it lasts.

use std::any::{Any, TypeId};
use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use smallvec::SmallVec;
use trilane_semantics::{Instant, Method, Protocol, RequestHead};

use crate::client::Client;
use crate::connection::ConnectionInfo;
use crate::datagrams::{DatagramQueue, Datagrams};
use crate::incoming::Incoming;
use crate::notes::Notes;
use crate::shard::Shard;
use crate::trace::TraceContext;

/// What is known of one request and its response. Shared by the handler, the layers after it and the
/// connection, so that a log line can be written when the handler is long gone.
#[derive(Clone, Debug)]
pub struct Exchange {
    head: RequestHead,
    connection: Rc<ConnectionInfo>,
    shard: Shard,
    started: Instant,
    params: OnceCell<Params>,
    request_id: OnceCell<SmallVec<[u8; 36]>>,
    is_early: Cell<bool>,
    /// How long its datagrams may be, if it may have any.
    most_datagram: Cell<Option<usize>>,
    datagrams: OnceCell<Rc<DatagramQueue>>,
    notes: Notes,
}

impl Exchange {
    /// A new exchange, begun at `started`.
    #[must_use]
    pub fn new(
        head: RequestHead,
        connection: Rc<ConnectionInfo>,
        shard: Shard,
        started: Instant,
    ) -> Self {
        let (params, request_id) = (OnceCell::new(), OnceCell::new());
        let (is_early, most_datagram, datagrams, notes) = Default::default();
        Self {
            head,
            connection,
            shard,
            started,
            params,
            request_id,
            is_early,
            most_datagram,
            datagrams,
            notes,
        }
    }

    /// Makes another exchange of it, on the same shard, in the same memory.
    #[inline]
    pub fn renew(&mut self, head: RequestHead, connection: &Rc<ConnectionInfo>, started: Instant) {
        (self.head, self.started) = (head, started);
        (self.params, self.request_id) = (OnceCell::new(), OnceCell::new());
        self.is_early.set(false);
        self.datagrams = OnceCell::new();
        self.notes.clear();
        if !Rc::ptr_eq(&self.connection, connection) {
            self.connection = Rc::clone(connection);
        }
    }

    /// The request's head.
    #[must_use]
    pub const fn head(&self) -> &RequestHead {
        &self.head
    }

    /// Takes the head out, for a request that is made again. For connections.
    pub fn take_head(&mut self) -> RequestHead {
        std::mem::replace(&mut self.head, RequestHead::blank(Method::GET, Protocol::Http11))
    }

    /// The connection it came over.
    #[must_use]
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// Who asks: the peer of the connection, or whom a trusted proxy names. Limits, logs and handlers go by this.
    #[must_use]
    pub fn client(&self) -> Client {
        self.notes.client().get().unwrap_or_else(|| Client::of(&self.connection))
    }

    /// Says who asks. For layers that know which proxies to believe.
    pub fn set_client(&self, client: Client) {
        self.notes.client().set(Some(client));
    }

    /// Its place in a distributed trace, if a layer gave it one.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        self.notes.trace().get()
    }

    /// Gives it a place in a distributed trace. For layers.
    pub fn set_trace(&self, trace: TraceContext) {
        self.notes.trace().set(Some(trace));
    }

    /// Leaves a value on the exchange, one a type, for hooks after the handler and at its end.
    pub fn note<T: 'static>(&self, value: T) {
        self.notes.put(value);
    }

    /// The value of that type that was left.
    #[must_use]
    pub fn noted<T: 'static>(&self) -> Option<Rc<T>> {
        self.notes.get()
    }

    /// The shard that serves it.
    #[must_use]
    pub const fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Whether the request came in early data, before the handshake was complete: somebody may send it again (RFC 8470 §2).
    #[must_use]
    pub const fn is_early(&self) -> bool {
        self.is_early.get()
    }

    /// Notes that the request came in early data. For connections.
    pub fn note_early(&self) {
        self.is_early.set(true);
    }

    /// Says how long its datagrams may be, if the connection has any. For connections.
    pub fn offer_datagrams(&self, most: Option<usize>) {
        self.most_datagram.set(most);
    }

    /// Its datagrams, if the handler has asked for them. For connections.
    pub fn datagrams(&self) -> Option<&Rc<DatagramQueue>> {
        self.datagrams.get()
    }

    /// When its head was complete.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// The route it took and the parameters of its path.
    #[must_use]
    pub fn params(&self) -> &Params {
        self.params.get_or_init(Params::default)
    }

    /// Its id, if a layer gave it one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        std::str::from_utf8(self.request_id_bytes()).ok().filter(|id| !id.is_empty())
    }

    /// Its id as bytes; none if no layer gave it one.
    #[must_use]
    pub fn request_id_bytes(&self) -> &[u8] {
        self.request_id.get().map_or(&[], |id| id)
    }

    /// Gives it an id, if it has none yet: for layers that answer a request which no handler will see.
    pub fn note_request_id(&self, id: &[u8]) {
        // The first id stays: whoever gave it may have told it already.
        let _ = self.request_id.set(SmallVec::from_slice(id));
    }

    /// The parameter number `index` of the path, still percent-encoded.
    #[must_use]
    pub fn param(&self, index: usize) -> Option<(&str, &str)> {
        let name = self.params().route.as_ref()?.names.get(index)?;
        let range = self.params().values.get(index)?;
        Some((name, self.head.path().get(range.0 as usize..range.1 as usize)?))
    }
}

/// A route as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Its text, such as `/users/{id}`.
    pub text: Box<str>,
    /// The names of its parameters, in order.
    pub names: Box<[Box<str>]>,
}

/// The template of the route that matched, and where in the path its parameters lie.
#[derive(Clone, Debug, Default)]
pub struct Params {
    route: Option<Rc<Template>>,
    values: SmallVec<[(u32, u32); 4]>,
}

impl Params {
    /// Parameters of a route, and their places in the path.
    #[must_use]
    pub fn new(route: Rc<Template>, values: impl Into<SmallVec<[(u32, u32); 4]>>) -> Self {
        Self { route: Some(route), values: values.into() }
    }

    /// The route's template, such as `/users/{id}`; bounded in number, so fit for a metric label.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.route.as_ref().map(|route| &*route.text)
    }

    /// How many parameters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Boxed, so that a request without extensions is smaller to move.
#[derive(Default)]
struct Extensions(HashMap<TypeId, Box<dyn Any>>);

/// A request on its way to its handler.
pub struct Request {
    exchange: Rc<Exchange>,
    /// The content.
    pub body: Incoming,
    extensions: Option<Box<Extensions>>,
}

impl Request {
    /// A request of that exchange.
    #[must_use]
    pub const fn new(exchange: Rc<Exchange>, body: Incoming) -> Self {
        Self { exchange, body, extensions: None }
    }

    /// What is known of its exchange.
    #[must_use]
    pub const fn exchange(&self) -> &Rc<Exchange> {
        &self.exchange
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.exchange.head
    }

    /// The head, to be changed by a layer before the handler sees it.
    pub fn head_mut(&mut self) -> &mut RequestHead {
        &mut Rc::make_mut(&mut self.exchange).head
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.exchange.head.method
    }

    /// The path, percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.exchange.head.path()
    }

    /// The protocol it came over.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.exchange.head.protocol
    }

    /// The shard that serves it.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.exchange.shard
    }

    /// The datagrams of its exchange (RFC 9297). Those that come before this is called are lost.
    #[must_use]
    pub fn datagrams(&self) -> Datagrams {
        let most = self.exchange.most_datagram.get();
        let queue = self.exchange.datagrams.get_or_init(|| Rc::new(DatagramQueue::new(most)));
        Datagrams::new(Rc::clone(queue))
    }

    /// Notes the route that matched. For routers.
    pub fn set_params(&mut self, params: Params) {
        if let Err(params) = self.exchange.params.set(params) {
            Rc::make_mut(&mut self.exchange).params = params.into();
        }
    }

    /// Gives the exchange an id, which should be visible ASCII. For layers; up to 36 bytes cost no allocation.
    pub fn set_request_id(&mut self, id: &[u8]) {
        if let Err(id) = self.exchange.request_id.set(SmallVec::from_slice(id)) {
            Rc::make_mut(&mut self.exchange).request_id = id.into();
        }
    }

    /// Leaves a value for a later layer or for the handler, one a type.
    pub fn extend<T: 'static>(&mut self, value: T) {
        let map = self.extensions.get_or_insert_default();
        map.0.insert(TypeId::of::<T>(), Box::new(value));
    }

    /// The value of that type that a layer left.
    #[must_use]
    pub fn extension<T: 'static>(&self) -> Option<&T> {
        self.extensions.as_ref()?.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("head", self.head()).finish_non_exhaustive()
    }
}
