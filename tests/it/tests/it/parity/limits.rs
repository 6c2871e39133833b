//! Each limit at n - 1, n and n + 1, and each timeout, with limits of the house's own.

use std::time::{Duration, Instant};

use super::house::eventually;
use super::{Ability, Answer, Ask, Got, House, LANES, Length};

const SHORT: Duration = Duration::from_millis(250);

#[track_caller]
fn error(answer: Answer, status: u16, code: &str) {
    let answer = answer.whole().status(status);
    assert_eq!(answer.json()["error"]["code"], code);
    assert!(answer.head.field("x-request-id").is_some());
}

#[test]
fn the_size_of_a_head() {
    const HEAD: usize = 2048;
    let house = House::new(|limits| limits.head = HEAD);
    for lane in LANES {
        for (size, status) in [(HEAD - 1, 200), (HEAD, 200), (HEAD + 1, 431), (4 * HEAD, 431)] {
            let mut client = lane.open(&house);
            let bare = client.cost(&Ask::get("/plaintext").field("x-pad", "")).0;
            let ask = Ask::get("/plaintext").field("x-pad", "p".repeat(size - bare));
            assert_eq!(client.cost(&ask).0, size);
            let answer = client.ask(&ask).status(status);
            // RFC 6585 §5.
            assert!(status == 200 || answer.json()["error"]["code"] == "HEADERS_TOO_LARGE");
        }
    }
}

#[test]
fn the_lines_of_a_head() {
    const LINES: usize = 20;
    let house = House::new(|limits| limits.field_lines = LINES);
    for lane in LANES {
        for (lines, status) in [(LINES - 1, 200), (LINES, 200), (LINES + 1, 431)] {
            let mut client = lane.open(&house);
            let mut ask = Ask::get("/plaintext");
            while client.cost(&ask).1 < lines {
                ask = ask.field("x-line", "y");
            }
            client.ask(&ask).status(status);
        }
    }
}

#[test]
fn the_length_of_a_target() {
    const TARGET: usize = 300;
    let house = House::new(|limits| limits.target = TARGET);
    for lane in LANES {
        for (length, status) in [(TARGET - 1, 200), (TARGET, 200), (TARGET + 1, 414)] {
            let mut client = lane.open(&house);
            let target = format!("/plaintext?{}", "q".repeat(length - 11));
            client.ask(&Ask::get(target)).status(status);
        }
    }
}

#[test]
fn the_size_of_content() {
    const BODY: usize = 100_000;
    let house = House::new(|limits| limits.body = BODY as u64);
    for lane in LANES {
        let both = [Some(true), lane.can(Ability::Unknown).then_some(false)];
        for is_said in both.into_iter().flatten() {
            for (size, status) in [(BODY - 1, 200), (BODY, 200), (BODY + 1, 413)] {
                let mut client = lane.open(&house);
                let length = if is_said { Length::Exact(size as u64) } else { Length::Unknown };
                let ask = Ask::post("/test/collect", length);
                // RFC 9110 §15.5.14.
                let answer = client.ask_with(&ask, &vec![b'c'; size]).status(status);
                assert!(status != 200 || answer.body.len() == size, "{}", lane.name());
                // A route's own limit replaces that of the connection.
                let mut client = lane.open(&house);
                client.ask_with(&Ask::post("/echo", length), &vec![b'c'; size]).status(200);
            }
        }
    }
}

#[test]
fn a_head_that_does_not_end() {
    let house = House::new(|limits| limits.head_timeout = SHORT);
    for lane in LANES {
        let mut client = lane.open(&house);
        client.dangle(&Ask::get("/plaintext"));
        // RFC 9110 §15.5.9.
        let began = Instant::now();
        error(client.answer(0), 408, "REQUEST_TIMEOUT");
        assert!(began.elapsed() >= SHORT / 2, "{:?}", began.elapsed());
        if lane.can(Ability::Apart) {
            client.ask(&Ask::get("/plaintext")).status(200);
        } else {
            assert!(client.is_closed_within(Duration::from_secs(5)), "{}", lane.name());
        }
        // Not a word at all: closed without one.
        let mut silent = lane.open(&house);
        assert!(silent.is_closed_within(Duration::from_secs(5)), "{}", lane.name());
    }
}

#[test]
fn content_that_stops_coming() {
    let house = House::new(|limits| limits.body_timeout = SHORT);
    for lane in LANES {
        for target in ["/test/collect", "/upload", "/test/late"] {
            let mut client = lane.open(&house);
            let id = client.begin(&Ask::post(target, Length::Exact(10)));
            client.send(id, b"abc").unwrap();
            // RFC 9110 §15.5.9.
            error(client.answer(id), 408, "REQUEST_TIMEOUT");
        }
        // Slow is not stopped: each piece has the time anew.
        let mut client = lane.open(&house);
        let id = client.begin(&Ask::post("/echo", Length::Exact(8)));
        for _ in 0..8 {
            std::thread::sleep(SHORT / 4);
            client.send(id, b"s").unwrap();
        }
        assert_eq!(client.answer(id).whole().status(200).text(), "ssssssss", "{}", lane.name());
        // In the middle of an answer there is no 408 any more, only the end.
        let mut client = lane.open(&house);
        let id = client.begin(&Ask::post("/echo/stream", Length::Exact(10)));
        client.send(id, b"abc").unwrap();
        let answer = client.answer(id);
        assert_eq!((answer.head.status, answer.text()), (200, "abc".to_owned()));
        assert_eq!(answer.is_whole, !lane.can(Ability::Unknown), "{}", lane.name());
    }
    house.settle();
}

#[test]
fn a_handler_that_takes_too_long() {
    let house = House::new(|limits| limits.handler_timeout = SHORT);
    for (at, lane) in (1..).zip(LANES) {
        let mut client = lane.open(&house);
        let began = Instant::now();
        let id = client.begin(&Ask::get("/test/wait"));
        // RFC 9110 §15.6.5; its future is dropped (FEATURES X5).
        error(client.answer(id), 504, "GATEWAY_TIMEOUT");
        assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
        eventually("the handler is dropped", || house.dropped() == at);
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/slow/20")).status(200);
        // The time is for the head: content may take longer.
        let mut client = lane.open(&house);
        let answer = client.ask(&Ask::get("/stream/40")).status(200);
        assert!(answer.text().ends_with("chunk 39\n"), "{}", lane.name());
    }
    assert_eq!(house.finished(), 0);
    house.settle();
}

#[test]
fn an_answer_that_nobody_takes() {
    let house = House::new(|limits| limits.write_timeout = SHORT);
    for (at, lane) in (1..).zip(LANES) {
        let mut client = lane.open(&house);
        let id = client.begin(&Ask::get("/test/endless"));
        eventually("the body begins", || house.begun() == at);
        eventually("the body is dropped", || house.dropped() == at);
        let is_closed = || house.sum(|stats| stats.open.get()) == 0;
        // A client's QUIC may acknowledge what nobody takes: then it is the stream alone that takes too long.
        if lane.protocol() != "HTTP/3" {
            eventually("the connection is closed", is_closed);
        }
        let mut got = Got::Nothing;
        while !matches!(got, Got::Cut | Got::End) {
            got = client.next(id);
            assert_ne!(got, Got::Nothing, "{}", lane.name());
        }
        // Without a length or chunks a cut cannot be told from an end (RFC 1945 §7.2.2).
        assert_eq!(got == Got::Cut, lane.can(Ability::Unknown), "{}", lane.name());
        client.leave();
        eventually("the connection is closed", is_closed);
    }
}
