//! Listeners that only redirect to HTTPS, beside those of the application.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use trilane_semantics::StatusCode;
use trilane_service::{Error, Hook, HttpsRedirect, Phases, Request, Response};
use trilane_shard::ListenAddress;

/// Redirects what comes by some of the listeners.
#[derive(Clone, Debug)]
pub(crate) struct RedirectAll {
    redirect: HttpsRedirect,
    listeners: Range<usize>,
    /// The port of HTTPS, once it is known.
    port: Arc<OnceLock<u16>>,
}

impl RedirectAll {
    /// Where it is to listen for TLS is known before it does, unless the system chooses the port.
    pub(crate) fn new(
        redirect: HttpsRedirect,
        listeners: Range<usize>,
        secure: &[ListenAddress],
    ) -> Self {
        let port = Arc::<OnceLock<u16>>::default();
        if let Some(known) = first_port(secure).filter(|port| *port != 0) {
            // It is only ever one.
            let _ = port.set(known);
        }
        Self { redirect, listeners, port }
    }

    /// The same listeners, that redirect otherwise.
    pub(crate) fn renewed(&self, redirect: HttpsRedirect) -> Self {
        Self { redirect, ..self.clone() }
    }

    /// It listens, ports chosen.
    pub(crate) fn found(&self, secure: &[ListenAddress]) {
        if let Some(port) = first_port(secure) {
            // What was known before stays.
            let _ = self.port.set(port);
        }
    }
}

/// Whether there is somewhere to redirect to, where it listens there for TLS.
pub(crate) fn has_somewhere(redirect: &HttpsRedirect, secure: &[ListenAddress]) -> bool {
    redirect.to_port().or_else(|| first_port(secure)).is_some()
}

/// The port of the first that has one.
fn first_port(addresses: &[ListenAddress]) -> Option<u16> {
    addresses.iter().find_map(|address| match address {
        ListenAddress::Tcp(address) => Some(address.port()),
        ListenAddress::Udp(_) | ListenAddress::Unix(_) => None,
    })
}

impl Hook for RedirectAll {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let listener = request.exchange().connection().listener?;
        if !self.listeners.contains(&listener) {
            return None;
        }
        match self.redirect.to_port().or_else(|| self.port.get().copied()) {
            Some(port) => self.redirect.answer(request.head(), port),
            // Between two lines of the start, if the system is to choose the port.
            None => Some(Error::new(StatusCode::SERVICE_UNAVAILABLE).into()),
        }
    }
}
