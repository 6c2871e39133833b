//! How fast content goes (FEATURES R7). These cases measure time, as no others do: content must not come faster than it may; how
//! much slower is the machine's affair.

use std::thread;
use std::time::Instant;

use trilane::{Bandwidth, Bytes, Limits, Outgoing, Router, Server, Shard, get};

use super::super::parity::{Ask, House, LANES};

/// Bytes a second.
const RATE: usize = 1_000_000;
/// More than what a slice and the buffers of a client are.
const CONTENT: usize = 1_500_000;

/// In one piece, and in many.
fn app(_: Shard) -> Router {
    Router::new()
        .route("/whole", get(|| async { Bytes::from(vec![b'w'; CONTENT]) }))
        .route("/stream", get(|| async { stream() }))
        .route("/half", get(|| async { Bytes::from(vec![b'h'; CONTENT / 2]) }))
        .route("/layer", get(|| async { stream() }).layer(Bandwidth::new(RATE as u64)))
        .route(
            "/paced",
            get(|shard: Shard| async move {
                let whole = Outgoing::from(Bytes::from(vec![b'p'; CONTENT]));
                Bandwidth::new(RATE as u64).pace(&shard, whole)
            }),
        )
}

fn stream() -> Outgoing {
    Outgoing::write(|writer| async move {
        for _ in 0..CONTENT / 50_000 {
            writer.send(vec![b's'; 50_000]).await;
        }
        Ok(())
    })
}

/// Asks for them at once on one connection of each protocol that can, else one after the other: all of it must take its time.
fn check(house: &House, targets: &[&str], bytes: usize) {
    thread::scope(|scope| {
        for lane in LANES {
            scope.spawn(move || {
                for target in targets {
                    let mut client = lane.open(house);
                    let begun = Instant::now();
                    let answer = client.ask(&Ask::get(*target)).status(200);
                    let took = begun.elapsed().as_secs_f64();
                    assert_eq!(answer.body.len(), bytes);
                    // What may go at once is a fiftieth of a second's.
                    let least = bytes as f64 / RATE as f64 - 0.03;
                    let what = format!("{} {target}: {took} s for {bytes} bytes", lane.name());
                    assert!(took >= least * 0.95, "{what}");
                }
            });
        }
    });
}

#[test]
fn a_connection_sends_no_faster_than_it_may() {
    let mut limits = Limits::default();
    limits.bandwidth = RATE as u64;
    let house = House::of(Server::new(app).h2c().limits(limits));
    check(&house, &["/whole", "/stream"], CONTENT);
}

#[test]
fn an_answer_comes_no_faster_than_it_may() {
    let house = House::serving(app);
    check(&house, &["/layer", "/paced"], CONTENT);
}

/// Two answers of a connection share what it has.
#[test]
fn answers_of_a_connection_share_its_bandwidth() {
    let mut limits = Limits::default();
    limits.bandwidth = RATE as u64;
    let house = House::of(Server::new(app).h2c().limits(limits));
    for lane in LANES.iter().filter(|lane| ["h2c", "h3"].contains(&lane.name())) {
        let mut client = lane.open(&house);
        let begun = Instant::now();
        let ids = [client.begin(&Ask::get("/half")), client.begin(&Ask::get("/half"))];
        for id in ids {
            assert_eq!(client.answer(id).whole().status(200).body.len(), CONTENT / 2);
        }
        let took = begun.elapsed().as_secs_f64();
        assert!(took >= CONTENT as f64 / RATE as f64 * 0.95 - 0.03, "{}: {took} s", lane.name());
    }
}
