//! Promised exchanges (RFC 9113 §8.4): the answer to what a client is likely to ask for next, before it does.
//!
//! The service makes that answer as it makes others, and need not know.

use trilane_semantics::{
    Content, ExchangeId, Form, Instant, Known, Machine, Misuse, Protocol, RequestHead,
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
        mut head: RequestHead,
    ) -> Result<(), Misuse> {
        let asked = self.slot(id).map(|slot| slot.exchange.head());
        let authority =
            asked.and_then(|asked| Some((asked.authority()?.to_owned(), asked.protocol)));
        let Some((authority, protocol)) = authority.filter(|_| head.form() == Form::Origin) else {
            return Err(Misuse::NotNow);
        };
        let promise = self.named(&mut head, &authority, protocol).ok_or(Misuse::NotNow)?;
        let promised = self.machine.push(id, &promise, &mut self.out)?;
        self.begin(host, now, promised, head, Content::None);
        Ok(())
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
