//! Who we are over QUIC: what `trilane-tls` has in force, in the terms of BoringSSL. Who clients are is decided there too.

use std::sync::Arc;

use boring::pkey::{Id, PKey, Private};
use boring::ssl::{
    ClientHello, ExtensionType, NameType, SelectCertError, SslAlert, SslContextBuilder, SslMethod,
    SslOptions, SslRef, SslVerifyError, SslVerifyMode,
};
use boring::stack::Stack;
use boring::x509::{X509, X509Name};
use trilane_tls::material::Shown;
use trilane_tls::{Acceptor, Material};

use crate::early::Early;
use crate::error::Error;
use crate::sys;
use crate::tickets::Tickets;

/// Who we are: the certificates, keys of tickets and all else of TLS that an [`Acceptor`] has in force at this moment.
#[derive(Clone, Debug)]
pub struct Identity(pub(crate) Arc<Material>);

impl Identity {
    /// What is in force now.
    #[must_use]
    pub fn new(acceptor: &Acceptor) -> Self {
        Self(acceptor.material())
    }
}

/// Whether they are the same one: two that were read one after the other are not, whatever they say.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Identity {}

/// The context in which connections are made. `early` is there if early data may be accepted.
pub(crate) fn context(
    identity: &Identity,
    process: [u8; 8],
    early: Option<Early>,
) -> Result<SslContextBuilder, Error> {
    let material = &identity.0;
    let mut builder = SslContextBuilder::new(SslMethod::tls())?;
    // A session is resumed only where clients are asked the same.
    builder.set_session_id_context(material.policy())?;
    if material.tickets() == 0 {
        builder.set_options(SslOptions::NO_TICKET);
    } else {
        sys::set_tickets(&mut builder, material.tickets(), material.lifetime());
        sys::set_sealing(&mut builder, Tickets { material: Arc::clone(material), process });
    }
    if let Some(is_required) = material.asks_clients() {
        ask_clients(&mut builder, material, is_required)?;
    }
    if material.logs_keys() {
        let material = Arc::clone(material);
        builder.set_keylog_callback(move |_, line| material.log_key(&format!("{line}\n")));
    }
    let certificates = Certificates::load(material)?;
    builder.set_select_certificate_callback(move |mut hello| {
        certificates.show(&mut hello)?;
        sys::forget_after_handshake(hello.ssl_mut());
        if let Some(early) = &early {
            early.look(&mut hello);
        }
        Ok(())
    });
    Ok(builder)
}

/// Asks clients who they are (RFC 8446 §4.3.2); the certificates they show are verified as over TCP.
fn ask_clients(
    builder: &mut SslContextBuilder,
    material: &Arc<Material>,
    is_required: bool,
) -> Result<(), Error> {
    let mut names = Stack::new()?;
    for name in material.vouchers() {
        names.push(X509Name::from_der(name)?)?;
    }
    builder.set_client_ca_list(names);
    let mut mode = SslVerifyMode::PEER;
    if is_required {
        mode |= SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    }
    let material = Arc::clone(material);
    builder.set_custom_verify_callback(mode, move |tls| {
        let bad = SslVerifyError::Invalid(SslAlert::BAD_CERTIFICATE);
        match shown(tls) {
            Some(chain) if material.verifies(&chain) => Ok(()),
            _ => Err(bad),
        }
    });
    Ok(())
}

/// What the peer has shown, each as DER.
pub(crate) fn shown(tls: &SslRef) -> Option<Vec<Vec<u8>>> {
    let first = tls.peer_certificate()?;
    let mut chain = vec![first.to_der().ok()?];
    for certificate in tls.peer_cert_chain().into_iter().flatten() {
        let der = certificate.to_der().ok()?;
        // For a server, boring's chain is without the first.
        if chain.first() != Some(&der) {
            chain.push(der);
        }
    }
    Some(chain)
}

/// All certificates, and who is shown which.
struct Certificates {
    material: Arc<Material>,
    all: Vec<Certificate>,
}

impl Certificates {
    fn load(material: &Arc<Material>) -> Result<Self, Error> {
        let all = material.identities().map(Certificate::load).collect::<Result<_, _>>()?;
        Ok(Self { material: Arc::clone(material), all })
    }

    /// Shows a client the first certificate for the name that it asks for (SNI, RFC 6066 §3) whose key can sign as it wants; if
    /// none can, the first: BoringSSL then refuses with the right alert.
    fn show(&self, hello: &mut ClientHello<'_>) -> Result<(), SelectCertError> {
        let name = hello.servername(NameType::HOST_NAME).map(str::to_ascii_lowercase);
        let places = self.material.places(name.as_deref());
        let mut all = places.iter().filter_map(|at| self.all.get(*at));
        let first = all.clone().next().ok_or(SelectCertError::ERROR)?;
        let wanted = hello.get_extension(ExtensionType::SIGNATURE_ALGORITHMS).unwrap_or_default();
        let chosen = all.find(|certificate| certificate.signs(wanted)).unwrap_or(first);
        chosen.set(hello.ssl_mut()).map_err(|_| SelectCertError::ERROR)
    }
}

/// A certificate and its key, as BoringSSL has them.
pub(crate) struct Certificate {
    leaf: X509,
    rest: Vec<X509>,
    key: PKey<Private>,
    ocsp: Option<Vec<u8>>,
}

impl Certificate {
    pub(crate) fn load(shown: Shown<'_>) -> Result<Self, Error> {
        let mut chain = shown.chain().map(X509::from_der);
        let leaf = chain.next().ok_or(Error::Setting("an empty chain"))??;
        let rest = chain.collect::<Result<_, _>>()?;
        let key = PKey::private_key_from_der(shown.key())
            .or_else(|_| PKey::private_key_from_pkcs8(shown.key()))?;
        Ok(Self { leaf, rest, key, ocsp: shown.ocsp().map(Into::into) })
    }

    fn set(&self, tls: &mut SslRef) -> Result<(), boring::error::ErrorStack> {
        tls.set_certificate(&self.leaf)?;
        tls.set_private_key(&self.key)?;
        for certificate in &self.rest {
            tls.add_chain_cert(certificate)?;
        }
        match &self.ocsp {
            Some(response) => tls.set_ocsp_status(response),
            None => Ok(()),
        }
    }

    /// Has all connections of a context show it.
    pub(crate) fn set_for_all(
        self,
        builder: &mut SslContextBuilder,
    ) -> Result<(), boring::error::ErrorStack> {
        builder.set_certificate(&self.leaf)?;
        builder.set_private_key(&self.key)?;
        self.rest.into_iter().try_for_each(|it| builder.add_extra_chain_cert(it))
    }

    /// Whether its key can sign with one of the schemes of a `signature_algorithms` extension (RFC 8446 §4.2.3).
    fn signs(&self, extension: &[u8]) -> bool {
        let schemes: &[[u8; 2]] = match self.key.id() {
            Id::RSA => &[[8, 4], [8, 5], [8, 6]],
            Id::ED25519 => &[[8, 7]],
            Id::EC => match self.key.bits() {
                256 => &[[4, 3]],
                384 => &[[5, 3]],
                _ => &[[6, 3]],
            },
            _ => &[],
        };
        let wanted = extension.get(2..).unwrap_or_default();
        wanted.chunks_exact(2).any(|wanted| schemes.iter().any(|scheme| scheme == wanted))
    }
}
