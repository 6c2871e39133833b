//! The answers that are made where a path has no handler for a method: OPTIONS, 405 and 501.

use std::rc::Rc;
use std::task::Context;

use trilane_exchange::{Error, Reply, Request, Response};
use trilane_semantics::{Known, Method, StatusCode};

use crate::handler::Endpoint;
use crate::method::Filter;

/// What `any` answers.
const ANY: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];

/// The methods of one path, or of the whole server.
pub(crate) struct Allowed {
    methods: Vec<Method>,
    /// The value of Allow.
    value: String,
    /// Methods that some path here has.
    known: Rc<[Method]>,
}

impl Allowed {
    /// What those handlers answer, with what follows from it: HEAD from GET, and OPTIONS.
    pub(crate) fn new<'a>(filters: impl Iterator<Item = &'a Filter>, known: Rc<[Method]>) -> Self {
        let methods = methods(filters);
        let value = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        Self { methods, value, known }
    }
}

/// Those methods and what follows from them, each once.
pub(crate) fn methods<'a>(filters: impl Iterator<Item = &'a Filter>) -> Vec<Method> {
    let mut methods = Vec::new();
    let mut add = |method: &Method| {
        if !methods.contains(method) {
            methods.push(method.clone());
        }
    };
    for filter in filters {
        match filter {
            Filter::Any => ANY.iter().for_each(&mut add),
            Filter::Only(Method::GET) => ANY[..2].iter().for_each(&mut add),
            Filter::Only(method) => add(method),
        }
    }
    methods.retain(|method| method != Method::OPTIONS);
    methods.push(Method::OPTIONS);
    methods
}

impl Endpoint for Allowed {
    fn call(&self, request: Request, _: &mut Context<'_>) -> Reply {
        let method = request.method();
        if method == Method::OPTIONS {
            // RFC 9110 §9.3.7: OPTIONS asks for the communication options; 204 needs no content.
            let response = Response::new(StatusCode::NO_CONTENT);
            return Reply::Ready(response.field(Known::Allow, &self.value));
        }
        if !is_standard(method) && !self.known.contains(method) {
            // RFC 9110 §15.6.2: not recognised, so not supported for any resource.
            return Reply::Ready(Error::new(StatusCode::NOT_IMPLEMENTED).into());
        }
        let names = self.methods.iter().map(ToString::to_string).collect();
        let error = Error::new(StatusCode::METHOD_NOT_ALLOWED).detail("allowed_methods", names);
        // RFC 9110 §15.5.6: a 405 MUST have Allow.
        Reply::Ready(Response::from(error).field(Known::Allow, &self.value))
    }
}

/// The methods of RFC 9110 §9.3 and RFC 5789.
fn is_standard(method: &Method) -> bool {
    const OTHERS: [Method; 3] = [Method::CONNECT, Method::OPTIONS, Method::TRACE];
    ANY.contains(method) || OTHERS.contains(method)
}
