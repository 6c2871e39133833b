//! Compression of responses: what is compressed, what the head says of it, and that it is the same again.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use trilane_exchange::outgoing::{Source, SourceError};
use trilane_exchange::{Frame, Outgoing, Response};
use trilane_semantics::{Fields, Known, Payload, StatusCode};

use super::support::{built, request, send};
use crate::{App, Coding, Compress, Router, any};

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

/// What it was before it was coded; as much as can be read of it, if it is not complete.
fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // An end that is missing is an error after all that is there.
    let _ = match coding {
        Coding::Identity => out.write_all(bytes).map(|()| 0),
        Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
        Coding::Deflate => flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out),
        Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
        Coding::Zstd => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut out),
    };
    out
}

fn text(length: usize) -> String {
    (0..).map(|n| format!("line {n}, ")).take(length / 6).collect::<String>()[..length].to_owned()
}

type Make = Rc<dyn Fn() -> Response>;

fn app(compress: Compress, make: impl Fn() -> Response + 'static) -> App {
    let make: Make = Rc::new(make);
    built(Router::new().route("/", any(move || std::future::ready(make()))).layer(compress))
}

fn html(body: impl Into<Outgoing>) -> Response {
    Response::new(StatusCode::OK).field(Known::ContentType, "text/html; charset=utf-8").body(body)
}

fn ask(app: &App, method: &str, accept: &str) -> Response {
    send(app, request(method, "/", &[("accept-encoding", accept)], ""))
}

fn field(response: &Response, name: Known) -> Option<&str> {
    response.head.fields.get_str(name)
}

/// All content, and whether its length was said before; and how often it was not ready.
fn content(response: Response) -> (Vec<u8>, bool, usize) {
    let mut source = match response.body {
        Outgoing::Empty => return (Vec::new(), true, 0),
        Outgoing::Full(payload) => return (payload.as_ref().to_vec(), true, 0),
        Outgoing::Stream { source, length } => {
            assert_eq!(length, None);
            source
        }
    };
    let (mut bytes, mut pauses) = (Vec::new(), 0);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match source.as_mut().poll_frame(&mut cx) {
            Poll::Ready(None) => return (bytes, false, pauses),
            Poll::Ready(Some(Ok(Frame::Data(data)))) => bytes.extend_from_slice(data.as_ref()),
            Poll::Ready(Some(other)) => panic!("{other:?}"),
            Poll::Pending => pauses += 1,
        }
        assert!(pauses < 1000, "it never ends");
    }
}

#[test]
fn every_coding_of_every_length_is_the_same_again() {
    for coding in CODINGS {
        for length in [1 << 10, 3 << 10, 32 << 10, (32 << 10) + 1, 300 << 10, 2 << 20] {
            let whole = text(length);
            let theirs = whole.clone();
            let app = app(Compress::new(), move || html(theirs.clone()));
            // Twice, so that an encoder that was used before is used again.
            for _ in 0..2 {
                let response = ask(&app, "GET", coding.name());
                assert_eq!(field(&response, Known::ContentEncoding), Some(coding.name()));
                assert_eq!(field(&response, Known::Vary), Some("accept-encoding"));
                let (bytes, is_at_once, pauses) = content(response);
                assert!(bytes.len() < length, "{coding:?} of {length}");
                assert!(decoded(coding, &bytes) == whole.as_bytes(), "{coding:?} of {length}");
                assert_eq!(is_at_once, length <= 32 << 10, "{coding:?} of {length}");
                // A turn of the shard for each piece.
                assert!(is_at_once || pauses >= length / (32 << 10) - 1, "{coding:?}: {pauses}");
            }
        }
    }
}

#[test]
fn the_client_chooses() {
    let app = app(Compress::new(), || html(text(2000)));
    for (accept, expected) in [
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip, deflate, br", Some("br")),
        ("br;q=0.5, gzip;q=0.6", Some("gzip")),
        ("br;q=0, *;q=0.1", Some("zstd")),
        ("deflate", Some("deflate")),
        ("identity, gzip;q=0.9", None),
        ("", None),
        ("lzma", None),
        // RFC 9110 §12.1: not even as it is, and nothing else is to be had.
        ("identity;q=0", None),
        ("*;q=0", None),
    ] {
        let response = ask(&app, "GET", accept);
        assert_eq!(field(&response, Known::ContentEncoding), expected, "{accept}");
        assert_eq!(field(&response, Known::Vary), Some("accept-encoding"), "{accept}");
        assert_eq!(response.head.status, StatusCode::OK, "{accept}");
    }
    let own = Compress::new().codings([Coding::Gzip]);
    let app = self::app(own, || html(text(2000)));
    assert_eq!(field(&ask(&app, "GET", "br, gzip"), Known::ContentEncoding), Some("gzip"));
}

#[test]
fn what_is_left_alone() {
    fn plain() -> Response {
        html(text(2000))
    }
    fn typed(kind: &str) -> Response {
        let mut response = plain();
        response.head.fields.set(Known::ContentType, kind).unwrap();
        response
    }
    fn with_status(status: u16) -> Response {
        let mut response = plain();
        response.head.status = StatusCode::from_u16(status).unwrap();
        response
    }
    type Case = (&'static str, Box<dyn Fn() -> Response>);
    let cases: Vec<Case> = vec![
        ("small", Box::new(|| html(text(1023)))),
        ("empty", Box::new(|| html(Outgoing::Empty))),
        ("picture", Box::new(|| typed("image/png"))),
        ("film", Box::new(|| typed("video/mp4"))),
        ("gRPC", Box::new(|| typed("application/grpc"))),
        ("nameless", Box::new(|| Response::new(StatusCode::OK).body(text(2000)))),
        ("coded", Box::new(|| plain().field(Known::ContentEncoding, "gzip"))),
        ("a range", Box::new(|| plain().field(Known::ContentRange, "bytes */9"))),
        ("no-transform", Box::new(|| plain().field(Known::CacheControl, "a, No-Transform"))),
        ("digest", Box::new(|| plain().field("Repr-Digest", "sha-256=:AA==:"))),
        ("no content", Box::new(|| with_status(204))),
    ];
    for (name, make) in cases {
        let expected = content(make()).0;
        let before = make().head.fields.get(Known::ContentEncoding).map(<[u8]>::to_vec);
        let app = app(Compress::new(), make);
        let response = ask(&app, "GET", "gzip");
        let coding = response.head.fields.get(Known::ContentEncoding).map(<[u8]>::to_vec);
        assert_eq!(coding, before, "{name}");
        assert_eq!(field(&response, Known::Vary), None, "{name}");
        assert!(content(response).0 == expected, "{name}");
    }
}

#[test]
fn what_is_worth_it_can_be_said() {
    let small = Compress::new().from(10).types(|kind| kind == "image/png");
    let app = app(small, || {
        Response::new(StatusCode::OK).field(Known::ContentType, "image/png").body(text(100))
    });
    let response = ask(&app, "GET", "gzip");
    assert_eq!(field(&response, Known::ContentEncoding), Some("gzip"));
    assert_eq!(decoded(Coding::Gzip, &content(response).0), text(100).into_bytes());
}

#[test]
fn what_would_not_be_smaller_stays() {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..2000).map(|_| next()).collect();
    let theirs = noise.clone();
    let app = app(Compress::new(), move || html(theirs.clone()));
    for coding in CODINGS {
        let response = ask(&app, "GET", coding.name());
        assert_eq!(field(&response, Known::ContentEncoding), None);
        assert_eq!(field(&response, Known::Vary), Some("accept-encoding"));
        assert_eq!(content(response).0, noise);
    }
}

#[test]
fn the_head_tells_of_what_is_sent() {
    let make = |tag: &'static str| {
        move || {
            let tagged = html(text(2000)).field(Known::ETag, tag).field(Known::Vary, "origin");
            tagged.field(Known::AcceptRanges, "bytes").field(Known::ContentLength, "2000")
        }
    };
    for (tag, expected) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
        let app = app(Compress::new(), make(tag));
        for method in ["GET", "HEAD"] {
            let response = ask(&app, method, "gzip");
            assert_eq!(field(&response, Known::ETag), Some(expected));
            assert_eq!(field(&response, Known::AcceptRanges), None);
            assert_eq!(field(&response, Known::ContentLength), None);
            assert_eq!(field(&response, Known::ContentEncoding), Some("gzip"));
            let vary: Vec<_> = response.head.fields.list(Known::Vary).collect();
            assert_eq!(vary, [&b"origin"[..], b"accept-encoding"]);
        }
        let response = ask(&app, "GET", "identity");
        assert_eq!(field(&response, Known::ETag), Some(tag));
        assert_eq!(field(&response, Known::AcceptRanges), Some("bytes"));
    }
    let head = app(Compress::new(), || html(text(2000)));
    assert_eq!(content(ask(&head, "HEAD", "gzip")).0, b"");
    let all = app(Compress::new(), || html(text(2000)).field(Known::Vary, "*"));
    assert_eq!(field(&ask(&all, "GET", "gzip"), Known::Vary), Some("*"));
}

#[test]
fn a_304_has_the_tag_that_the_client_knows() {
    let app = app(Compress::new(), || {
        Response::new(StatusCode::NOT_MODIFIED).field(Known::ETag, "\"a\"")
    });
    for (asked, accept, expected) in [
        ("\"b\", W/\"a\"", "gzip", "W/\"a\""),
        // It would get that one now.
        ("\"b\", W/\"a\"", "identity", "\"a\""),
        ("\"a\"", "gzip", "\"a\""),
        ("*", "gzip", "\"a\""),
    ] {
        let lines = [("if-none-match", asked), ("accept-encoding", accept)];
        let response = send(&app, request("GET", "/", &lines, ""));
        assert_eq!(field(&response, Known::ETag), Some(expected), "{asked}");
        // RFC 9110 §15.4.5: as the 200.
        assert_eq!(field(&response, Known::Vary), Some("accept-encoding"), "{asked}");
    }
}

/// RFC 9110 §15.3.7.
#[test]
fn parts_depend_on_what_the_whole_depends_on() {
    for (kind, vary) in [
        ("text/html", Some("accept-encoding")),
        ("multipart/byteranges; boundary=a", Some("accept-encoding")),
        ("image/png", None),
    ] {
        let app = app(Compress::new(), move || {
            Response::new(StatusCode::PARTIAL_CONTENT)
                .field(Known::ContentType, kind)
                .field(Known::ContentRange, "bytes 0-1/2000")
                .body("ab")
        });
        let response = ask(&app, "GET", "gzip");
        assert_eq!(field(&response, Known::Vary), vary, "{kind}");
        assert_eq!(field(&response, Known::ContentEncoding), None);
        assert_eq!(content(response).0, b"ab");
    }
}

/// Gives what it is given; silent in between.
#[derive(Clone, Default)]
struct Hand(Rc<RefCell<Vec<Given>>>);

type Given = Option<Result<Frame, &'static str>>;

impl Source for Hand {
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        let mut left = self.0.borrow_mut();
        if left.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(left.remove(0).map(|frame| frame.map_err(Into::into)))
    }
}

impl Hand {
    fn give(&self, text: &'static str) {
        self.0.borrow_mut().push(Some(Ok(Frame::Data(Payload::from_static(text.as_bytes())))));
    }
}

#[test]
fn what_falls_silent_is_readable() {
    for coding in CODINGS {
        let hand = Hand::default();
        let theirs = hand.clone();
        let app = app(Compress::new(), move || {
            let source = Outgoing::source(theirs.clone());
            Response::new(StatusCode::OK)
                .field(Known::ContentType, "text/event-stream")
                .body(source)
        });
        let Outgoing::Stream { mut source, .. } = ask(&app, "GET", coding.name()).body else {
            panic!("no stream")
        };
        let mut cx = Context::from_waker(Waker::noop());
        let (mut bytes, mut text) = (Vec::new(), String::new());
        assert!(source.as_mut().poll_frame(&mut cx).is_pending(), "nothing to say");
        for part in ["data: one\n\n", "data: two\n\n", "", "data: three\n\n"] {
            hand.give(part);
            text.push_str(part);
            // After what was flushed it waits, and says nothing more.
            while let Poll::Ready(frame) = source.as_mut().poll_frame(&mut cx) {
                let Some(Ok(Frame::Data(data))) = frame else { panic!("{frame:?}") };
                assert!(!data.is_empty());
                bytes.extend_from_slice(data.as_ref());
            }
            assert_eq!(decoded(coding, &bytes), text.as_bytes(), "{coding:?}");
        }
        let mut fields = Fields::new();
        fields.append("x-sum", "7").unwrap();
        hand.0.borrow_mut().push(Some(Ok(Frame::Trailers(fields.clone()))));
        let Poll::Ready(Some(Ok(Frame::Data(_)))) = source.as_mut().poll_frame(&mut cx) else {
            panic!("no end of {coding:?}")
        };
        let trailers = source.as_mut().poll_frame(&mut cx);
        assert!(matches!(trailers, Poll::Ready(Some(Ok(Frame::Trailers(it)))) if it == fields));
        assert!(matches!(source.as_mut().poll_frame(&mut cx), Poll::Ready(None)));
    }
}

#[test]
fn a_source_that_gives_up_is_not_made_whole() {
    let hand = Hand::default();
    hand.give("so far");
    hand.0.borrow_mut().push(Some(Err("broken")));
    let app = app(Compress::new(), move || html(Outgoing::source(hand.clone())));
    let Outgoing::Stream { mut source, .. } = ask(&app, "GET", "gzip").body else { panic!() };
    let mut cx = Context::from_waker(Waker::noop());
    let mut next = || source.as_mut().poll_frame(&mut cx);
    while let Poll::Ready(Some(Ok(_))) = next() {}
    hand_ends(next());
}

#[track_caller]
fn hand_ends(end: Poll<Option<Result<Frame, SourceError>>>) {
    assert!(!matches!(end, Poll::Ready(None)), "it looks complete");
}

#[test]
fn there_are_no_more_streams_than_may_be() {
    let app = app(Compress::new().streams(2), || html(Outgoing::source(Hand::default())));
    let coding = |response: &Response| field(response, Known::ContentEncoding).map(str::to_owned);
    let one = ask(&app, "GET", "gzip");
    let two = ask(&app, "GET", "br");
    let three = ask(&app, "GET", "gzip");
    assert_eq!((coding(&one), coding(&two)), (Some("gzip".into()), Some("br".into())));
    assert_eq!((coding(&three), field(&three, Known::Vary)), (None, Some("accept-encoding")));
    drop(one);
    assert_eq!(coding(&ask(&app, "GET", "gzip")), Some("gzip".into()));
}

#[test]
fn ranges_of_files_are_read_and_compressed() {
    let whole = text(200_000);
    let path = std::env::temp_dir().join(format!("trilane-compress-{}", std::process::id()));
    std::fs::write(&path, &whole).unwrap();
    let file: Rc<dyn std::os::fd::AsFd> = Rc::new(std::fs::File::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    for (length, is_whole) in [(199_990, true), (200_010, false)] {
        let file = Rc::clone(&file);
        let app =
            app(Compress::new(), move || html(Payload::from_file(Rc::clone(&file), 5, length)));
        let Outgoing::Stream { mut source, .. } = ask(&app, "GET", "gzip").body else { panic!() };
        let (mut bytes, mut has_failed) = (Vec::new(), false);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            match source.as_mut().poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(Frame::Data(data)))) => bytes.extend_from_slice(data.as_ref()),
                Poll::Ready(Some(Err(_))) => has_failed = true,
                _ => (),
            }
        }
        let end = whole.len().min(5 + length);
        assert_eq!(has_failed, !is_whole);
        assert!(!is_whole || decoded(Coding::Gzip, &bytes) == whole.as_bytes()[5..end]);
    }
}
