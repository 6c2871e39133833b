//! Asking the handler: for a response, or whether a stored one is still right (RFC 9111 §4.3), and what is stored of its answer.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use trilane_exchange::{Exchange, Frame, Outgoing, Request, Response};
use trilane_semantics::{Known, Method, ResponseHead, StatusCode};

use super::answer::answer;
use super::control::{Allows, Asks, delta_seconds};
use super::flight::{Leader, Outcome};
use super::keeping::{Keeping, Kept};
use super::policy::may_store;
use super::serve::{Here, OF_CLIENT, has_credentials};
use super::status::{Forward, Told};
use super::store::Ticket;
use super::stored::{Stored, Times, storable};
use super::vary::Selection;
use crate::layer::Next;

/// What is on the way to the handler, and what shall come of it.
pub(super) struct Errand {
    pub(super) key: String,
    pub(super) ticket: Ticket,
    pub(super) asks: Asks,
    pub(super) why: Forward,
    pub(super) stale: Option<Arc<Stored>>,
    pub(super) leader: Option<Leader>,
}

impl Here {
    /// Asks the handler, and stores what it may.
    pub(super) async fn fetch(&self, request: Request, next: Next, errand: Errand) -> Response {
        let (shard, exchange) = (request.shard().clone(), Rc::clone(request.exchange()));
        let asked = shard.wall();
        let is_get = *request.method() == Method::GET;
        let validates = errand.stale.as_ref().filter(|stored| is_get && stored.has_validator());
        let request = match validates {
            Some(stored) => conditional(request, stored),
            None => request,
        };
        let is_conditional = validates.is_some();
        let mut response = next.run(request).await;
        let times = Times { asked, now: shard.wall() };
        let status = response.head.status;
        if let Some(stored) = &errand.stale {
            let head = exchange.head();
            if is_conditional && status == StatusCode::NOT_MODIFIED {
                let stored = Arc::clone(stored);
                return self.validated(&stored, &response, &exchange, times, errand);
            }
            if status.is_server_error() && stored.stands_in_for_errors(times.now) {
                if let Some(leader) = errand.leader {
                    leader.land(Outcome::StoodIn(Arc::clone(stored)));
                }
                let mut response = answer(stored, head, times.now, &shard);
                let ttl = Some(stored.standing(times.now).ttl());
                let told = Told::forwarded(errand.why);
                Told { status: Some(status.as_u16()), ttl, ..told }.tell(&mut response, &shard);
                return response;
            }
        }
        let mut told = Told::forwarded(errand.why);
        if is_get {
            self.store(&exchange, &mut response, errand, times, &mut told);
        } else {
            self.freshen(&exchange, &response, &errand, times);
        }
        told.tell(&mut response, &shard);
        response
    }

    /// Stores a response to GET, if it may be.
    fn store(
        &self,
        exchange: &Exchange,
        response: &mut Response,
        errand: Errand,
        times: Times,
        told: &mut Told,
    ) {
        let (request, shard) = (exchange.head(), exchange.shard());
        let config = &self.shared.config;
        let Errand { key, ticket, asks, leader, .. } = errand;
        let allows = Allows::of(&response.head.fields, config.targeted);
        let policy = (config.heuristic, config.cookies);
        let selection = Selection::of(&response.head.fields, &request.fields).filter(|_| {
            // What becomes of an error's content is not known here.
            response.error.is_none()
                && may_store(
                    has_credentials(exchange),
                    &asks,
                    &response.head,
                    &allows,
                    times.now,
                    policy,
                )
        });
        let Some(selection) = selection else {
            if let Some(leader) = leader {
                let has_failed = response.head.status.is_server_error();
                leader.land(if has_failed { Outcome::Failed } else { Outcome::Alone });
            }
            return;
        };
        let mut head = ResponseHead::new(response.head.status);
        head.fields = storable(&response.head.fields, &allows, times.now);
        let keeping = Keeping {
            store: Arc::clone(&self.shared.store),
            key: key.into(),
            ticket,
            head,
            selection,
            allows,
            times,
            heuristic: config.heuristic,
            leader,
        };
        if let Kept::Now(stored) = keeping.keep(response) {
            (told.is_stored, told.ttl) = (true, Some(stored.standing(times.now).ttl()));
            // The handler may not have looked at the client's own conditions and range.
            if response.head.status == StatusCode::OK && request.fields.has_any(OF_CLIENT) {
                *response = answer(&stored, request, times.now, shard);
                let is_other = response.head.status != StatusCode::OK;
                told.status = is_other.then_some(StatusCode::OK.as_u16());
            }
        }
    }

    /// The handler says that what is stored is right (RFC 9111 §4.3.4).
    fn validated(
        &self,
        stored: &Stored,
        update: &Response,
        exchange: &Exchange,
        times: Times,
        errand: Errand,
    ) -> Response {
        let (request, shard) = (exchange.head(), exchange.shard());
        let fields = &update.head.fields;
        let mut told = Told { status: Some(304), ..Told::forwarded(errand.why) };
        // A strong tag that is not the stored one's means another response, which must not be brought up to date (MUST NOT).
        let strong = fields.get(Known::ETag).filter(|tag| !tag.starts_with(b"W/"));
        let is_other = strong.is_some_and(|tag| stored.head.fields.get(Known::ETag) != Some(tag));
        if is_other && stored.head.fields.contains(Known::ETag) {
            let mut response = answer(stored, request, times.now, shard);
            told.tell(&mut response, shard);
            return response;
        }
        let updated = stored.updated(fields, &request.fields, times, &self.shared.config);
        let updated = Arc::new(updated);
        told.is_stored = self.keep_updated(exchange, &updated, &errand, times);
        told.ttl = Some(updated.standing(times.now).ttl());
        if let Some(leader) = errand.leader {
            leader.land(if told.is_stored { Outcome::of(&updated) } else { Outcome::Alone });
        }
        let mut response = answer(&updated, request, times.now, shard);
        if !response.head.fields.contains(Known::SetCookie) {
            // For this client, if for nobody else.
            for cookie in fields.all(Known::SetCookie) {
                let _ = response.head.fields.append(Known::SetCookie, cookie);
            }
        }
        told.tell(&mut response, shard);
        response
    }

    /// Stores what was brought up to date, unless by that it may not be stored any more: then it is forgotten.
    fn keep_updated(
        &self,
        exchange: &Exchange,
        updated: &Arc<Stored>,
        errand: &Errand,
        times: Times,
    ) -> bool {
        let (config, store) = (&self.shared.config, &self.shared.store);
        let policy = (config.heuristic, config.cookies);
        let (is_known, head) = (has_credentials(exchange), &updated.head);
        let is_for_others = Selection::of(&head.fields, &exchange.head().fields).is_some();
        if is_for_others
            && may_store(is_known, &errand.asks, head, &updated.allows, times.now, policy)
        {
            let of = errand.stale.as_ref();
            return store.keep_instead(&errand.key, errand.ticket, updated, of);
        }
        store.forget(&errand.key);
        false
    }

    /// An answer to HEAD brings what is stored up to date, or shows that it is not (RFC 9111 §4.3.5).
    fn freshen(&self, exchange: &Exchange, response: &Response, errand: &Errand, times: Times) {
        let Some(stored) = &errand.stale else { return };
        if response.head.status != StatusCode::OK || stored.head.status != StatusCode::OK {
            return;
        }
        let fields = &response.head.fields;
        let differs =
            |name: Known| fields.contains(name) && fields.get(name) != stored.head.fields.get(name);
        let length = response.body.length().filter(|_| !matches!(response.body, Outgoing::Empty));
        let said = fields.get(Known::ContentLength).and_then(delta_seconds);
        let is_longer = said.or(length).is_some_and(|length| length != stored.body.len() as u64);
        if is_longer || differs(Known::ETag) || differs(Known::LastModified) {
            self.shared.store.forget(&errand.key);
            return;
        }
        let asked = &exchange.head().fields;
        let updated = stored.updated(fields, asked, times, &self.shared.config);
        self.keep_updated(exchange, &Arc::new(updated), errand, times);
    }

    /// Fetches anew what was answered stale, beside the answer (RFC 5861 §3).
    pub(super) fn refresh(self: Rc<Self>, mut request: Request, next: Next, errand: Errand) {
        let shard = request.shard().clone();
        // The client's own conditions are answered already.
        OF_CLIENT.iter().for_each(|&name| {
            request.head_mut().fields.remove(name);
        });
        let refreshing = Refreshing(errand.stale.clone());
        drop(shard.spawn(async move {
            let mut response = self.fetch(request, next, errand).await;
            // It is stored when all of it was made; what is more than may be stored need not be.
            if let Outgoing::Stream { source, .. } = &mut response.body {
                let mut left = Some(self.shared.config.bounds.largest);
                while let Some(room) = left
                    && let Some(Ok(Frame::Data(data))) =
                        poll_fn(|cx| source.as_mut().poll_frame(cx)).await
                {
                    left = room.checked_sub(data.len());
                }
            }
            drop(refreshing);
        }));
    }
}

/// Somebody fetches a new response in place of this one, as long as it lasts.
struct Refreshing(Option<Arc<Stored>>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.iter().for_each(|stored| stored.end_refresh());
    }
}

/// Asks whether `stored` is still right, in place of what the client asked about (RFC 9111 §4.3.1).
fn conditional(mut request: Request, stored: &Stored) -> Request {
    let fields = &mut request.head_mut().fields;
    for &name in OF_CLIENT {
        fields.remove(name);
    }
    let pairs = [(Known::ETag, Known::IfNoneMatch), (Known::LastModified, Known::IfModifiedSince)];
    for (from, to) in pairs {
        if let Some(value) = stored.head.fields.get(from) {
            // It stands in a field already.
            let _ = fields.append(to, value);
        }
    }
    request
}
