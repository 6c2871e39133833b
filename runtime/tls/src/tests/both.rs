//! Both ends of a connection in memory, each a session of ours.

use std::iter;

use trilane_exchange::TlsInfo;

use super::support::{Made, config};
use crate::{
    Acceptor, Broken, ClientAuth, Connector, ConnectorConfig, Heard, Pem, Session, TlsConfig, Trust,
};

/// One end, and what it has been told.
pub(super) struct End {
    pub(super) session: Session,
    pub(super) info: Option<TlsInfo>,
    pub(super) content: Vec<u8>,
    pub(super) is_end: bool,
    pub(super) broken: Option<Broken>,
}

impl End {
    fn new(session: Session) -> Self {
        Self { session, info: None, content: Vec::new(), is_end: false, broken: None }
    }

    /// It hears these bytes, so many at a time; nothing more once it is broken.
    pub(super) fn hear(&mut self, bytes: &mut [u8], piece: usize) {
        for bytes in bytes.chunks_mut(piece) {
            if self.broken.is_some() {
                return;
            }
            let (info, content, is_end) = (&mut self.info, &mut self.content, &mut self.is_end);
            let result = self.session.receive(bytes, |heard| match heard {
                Heard::Ready(found) => {
                    assert!(info.is_none() && content.is_empty(), "once, and first");
                    *info = Some(found);
                }
                Heard::Content(bytes) => {
                    assert!(info.is_some() && !*is_end);
                    content.extend_from_slice(bytes);
                }
                Heard::End => *is_end = true,
            });
            self.broken = result.err();
        }
    }

    /// What it has to say of its own.
    pub(super) fn owed(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.session.take_owed(&mut out);
        out
    }

    pub(super) fn sealed(&mut self, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.session.seal(iter::once(content), &mut out).unwrap();
        assert!(out.len() <= self.session.kept() + crate::sealed(content.len()) + 64 * 1024);
        out
    }
}

pub(super) struct Both {
    pub(super) client: End,
    pub(super) server: End,
    pub(super) piece: usize,
}

impl Both {
    pub(super) fn new(acceptor: &Acceptor, connector: &Connector, name: &str) -> Self {
        Self {
            client: End::new(Session::client(connector, name).unwrap()),
            server: End::new(Session::server(acceptor.current()).unwrap()),
            piece: usize::MAX,
        }
    }

    /// Moves bytes until neither has any.
    pub(super) fn run(&mut self) {
        loop {
            let (mut up, mut down) = (self.client.owed(), self.server.owed());
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.server.hear(&mut up, self.piece);
            self.client.hear(&mut down, self.piece);
        }
    }

    /// After a whole handshake.
    pub(super) fn ready(acceptor: &Acceptor, connector: &Connector, name: &str) -> Self {
        let mut both = Self::new(acceptor, connector, name);
        both.run();
        both.assert_ready();
        both
    }

    pub(super) fn assert_ready(&self) {
        assert_eq!((self.client.broken, self.server.broken), (None, None));
        assert!(self.client.session.is_ready() && self.server.session.is_ready());
    }

    /// Content goes up and down, and arrives as it was.
    pub(super) fn talk(&mut self, content: &[u8]) {
        let mut up = self.client.sealed(content);
        self.server.hear(&mut up, self.piece);
        let mut down = self.server.sealed(content);
        self.client.hear(&mut down, self.piece);
        self.assert_ready();
        assert!(std::mem::take(&mut self.server.content) == content);
        assert!(std::mem::take(&mut self.client.content) == content);
    }

    /// Whether both ends say that the session was resumed.
    pub(super) fn is_resumed(&self) -> bool {
        let [client, server] = [&self.client, &self.server].map(|end| end.info.as_ref().unwrap());
        assert_eq!(client.resumed, server.resumed);
        client.resumed
    }
}

/// A server with this certificate.
pub(super) fn acceptor(made: &Made) -> Acceptor {
    let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Acceptor::new(TlsConfig { alpn, ..config(&[made]) }).unwrap()
}

/// The same, which asks clients for a certificate that this one vouches for.
pub(super) fn asking(made: &Made, root: &Made) -> Acceptor {
    let roots = Pem::Text(root.certificate.clone());
    let clients = ClientAuth::Required(crate::ClientRoots { roots, crl: None });
    Acceptor::new(TlsConfig { clients, ..config(&[made]) }).unwrap()
}

/// What a client wants that believes this certificate.
pub(super) fn trusting(made: &Made) -> ConnectorConfig {
    let trust = Trust::Roots(vec![Pem::Text(made.certificate.clone())]);
    ConnectorConfig { trust, ..ConnectorConfig::default() }
}
