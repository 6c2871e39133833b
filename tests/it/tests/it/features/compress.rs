//! Compression (FEATURES R2): of responses, as the client would rather have it, and of requests, where a route takes them.

use std::io::{Read, Write};
use std::process::Command;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use trilane::{
    BodyLimit, Bytes, Compress, Decompress, Event, Known, Outgoing, Response, Router, ServeDir,
    Shard, Sse, StatusCode, get, post,
};

use super::super::parity::{Ask, Client, Got, House, LANES, Length, Over};

/// Much of the same, but not all.
fn text(lines: usize) -> String {
    (0..lines).map(|line| format!("this is line {line} of a text\n")).collect()
}

/// What it was; as much as can be read of it.
fn unzipped(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    let _ = GzDecoder::new(bytes).read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::best());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

async fn events(shard: Shard) -> Sse {
    Sse::write(&shard, |events| async move {
        events.send(Event::new().data("one")).await;
        std::future::pending().await
    })
}

/// Pieces with waits between them, and trailers.
async fn slowly(shard: Shard) -> Response {
    let body = Outgoing::write(move |writer| async move {
        for _ in 0..5 {
            writer.send(text(10)).await;
            shard.sleep(std::time::Duration::from_millis(2)).await;
        }
        let mut fields = trilane::Fields::new();
        fields.append("x-sum", "50")?;
        writer.trailers(fields).await;
        Ok(())
    });
    Response::new(StatusCode::OK).field(Known::ContentType, "text/plain").body(body)
}

fn picture() -> Response {
    Response::new(StatusCode::OK).field(Known::ContentType, "image/png").body(text(100))
}

fn app() -> Router {
    let folder = std::env::temp_dir().join(format!("trilane-it-{}-compress", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, lines) in [("large.html", 5000), ("small.html", 200)] {
        std::fs::write(folder.join(name), text(lines)).unwrap();
    }
    Router::new()
        .route("/text", get(|| async { text(100) }))
        .route("/large", get(|| async { text(5000) }))
        .route("/short", get(|| async { text(10) }))
        .route("/picture", get(|| async { picture() }))
        .route("/events", get(events))
        .route("/slowly", get(slowly))
        .serve_dir("/files", ServeDir::new(folder))
        .layer(Compress::new())
        .route("/echo", post(|content: Bytes| async { content }).layer(Decompress::new()))
        .route(
            "/limited",
            post(|content: Bytes| async { content })
                .layer(BodyLimit::new(1000))
                .layer(Decompress::new()),
        )
}

fn zip(target: &str) -> Ask {
    Ask::get(target).field("accept-encoding", "gzip")
}

#[test]
fn text_is_smaller_and_the_same() {
    let house = House::serving(|_| app());
    for lane in LANES {
        let mut client = lane.open(&house);
        for (target, lines) in [
            ("/text", 100),
            ("/large", 5000),
            ("/slowly", 50),
            ("/files/small.html", 200),
            ("/files/large.html", 5000),
        ] {
            // HTTP/1.0 ends content of unknown length by closing.
            if !client.is_open() {
                client = lane.open(&house);
            }
            let plain = client.ask(&Ask::get(target)).status(200);
            if !client.is_open() {
                client = lane.open(&house);
            }
            let answer = client.ask(&zip(target)).status(200);
            let name = format!("{} {target}", lane.name());
            assert_eq!(plain.head.field("content-encoding"), None, "{name}");
            assert_eq!(answer.head.field("content-encoding"), Some("gzip"), "{name}");
            for head in [&plain.head, &answer.head] {
                assert_eq!(head.field("vary"), Some("accept-encoding"), "{name}");
            }
            assert!(answer.body.len() < plain.body.len() / 2, "{name}");
            let expected = if lines == 50 { text(10).repeat(5) } else { text(lines) };
            assert!(unzipped(&answer.body) == expected && plain.text() == expected, "{name}");
            assert_eq!(answer.trailers, plain.trailers, "{name}");
            let tag = plain.head.field("etag").map(|tag| match tag.starts_with("W/") {
                true => tag.to_owned(),
                false => format!("W/{tag}"),
            });
            assert_eq!(answer.head.field("etag"), tag.as_deref(), "{name}");
        }
    }
}

#[test]
fn what_would_gain_nothing_is_left_alone() {
    let house = House::serving(|_| app());
    for lane in LANES {
        for (ask, lines) in [
            (zip("/short"), 10),
            (zip("/picture"), 100),
            (Ask::get("/text").field("accept-encoding", "gzip;q=0, br;q=0.0"), 100),
            (Ask::get("/text").field("accept-encoding", "identity, gzip;q=0.9"), 100),
        ] {
            let answer = lane.open(&house).ask(&ask).status(200);
            assert_eq!(answer.head.field("content-encoding"), None, "{} {ask:?}", lane.name());
            assert_eq!(answer.text(), text(lines), "{} {ask:?}", lane.name());
        }
        let range = zip("/files/large.html").field("range", "bytes=0-1999");
        let answer = lane.open(&house).ask(&range).status(206);
        assert_eq!(answer.head.field("content-encoding"), None, "{}", lane.name());
        // RFC 9110 §15.3.7: as the whole.
        assert_eq!(answer.head.field("vary"), Some("accept-encoding"), "{}", lane.name());
        assert_eq!(answer.text(), text(5000)[..2000], "{}", lane.name());
    }
}

#[test]
fn head_and_304_tell_what_get_would() {
    let house = House::serving(|_| app());
    for lane in LANES {
        let get = lane.open(&house).ask(&zip("/files/large.html")).status(200);
        let head = Ask { method: "HEAD", ..zip("/files/large.html") };
        let head = lane.open(&house).ask(&head).status(200);
        for name in ["content-encoding", "vary", "etag", "accept-ranges"] {
            assert_eq!(head.head.field(name), get.head.field(name), "{} {name}", lane.name());
        }
        let tag = get.head.field("etag").unwrap();
        for tag in [tag, tag.strip_prefix("W/").unwrap()] {
            let again = zip("/files/large.html").field("if-none-match", tag);
            let answer = lane.open(&house).ask(&again).status(304);
            assert_eq!(answer.head.field("etag"), Some(tag), "{}", lane.name());
            assert_eq!(answer.head.field("vary"), get.head.field("vary"), "{}", lane.name());
        }
    }
}

/// Reads until what came says so.
#[track_caller]
fn until(client: &mut dyn Client, id: usize, end: &str) {
    let mut bytes = Vec::new();
    while !unzipped(&bytes).ends_with(end) {
        match client.next(id) {
            Got::Data(data) => bytes.extend(data),
            Got::Head(head) => assert_eq!(head.field("content-encoding"), Some("gzip")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_event_arrives_while_its_maker_waits() {
    let house = House::serving(|_| app());
    for lane in LANES {
        let mut client = lane.open(&house);
        let id = client.begin(&zip("/events"));
        until(&mut *client, id, "data: one\n\n");
        client.leave();
    }
}

#[test]
fn requests_are_decoded_where_a_route_says_so() {
    let house = House::serving(|_| app());
    let plain = text(5000);
    let content = zipped(plain.as_bytes());
    let bomb = zipped(&vec![b'x'; 9 << 20]);
    for lane in LANES {
        let ask = |target: &str, coding: &str, content: &[u8]| {
            let ask = Ask::post(target, Length::Exact(content.len() as u64));
            lane.open(&house).ask_with(&ask.field("content-encoding", coding), content)
        };
        assert!(ask("/echo", "gzip", &content).status(200).text() == plain, "{}", lane.name());
        let twice = zipped(&content);
        assert!(ask("/echo", "gzip, gzip", &twice).status(200).text() == plain, "{}", lane.name());
        // The limit further in is for what the handler reads.
        ask("/limited", "gzip", &zipped(text(30).as_bytes())).status(200);
        ask("/limited", "gzip", &content).status(413);
        ask("/echo", "gzip", &bomb).status(413);
        ask("/echo", "gzip", &content[..content.len() - 1]).status(400);
        ask("/echo", "gzip", plain.as_bytes()).status(400);
        let refused = ask("/echo", "lzma", &content).status(415);
        let taken = refused.head.field("accept-encoding");
        assert_eq!(taken, Some("zstd, br, gzip, deflate"), "{}", lane.name());
        assert_eq!(refused.json()["error"]["code"], "UNSUPPORTED_MEDIA_TYPE");
    }
}

#[test]
fn curl_reads_every_coding() {
    let house = House::serving(|_| app());
    for (target, lines) in [("/text", 100), ("/large", 5000), ("/files/large.html", 5000)] {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            for version in ["--http1.1", "--http1.0", "--http2-prior-knowledge"] {
                let url = format!("http://{}{target}", house.at(Over::Tcp));
                let accept = format!("Accept-Encoding: {coding}");
                let mut command = Command::new("curl");
                command.args(["-sS", "-i", "--max-time", "60", "--compressed", version]);
                let Ok(output) = command.args(["-H", &accept, &url]).output() else {
                    eprintln!("skipped: no curl on this machine");
                    return;
                };
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{coding} {version}: {errors}");
                let all = String::from_utf8_lossy(&output.stdout);
                let (head, body) = all.split_once("\r\n\r\n").unwrap();
                let named = format!("content-encoding: {coding}");
                assert!(head.to_lowercase().contains(&named), "{head}");
                assert!(body == text(lines), "{coding} {version} {target}");
            }
        }
    }
}
