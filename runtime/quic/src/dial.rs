//! Connections to servers: how they begin, and whom they lead to. After that they are sessions like others.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use boring::ssl::{SslAlert, SslContextBuilder, SslMethod, SslVerifyError, SslVerifyMode};
use quiche::ConnectionId;
use trilane_tls::{Broken, Expected};

use crate::config;
use crate::endpoint::{Endpoint, Path};
use crate::error::Error;
use crate::header::Header;
use crate::identity::{Certificate, shown};
use crate::session::{Session, Side};

/// What the server's certificates have come to.
#[derive(Debug, Default)]
pub(crate) struct Judgement(OnceLock<Broken>);

impl Judgement {
    /// Why the server is not the one that is expected, if it is not.
    pub(crate) fn broken(&self) -> Option<Broken> {
        self.0.get().copied()
    }
}

impl Endpoint {
    /// Begins a connection to the server that is at `path`, and is who is expected. [`Endpoint::bind`] must follow.
    ///
    /// # Errors
    /// A setting or our certificate cannot be used, or there are no random numbers.
    pub fn dial(&self, now: Instant, expected: &Expected, path: Path) -> Result<Session, Error> {
        let judgement = Arc::default();
        let context = context(expected, Arc::clone(&judgement))?;
        let mut config = config::of_client(&self.settings, context)?;
        let cid = self.ids.mint()?;
        let Path { local, peer } = path;
        let (name, scid) = (expected.server_name(), ConnectionId::from_ref(&cid));
        let connection =
            quiche::connect_with_buffer_factory(name, &scid, local, peer, &mut config)?;
        Ok(Session::new(connection, cid, Side::Client(judgement), &self.settings, now, path))
    }

    /// The key of the connection that a datagram is for, if there is one: whoever sends it begins none.
    #[must_use]
    pub fn known(&self, datagram: &[u8]) -> Option<u32> {
        let header = Header::read(datagram)?;
        self.registry.find(header.dcid().try_into().ok()?)
    }
}

/// The context of one connection: contexts cost little beside a handshake, and what is expected is different each time.
fn context(expected: &Expected, judgement: Arc<Judgement>) -> Result<SslContextBuilder, Error> {
    let mut builder = SslContextBuilder::new(SslMethod::tls())?;
    if let Some(identity) = expected.identity() {
        Certificate::load(identity)?.set_for_all(&mut builder)?;
    }
    if expected.logs_keys() {
        let expected = expected.clone();
        builder.set_keylog_callback(move |_, line| expected.log_key(&format!("{line}\n")));
    }
    let expected = expected.clone();
    builder.set_custom_verify_callback(SslVerifyMode::PEER, move |tls| {
        let chain = shown(tls).unwrap_or_default();
        expected.verify(&chain).map_err(|broken| {
            // The first reason stays.
            let _ = judgement.0.set(broken);
            SslVerifyError::Invalid(SslAlert::BAD_CERTIFICATE)
        })
    });
    Ok(builder)
}
