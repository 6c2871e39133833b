//! What `forward` does, on a shard that only notes what is dialed.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use trilane_exchange::fake::Fake;
use trilane_exchange::{Address, ConnectionInfo, Speak};
use trilane_semantics::{Instant, Known, RequestHead};

use super::*;
use crate::one::upstream;
use crate::proxy_protocol::Version;
use crate::upstream::Terms;

/// A connection of one client's has its request before its protocol is agreed on: the head is made for what was configured.
#[test]
fn a_connection_of_one_client_speaks_what_it_is_to_speak() {
    for (speak, protocol) in [(Speak::Http1, Protocol::Http11), (Speak::Http2, Protocol::Http2)] {
        let (fake, shard) = Fake::new();
        let terms = Terms { speak, proxy_protocol: Some(Version::V1), ..Terms::default() };
        let servers = Servers::new(Arc::new(upstream(terms)), &shard);
        let mut head = RequestHead::new(Method::GET, "/").unwrap();
        head.fields.append(Known::Host, "a").unwrap();
        let info = Rc::new(ConnectionInfo::new(Address::Unix, Address::Unix));
        let exchange = Exchange::new(head, info, shard, Instant::default());
        let request = Request::new(Rc::new(exchange), Incoming::empty());
        let proxy = Proxy::new(Rc::new(Policy::new("test").unwrap()), servers);
        let answer = pin!(proxy.forward(request));
        assert!(answer.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let (ask, _asked) = fake.dialed.borrow()[0].desk.next(|_| true).unwrap();
        assert_eq!(ask.head.protocol, protocol);
    }
}

/// RFC 9110 §7.8: an upgrade that we do not pass on, such as to `h2c`, leaves a request without content, which is asked as such, and again.
#[test]
fn what_waits_for_a_tunnel_is_no_content_without_one() {
    let policy = Rc::new(Policy::new("test").unwrap());
    let (_writer, body) = Incoming::tunnel();
    let mut content = Content::new(body);
    assert!(matches!(content.send(false, &policy, false), (Outgoing::Empty, None)));
    assert_eq!(content.state, ContentState::Whole);
    assert!(matches!(content.send(true, &policy, false), (Outgoing::Stream { .. }, Some(_))));
    assert_eq!(content.state, ContentState::Begun);
}

/// Servers that end idle or old connections, as all do now and then, must not be ejected for it.
#[test]
fn what_says_something_about_a_server() {
    use trilane_semantics::Cause;
    let closed = || AskFailure::Connection(DialError::Closed(Cause::Peer));
    for (failure, effect, is_reused, expected) in [
        (closed(), Effect::Unknown, false, true),
        (closed(), Effect::Unknown, true, false),
        (AskFailure::Timeout, Effect::Unknown, true, true),
        (AskFailure::NotNow, Effect::None, true, false),
        (AskFailure::Content(None), Effect::Unknown, false, false),
        (AskFailure::Reset(0), Effect::None, true, false),
        // REFUSED_STREAM, which a server that is overloaded says, and INTERNAL_ERROR.
        (AskFailure::Reset(7), Effect::None, true, true),
        (AskFailure::Reset(2), Effect::None, true, true),
        (AskFailure::Reset(0), Effect::Unknown, true, true),
    ] {
        let text = format!("{failure:?} {effect:?} {is_reused}");
        let error = AskError { failure, effect, is_reused, request: None };
        assert_eq!(is_of_server(&error), expected, "{text}");
    }
}
