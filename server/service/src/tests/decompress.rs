//! Content of requests in codings: decoded however it comes, and refused when it is not what it should be.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use trilane_exchange::{BodyError, Frame, Incoming, Response};
use trilane_semantics::{Fields, Known, Payload};

use super::support::{built, request, seen, send};
use bytes::Bytes;

use crate::{App, BodyLimit, Coding, Decompress, Error, Request, Router, post};

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

fn encoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Identity => bytes.to_vec(),
        Coding::Gzip => {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        Coding::Deflate => {
            let mut to = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        }
        Coding::Brotli => {
            let mut to = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 22);
            to.write_all(bytes).unwrap();
            to.into_inner()
        }
        Coding::Zstd => zstd::stream::encode_all(bytes, 1).unwrap(),
    }
}

fn text(length: usize) -> Vec<u8> {
    (0u32..).flat_map(|n| format!("{:x} ", n.wrapping_mul(n)).into_bytes()).take(length).collect()
}

/// What is left of the head, and the content.
async fn told(mut request: Request) -> Result<String, Error> {
    let fields = &request.head().fields;
    let head = fields.has_any(&[Known::ContentEncoding, Known::ContentLength]);
    let content = request.body.collect().await?;
    Ok(format!("{head} {}", String::from_utf8_lossy(&content)))
}

fn app(layer: Decompress) -> App {
    built(Router::new().route("/", post(told)).layer(layer))
}

fn ask(app: &App, codings: &str, content: Vec<u8>) -> Response {
    let length = content.len().to_string();
    let fields = [("content-encoding", codings), ("content-length", &length)];
    send(app, request("POST", "/", &fields, content))
}

#[test]
fn every_coding_and_several_at_once() {
    let app = app(Decompress::new());
    for length in [0, 1, 3000, 16 << 10, 70_000] {
        let plain = text(length);
        let expected = (200, format!("false {}", String::from_utf8_lossy(&plain)));
        for coding in CODINGS {
            let content = encoded(coding, &plain);
            assert!(seen(ask(&app, coding.name(), content)) == expected, "{coding:?} {length}");
        }
        let twice = encoded(Coding::Brotli, &encoded(Coding::Gzip, &plain));
        assert!(seen(ask(&app, "X-Gzip, identity ,br", twice)) == expected, "{length}");
    }
    // Members and frames may follow each other.
    for coding in [Coding::Gzip, Coding::Zstd] {
        let two = [encoded(coding, b"one "), encoded(coding, b"two")].concat();
        assert_eq!(seen(ask(&app, coding.name(), two)), (200, "false one two".into()));
    }
    assert_eq!(seen(ask(&app, "identity", b"as it is".to_vec())).1, "false as it is");
    let plain = send(&app, request("POST", "/", &[("content-length", "1")], "x"));
    assert_eq!(seen(plain), (200, "true x".into()));
    // Without content there is nothing to decode.
    assert_eq!(seen(ask(&app, "nonsense", Vec::new())), (200, "true ".into()));
}

#[test]
fn what_we_do_not_know_is_refused_with_what_we_do() {
    let app = app(Decompress::new());
    for codings in ["lzma", "gzip, lzma", "gzip;q=1", "gzip, gzip, gzip, gzip, gzip"] {
        let response = ask(&app, codings, b"x".to_vec());
        let taken = response.head.fields.get_str(Known::AcceptEncoding);
        assert_eq!(taken, Some("zstd, br, gzip, deflate"), "{codings}");
        assert_eq!(response.head.status.as_u16(), 415, "{codings}");
    }
}

/// The frames of content that comes in these pieces, and how it ends.
fn pieces(coding: Coding, pieces: &[&[u8]]) -> Result<Vec<u8>, BodyError> {
    let (writer, incoming) = Incoming::channel(None, u64::MAX);
    let app = built(Router::new().route("/", post(kept)).layer(Decompress::new()));
    let mut asked = request("POST", "/", &[("content-encoding", coding.name())], "");
    asked.body = incoming;
    let mut body = taken(&app, asked);
    let mut cx = Context::from_waker(Waker::noop());
    let mut out = Vec::new();
    let mut read = |body: &mut Incoming| loop {
        match body.poll_frame(&mut cx) {
            Poll::Pending => return Ok(false),
            Poll::Ready(None) => return Ok(true),
            Poll::Ready(Some(Ok(Frame::Data(data)))) => out.extend_from_slice(data.as_ref()),
            Poll::Ready(Some(Ok(Frame::Trailers(_)))) => (),
            Poll::Ready(Some(Err(error))) => {
                let again = body.poll_frame(&mut cx);
                assert_eq!(again, Poll::Ready(Some(Err(error))), "an error stays one");
                return Err(error);
            }
        }
    };
    for piece in pieces {
        writer.push(Frame::Data(Payload::from(piece.to_vec())));
        assert_eq!(read(&mut body), Ok(false));
    }
    let mut fields = Fields::new();
    fields.append("x-sum", "1").unwrap();
    writer.push(Frame::Trailers(fields));
    writer.end(Ok(()));
    read(&mut body)?;
    Ok(out)
}

thread_local! {
    static KEPT: std::cell::Cell<Option<Incoming>> = const { std::cell::Cell::new(None) };
}

async fn kept(body: Incoming) {
    KEPT.set(Some(body));
}

/// The content as the handler got it.
fn taken(app: &App, request: Request) -> Incoming {
    assert_eq!(send(app, request).head.status.as_u16(), 200);
    KEPT.take().unwrap()
}

#[test]
fn cut_at_every_byte_it_is_the_same() {
    let plain = text(300);
    for coding in CODINGS {
        let content = encoded(coding, &plain);
        for at in 0..=content.len() {
            let (one, other) = content.split_at(at);
            assert_eq!(pieces(coding, &[one, other]).as_ref(), Ok(&plain), "{coding:?} at {at}");
        }
        let single: Vec<_> = content.chunks(1).collect();
        assert_eq!(pieces(coding, &single).as_ref(), Ok(&plain), "{coding:?}");
    }
}

#[test]
fn what_ends_too_early_is_not_complete() {
    for coding in CODINGS {
        let content = encoded(coding, &text(300));
        for end in 0..content.len() {
            let got = pieces(coding, &[&content[..end]]);
            assert_eq!(got, Err(BodyError::Coding), "{coding:?} cut at {end}");
        }
        let app = app(Decompress::new());
        let response = ask(&app, coding.name(), content[..content.len() - 1].to_vec());
        assert_eq!(response.head.status.as_u16(), 400);
        assert_eq!(response.error.unwrap().code(), "INVALID_REQUEST");
    }
}

#[test]
fn what_is_corrupt_is_refused() {
    for coding in CODINGS {
        let content = encoded(coding, &text(300));
        for bad in [
            b"not coded at all, and long enough to be seen as such".to_vec(),
            [&content[..], b"rest"].concat(),
            [&[content[0] ^ 0x55], &content[1..]].concat(),
        ] {
            let app = app(Decompress::new());
            assert_eq!(ask(&app, coding.name(), bad).head.status.as_u16(), 400, "{coding:?}");
        }
    }
    // The checksums of gzip and zlib count.
    for coding in [Coding::Gzip, Coding::Deflate] {
        let mut content = encoded(coding, &text(300));
        let at = content.len() - if coding == Coding::Gzip { 8 } else { 4 };
        content[at] ^= 1;
        let app = app(Decompress::new());
        assert_eq!(ask(&app, coding.name(), content).head.status.as_u16(), 400, "{coding:?}");
    }
}

#[test]
fn bombs_do_not_go_off() {
    let zeros = vec![0; 8 << 20];
    for coding in CODINGS {
        let content = encoded(coding, &zeros);
        for (layer, status) in [
            (Decompress::new(), 413),
            (Decompress::new().ratio(u64::MAX), 200),
            (Decompress::new().ratio(u64::MAX).limit((8 << 20) - 1), 413),
            (Decompress::new().ratio(u64::MAX).limit(8 << 20), 200),
        ] {
            let count = post(|content: Bytes| async move { content.len().to_string() });
            let app = built(Router::new().route("/", count.layer(layer)));
            let response = ask(&app, coding.name(), content.clone());
            assert_eq!(response.head.status.as_u16(), status, "{coding:?} {layer:?}");
        }
    }
    // Members of 20 bytes, and frames of 9, that become nothing, but take their time.
    for coding in [Coding::Gzip, Coding::Zstd] {
        let members = |count| encoded(coding, b"").repeat(count);
        let app = app(Decompress::new());
        assert_eq!(ask(&app, coding.name(), members(200)).head.status.as_u16(), 200);
        assert_eq!(ask(&app, coding.name(), members(300)).head.status.as_u16(), 413, "{coding:?}");
        let many = encoded(coding, &members(300));
        let codings = format!("{0}, {0}", coding.name());
        assert_eq!(ask(&app, &codings, many).head.status.as_u16(), 413, "{coding:?}");
    }
    // What is small in the end, and large on the way there.
    let frame = [&b"\x50\x2a\x4d\x18\xf8\xff\0\0"[..], &[0; (1 << 16) - 8]].concat();
    let large = [frame.repeat(4), encoded(Coding::Zstd, b"x")].concat();
    for (limit, status) in [(4 << 16, 413), (5 << 16, 200)] {
        let app = app(Decompress::new().ratio(u64::MAX).limit(limit));
        let content = encoded(Coding::Gzip, &large);
        assert_eq!(ask(&app, "zstd, gzip", content).head.status.as_u16(), status);
    }
    // A bomb within a bomb.
    let twice = encoded(Coding::Gzip, &encoded(Coding::Gzip, &zeros));
    let app = app(Decompress::new());
    assert_eq!(ask(&app, "gzip, gzip", twice).head.status.as_u16(), 413);
}

/// Of what is not coded at all, the limit is that of a layer further out.
#[test]
fn identity_is_no_way_past_a_limit() {
    let count = post(|content: Bytes| async move { content.len().to_string() });
    let layered = count.layer(Decompress::new()).layer(BodyLimit::new(10));
    let app = built(Router::new().route("/", layered));
    for (codings, length, status) in
        [("identity", 10, 200), ("identity", 11, 413), ("identity, identity", 11, 413)]
    {
        let response = ask(&app, codings, vec![0; length]);
        assert_eq!(response.head.status.as_u16(), status, "{codings} {length}");
    }
}

/// A reader that takes one frame holds the client up: no more is decoded than it asks for.
#[test]
fn nothing_is_decoded_ahead() {
    let plain = text(200_000);
    let content = encoded(Coding::Gzip, &plain);
    let (writer, incoming) = Incoming::channel(None, u64::MAX);
    let app = built(Router::new().route("/", post(kept)).layer(Decompress::new()));
    let mut asked = request("POST", "/", &[("content-encoding", "gzip")], "");
    asked.body = incoming;
    let mut body = taken(&app, asked);
    assert!(!writer.is_wanted(), "nobody has asked yet: no 100 (Continue)");
    let half = content.len() / 2;
    for piece in [&content[..half], &content[half..]] {
        writer.push(Frame::Data(Payload::from(piece.to_vec())));
    }
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Ok(Frame::Data(data)))) = Pin::new(&mut body).poll_frame(&mut cx) else {
        panic!("nothing")
    };
    assert!(data.len() <= 16 << 10);
    assert_eq!(writer.queued(), content.len() - half);
}
