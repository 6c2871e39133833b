//! Connections to servers: a shard that asks itself, in clear and over TLS.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;

use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{
    Ask, AskFailure, Caller, Capabilities, Dial, DialError, Frame, Incoming, Outgoing, Remote,
    Reply, Request, Response, Service, Source, Speak,
};
use trilane_semantics::{Fields, Known, Method, Payload, Protocol, RequestHead};
use trilane_tls::{Acceptor, Connector, ConnectorConfig, Identity, Pem, TlsConfig, Trust};

use super::*;
use crate::listen::{ListenAddress, Listeners};
use crate::server::{Config, Secure, alone};

/// Bytes of an answer: several records, and several receives.
const LEN: usize = 300_000;

/// Answers everything with the same.
struct Plain;

impl Service for Plain {
    fn call(&self, _: Request, _: &mut Context<'_>) -> Reply {
        let payload = Payload::from(vec![b'x'; LEN]);
        Reply::Ready(Response::default().body(Outgoing::Full(payload)))
    }
}

/// Bytes of what goes there and back.
const LARGE: usize = 5 << 20;

/// Gives back what it is given.
struct Echo;

impl Service for Echo {
    fn call(&self, mut request: Request, _: &mut Context<'_>) -> Reply {
        let body = Outgoing::source(Back(std::mem::take(&mut request.body)));
        Reply::Ready(Response::default().body(body))
    }
}

/// What came, to be sent back.
struct Back(Incoming);

impl Source for Back {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        self.0.poll_frame(cx).map(|frame| frame.map(|frame| Ok(frame.unwrap())))
    }
}

/// Some pieces of content, and trailers.
struct Pieces(usize);

impl Source for Pieces {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        let len = self.0.min(100_000);
        self.0 -= len;
        let mut trailers = Fields::new();
        trailers.append(Known::ETag, "\"all\"").unwrap();
        Poll::Ready(Some(Ok(match len {
            0 => Frame::Trailers(trailers),
            len => Frame::Data(Payload::from(vec![b'z'; len])),
        })))
    }
}

/// A shard without an executor, and how it is reached.
struct Rig {
    shard: Shard,
    _listeners: Listeners,
    dial: Dial,
}

impl Rig {
    /// Over TLS, with these protocols, or in clear.
    fn new(tls: Option<(Acceptor, Connector)>, app: fn() -> Rc<dyn Service>) -> Self {
        let anywhere = || vec!["127.0.0.1:0".parse().unwrap()];
        let mut config = Config::new(anywhere()).unwrap();
        config.h2c = true;
        let (acceptor, connector) = tls.unzip();
        config.secure = acceptor.map(|acceptor| Secure { listen: anywhere(), acceptor });
        Self::with(config, connector, app)
    }

    /// It asks where it listens last.
    fn with(config: Config, connector: Option<Connector>, app: fn() -> Rc<dyn Service>) -> Self {
        let (shard, listeners) = alone(config, &move |_| Ok(app()));
        let address = match listeners.addresses().last() {
            Some(ListenAddress::Tcp(address) | ListenAddress::Udp(address)) => *address,
            _ => panic!(),
        };
        let mut dial = Dial::new(Remote::Ip(address));
        dial.tls = connector.map(|connector| (connector.into(), "localhost".into()));
        let mut rig = Self { shard, _listeners: listeners, dial };
        rig.shard.regulate();
        if let Some(quic) = &mut rig.shard.quic {
            quic.receive(&mut rig.shard.ring);
        }
        rig
    }

    fn turn(&mut self) {
        let (mut completions, mut woken, mut due) = (Vec::new(), Vec::new(), Vec::new());
        self.shard.buffers.publish();
        self.shard.ring.turn(&mut completions).unwrap();
        let now = self.shard.core.tick();
        for completion in completions {
            self.shard.completed(now, completion);
        }
        self.shard.queue.drain(&mut woken);
        for wake in woken {
            self.shard.wake(now, wake);
        }
        self.shard.core.wheel.borrow_mut().expire(now, &mut due);
        for timer in due {
            self.shard.timer(now, timer);
        }
        if let Some(quic) = &mut self.shard.quic {
            quic.run(&self.shard.host, now, &self.shard.core, &mut self.shard.ring);
        }
        self.shard.dial(now);
    }

    fn run<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        for _ in 0..5000 {
            if let Poll::Ready(output) =
                future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                return output;
            }
            self.turn();
            thread::sleep(Duration::from_millis(1));
        }
        panic!("never");
    }

    fn get(&mut self, caller: &Caller) -> Result<usize, AskFailure> {
        let mut head = RequestHead::new(Method::GET, "/").unwrap();
        head.fields.append(Known::Host, "localhost").unwrap();
        let asking = caller.ask(Ask::new(head));
        let answer = self.run(asking);
        let mut answer = answer.map_err(|error| error.failure)?;
        Ok(self.run(answer.body.collect()).unwrap().len())
    }
}

impl Rig {
    /// Content goes there and back, all at hand and as it is made.
    fn echo(&mut self, caller: &Caller) {
        let full = Outgoing::Full(Payload::from(vec![b'y'; LARGE]));
        for (body, has_trailers) in [(full, false), (Outgoing::source(Pieces(LARGE)), true)] {
            let mut head = RequestHead::new(Method::POST, "/").unwrap();
            head.fields.append(Known::Host, "localhost").unwrap();
            let asking = caller.ask(Ask { body, ..Ask::new(head) });
            let (len, trailers) = self.run(async {
                let mut body = asking.await.unwrap().body;
                let (mut len, mut trailers) = (0, None);
                while let Some(frame) = body.frame().await.unwrap() {
                    match frame {
                        Frame::Data(data) => len += data.len(),
                        Frame::Trailers(fields) => trailers = Some(fields),
                    }
                }
                (len, trailers)
            });
            assert_eq!((len, trailers.is_some()), (LARGE, has_trailers));
        }
    }
}

/// A server with these protocols, and a client that trusts it, or somebody else.
fn secure(alpn: &[&str], is_trusted: bool) -> (Acceptor, Connector) {
    let [made, other] =
        [(); 2].map(|()| rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap());
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let trusted = if is_trusted { certificate.clone() } else { other.cert.pem() };
    let identities = vec![Identity::new(Pem::Text(certificate), Pem::Text(key))];
    let alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = Acceptor::new(TlsConfig { identities, alpn, ..TlsConfig::default() }).unwrap();
    let trust = Trust::Only(Pem::Text(trusted));
    let connector = ConnectorConfig { trust, ..ConnectorConfig::default() };
    (acceptor, Connector::new(&connector).unwrap())
}

#[cfg(feature = "http3")]
#[path = "call.rs"]
mod call;

#[test]
fn answers_come_in_every_protocol() {
    use Protocol::{Http2, Http11};
    for (tls, speak, protocol) in [
        (None, Speak::Http1, Http11),
        (None, Speak::Http2, Http2),
        (Some(&["h2", "http/1.1"][..]), Speak::Http1, Http2),
        (Some(&["http/1.1"]), Speak::Http1, Http11),
        (Some(&[]), Speak::Http1, Http11),
    ] {
        let mut rig = Rig::new(tls.map(|alpn| secure(alpn, true)), || Rc::new(Plain));
        rig.dial.speak = speak;
        let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
        for _ in 0..3 {
            assert!(matches!(rig.get(&caller), Ok(LEN)), "{tls:?}");
        }
        assert_eq!(caller.protocol(), Some(protocol));
        assert_eq!(caller.info().unwrap().tls.is_some(), tls.is_some());
        let second = rig.shard.core.dial(rig.dial.clone()).unwrap();
        assert!(matches!(rig.get(&second), Ok(LEN)));
        let info = second.info().unwrap();
        assert_eq!(info.tls.as_ref().map(|tls| tls.resumed), tls.map(|_| true));
        // Who is wanted by nobody goes, and so does its other end.
        drop((caller, second));
        for _ in 0..5000 {
            if rig.shard.sockets.is_empty() {
                break;
            }
            rig.turn();
            thread::sleep(Duration::from_millis(1));
        }
        assert!(rig.shard.sockets.is_empty(), "{tls:?}");
    }
}

#[test]
fn a_response_is_read_while_the_request_is_sent() {
    // Else a server that sends back what comes, and is not read, reads nothing more.
    for (tls, speak) in [(None, Speak::Http2), (Some(&["h2"][..]), Speak::Http1)] {
        let mut rig = Rig::new(tls.map(|alpn| secure(alpn, true)), || Rc::new(Echo));
        rig.dial.speak = speak;
        let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
        rig.echo(&caller);
    }
}

#[test]
fn why_there_is_no_connection() {
    let mut rig = Rig::new(Some(secure(&["h2"], false)), || Rc::new(Plain));
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    let why = |result| match result {
        Err(AskFailure::Connection(DialError::Tls(text))) => text,
        other => panic!("{other:?}"),
    };
    let text = why(rig.get(&caller));
    assert_eq!(&*text, "the server's certificate is not the only one that is trusted");
    let (connector, _) = rig.dial.tls.take().unwrap();
    rig.dial.tls = Some((connector, "no name".into()));
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    assert_eq!(&*why(rig.get(&caller)), "the name of the server is malformed");
    let strange = trilane_exchange::Connector::new(Arc::new(7));
    rig.dial.tls = Some((strange, "localhost".into()));
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    assert_eq!(&*why(rig.get(&caller)), "the connector is of another TLS");
}
