//! What differs between the two roles of rustls: its types, and that servers give tickets.

use std::ops::{Deref, DerefMut};

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::kernel::KernelConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{UnbufferedConnectionCommon, UnbufferedStatus};
use rustls::{ConnectionTrafficSecrets, Error, ExtractedSecrets, SupportedCipherSuite};

/// A connection of rustls's in one role.
pub(crate) trait Role:
    Deref<Target = UnbufferedConnectionCommon<Self::Data>> + DerefMut
{
    /// Whether it is the server's.
    const IS_SERVER: bool;
    type Data;

    /// Goes one step on in what came.
    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;

    /// The keys of TLS 1.3, after the handshake.
    fn into_keys(self) -> Result<(ExtractedSecrets, Keys), Error>;
}

/// What makes the next key of each direction, after the handshake.
pub(crate) enum Keys {
    Server(KernelConnection<ServerConnectionData>),
    /// It has the store of sessions, too.
    Client(KernelConnection<ClientConnectionData>),
}

impl Role for UnbufferedServerConnection {
    const IS_SERVER: bool = true;
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }

    fn into_keys(self) -> Result<(ExtractedSecrets, Keys), Error> {
        let (secrets, keys) = self.dangerous_into_kernel_connection()?;
        Ok((secrets, Keys::Server(keys)))
    }
}

impl Role for UnbufferedClientConnection {
    const IS_SERVER: bool = false;
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, bytes: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(bytes)
    }

    fn into_keys(self) -> Result<(ExtractedSecrets, Keys), Error> {
        let (secrets, keys) = self.dangerous_into_kernel_connection()?;
        Ok((secrets, Keys::Client(keys)))
    }
}

impl Keys {
    pub(crate) fn suite(&self) -> SupportedCipherSuite {
        match self {
            Self::Server(keys) => keys.negotiated_cipher_suite(),
            Self::Client(keys) => keys.negotiated_cipher_suite(),
        }
    }

    /// The next key of what is received, and how many records it has protected.
    pub(crate) fn receiving(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Error> {
        match self {
            Self::Server(keys) => keys.update_rx_secret(),
            Self::Client(keys) => keys.update_rx_secret(),
        }
    }

    /// The same of what is sent.
    pub(crate) fn sending(&mut self) -> Result<(u64, ConnectionTrafficSecrets), Error> {
        match self {
            Self::Server(keys) => keys.update_tx_secret(),
            Self::Client(keys) => keys.update_tx_secret(),
        }
    }

    /// Whether it is a client, which is given tickets.
    pub(crate) const fn takes_tickets(&self) -> bool {
        matches!(self, Self::Client(_))
    }

    /// Keeps a ticket (RFC 8446 §4.6.1), the content of its message.
    pub(crate) fn ticket(&mut self, ticket: &[u8]) -> Result<(), Error> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Client(keys) => keys.handle_new_session_ticket(ticket),
        }
    }
}
