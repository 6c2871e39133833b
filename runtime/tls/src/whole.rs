//! A connection whose records are rustls's, by its API without buffers: every handshake, and TLS 1.2 to its end, in both roles.
//!
//! Never used for the content of TLS 1.3, but for what comes with the end of the handshake.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::time_provider::TimeProvider;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use rustls::{ClientConfig, Error, ProtocolVersion, ServerConfig};

use crate::info::info;
use crate::names;
use crate::record::{RECORD, is_whole};
use crate::role::Role;
use crate::session::{Broken, Heard, sealed};
use crate::traffic::Traffic;
use crate::trust::Untrusted;

/// A connection of rustls's.
pub(crate) struct Whole<R> {
    tls: R,
    is_ready: bool,
    /// The peer sends nothing more.
    is_ended: bool,
    /// Until it is ready.
    greeting: Option<Box<Greeting>>,
}

/// What a handshake remembers.
struct Greeting {
    clock: Arc<dyn TimeProvider>,
    /// The name that the client asked for.
    name: Option<Box<str>>,
}

/// Who has the records that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// rustls.
    Whole,
    /// Whoever takes them over: all has been said, and all that was there is done with.
    Traffic,
}

/// What one step of rustls has brought.
enum Step {
    /// There may be more.
    Again,
    /// The handshake is over.
    Ready,
    /// It needs more records.
    Wait,
    /// It needs more records, and could send some.
    Open,
}

/// A [`Whole`] of either role: after the handshake nobody needs to know which.
pub(crate) trait Handshake {
    /// Whether the handshake is over.
    fn is_ready(&self) -> bool;

    /// Goes through the records in `bytes`; how many bytes of them are done with. What rustls has to say is put behind `owed`.
    ///
    /// # Errors
    /// The connection is over.
    fn receive(
        &mut self,
        bytes: &mut [u8],
        owed: &mut Vec<u8>,
        hear: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(usize, Then), Broken>;

    /// Appends records to `out` that hold the `pieces`. `rest` is what came and is not done with.
    fn seal(
        &mut self,
        pieces: &mut dyn Iterator<Item = &[u8]>,
        rest: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken>;

    /// Appends the record that says that no content follows.
    fn close(&mut self, rest: &mut [u8], out: &mut Vec<u8>);

    /// The records that follow, in hands of ours.
    ///
    /// # Errors
    /// rustls still has something to send.
    fn into_traffic(self: Box<Self>) -> Result<Traffic, Broken>;
}

impl Whole<UnbufferedServerConnection> {
    /// One that has just been accepted.
    pub(crate) fn server(config: Arc<ServerConfig>) -> Result<Self, Broken> {
        let clock = Arc::clone(&config.time_provider);
        let tls = UnbufferedServerConnection::new(config).map_err(|_| Broken::Handshake)?;
        Ok(Self::new(tls, Greeting { clock, name: None }))
    }
}

impl Whole<UnbufferedClientConnection> {
    /// One to the server of this name, which has the first word once it is asked for it.
    pub(crate) fn client(config: Arc<ClientConfig>, name: &str) -> Result<Self, Broken> {
        let clock = Arc::clone(&config.time_provider);
        let name = ServerName::try_from(name).map_err(|_| Broken::Name)?.to_owned();
        // RFC 6066 §3: addresses are not permitted there.
        let said = match &name {
            ServerName::DnsName(name) => Some(name.to_lowercase_owned().as_ref().into()),
            _ => None,
        };
        let tls = UnbufferedClientConnection::new(config, name).map_err(|_| Broken::Handshake)?;
        Ok(Self::new(tls, Greeting { clock, name: said }))
    }
}

impl<R: Role> Handshake for Whole<R> {
    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn receive(
        &mut self,
        bytes: &mut [u8],
        owed: &mut Vec<u8>,
        hear: &mut dyn FnMut(Heard<'_>),
    ) -> Result<(usize, Then), Broken> {
        let (mut used, mut asks) = (0, self.is_ready && self.is_tls13());
        loop {
            let UnbufferedStatus { discard, state, .. } = self.tls.process(&mut bytes[used..]);
            used += discard;
            if let Some(greeting) = &mut self.greeting
                && let Some(name) = names::seen()
            {
                greeting.name = Some(name);
            }
            let step = match state {
                // What it holds is not lost by looking at it again.
                Ok(ConnectionState::ReadTraffic(_)) if !self.is_ready => Step::Ready,
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|_| Broken::Record)?;
                        used += record.discard;
                        hear(Heard::Content(record.payload));
                    }
                    Step::Again
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, owed);
                    Step::Again
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Step::Again
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.is_ended = true;
                    hear(Heard::End);
                    Step::Again
                }
                Ok(ConnectionState::WriteTraffic(_)) if !self.is_ready => Step::Ready,
                // RFC 8446 §4.6.3: a key update that came with the end of the handshake may have to be answered. rustls
                // keeps that answer until content is sent, and its keys are the new ones already: a byte that there is
                // no room for makes it come out.
                Ok(ConnectionState::WriteTraffic(mut traffic)) if asks => {
                    asks = false;
                    // It fails for want of room, and has no other effect.
                    let _ = traffic.encrypt(&[0], &mut []);
                    Step::Again
                }
                Ok(ConnectionState::WriteTraffic(_)) => Step::Open,
                // Early data is never allowed: there is none to be read.
                Ok(_) => Step::Wait,
                Err(error) => {
                    let broken = self.broken(&error);
                    self.say_why(owed);
                    return Err(broken);
                }
            };
            match step {
                Step::Again => {}
                Step::Ready => {
                    self.is_ready = true;
                    asks = self.is_tls13();
                    if let Some(greeting) = self.greeting.take() {
                        let clients = R::IS_SERVER.then_some(&*greeting.clock);
                        let info = info(clients, &self.tls, greeting.name);
                        hear(Heard::Ready(info.map_err(|_| Broken::Handshake)?));
                    }
                }
                Step::Wait => return Ok((used, Then::Whole)),
                // Who has sent its last word already is not worth it. And a record that is all there and not done with has a
                // part of a message, which rustls has decrypted where it lies.
                Step::Open if self.is_tls13() && !self.is_ended && !is_whole(&bytes[used..]) => {
                    return Ok((used, Then::Traffic));
                }
                Step::Open => return Ok((used, Then::Whole)),
            }
        }
    }

    fn seal(
        &mut self,
        pieces: &mut dyn Iterator<Item = &[u8]>,
        rest: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        let mut gathered = Vec::new();
        for mut piece in pieces {
            while gathered.len() + piece.len() >= RECORD {
                let (front, behind) = piece.split_at(RECORD - gathered.len());
                gathered.extend_from_slice(front);
                self.encrypt(&gathered, rest, out)?;
                gathered.clear();
                piece = behind;
            }
            gathered.extend_from_slice(piece);
        }
        self.encrypt(&gathered, rest, out)
    }

    fn close(&mut self, rest: &mut [u8], out: &mut Vec<u8>) {
        if !self.is_ready {
            return;
        }
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = self.tls.process(rest).state {
            let start = out.len();
            out.resize(start + sealed(2), 0);
            let written = traffic.queue_close_notify(&mut out[start..]);
            out.truncate(start + written.unwrap_or(0));
        }
    }

    fn into_traffic(self: Box<Self>) -> Result<Traffic, Broken> {
        let (secrets, keys) = self.tls.into_keys().map_err(|_| Broken::Record)?;
        Traffic::new(secrets, keys)
    }
}

impl<R: Role> Whole<R> {
    fn new(tls: R, greeting: Greeting) -> Self {
        Self { tls, is_ready: false, is_ended: false, greeting: Some(Box::new(greeting)) }
    }

    fn encrypt(
        &mut self,
        content: &[u8],
        rest: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        if content.is_empty() {
            return Ok(());
        }
        loop {
            let UnbufferedStatus { discard, state, .. } = self.tls.process(rest);
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let start = out.len();
                    out.resize(start + sealed(content.len()), 0);
                    let written = match traffic.encrypt(content, &mut out[start..]) {
                        // A new key has to be told of, too.
                        Err(EncryptError::InsufficientSize(size)) => {
                            out.resize(start + size.required_size, 0);
                            traffic.encrypt(content, &mut out[start..])
                        }
                        result => result,
                    };
                    out.truncate(start + *written.as_ref().unwrap_or(&0));
                    return written.map(drop).map_err(|_| Broken::Exhausted);
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return Err(Broken::Record),
            }
            rest.drain(..discard);
        }
    }

    fn is_tls13(&self) -> bool {
        self.tls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    fn broken(&self, error: &Error) -> Broken {
        match error {
            Error::AlertReceived(alert) => Broken::Alert(u8::from(*alert)),
            Error::InvalidCertificate(why) if !R::IS_SERVER => {
                Broken::Untrusted(Untrusted::of(why))
            }
            _ if self.is_ready => Broken::Record,
            _ => Broken::Handshake,
        }
    }

    /// What rustls has for the peer after a failure, down to its alert. Not more: with nothing left to be said it would read on in
    /// what was received, of which it remembers how far it had come, and which is broken.
    fn say_why(&mut self, owed: &mut Vec<u8>) {
        while self.tls.wants_write() {
            match self.tls.process(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, owed),
                _ => return,
            }
        }
    }
}

/// Appends what rustls has to say of its own.
fn encode<D>(data: &mut EncodeTlsData<'_, D>, out: &mut Vec<u8>) {
    let start = out.len();
    let written = match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(size)) => {
            out.resize(start + size.required_size, 0);
            data.encode(&mut out[start..]).unwrap_or(0)
        }
        result => result.unwrap_or(0),
    };
    out.truncate(start + written);
}
