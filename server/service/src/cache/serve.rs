//! What is done with a request: answered from the store, held back for another one's answer, or forwarded to the handler.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use trilane_exchange::{Error, Exchange, Reply, Request, Response};
use trilane_semantics::{Known, Method, StatusCode};

use super::Settings;
use super::answer::answer;
use super::control::Asks;
use super::fetch::Errand;
use super::flight::{Boarding, Outcome};
use super::freshness::Use;
use super::near::Near;
use super::status::{Forward, Told};
use super::store::Resource;
use super::stored::Stored;
use crate::chain::Around;
use crate::layer::{Next, function};
use crate::principal::{Nameless, Principal};

/// Who has waited for others this often asks the handler itself.
const WAITS: usize = 2;

/// Requests that only the handler can judge (RFC 9111 §4.3.2).
const OF_ORIGIN: &[Known] = &[Known::IfMatch, Known::IfUnmodifiedSince];
/// Conditions and ranges of the client's own.
pub(super) const OF_CLIENT: &[Known] =
    &[Known::IfNoneMatch, Known::IfModifiedSince, Known::Range, Known::IfRange];

/// The cache of one shard, around its handlers.
pub(super) struct Front {
    here: Rc<Here>,
    slow: Rc<dyn Around>,
}

/// What a shard has of the cache.
pub(super) struct Here {
    pub(super) shared: Arc<Settings>,
    near: Near,
    /// Memory for keys.
    key: Cell<String>,
}

impl Front {
    pub(super) fn new(shared: Arc<Settings>) -> Self {
        let here = Rc::new(Here { shared, near: Near::new(), key: Cell::default() });
        let ours = Rc::clone(&here);
        let slow = function(move |request, next| Rc::clone(&ours).serve(request, next));
        Self { here, slow }
    }
}

impl Around for Front {
    /// A hit that this shard knows of is answered at once.
    fn call(&self, request: Request, next: Next, cx: &mut Context<'_>) -> Reply {
        match self.here.hit(&request) {
            Some(response) => Reply::Ready(response),
            None => self.slow.call(request, next, cx),
        }
    }
}

/// What there is for a request.
enum Found {
    /// The answer.
    Hit(Response),
    /// The answer, and what is to be fetched anew.
    HitAndRefresh(Response, Arc<Stored>),
    /// Nothing that will do without the handler; perhaps something that can be asked about.
    Nothing(Forward, Option<Arc<Stored>>),
}

impl Here {
    /// The answer, if it is a hit, and this shard has given it before.
    fn hit(&self, request: &Request) -> Option<Response> {
        if !is_ours(request) {
            return None;
        }
        let asks = Asks::of(&request.head().fields);
        let key = self.key_of(request);
        let hash = self.shared.store.hash(&key);
        let resource = self.near.find(hash, &key);
        self.key.set(key);
        if asks.no_store {
            return None;
        }
        match self.find(Some(resource?), request, &asks) {
            Found::Hit(response) => Some(hit(response, request)),
            Found::HitAndRefresh(..) | Found::Nothing(..) => None,
        }
    }

    async fn serve(self: Rc<Self>, request: Request, next: Next) -> Response {
        let asks = Asks::of(&request.head().fields);
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.forward_other(request, next).await;
        }
        let is_ours = is_ours(&request) && !asks.no_store;
        if !is_ours && asks.only_if_cached {
            return nothing_stored();
        }
        if !is_ours {
            let why = if asks.no_store { Forward::Request } else { Forward::Bypass };
            let shard = request.shard().clone();
            let mut response = next.run(request).await;
            Told::forwarded(why).tell(&mut response, &shard);
            return response;
        }
        let key = self.key_of(&request);
        let store = &self.shared.store;
        let hash = store.hash(&key);
        let mut waits = 0;
        loop {
            let (resource, ticket) = store.look(hash, &key);
            if let Some(resource) = &resource {
                self.near.put(hash, resource);
            }
            let (why, stale) = match self.find(resource.clone(), &request, &asks) {
                Found::Hit(response) => {
                    self.key.set(key);
                    return hit(response, &request);
                }
                Found::HitAndRefresh(response, stored) if stored.begin_refresh() => {
                    let (why, response) = (Forward::Stale, hit(response, &request));
                    let (stale, leader) = (Some(stored), None);
                    self.refresh(request, next, Errand { key, ticket, asks, why, stale, leader });
                    return response;
                }
                Found::HitAndRefresh(response, _) => return hit(response, &request),
                Found::Nothing(why, stale) => (why, stale),
            };
            if asks.only_if_cached {
                return nothing_stored();
            }
            let is_shareable = stale.as_ref().is_none_or(|stored| stored.is_shareable());
            let may_wait = waits < WAITS && is_shareable && may_coalesce(&request, &asks);
            let boarding = match self.shared.config.patience.filter(|_| may_wait) {
                Some(patience) => {
                    let name = flight_name(&key, resource.as_deref(), &request);
                    (store.board(name, ticket), patience)
                }
                None => (Boarding::Alone, Duration::ZERO),
            };
            let leader = match boarding {
                (Boarding::Alone, _) => None,
                (Boarding::Lead(leader), _) => {
                    // Since the look another flight may have landed: nobody is to fetch what is there by now.
                    let (resource, _) = store.look(hash, &key);
                    if let Found::Hit(response) = self.find(resource, &request, &asks) {
                        drop(leader);
                        self.key.set(key);
                        return hit(response, &request);
                    }
                    Some(leader)
                }
                (Boarding::Follow(follower), patience) => {
                    waits += 1;
                    match follower.wait(request.shard().sleep(patience)).await {
                        Some(Outcome::Alone) | None => waits = WAITS,
                        Some(outcome) => {
                            if let Some(response) = self.collapsed(&outcome, &request, &asks, why) {
                                return response;
                            }
                        }
                    }
                    continue;
                }
            };
            let errand = Errand { key, ticket, asks, why, stale, leader };
            return self.fetch(request, next, errand).await;
        }
    }

    /// What the store has for a request.
    fn find(&self, resource: Option<Arc<Resource>>, request: &Request, asks: &Asks) -> Found {
        let Some(resource) = resource else { return Found::Nothing(Forward::UriMiss, None) };
        let fields = &request.head().fields;
        let Some(stored) = resource.choose(fields) else {
            return Found::Nothing(Forward::VaryMiss, None);
        };
        // RFC 9111 §3.5: what does not say so is for nobody with credentials; nobody knows whether it would be the same.
        if has_credentials(request.exchange()) && !stored.allows.is_for_all() {
            return Found::Nothing(Forward::Miss, None);
        }
        let now = request.shard().wall();
        let standing = stored.standing(now);
        let from_store = || {
            let mut response = answer(stored, request.head(), now, request.shard());
            Told { ttl: Some(standing.ttl()), ..Told::default() }.write(&mut response);
            response
        };
        match standing.judge(asks) {
            Use::Hit => Found::Hit(from_store()),
            Use::HitAndRefresh if *request.method() == Method::GET && !stored.is_refreshing() => {
                Found::HitAndRefresh(from_store(), Arc::clone(stored))
            }
            Use::HitAndRefresh => Found::Hit(from_store()),
            Use::Stale => Found::Nothing(Forward::Stale, Some(Arc::clone(stored))),
            Use::Unwanted => Found::Nothing(Forward::Request, Some(Arc::clone(stored))),
        }
    }

    /// What another request was answered with, if it is for this one.
    fn collapsed(
        &self,
        outcome: &Outcome,
        request: &Request,
        asks: &Asks,
        why: Forward,
    ) -> Option<Response> {
        let now = request.shard().wall();
        let (stored, is_good) = match outcome {
            Outcome::Landed(stored) => {
                let judged = stored.standing(now).judge(asks);
                (stored, matches!(judged, Use::Hit | Use::HitAndRefresh))
            }
            Outcome::StoodIn(stored) => (stored, stored.stands_in_for_errors(now)),
            Outcome::Failed | Outcome::Alone => return None,
        };
        let standing = stored.standing(now);
        let is_for_us = is_good && stored.selection.matches(&request.head().fields);
        is_for_us.then(|| {
            let mut response = answer(stored, request.head(), now, request.shard());
            let told = Told::forwarded(why);
            Told { ttl: Some(standing.ttl()), is_collapsed: true, ..told }
                .tell(&mut response, request.shard());
            response
        })
    }

    /// Methods that are not answered from the store. What is not safe makes what is stored invalid (RFC 9111 §4.4, MUST).
    async fn forward_other(&self, request: Request, next: Next) -> Response {
        let exchange = Rc::clone(request.exchange());
        let is_safe = matches!(*request.method(), Method::OPTIONS | Method::TRACE);
        let key = (!is_safe).then(|| self.key_of(&request));
        let mut response = next.run(request).await;
        let status = response.head.status;
        if let Some(key) = key.filter(|_| status.is_success() || status.is_redirection()) {
            self.shared.store.forget(&key);
            let is_secure = exchange.client().is_secure;
            for name in [Known::Location, Known::ContentLocation] {
                let other = response.head.fields.get_str(name).and_then(|reference| {
                    self.shared.config.key.of_reference(exchange.head(), is_secure, reference)
                });
                other.iter().for_each(|key| self.shared.store.forget(key));
            }
        }
        Told::forwarded(Forward::Method).tell(&mut response, exchange.shard());
        response
    }

    fn key_of(&self, request: &Request) -> String {
        let mut key = self.key.take();
        let is_secure = request.exchange().client().is_secure;
        self.shared.config.key.write(request.head(), is_secure, &mut key);
        key
    }
}

/// Who wants nothing of the handler gets nothing (RFC 9111 §5.2.1.7).
fn nothing_stored() -> Response {
    Error::new(StatusCode::GATEWAY_TIMEOUT)
        .message("there is no stored answer that would do")
        .into()
}

/// What was found is the answer.
fn hit(response: Response, request: &Request) -> Response {
    request.shard().stats().cache.hit.add(1);
    response
}

/// Whether the cache may answer such a request: one without content, which the handler need not judge, and which no tunnel
/// begins with.
fn is_ours(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && request.body.promised() == Some(0)
        && !request.head().fields.has_any(OF_ORIGIN)
}

/// Whether a request may wait for another one's answer, and others for its own: an ordinary GET.
fn may_coalesce(request: &Request, asks: &Asks) -> bool {
    let fields = &request.head().fields;
    *request.method() == Method::GET
        && !asks.no_cache
        && !has_credentials(request.exchange())
        && !fields.has_any(OF_CLIENT)
}

/// Whether who asks is known by credentials: in Authorization, or such as another layer has verified.
pub(super) fn has_credentials(exchange: &Exchange) -> bool {
    exchange.head().fields.contains(Known::Authorization)
        || exchange.noted::<Principal>().is_some()
        || exchange.noted::<Nameless>().is_some()
}

/// Who has the same name may get the same response: the key, and the fields that are known to choose among its responses.
fn flight_name(key: &str, resource: Option<&Resource>, request: &Request) -> Vec<u8> {
    let mut name = Vec::with_capacity(key.len() + 64);
    name.extend_from_slice(key.as_bytes());
    if let Some(resource) = resource {
        resource.write_choice(&request.head().fields, &mut name);
    }
    name
}
