//! WebSockets without a connection: what a socket does by itself as time passes.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trilane_exchange::{BodyError, Frame, Incoming, IncomingWriter, Source};
use trilane_semantics::Payload;
use trilane_websocket::{Limits, Receiver, Role, Sender};

use crate::Router;
use crate::testing::TestClient;
use crate::ws::drive::Driver;
use crate::ws::link::{Link, Options};
use crate::ws::{CloseCode, CloseFrame, Error, Message, WebSocket};

/// A socket whose connection is the test, and what its client says and hears.
struct Talk {
    client: TestClient,
    source: Pin<Box<dyn Source>>,
    incoming: Option<IncomingWriter>,
    sender: Sender,
    receiver: Receiver,
}

impl Talk {
    fn new<F>(options: Options, handler: impl FnOnce(WebSocket) -> F) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let client = TestClient::new(Router::new()).unwrap();
        let (writer, incoming) = Incoming::tunnel();
        writer.open();
        let shard = client.shard().clone();
        let (receiver, sender) =
            (Receiver::new(Role::Server, Limits::default()), Sender::new(Role::Server));
        let link = Link::new(shard, options, incoming, receiver, sender);
        let handler = Box::pin(handler(WebSocket::new(&link)));
        let source = Box::pin(Driver::new(link, handler));
        let receiver = Receiver::new(Role::Client, Limits::default());
        Self { client, source, incoming: Some(writer), sender: Sender::new(Role::Client), receiver }
    }

    fn say(&mut self, message: impl Into<Message>) {
        let mut wire = Vec::new();
        self.sender.push(message.into(), [1, 2, 3, 4], &mut wire).unwrap();
        self.incoming.as_ref().unwrap().push(Frame::Data(Payload::from(wire)));
    }

    /// What it says now, and whether that was all.
    fn hear(&mut self) -> (Vec<Message>, bool) {
        let mut heard = Vec::new();
        loop {
            match self.source.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(Frame::Data(data)))) => {
                    let mut data = data.as_ref();
                    while let Some(message) = self.receiver.poll(&mut data).unwrap() {
                        heard.push(message);
                    }
                }
                Poll::Ready(None | Some(Err(_))) => return (heard, true),
                Poll::Pending => return (heard, false),
                other => panic!("{other:?}"),
            }
        }
    }

    fn after(&mut self, seconds: u64) -> (Vec<Message>, bool) {
        self.client.advance(Duration::from_secs(seconds));
        self.hear()
    }
}

fn closed(code: CloseCode, reason: &str) -> Message {
    Message::Close(Some(CloseFrame::new(code, reason)))
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_data() {
            socket.send(message).await.unwrap();
        }
    }
}

/// What a handler has heard.
type Heard = Rc<RefCell<Vec<Option<Result<Message, Error>>>>>;

/// A handler that hears all there is, and its end.
fn listen(heard: &Heard) -> impl FnOnce(WebSocket) -> Pin<Box<dyn Future<Output = ()>>> + use<> {
    let heard = Rc::clone(heard);
    |mut socket: WebSocket| {
        Box::pin(async move {
            loop {
                let message = socket.recv().await;
                let is_end = message.is_none();
                heard.borrow_mut().push(message);
                if is_end {
                    break;
                }
            }
        })
    }
}

#[test]
fn pings_are_answered_and_a_close_is_with_its_code() {
    let mut talk = Talk::new(Options::default(), echo);
    talk.say("one");
    talk.say(Message::Ping("p".into()));
    talk.say("two");
    let all = vec![Message::from("one"), Message::Pong("p".into()), Message::from("two")];
    assert_eq!(talk.hear(), (all, false));
    talk.say(closed(CloseCode(4000), "bye"));
    assert_eq!(talk.hear(), (vec![closed(CloseCode(4000), "bye")], true));
}

#[test]
fn a_handler_hears_a_close_and_then_nothing() {
    let heard = Heard::default();
    let mut talk = Talk::new(Options::default(), listen(&heard));
    talk.say(closed(CloseCode::NORMAL, ""));
    assert!(talk.hear().1);
    assert_eq!(*heard.borrow(), [Some(Ok(closed(CloseCode::NORMAL, ""))), None]);
}

#[test]
fn a_handler_whose_client_has_left_goes_on_to_its_end() {
    let heard = Heard::default();
    let mut talk = Talk::new(Options::default(), listen(&heard));
    assert_eq!(talk.hear(), (vec![], false));
    let Talk { client, source, .. } = talk;
    drop(source);
    assert!(heard.borrow().is_empty());
    client.settle();
    assert_eq!(*heard.borrow(), [Some(Err(Error::Gone)), None]);
}

#[test]
fn an_end_without_a_close_is_told() {
    let heard = Heard::default();
    let mut talk = Talk::new(Options::default(), listen(&heard));
    talk.incoming.as_ref().unwrap().end(Ok(()));
    assert_eq!(talk.hear(), (vec![], true));
    assert_eq!(*heard.borrow(), [Some(Err(Error::Gone)), None]);
}

#[test]
fn who_has_ended_its_half_still_hears_what_waits() {
    let mut talk = Talk::new(Options::default(), echo);
    talk.say("one");
    talk.say("two");
    let incoming = talk.incoming.take().unwrap();
    incoming.end(Ok(()));
    let mut poll = || talk.source.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Some(Ok(Frame::Data(data)))) = poll() else { panic!("nothing is said") };
    assert_eq!(data.as_ref(), b"\x81\x03one\x81\x03two");
    // RFC 8441 §5: an end in order is answered by one.
    assert!(matches!(poll(), Poll::Ready(None)));
}

#[test]
fn who_has_vanished_is_told_nothing() {
    let heard = Heard::default();
    let mut talk = Talk::new(Options::default(), listen(&heard));
    talk.incoming.as_ref().unwrap().end(Err(BodyError::Gone));
    let poll = talk.source.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Some(Err(_)))));
    assert_eq!(*heard.borrow(), [Some(Err(Error::Gone)), None]);
}

#[test]
fn a_mistake_is_told_to_both() {
    let heard = Heard::default();
    let mut talk = Talk::new(Options::default(), listen(&heard));
    talk.incoming.as_ref().unwrap().push(Frame::Data(Payload::from(&b"\x81\x01x"[..])));
    let (said, is_end) = talk.hear();
    assert!(
        is_end
            && matches!(&said[..], [Message::Close(Some(frame))] if frame.code == CloseCode::PROTOCOL)
    );
    assert!(matches!(heard.borrow()[..], [Some(Err(Error::Protocol(_))), None]));
}

#[test]
fn a_handler_that_ends_closes() {
    let mut talk = Talk::new(Options::default(), |socket| async move {
        socket.send("only this").await.unwrap();
    });
    let all = vec![Message::from("only this"), closed(CloseCode::NORMAL, "")];
    assert_eq!(talk.hear(), (all, false));
    talk.say("nobody reads this");
    assert_eq!(talk.hear(), (vec![], false));
    talk.say(closed(CloseCode::NORMAL, ""));
    assert_eq!(talk.hear(), (vec![], true));
}

#[test]
fn a_handler_that_lets_go_closes_and_may_go_on() {
    let mut talk = Talk::new(Options::default(), |socket| async move {
        drop(socket);
        std::future::pending().await
    });
    assert_eq!(talk.hear(), (vec![closed(CloseCode::NORMAL, "")], false));
    talk.say(closed(CloseCode::NORMAL, ""));
    assert_eq!(talk.hear(), (vec![], true));
}

#[test]
fn a_close_is_waited_for_but_not_for_ever() {
    let done = Rc::new(RefCell::new(false));
    let flag = Rc::clone(&done);
    let mut talk = Talk::new(Options::default(), |socket| async move {
        socket.close(CloseCode::POLICY, "enough").await;
        *flag.borrow_mut() = true;
    });
    assert_eq!(talk.hear(), (vec![closed(CloseCode::POLICY, "enough")], false));
    assert_eq!(talk.after(4), (vec![], false));
    assert!(!*done.borrow());
    assert_eq!(talk.after(1), (vec![], true));
    // What the handler does at its end is done when its connection lets go.
    let Talk { client, source, .. } = talk;
    drop(source);
    client.settle();
    assert!(*done.borrow());
}

#[test]
fn a_silent_client_is_asked_and_then_given_up() {
    let heard = Heard::default();
    let mut talk = Talk::new(Options::default(), listen(&heard));
    assert_eq!(talk.hear(), (vec![], false));
    let ping = vec![Message::Ping("".into())];
    assert_eq!(talk.after(19), (vec![], false));
    assert_eq!(talk.after(1), (ping.clone(), false));
    talk.say(Message::Pong("".into()));
    assert_eq!(talk.after(19), (vec![], false));
    assert_eq!(talk.after(19), (vec![], false), "it has answered 19 s after it was asked");
    assert_eq!(talk.after(1), (ping, false));
    assert_eq!(talk.after(19), (vec![], false));
    assert_eq!(talk.after(1), (vec![closed(CloseCode::INTERNAL, "no pong came")], true));
    assert_eq!(*heard.borrow(), [Some(Err(Error::Timeout)), None]);
}

#[test]
fn a_client_that_reads_slowly_has_more_time_for_its_pong() {
    let mut talk = Talk::new(Options::default(), echo);
    talk.say("large");
    assert_eq!(talk.hear(), (vec![Message::from("large")], false));
    // For 80 s its connection has no room for more.
    assert_eq!(talk.after(80), (vec![Message::Ping("".into())], false));
    assert_eq!(talk.after(79), (vec![], false), "60 s late, and 20 s");
    assert_eq!(talk.after(1), (vec![closed(CloseCode::INTERNAL, "no pong came")], true));
}

#[test]
fn a_client_that_our_handler_holds_back_is_not_given_up() {
    let mut talk = Talk::new(Options::default(), |socket| async move {
        std::future::pending::<()>().await;
        drop(socket);
    });
    talk.say("nobody takes this");
    talk.say(Message::Pong("".into()));
    assert_eq!(talk.hear(), (vec![], false));
    assert_eq!(talk.after(1000), (vec![], false));
}

#[test]
fn a_shard_that_drains_closes() {
    let heard = Heard::default();
    let mut talk = Talk::new(Options::default(), listen(&heard));
    assert_eq!(talk.hear(), (vec![], false));
    talk.client.drain();
    assert_eq!(talk.hear(), (vec![closed(CloseCode::GOING_AWAY, "")], false));
    talk.say(closed(CloseCode::GOING_AWAY, ""));
    assert_eq!(talk.hear(), (vec![], true));
    assert_eq!(*heard.borrow(), [Some(Ok(closed(CloseCode::GOING_AWAY, ""))), None]);
}

#[test]
fn who_writes_waits_for_room() {
    let options = Options { write_buffer: 10, ..Options::default() };
    let sent = Rc::new(RefCell::new(0));
    let count = Rc::clone(&sent);
    let mut talk = Talk::new(options, |socket| async move {
        while *count.borrow() < 4 {
            socket.send("12345678").await.unwrap();
            *count.borrow_mut() += 1;
        }
        let sender = socket.sender();
        assert_eq!(sender.try_send("1"), Err(Error::Full));
        drop(socket);
        std::future::pending().await
    });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(talk.source.as_mut().poll_frame(&mut cx).is_ready());
    assert_eq!(*sent.borrow(), 1, "as much waits as may");
    assert!(talk.source.as_mut().poll_frame(&mut cx).is_ready());
    assert_eq!(*sent.borrow(), 2);
    let (said, _) = talk.hear();
    assert_eq!((said.len(), *sent.borrow()), (2, 4), "not what was tried");
}

#[test]
fn others_write_too_and_the_last_of_them_closes() {
    let kept = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&kept);
    let mut talk = Talk::new(Options::default(), |socket| async move {
        *keep.borrow_mut() = Some(socket.split());
    });
    assert_eq!(talk.hear(), (vec![], false));
    let (sender, mut receiver) = kept.take().unwrap();
    sender.try_send("from elsewhere").unwrap();
    assert_eq!(talk.hear(), (vec![Message::from("from elsewhere")], false));
    talk.say("to elsewhere");
    let mut cx = Context::from_waker(Waker::noop());
    {
        let next = std::pin::pin!(receiver.recv());
        assert_eq!(next.poll(&mut cx), Poll::Ready(Some(Ok(Message::from("to elsewhere")))));
    }
    drop(receiver);
    assert_eq!(talk.hear(), (vec![], false));
    drop(sender);
    assert_eq!(talk.hear(), (vec![closed(CloseCode::NORMAL, "")], false));
}

#[test]
fn who_writes_whenever_there_is_room_hears_all_the_same() {
    let options = Options { write_buffer: 10, ..Options::default() };
    let mut talk =
        Talk::new(options, |socket| async move { while socket.send("12345678").await.is_ok() {} });
    let mut heard = Vec::new();
    let mut is_end = false;
    talk.say(Message::Ping("p".into()));
    for turn in 0..8 {
        if turn == 4 {
            talk.say(closed(CloseCode::NORMAL, ""));
        }
        match talk.source.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(Frame::Data(data)))) => {
                let mut data = data.as_ref();
                while let Some(message) = talk.receiver.poll(&mut data).unwrap() {
                    heard.push(message);
                }
            }
            Poll::Ready(None) => is_end = true,
            other => panic!("{other:?}"),
        }
        if is_end {
            break;
        }
    }
    assert!(heard.contains(&Message::Pong("p".into())), "{heard:?}");
    assert!(is_end && heard.last() == Some(&closed(CloseCode::NORMAL, "")), "{heard:?}");
}

#[test]
fn a_close_behind_much_content_is_said_however_long_that_takes() {
    let large = "x".repeat(1 << 20);
    let text = large.clone();
    let mut talk = Talk::new(Options::default(), |socket| async move {
        socket.send(text).await.unwrap();
    });
    let mut wire = Vec::new();
    for _ in 0..2 {
        let polled = talk.source.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(Frame::Data(data)))) = polled else { panic!("{polled:?}") };
        wire.extend_from_slice(data.as_ref());
    }
    assert_eq!(talk.receiver.poll(&mut &wire[..]).unwrap(), Some(Message::from(large)));
    // The connection has room again when its client has taken that.
    assert_eq!(talk.after(16), (vec![closed(CloseCode::NORMAL, "")], false));
    assert_eq!(talk.after(4), (vec![], false));
    talk.say(closed(CloseCode::NORMAL, ""));
    assert_eq!(talk.hear(), (vec![], true));
}

#[test]
fn what_our_handler_takes_is_no_time_of_the_client() {
    let mut talk = Talk::new(Options::default(), |socket| async move {
        let (mut polls, mut receiver) = (0, socket.split().1);
        // At the second look a message is taken.
        poll_fn(|_| {
            polls += 1;
            if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        while receiver.recv().await.is_some() {}
    });
    talk.say("one");
    assert_eq!(talk.hear(), (vec![], false));
    assert!(!talk.after(1000).1);
    assert_eq!(talk.after(20), (vec![Message::Ping("".into())], false));
    assert_eq!(talk.after(20), (vec![closed(CloseCode::INTERNAL, "no pong came")], true));
}
