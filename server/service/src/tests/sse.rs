//! Server-Sent Events: what a client makes of them.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trilane_exchange::{Frame, Outgoing, Response};
use trilane_semantics::Known;

use super::support::{built, request, send};
use crate::{Event, LastEventId, Router, Shard, Sse, get};

/// What a page would be told: type, data and last id of each event (HTML §9.2.6).
fn dispatched(stream: &str) -> Vec<(String, String, String)> {
    let (mut told, mut id) = (Vec::new(), String::new());
    let (mut kind, mut data) = (String::new(), Vec::new());
    for line in stream.replace("\r\n", "\n").split(['\r', '\n']) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match name {
            "" if line.is_empty() => {
                if !data.is_empty() {
                    told.push((kind.clone(), data.join("\n"), id.clone()));
                }
                (kind, data) = (String::new(), Vec::new());
            }
            "event" => kind = value,
            "data" => data.push(value),
            "id" if !value.contains('\0') => id = value,
            _ => (),
        }
    }
    told
}

#[test]
fn lines_of_data_come_back_as_they_were() {
    for (data, expected) in [
        ("one", "one"),
        ("", ""),
        (" a: b", " a: b"),
        ("one\ntwo", "one\ntwo"),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree\n"),
        ("\r\r\n\n", "\n\n\n"),
        ("id: 9\n\nevent: x", "id: 9\n\nevent: x"),
    ] {
        let event = Event::new().id("1").data(data);
        let expected = [(String::new(), expected.to_owned(), "1".to_owned())];
        assert_eq!(dispatched(event.as_str()), expected, "{data:?}");
    }
}

#[test]
fn nothing_breaks_out_of_its_line() {
    let event =
        Event::new().event("a\r\n\r\ndata: x").id("1\n2\0\r3").comment("\n\ndata: y").data("z");
    let expected = [("adata: x".to_owned(), "z".to_owned(), "123".to_owned())];
    assert_eq!(dispatched(event.as_str()), expected, "{event:?}");
    assert_eq!(dispatched(Event::new().comment("data: x\rdata: y").as_str()), []);
}

#[test]
fn an_event_of_every_part() {
    let event = Event::new().retry(Duration::from_millis(2500)).json(&["a", "b\n"]).unwrap();
    assert_eq!(event.as_str(), "retry: 2500\ndata: [\"a\",\"b\\n\"]\n\n");
    assert_eq!(Event::new().as_str(), "\n");
}

fn frames(response: Response) -> Vec<String> {
    let Outgoing::Stream { mut source, length: None } = response.body else { panic!("no stream") };
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    while let Poll::Ready(Some(frame)) = source.as_mut().poll_frame(&mut cx) {
        let Ok(Frame::Data(data)) = frame else { panic!("{frame:?}") };
        seen.push(String::from_utf8(data.as_ref().to_vec()).unwrap());
    }
    seen
}

async fn resumed(shard: Shard, LastEventId(last): LastEventId) -> Sse {
    Sse::write(&shard, move |events| async move {
        events.send(Event::new().data(last.as_deref().unwrap_or("none"))).await;
        events.send(Event::new().data("two")).await;
        std::future::pending().await
    })
}

#[test]
fn events_are_frames_of_their_own() {
    let app = built(Router::new().route("/", get(resumed)));
    let response = send(&app, request("GET", "/", &[("Last-Event-ID", "41")], ""));
    let field = |name| response.head.fields.get_str(name);
    assert_eq!(field("content-type"), Some("text/event-stream"));
    assert_eq!(
        (field("cache-control"), field("x-accel-buffering")),
        (Some("no-store"), Some("no"))
    );
    assert!(!response.head.fields.contains(Known::ContentLength));
    assert_eq!(frames(response), ["data: 41\n\n", "data: two\n\n"]);
    for id in [&[][..], &[("Last-Event-ID", "")]] {
        let response = send(&app, request("GET", "/", id, ""));
        assert_eq!(frames(response)[0], "data: none\n\n");
    }
}

/// Two events and the end, or an error instead.
struct Two(Cell<u8>, bool);

impl futures_core::Stream for Two {
    type Item = Result<Event, &'static str>;

    fn poll_next(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let number = self.0.replace(self.0.get() + 1);
        Poll::Ready(match number {
            0 | 1 => Some(Ok(Event::new().data(number.to_string()))),
            _ if self.1 => Some(Err("broken")),
            _ => None,
        })
    }
}

#[test]
fn a_stream_of_events_ends_as_it_ends() {
    for is_broken in [false, true] {
        let router = Router::new().route(
            "/",
            get(move |shard: Shard| async move { Sse::new(&shard, Two(Cell::new(0), is_broken)) }),
        );
        let response = send(&built(router), request("GET", "/", &[], ""));
        let Outgoing::Stream { mut source, .. } = response.body else { panic!("no stream") };
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = || source.as_mut().poll_frame(&mut cx);
        for _ in 0..2 {
            assert!(matches!(next(), Poll::Ready(Some(Ok(Frame::Data(_))))));
        }
        let end = next();
        assert_eq!(matches!(end, Poll::Ready(Some(Err(_)))), is_broken, "{end:?}");
        assert_eq!(matches!(end, Poll::Ready(None)), !is_broken, "{end:?}");
    }
}

#[test]
fn who_leaves_drops_the_maker() {
    let held = Rc::new(());
    let theirs = Rc::clone(&held);
    let router = Router::new().route(
        "/",
        get(move |shard: Shard| {
            let held = Rc::clone(&theirs);
            async move {
                Sse::write(&shard, move |events| async move {
                    events.send(Event::new().data("one")).await;
                    std::future::pending::<()>().await;
                    drop(held);
                    Ok(())
                })
            }
        }),
    );
    let response = send(&built(router), request("GET", "/", &[], ""));
    let before = Rc::strong_count(&held);
    frames(response);
    assert_eq!(Rc::strong_count(&held), before - 1);
}
