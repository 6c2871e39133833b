//! The handlers of one path, by method (RFC 9110 §9).
//!
//! What nobody registered is made: HEAD runs GET's handler, OPTIONS is answered with Allow.

use std::fmt;
use std::rc::Rc;

use trilane_semantics::Method;

use crate::chain::Chain;
use crate::handler::{Endpoint, Handler, erase};
use crate::layer::Layer;

/// The handlers of one path. `S` is the state they need.
pub struct MethodRouter<S = ()> {
    pub(crate) handlers: Vec<Entry<S>>,
    /// Around the answers that are made where no handler is.
    pub(crate) chain: Chain,
}

/// A handler on its way to its route: it wants the state, and has its own layers.
pub(crate) struct Entry<S> {
    pub(crate) filter: Filter,
    pub(crate) make: Make<S>,
    pub(crate) chain: Chain,
    /// It takes requests that may be replays.
    pub(crate) takes_early: bool,
    /// It takes extended CONNECT for a WebSocket too.
    pub(crate) takes_websocket: bool,
}

/// Makes an endpoint once the state is there.
pub(crate) type Make<S> = Box<dyn FnOnce(&S) -> Rc<dyn Endpoint>>;

/// Which methods a handler answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Every one that has no handler of its own, but CONNECT and TRACE.
    Any,
    /// That one.
    Only(Method),
}

pub(crate) fn make<H, T, S>(handler: H) -> Make<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + 'static,
{
    Box::new(move |state: &S| erase(handler, state.clone()))
}

macro_rules! methods {
    ($($name:ident $method:ident;)*) => {
        $(
            #[doc = concat!("A path whose ", stringify!($method), " that handler answers.")]
            pub fn $name<H, T, S>(handler: H) -> MethodRouter<S>
            where
                H: Handler<T, S>,
                T: 'static,
                S: Clone + 'static,
            {
                on(Method::$method, handler)
            }
        )*

        impl<S: Clone + 'static> MethodRouter<S> {
            $(
                #[doc = concat!("Answers ", stringify!($method), " too.")]
                #[must_use]
                pub fn $name<H: Handler<T, S>, T: 'static>(self, handler: H) -> Self {
                    self.on(Method::$method, handler)
                }
            )*
        }
    };
}

methods! {
    delete DELETE;
    get GET;
    head HEAD;
    options OPTIONS;
    patch PATCH;
    post POST;
    put PUT;
}

/// A path whose requests of that method the handler answers; any method, also one of your own.
pub fn on<H, T, S>(method: Method, handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + 'static,
{
    MethodRouter::default().on(method, handler)
}

/// A path whose requests that handler answers, whatever the method; CONNECT and TRACE only by
/// [`on`].
pub fn any<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + 'static,
{
    MethodRouter::default().any(handler)
}

/// A path whose WebSockets that handler opens, over every protocol: see [`WebSocketUpgrade`](crate::WebSocketUpgrade).
pub fn websocket<H, T, S>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + 'static,
{
    MethodRouter::default().websocket(handler)
}

impl<S: Clone + 'static> MethodRouter<S> {
    /// Opens WebSockets too: answers GET, as HTTP/1.1 asks for them (RFC 6455 §4.1), and CONNECT with `websocket` for its
    /// `:protocol`, as HTTP/2 and HTTP/3 do (RFC 8441 §5, RFC 9220 §3).
    #[must_use]
    pub fn websocket<H: Handler<T, S>, T: 'static>(self, handler: H) -> Self {
        let mut all = self.get(handler);
        if let Some(entry) = all.handlers.last_mut() {
            entry.takes_websocket = true;
        }
        all
    }

    /// Answers that method too. Registering one twice is an error of
    /// [`Router::route`](crate::Router::route).
    #[must_use]
    pub fn on<H: Handler<T, S>, T: 'static>(self, method: Method, handler: H) -> Self {
        self.with(Filter::Only(method), handler)
    }

    /// Answers every other method too, but CONNECT and TRACE.
    #[must_use]
    pub fn any<H: Handler<T, S>, T: 'static>(self, handler: H) -> Self {
        self.with(Filter::Any, handler)
    }

    fn with<H: Handler<T, S>, T: 'static>(mut self, filter: Filter, handler: H) -> Self {
        let (chain, takes_early, takes_websocket) = (Chain::default(), false, false);
        let make = make(handler);
        self.handlers.push(Entry { filter, make, chain, takes_early, takes_websocket });
        self
    }
}

impl<S> MethodRouter<S> {
    /// The handlers that are there so far do no harm when a request is replayed: they take it in early data whatever its method,
    /// where the server lets them (RFC 8470 §4). Others take safe methods alone; to the rest of early data the answer is 425.
    #[must_use]
    pub fn early_data(mut self) -> Self {
        for entry in &mut self.handlers {
            entry.takes_early = true;
        }
        self
    }

    /// The handlers that are there so far open WebSockets too, or have them opened by somebody else: they are asked when a client wants
    /// one by extended CONNECT (RFC 8441 §5, RFC 9220 §3).
    #[must_use]
    pub fn websockets(mut self) -> Self {
        for entry in &mut self.handlers {
            entry.takes_websocket = matches!(entry.filter, Filter::Any | Filter::Only(Method::GET));
        }
        self
    }

    /// Puts a layer around the handlers that are there so far.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Self {
        let mut outer = Chain::default();
        outer.add(layer);
        self.surround(&outer);
        self
    }

    pub(crate) fn surround(&mut self, outer: &Chain) {
        self.chain.extend(outer);
        for entry in &mut self.handlers {
            entry.chain.extend(outer);
        }
    }

    /// The first handler that has the methods of one before it.
    pub(crate) fn duplicate(&self) -> Option<&Filter> {
        let filters = || self.handlers.iter().map(|entry| &entry.filter);
        filters()
            .enumerate()
            .find(|(at, one)| filters().take(*at).any(|other| other == *one))
            .map(|(_, filter)| filter)
    }
}

impl<S> Default for MethodRouter<S> {
    fn default() -> Self {
        Self { handlers: Vec::new(), chain: Chain::default() }
    }
}

impl<S> fmt::Debug for MethodRouter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.handlers.iter().map(|entry| &entry.filter)).finish()
    }
}
