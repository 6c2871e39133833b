//! Content of every size, both ways, with and without a length said before; streams and trailers.

use std::time::Duration;

use super::{Ability, Answer, Ask, Got, House, LANES, Lane, Length};

const LIMIT: usize = trilane_cli::demo::ECHO_LIMIT as usize;
const SIZES: [usize; 6] = [0, 1, 8 << 10, 64 << 10, 1 << 20, LIMIT];

/// Bytes that show when one is missing or out of place.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// Both kinds of length, as far as the lane has them.
fn lengths(lane: &dyn Lane, size: usize) -> Vec<Length> {
    let mut both = vec![Length::Exact(size as u64)];
    both.extend(lane.can(Ability::Unknown).then_some(Length::Unknown));
    both
}

#[track_caller]
fn assert_same(answer: &Answer, content: &[u8], what: &str) {
    // Not `assert_eq!`: nobody reads 32 MiB.
    assert!(answer.body == content, "{what}: {} of {} bytes", answer.body.len(), content.len());
}

#[test]
fn uploads_of_every_size_come_back() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        for size in SIZES {
            let content = pattern(size);
            for length in lengths(*lane, size) {
                let what = format!("{} {length:?} {size}", lane.name());
                let answer = client.ask_with(&Ask::post("/echo", length), &content).status(200);
                assert_same(&answer, &content, &what);
                let said = answer.head.field("content-length").map(str::to_owned);
                assert!(said.is_none_or(|said| said == size.to_string()), "{what}");
                let answer = client.ask_with(&Ask::post("/upload", length), &content).status(200);
                assert_eq!(answer.text(), format!("{{\"bytes\":{size}}}"), "{what}");
            }
        }
    }
}

#[test]
fn a_byte_too_many_is_refused() {
    for lane in LANES {
        let content = pattern(LIMIT + 1);
        for length in lengths(*lane, LIMIT + 1) {
            let mut client = lane.open(House::shared());
            // RFC 9110 §15.5.14, whether the length was said or not.
            let answer = client.ask_with(&Ask::post("/echo", length), &content).status(413);
            assert_eq!(answer.json()["error"]["code"], "CONTENT_TOO_LARGE", "{}", lane.name());
        }
    }
}

#[test]
fn downloads_of_every_size() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        for size in SIZES {
            let answer = client.ask(&Ask::get(format!("/bytes/{size}"))).status(200);
            assert_same(&answer, &vec![b'x'; size], lane.name());
            assert_eq!(answer.head.field("content-length"), Some(&*size.to_string()));
        }
    }
}

#[test]
fn an_answer_begins_before_the_request_ends() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let length = lengths(*lane, 8).pop().unwrap();
        let id = client.begin(&Ask::post("/echo/stream", length));
        client.send(id, b"ping").unwrap();
        let Got::Head(head) = client.next(id) else { panic!("no head while the request goes on") };
        assert_eq!(head.status, 200);
        assert_eq!(client.next(id), Got::Data(b"ping".to_vec()), "{}", lane.name());
        assert_eq!(client.next_within(id, Duration::from_millis(50)), Got::Nothing);
        client.send(id, b"pong").unwrap();
        assert_eq!(client.next(id), Got::Data(b"pong".to_vec()), "{}", lane.name());
        if length == Length::Unknown {
            client.finish(id, &[]).unwrap();
        }
        assert_eq!(client.next(id), Got::End, "{}", lane.name());
        if client.is_open() {
            client.ask(&Ask::get("/plaintext")).status(200);
        }
    }
}

#[test]
fn a_stream_goes_both_ways_at_once() {
    for lane in LANES {
        for size in [0, 1, 8 << 10, 64 << 10, 4 << 20] {
            let content = pattern(size);
            for length in lengths(*lane, size) {
                let mut client = lane.open(House::shared());
                let ask = Ask::post("/echo/stream", length);
                let answer = client.ask_with(&ask, &content).status(200);
                assert_same(&answer, &content, lane.name());
            }
        }
    }
}

#[test]
fn trailers_both_ways() {
    for lane in LANES.iter().filter(|lane| lane.can(Ability::Unknown)) {
        let mut client = lane.open(House::shared());
        for content in [&b""[..], b"some content"] {
            let id = client.begin(&Ask::post("/echo/stream", Length::Unknown));
            client.send(id, content).unwrap();
            client.finish(id, &[("x-sum", "1"), ("X-Sum", "2")]).unwrap();
            let answer = client.answer(id).whole().status(200);
            assert_eq!(answer.body, content);
            // RFC 9110 §6.5: after the content, in order.
            let pair = |value: &str| ("x-sum".to_owned(), value.to_owned());
            assert_eq!(answer.trailers, [pair("1"), pair("2")], "{}", lane.name());
        }
        let answer = client.ask(&Ask::get("/test/trailers")).status(200);
        assert_eq!(answer.text(), "counted");
        assert_eq!(answer.trailers, [("x-count".to_owned(), "7".to_owned())]);
    }
}

#[test]
fn a_stream_comes_in_its_pieces() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let id = client.begin(&Ask::get("/stream/5"));
        let Got::Head(_) = client.next(id) else { panic!("no head") };
        let first = std::time::Instant::now();
        assert_eq!(client.next(id), Got::Data(b"chunk 0\n".to_vec()), "{}", lane.name());
        let rest = client.answer(id);
        assert_eq!(rest.text(), "chunk 1\nchunk 2\nchunk 3\nchunk 4\n");
        assert!(
            first.elapsed() >= Duration::from_millis(35),
            "{} {:?}",
            lane.name(),
            first.elapsed()
        );
    }
}
