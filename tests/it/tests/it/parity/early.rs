//! What comes before the request is complete: 100 (Continue), and final answers to content not sent yet.

use std::time::Duration;

use super::{Ability, Ask, Got, House, LANES, Length};

const WHILE: Duration = Duration::from_millis(60);

fn expecting(target: &str, length: Length) -> Ask {
    Ask::post(target, length).field("expect", "100-continue")
}

#[test]
fn continue_comes_when_the_handler_reads_and_not_before() {
    for lane in LANES.iter().filter(|lane| lane.can(Ability::Interim)) {
        let mut client = lane.open(House::shared());
        for length in [Length::Exact(5), Length::Unknown] {
            // RFC 9110 §10.1.1: its handler begins to read after 150 ms.
            let id = client.begin(&expecting("/test/late", length));
            assert_eq!(client.next_within(id, WHILE), Got::Nothing, "{}", lane.name());
            assert_eq!(client.next(id), Got::proceed(), "{}", lane.name());
            client.send(id, b"hello").unwrap();
            if length == Length::Unknown {
                client.finish(id, &[]).unwrap();
            }
            let answer = client.answer(id).whole().status(200);
            assert_eq!((answer.text(), &answer.interim[..]), ("hello".to_owned(), &[][..]));
        }
        for target in ["/echo", "/echo/stream", "/upload"] {
            let id = client.begin(&expecting(target, Length::Exact(2)));
            assert_eq!(client.next(id), Got::proceed(), "{} {target}", lane.name());
            client.send(id, b"hi").unwrap();
            client.answer(id).whole().status(200);
        }
    }
}

#[test]
fn continue_never_comes_when_nobody_reads() {
    for lane in LANES.iter().filter(|lane| lane.can(Ability::Interim)) {
        for (ask, status) in [
            (expecting("/test/ignore", Length::Exact(5)), 200),
            (expecting("/nothing", Length::Exact(5)), 404),
            (expecting("/plaintext", Length::Unknown), 405),
            (expecting("/echo", Length::Exact((32 << 20) + 1)), 413),
        ] {
            let mut client = lane.open(House::shared());
            let id = client.begin(&ask);
            let answer = client.answer(id).whole().status(status);
            assert!(answer.interim.is_empty(), "{} {}", lane.name(), ask.target);
        }
    }
}

#[test]
fn continue_is_left_out_once_content_came() {
    for lane in LANES.iter().filter(|lane| lane.can(Ability::Interim)) {
        let mut client = lane.open(House::shared());
        let id = client.begin(&expecting("/test/late", Length::Exact(5)));
        client.send(id, b"hello").unwrap();
        let answer = client.answer(id).whole().status(200);
        assert_eq!(
            (answer.text(), answer.interim),
            ("hello".to_owned(), vec![]),
            "{}",
            lane.name()
        );
    }
}

#[test]
fn an_expectation_that_nobody_knows_is_refused() {
    // RFC 9110 §10.1.1: in an HTTP/1.0 request an expectation means nothing.
    for lane in LANES.iter().filter(|lane| lane.can(Ability::Interim)) {
        let mut client = lane.open(House::shared());
        let id = client.begin(&Ask::post("/echo", Length::Exact(3)).field("expect", "a-miracle"));
        // RFC 9110 §10.1.1: a server MAY respond with 417.
        client.answer(id).whole().status(417);
    }
}

#[test]
fn answers_before_the_content_is_sent() {
    for lane in LANES {
        for (target, said, status) in [
            ("/echo", (32 << 20) + 1, 413),
            ("/nothing", 1000, 404),
            ("/nothing", 100 << 20, 404),
            ("/plaintext", 1000, 405),
            ("/plaintext", 100 << 20, 405),
            ("/test/ignore", 1000, 200),
        ] {
            let mut client = lane.open(House::shared());
            let id = client.begin(&Ask::post(target, Length::Exact(said)));
            let answer = client.answer(id).whole().status(status);
            assert!(status == 200 || answer.json()["error"].is_object(), "{}", lane.name());
        }
    }
}

#[test]
fn small_content_that_nobody_wanted_costs_no_connection() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        for target in ["/nothing", "/plaintext", "/test/ignore", "/test/first"] {
            let id = client.begin(&Ask::post(target, Length::Exact(20_000)));
            client.send(id, &[b'\n'; 10_000]).unwrap();
            // Half of the content is still here: the answer does not wait for it.
            let early = client.next(id);
            assert!(matches!(early, Got::Head(_)), "{} {target}: {early:?}", lane.name());
            // RFC 9112 §9.3: the rest is read, so that the next request is found.
            client.send(id, &[b'\n'; 10_000]).unwrap();
            assert!(client.answer(id).is_whole, "{} {target}", lane.name());
            if client.is_open() {
                client.ask(&Ask::get("/plaintext")).status(200);
            } else {
                assert_eq!((lane.name(), target), ("h1.0", "/test/first"));
                client = lane.open(House::shared());
            }
        }
    }
}

#[test]
fn large_content_that_nobody_wanted_does_not_lose_the_answer() {
    for lane in LANES {
        let content = vec![b'z'; 8 << 20];
        for (target, status) in [("/nothing", 404), ("/plaintext", 405), ("/test/first", 200)] {
            let mut client = lane.open(House::shared());
            let ask = Ask::post(target, Length::Exact(content.len() as u64));
            client.ask_with(&ask, &content).status(status);
        }
    }
}
