//! Content in open files, under a virtual clock: over a transport that takes files, and over one of bytes only.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use trilane_exchange::{Outgoing, Reply, Request, Response, Service};
use trilane_semantics::{Instant, Known, Payload, StatusCode};
use trilane_sim::answer::{Answer, Parser};
use trilane_sim::clock::Clock;
use trilane_sim::pipe::{Arrival, Cuts, Link};
use trilane_sim::rng::Rng;
use trilane_sim::server::Server;
use trilane_sim::trace::Trace;

const SIZE: usize = 5 << 20;

/// Answers every request with the part of its file that the path names, `/START-END`; `/twice` is the file in two frames
/// of a stream.
struct Shelf(Rc<dyn AsFd>);

impl Service for Shelf {
    fn call(&self, request: Request, _: &mut Context<'_>) -> Reply {
        let part = |start, end: usize| Payload::from_file(Rc::clone(&self.0), start, end - start);
        let ok = Response::new(StatusCode::OK);
        let numbers = request.path()[1..].split_once('-');
        Reply::Ready(match numbers.map(|(start, end)| (start.parse(), end.parse())) {
            Some((Ok(start), Ok(end))) => ok.body(Outgoing::Full(part(start, end))),
            _ => {
                let (one, two) = (part(0, SIZE / 2), part(SIZE / 2, SIZE));
                ok.field(Known::ContentType, "x/y").body(Outgoing::write(|writer| async move {
                    writer.send(one).await;
                    writer.send("between").await;
                    writer.send(two).await;
                    Ok(())
                }))
            }
        })
    }
}

/// One server, one connection, and when its client reads.
struct Run {
    server: Server,
    clock: Rc<Clock>,
    trace: Rc<Trace>,
    link: Rc<RefCell<Link>>,
    got: Vec<u8>,
    end: Option<Arrival>,
}

impl Run {
    /// The `number`th connection of a server: the even ones take files.
    fn new(file: File, number: u64) -> Self {
        let (clock, trace) = (Rc::<Clock>::default(), Rc::<Trace>::default());
        let app = Rc::new(Shelf(Rc::new(file)));
        let mut rng = Rng::new(7 + number);
        let mut server = Server::new(app, Rc::clone(&clock), rng.fork(), Rc::clone(&trace));
        let mut link = Rc::new(RefCell::new(Link::new(Cuts::Whole, &mut rng)));
        for _ in 0..number {
            link = Rc::new(RefCell::new(Link::new(Cuts::Whole, &mut rng)));
            server.accept(Rc::clone(&link)).unwrap();
        }
        Self { server, clock, trace, link, got: Vec::new(), end: None }
    }

    fn ask(&self, target: &str, method: &str) {
        let wire = format!("{method} {target} HTTP/1.1\r\nhost: sim\r\n\r\n");
        self.link.borrow_mut().client_writes(self.clock.now(), wire.as_bytes());
    }

    /// Goes on for that long; the client takes what comes if it `reads`.
    fn pass(&mut self, time: Duration, reads: Reads) {
        let end = self.clock.now() + time;
        while self.clock.now() < end && self.end.is_none() {
            while self.server.turn() {}
            self.server.assert_quiet();
            let now = self.clock.now();
            if reads == Reads::Yes {
                self.read(now);
            }
            while self.server.turn() {}
            let next = (reads == Reads::Yes).then(|| self.link.borrow().down.next()).flatten();
            let next = Instant::earliest(self.server.next(), next).unwrap_or(end).min(end);
            self.clock.advance(next.max(now + Duration::from_micros(1)));
        }
        assert_eq!(self.trace.failures(), Vec::<String>::new());
    }

    /// Takes what has come.
    fn read(&mut self, now: Instant) {
        while let Some(arrival) = self.link.borrow_mut().down.read(now) {
            match arrival {
                Arrival::Bytes(bytes) => self.got.extend(bytes),
                over => {
                    self.end = Some(over);
                    return;
                }
            }
        }
    }

    /// What came, as a client reads it that has sent one request.
    fn answer(&self, is_head: bool) -> Answer {
        let mut parser = Parser::new(vec![is_head]);
        parser.feed(&self.got);
        assert_eq!(parser.error, None);
        parser.answers.remove(0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    No,
    Yes,
}

fn content() -> Vec<u8> {
    (0..SIZE as u32).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

/// A file that has no name any more, open to read, and to write.
fn file(name: &str) -> (File, File) {
    let path = std::env::temp_dir().join(format!("trilane-sim-{}-{name}", std::process::id()));
    fs::write(&path, content()).unwrap();
    let write = File::options().write(true).open(&path).unwrap();
    let read = File::open(&path).unwrap();
    fs::remove_file(path).unwrap();
    (read, write)
}

const LONG: Duration = Duration::from_secs(600);

#[test]
fn a_file_comes_whole_and_in_part_over_every_transport() {
    let all = content();
    for number in [1, 2] {
        for (method, start, end) in
            [("GET", 0, SIZE), ("GET", 7, 8), ("GET", 1_048_570, 3_000_000), ("HEAD", 0, SIZE)]
        {
            let mut run = Run::new(file("whole").0, number);
            run.ask(&format!("/{start}-{end}"), method);
            run.pass(LONG, Reads::Yes);
            let (is_head, answer) = (method == "HEAD", run.answer(method == "HEAD"));
            let body = if is_head { &[] } else { &all[start..end] };
            assert!(answer.is_complete && answer.body == body, "{number} {method} {start}");
            assert_eq!(answer.field("content-length"), Some(&*(end - start).to_string()));
        }
        let mut run = Run::new(file("twice").0, number);
        run.ask("/twice", "GET");
        run.pass(LONG, Reads::Yes);
        let answer = run.answer(false);
        let (one, two) = all.split_at(SIZE / 2);
        assert!(answer.is_complete && answer.body == [one, b"between", two].concat(), "{number}");
    }
}

#[test]
fn a_client_that_reads_late_leaves_or_stops() {
    for number in [1, 2] {
        let mut late = Run::new(file("late").0, number);
        late.ask(&format!("/0-{SIZE}"), "GET");
        for _ in 0..200 {
            late.pass(Duration::from_secs(20), Reads::No);
            late.pass(Duration::from_millis(2), Reads::Yes);
        }
        late.pass(LONG, Reads::Yes);
        assert!(late.answer(false).body == content(), "{number}");
        let mut leaver = Run::new(file("leaver").0, number);
        leaver.ask(&format!("/0-{SIZE}"), "GET");
        leaver.pass(Duration::from_millis(5), Reads::Yes);
        let now = leaver.clock.now();
        leaver.link.borrow_mut().client_leaves(now);
        leaver.pass(Duration::from_secs(40), Reads::No);
        assert_eq!(leaver.server.open(), 0, "{number}");
        let mut stopper = Run::new(file("stopper").0, number);
        stopper.ask(&format!("/0-{SIZE}"), "GET");
        stopper.pass(Duration::from_secs(40), Reads::No);
        stopper.pass(LONG, Reads::Yes);
        assert_eq!(stopper.end, Some(Arrival::Reset), "{number}");
        let tally = stopper.server.recorder().tally();
        assert_eq!(tally.get("cause write_timeout"), Some(&1), "{number} {tally:?}");
    }
}

#[test]
fn a_file_that_shrinks_breaks_its_message_off() {
    for number in [1, 2] {
        let (read, write) = file("shrinks");
        let mut run = Run::new(read, number);
        run.ask(&format!("/0-{SIZE}"), "GET");
        run.pass(Duration::from_millis(5), Reads::Yes);
        write.set_len(1000).unwrap();
        run.pass(LONG, Reads::Yes);
        let answer = run.answer(false);
        assert!(!answer.is_complete && answer.body.len() < SIZE, "{number}");
        assert!(content().starts_with(&answer.body));
        assert!(run.server.recorder().tally().contains_key("cause aborted"), "{number}");
    }
}
