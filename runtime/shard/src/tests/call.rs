//! The same over QUIC.

use std::net::SocketAddr;

use trilane_exchange::join_all;
use trilane_quic::Settings;
use trilane_semantics::Cause;

use super::*;
use crate::quic::QuicConfig;

fn rig(app: fn() -> Rc<dyn Service>, is_trusted: bool) -> Rig {
    let (acceptor, connector) = secure(&[], is_trusted);
    serving(app, (acceptor, connector), ([127, 0, 0, 1], 0).into())
}

/// The same at that address.
fn serving(
    app: fn() -> Rc<dyn Service>,
    (acceptor, connector): (Acceptor, Connector),
    address: SocketAddr,
) -> Rig {
    let mut config = Config::new(vec!["127.0.0.1:0".parse().unwrap()]).unwrap();
    let listen = vec![ListenAddress::Udp(address)];
    config.quic = Some(QuicConfig::new(listen, acceptor, Settings::default()));
    let mut rig = Rig::with(config, Some(connector), app);
    rig.dial.speak = Speak::Http3;
    rig
}

fn head(method: Method) -> RequestHead {
    let mut head = RequestHead::new(method, "/").unwrap();
    head.fields.append(Known::Host, "localhost").unwrap();
    head
}

/// Turns until all connections are gone.
fn rest(rig: &mut Rig) {
    for _ in 0..5000 {
        let quic = rig.shard.quic.as_ref().unwrap();
        if quic.is_empty() && quic.calls() == 0 {
            return;
        }
        rig.turn();
        thread::sleep(Duration::from_millis(1));
    }
    panic!("never");
}

#[test]
fn answers_come() {
    let mut rig = rig(|| Rc::new(Plain), true);
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    for _ in 0..3 {
        assert!(matches!(rig.get(&caller), Ok(LEN)));
    }
    assert_eq!(caller.protocol(), Some(Protocol::Http3));
    assert_eq!(caller.info().unwrap().tls.as_ref().unwrap().alpn.as_deref(), Some(&b"h3"[..]));
    let stats = rig.shard.host.stats();
    assert_eq!((stats.dialed.get(), stats.accepted.get(), stats.open.get()), (1, 1, 1));
    // Who is wanted by nobody goes, and so does its other end.
    drop(caller);
    rest(&mut rig);
    assert_eq!(rig.shard.host.stats().open.get(), 0);
}

#[test]
fn a_hundred_at_once() {
    let mut rig = rig(|| Rc::new(Plain), true);
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    // As many as the server lets begin at once.
    let asked = (0..100).map(|_| caller.ask(Ask::new(head(Method::GET)))).collect::<Vec<_>>();
    let bodies = join_all(asked.into_iter().map(|asking| async {
        let mut answer = asking.await.unwrap();
        answer.body.collect().await.unwrap().len()
    }));
    assert_eq!(rig.run(bodies), vec![LEN; 100]);
    assert!(matches!(rig.get(&caller), Ok(LEN)));
}

#[test]
fn content_goes_both_ways_with_trailers() {
    let mut rig = rig(|| Rc::new(Echo), true);
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    rig.echo(&caller);
}

#[test]
fn who_gives_up_leaves_the_others() {
    let mut rig = rig(|| Rc::new(Plain), true);
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    let mut first = rig.run(caller.ask(Ask::new(head(Method::GET)))).unwrap();
    rig.run(first.body.frame()).unwrap();
    drop(first);
    let unheard = caller.ask(Ask::new(head(Method::GET)));
    drop(unheard);
    assert!(matches!(rig.get(&caller), Ok(LEN)));
    assert_eq!(caller.under_way(), 0);
}

#[test]
fn why_there_is_no_connection() {
    let mut rig = rig(|| Rc::new(Plain), false);
    let why = |result| match result {
        Err(AskFailure::Connection(error)) => error,
        other => panic!("{other:?}"),
    };
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    let text = "the server's certificate is not the only one that is trusted";
    assert_eq!(why(rig.get(&caller)), DialError::Tls(text.into()));
    let (connector, _) = rig.dial.tls.take().unwrap();
    rig.dial.tls = Some((connector, "no name".into()));
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    assert_eq!(why(rig.get(&caller)), DialError::Tls("the name of the server is malformed".into()));
    // In clear there is none.
    rig.dial.tls = None;
    assert!(rig.shard.core.dial(rig.dial.clone()).is_err());
    rest(&mut rig);
}

#[test]
fn nobody_is_there() {
    let mut rig = rig(|| Rc::new(Plain), true);
    let limits = Rc::make_mut(&mut rig.dial.limits);
    limits.handshake_timeout = Duration::from_millis(50);
    rig.dial.remote = Remote::Ip("127.0.0.1:9".parse().unwrap());
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    let result = rig.get(&caller);
    let closed = DialError::Closed(Cause::HandshakeTimeout);
    assert!(matches!(result, Err(AskFailure::Connection(error)) if error == closed));
    // Nor does anybody want it any more.
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    rig.turn();
    drop(caller);
    rest(&mut rig);
}

#[test]
fn a_shard_that_does_not_listen() {
    let mut server = rig(|| Rc::new(Plain), true);
    let config = Config::new(vec!["127.0.0.1:0".parse().unwrap()]).unwrap();
    let mut client = Rig::with(config, None, || Rc::new(Plain));
    assert!(client.shard.quic.is_none());
    let caller = client.shard.core.dial(server.dial.clone()).unwrap();
    assert_eq!(get_from(&mut server, &mut client, &caller).unwrap(), LEN);
}

/// The content of an answer of `server`.
fn get_from(server: &mut Rig, client: &mut Rig, caller: &Caller) -> Result<usize, AskFailure> {
    let mut asking = pin!(async {
        let answer = caller.ask(Ask::new(head(Method::GET))).await;
        let mut body = answer.map_err(|error| error.failure)?.body;
        Ok(body.collect().await.unwrap().len())
    });
    for _ in 0..5000 {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(result) = asking.as_mut().poll(&mut cx) {
            return result;
        }
        client.turn();
        server.turn();
        thread::sleep(Duration::from_millis(1));
    }
    panic!("never");
}

#[test]
fn a_server_that_has_forgotten_says_so() {
    let (acceptor, connector) = secure(&[], true);
    let start =
        |address| serving(|| Rc::new(Plain), (acceptor.clone(), connector.clone()), address);
    let mut server = start(([127, 0, 0, 1], 0).into());
    let config = Config::new(vec!["127.0.0.1:0".parse().unwrap()]).unwrap();
    let mut client = Rig::with(config, None, || Rc::new(Plain));
    let caller = client.shard.core.dial(server.dial.clone()).unwrap();
    assert_eq!(get_from(&mut server, &mut client, &caller).unwrap(), LEN);
    let Remote::Ip(address) = server.dial.remote else { panic!() };
    drop(server);
    // RFC 9000 §10.3: with the same keys, it can.
    let mut server = start(address);
    let gone = DialError::Closed(Cause::Transport);
    let result = get_from(&mut server, &mut client, &caller);
    assert!(matches!(result, Err(AskFailure::Connection(error)) if error == gone));
    let caller = client.shard.core.dial(server.dial.clone()).unwrap();
    assert_eq!(get_from(&mut server, &mut client, &caller).unwrap(), LEN);
}

#[test]
fn a_server_that_ends_tells_so() {
    let mut rig = rig(|| Rc::new(Plain), true);
    let caller = rig.shard.core.dial(rig.dial.clone()).unwrap();
    assert!(matches!(rig.get(&caller), Ok(LEN)));
    let now = rig.shard.core.tick();
    let quic = rig.shard.quic.as_mut().unwrap();
    // Connections of ours stay, but their server is the same shard.
    quic.drain(&rig.shard.host, now, Duration::ZERO, false);
    for _ in 0..5000 {
        if !caller.is_open() {
            break;
        }
        rig.turn();
        thread::sleep(Duration::from_millis(1));
    }
    assert!(!caller.is_open());
    assert!(matches!(rig.get(&caller), Err(AskFailure::Connection(_))));
    rest(&mut rig);
}
