//! What a client is likely to ask for next: told it before the answer (RFC 8297), or promised with it (RFC 9113 §8.4).
//!
//! The service makes the answer to a promise as it makes others, and need not know.

use trilane_exchange::hints::Before;
use trilane_exchange::{Exchange, Link};
use trilane_semantics::{
    Content, ExchangeId, Form, Instant, Known, Machine, Method, Misuse, Protocol, RequestHead,
    ResponseHead, StatusCode,
};

use crate::connection::Connection;
use crate::host::Host;

impl<M: Machine> Connection<M> {
    /// Promises the answer to `head` with the answer to `id`, and has the service make it. The target of `head` is a path: it is
    /// asked of whom that request was for, since for nobody else we may speak (RFC 9113 §8.4).
    ///
    /// # Errors
    /// [`Misuse::NotNow`] when nothing was promised: the protocol has no such thing, the peer wants none or no more
    /// ([`Limits::pushes`](trilane_semantics::Limits::pushes)), `head` is not GET or HEAD of a path, or `id` is answered.
    pub fn push(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        head: RequestHead,
    ) -> Result<(), Misuse> {
        let asked = self.slot(id).map(|slot| std::rc::Rc::clone(&slot.exchange));
        self.promise(host, now, id, asked.ok_or(Misuse::NotNow)?.head(), head)
    }

    /// As [`Connection::push`], with the answer to `asked`.
    fn promise(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        asked: &RequestHead,
        mut head: RequestHead,
    ) -> Result<(), Misuse> {
        let authority = asked.authority().filter(|_| head.form() == Form::Origin);
        let authority = authority.ok_or(Misuse::NotNow)?;
        let promise = self.named(&mut head, authority, asked.protocol).ok_or(Misuse::NotNow)?;
        let promised = self.machine.push(id, &promise, &mut self.out)?;
        self.begin(host, now, promised, head, Content::None);
        Ok(())
    }

    /// Tells what the handler has hinted since the last time: by 103 (Early Hints), and by promises where they are taken.
    #[inline]
    pub(crate) fn tell_hints(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        exchange: &Exchange,
    ) {
        for before in exchange.take_hints() {
            match before {
                Before::Links(links) => self.tell(host, now, id, exchange, &links),
                // An exchange that takes none now is told nothing.
                Before::Interim(head) => drop(self.machine.interim(id, &head, &mut self.out)),
            }
        }
    }

    #[cold]
    fn tell(
        &mut self,
        host: &Host,
        now: Instant,
        id: ExchangeId,
        exchange: &Exchange,
        links: &[Link],
    ) {
        let mut early = ResponseHead::new(StatusCode::EARLY_HINTS);
        for link in links {
            let path = link.promisable().filter(|_| host.limits().pushes > 0);
            if let Some(head) = path.and_then(|path| promised(exchange.head(), path)) {
                // Before the hint, so that the client does not ask for it. Who takes no promise is told all the same.
                let _ = self.promise(host, now, id, exchange.head(), head);
            }
            // It was looked at when it was hinted.
            let _ = early.fields.append(Known::Link, link.to_string());
        }
        // An exchange that takes none now, as a promise itself, is told nothing.
        let _ = self.machine.interim(id, &early, &mut self.out);
    }

    /// The head as the client must see it, with its scheme, while the service is shown it as others.
    fn named(
        &self,
        head: &mut RequestHead,
        authority: &str,
        protocol: Protocol,
    ) -> Option<RequestHead> {
        head.protocol = protocol;
        head.fields.set(Known::Host, authority).ok()?;
        let scheme = if self.info.tls.is_some() { "https" } else { "http" };
        let target = format!("{scheme}://{authority}{}", head.target());
        RequestHead::with_fields(head.method.clone(), protocol, head.fields.clone(), &target)
    }
}

/// The request that the client would make for `path`, as far as what it has asked for tells.
fn promised(asked: &RequestHead, path: &str) -> Option<RequestHead> {
    let mut head = RequestHead::new(Method::GET, path)?;
    for name in [Known::AcceptEncoding, Known::AcceptLanguage, Known::UserAgent] {
        for value in asked.fields.all(name) {
            head.fields.append(name, value).ok()?;
        }
    }
    Some(head)
}
