//! Server-Sent Events (FEATURES P13): at once, as long as the client stays, and no longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use trilane::{Event, Limits, Router, Server, Shard, Sse, get};

use super::super::parity::{Ask, Client, Got, House, LANES, eventually};
use super::super::process::Process;

/// What comes until the text of the content ends so.
#[track_caller]
fn until(client: &mut dyn Client, id: usize, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        match client.next_within(id, Duration::from_secs(20)) {
            Got::Data(data) => text.push_str(std::str::from_utf8(&data).unwrap()),
            Got::Head(head) => {
                assert_eq!(head.status, 200);
                assert_eq!(head.field("content-type"), Some("text/event-stream"));
                assert_eq!(head.field("content-length"), None);
            }
            other => panic!("{other:?} after {text:?}"),
        }
    }
    text
}

#[test]
fn the_demo_sends_one_at_once_and_goes_on_where_a_client_was() {
    let house = House::shared();
    for lane in LANES {
        let mut client = lane.open(house);
        let id = client.begin(&Ask::get("/events"));
        // The maker of events never ends: what comes has come before its end.
        assert_eq!(until(&mut *client, id, "\n\n"), "id: 0\ndata: event 0\n\n", "{}", lane.name());
        assert_eq!(until(&mut *client, id, "\n\n"), "id: 1\ndata: event 1\n\n", "{}", lane.name());
        client.leave();
        let mut client = lane.open(house);
        let id = client.begin(&Ask::get("/events").field("last-event-id", "41"));
        assert_eq!(
            until(&mut *client, id, "\n\n"),
            "id: 42\ndata: event 42\n\n",
            "{}",
            lane.name()
        );
        client.leave();
    }
}

#[test]
fn the_demo_s_events_end_with_its_server() {
    for lane in LANES {
        let mut process = Process::demo(&["--log", "off"]);
        let mut client = lane.open(&process);
        let id = client.begin(&Ask::get("/events"));
        until(&mut *client, id, "\n\n");
        process.signal("TERM");
        // In order: a client comes back when an answer ends, and a proxy has nothing to complain of.
        loop {
            match client.next_within(id, Duration::from_secs(20)) {
                Got::Data(_) => (),
                got => break assert_eq!(got, Got::End, "{}", lane.name()),
            }
        }
        assert_eq!(process.exit_within(Duration::from_secs(10)).code(), Some(0), "{}", lane.name());
    }
}

/// Handlers, and their makers of events, that are there.
struct Guest(Arc<AtomicU64>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// One event, and then nothing but comments.
async fn silent(shard: Shard, guests: Arc<AtomicU64>) -> Sse {
    guests.fetch_add(1, SeqCst);
    let guest = Guest(guests);
    let events = Sse::write(&shard, |events| async move {
        events.send(Event::new().data("one")).await;
        std::future::pending::<()>().await;
        drop(guest);
        Ok(())
    });
    events.keep_alive(Duration::from_millis(5))
}

#[test]
fn silence_is_filled_beyond_every_timeout_until_the_client_leaves() {
    let guests = Arc::new(AtomicU64::new(0));
    let of_app = Arc::clone(&guests);
    let mut limits = Limits::default();
    // All of them pass several times while the comments below come.
    (limits.handler_timeout, limits.idle_timeout) =
        (Duration::from_millis(20), Duration::from_millis(20));
    let app = move |_| {
        let guests = Arc::clone(&of_app);
        Router::new().route("/", get(move |shard: Shard| silent(shard, Arc::clone(&guests))))
    };
    let house = House::of(Server::new(app).h2c().limits(limits));
    for lane in LANES {
        let mut client = lane.open(&house);
        let id = client.begin(&Ask::get("/"));
        let comments = ":\n\n".repeat(20);
        let text = until(&mut *client, id, &comments);
        assert!(text.starts_with("data: one\n\n:\n\n"), "{}: {text:?}", lane.name());
        assert_eq!(guests.load(SeqCst), 1, "{}", lane.name());
        client.leave();
        eventually("the maker is dropped", || guests.load(SeqCst) == 0);
    }
}
