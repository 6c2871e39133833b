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
    pub(crate) fn new(redirect: HttpsRedirect, listeners: Range<usize>) -> Self {
        Self { redirect, listeners, port: Arc::default() }
    }

    /// Whether there is somewhere to redirect to, where it listens there for TLS. Notes what is known before it does.
    pub(crate) fn has_somewhere(&self, secure: &[ListenAddress]) -> bool {
        if let Some(port) =
            self.redirect.to_port().or_else(|| first_port(secure)).filter(|&port| port != 0)
        {
            // It is only ever one.
            let _ = self.port.set(port);
        }
        self.redirect.to_port().is_some() || first_port(secure).is_some()
    }

    /// It listens, ports chosen.
    pub(crate) fn found(&self, secure: &[ListenAddress]) {
        if let Some(port) = first_port(secure) {
            // What was known before stays.
            let _ = self.port.set(port);
        }
    }
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
        match self.port.get() {
            Some(port) => self.redirect.answer(request.head(), *port),
            // Between two lines of the start, if the system is to choose the port.
            None => Some(Error::new(StatusCode::SERVICE_UNAVAILABLE).into()),
        }
    }
}
