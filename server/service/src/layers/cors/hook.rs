//! Cross-origin requests at work: preflights are answered, and what a page may read is said on answers.

use trilane_exchange::{Error, Exchange, Refusal, Request, Response};
use trilane_semantics::field::is_token;
use trilane_semantics::{Fields, Known, Method, RequestHead, StatusCode};

use super::{Cors, Headers};
use crate::layer::{Hook, Phases};
use crate::origin::OriginPattern;
use crate::vary;

const ASKED_METHOD: &str = "access-control-request-method";
const ASKED_HEADERS: &str = "access-control-request-headers";
const ASKED_NETWORK: &str = "access-control-request-private-network";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// Checked, and written as far as answers need it.
pub(super) struct Prepared {
    pub(super) cors: Cors,
    pub(super) origins: Vec<OriginPattern>,
    pub(super) methods: Vec<Method>,
    pub(super) method_list: String,
    pub(super) header_list: String,
    pub(super) exposed: String,
    pub(super) max_age: String,
    /// Every origin gets the same answer.
    pub(super) is_any: bool,
}

impl Hook for Prepared {
    fn phases(&self) -> Phases {
        Phases::BEFORE | Phases::AFTER
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let head = request.head();
        if !is_preflight(head) {
            return None;
        }
        Some(match self.judge(head) {
            Ok(()) => Response::new(StatusCode::NO_CONTENT),
            Err(what) => Error::new(StatusCode::FORBIDDEN)
                .message("the preflight asks for what is not allowed")
                .detail("not_allowed", vec![what.to_owned()])
                .into(),
        })
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        self.add_to(exchange.head(), response);
    }

    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        if let Some(exchange) = refusal.exchange {
            self.add_to(exchange.head(), response);
        }
    }
}

impl Prepared {
    /// What of a preflight is not allowed.
    fn judge(&self, head: &RequestHead) -> Result<(), &'static str> {
        let fields = &head.fields;
        if self.origin(head).is_none() {
            return Err("origin");
        }
        let method = fields.get(ASKED_METHOD).unwrap_or_default();
        if !self.methods.iter().any(|allowed| allowed.as_str().as_bytes() == method) {
            return Err("method");
        }
        let is_listed = |name: &[u8]| match &self.cors.headers {
            Headers::Mirrored => is_token(name),
            Headers::Listed(list) => {
                list.iter().any(|it| it == "*" || it.as_bytes().eq_ignore_ascii_case(name))
            }
        };
        if !fields.list(ASKED_HEADERS).all(is_listed) {
            return Err("headers");
        }
        if fields.contains(ASKED_NETWORK) && !self.cors.has_private_network {
            return Err("private network");
        }
        Ok(())
    }

    /// The request's origin, if it is allowed.
    fn origin<'a>(&self, head: &'a RequestHead) -> Option<&'a str> {
        let origin = head
            .fields
            .get_str(Known::Origin)
            .filter(|_| !head.fields.is_repeated(Known::Origin))?;
        let is_allowed = self.origins.iter().any(|pattern| pattern.has(origin))
            || self.cors.predicate.as_ref().is_some_and(|is_allowed| is_allowed(origin, head));
        is_allowed.then_some(origin)
    }

    fn add_to(&self, head: &RequestHead, response: &mut Response) {
        let fields = &mut response.head.fields;
        let is_preflight = is_preflight(head);
        if is_preflight {
            vary::add(
                fields,
                &["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"],
            );
        } else if !self.is_any {
            // Also without an origin: a cache must not give that answer to a page.
            vary::add(fields, &["Origin"]);
        }
        let Some(origin) = self.origin(head) else { return };
        if is_preflight && self.judge(head).is_err() {
            return;
        }
        set(fields, ALLOW_ORIGIN, if self.is_any { "*" } else { origin });
        if self.cors.has_credentials {
            set(fields, "access-control-allow-credentials", "true");
        }
        if is_preflight {
            self.add_preflight(head, fields);
        } else if !self.exposed.is_empty() {
            set(fields, "access-control-expose-headers", &self.exposed);
        }
    }

    fn add_preflight(&self, head: &RequestHead, fields: &mut Fields) {
        set(fields, "access-control-allow-methods", &self.method_list);
        set(fields, "access-control-max-age", &self.max_age);
        match &self.cors.headers {
            Headers::Listed(list) if list.is_empty() => (),
            Headers::Listed(_) => set(fields, "access-control-allow-headers", &self.header_list),
            Headers::Mirrored => {
                let asked: Vec<_> = head.fields.list(ASKED_HEADERS).collect();
                if !asked.is_empty() {
                    set(fields, "access-control-allow-headers", asked.join(&b", "[..]));
                }
            }
        }
        if head.fields.contains(ASKED_NETWORK) {
            set(fields, "access-control-allow-private-network", "true");
        }
    }
}

/// Whether a browser asks if it may ask (Fetch §3.2.2).
fn is_preflight(head: &RequestHead) -> bool {
    head.method == Method::OPTIONS
        && head.fields.contains(Known::Origin)
        && head.fields.contains(ASKED_METHOD)
}

/// What is set has been checked, or was a field of the request.
fn set(fields: &mut Fields, name: &'static str, value: impl AsRef<[u8]>) {
    let _ = fields.set(name, value);
}
