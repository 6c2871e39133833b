//! FEATURES W13, messages between shards: work that a handler gives to the other shard is done there, and comes back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use trilane::{Error, ListenAddress, Router, Server, Shard, State, StatusCode, Undelivered, get};

use super::super::parity::{Ask, House, LANES, eventually};

type Counts = Arc<[AtomicU64; 2]>;

fn app(shard: Shard, counts: &Counts) -> Router {
    Router::new().route("/other", get(other)).with_state((shard, Arc::clone(counts)))
}

/// Asks the shard after this one for its number, and counts there.
async fn other(State((shard, counts)): State<(Shard, Counts)>) -> Result<String, Error> {
    let next = (shard.id() + 1) % shard.shards();
    let there = move |shard: &Shard| {
        counts[shard.id()].fetch_add(1, SeqCst);
        shard.id()
    };
    let gone = |_: Undelivered| Error::new(StatusCode::SERVICE_UNAVAILABLE);
    let answer = shard.ask(next, there).await.map_err(gone)?;
    Ok(format!("{} of {} asked {answer}", shard.id(), shard.shards()))
}

#[test]
fn a_handler_asks_the_other_shard() {
    let counts = Counts::default();
    let shared = Arc::clone(&counts);
    let house = House::serving(move |shard| app(shard, &shared));
    for lane in LANES {
        // Both shards have connections, wherever the kernel puts them: a fresh one goes to the idler shard.
        let mut seen = [0; 2];
        let mut clients: Vec<_> = (0..12).map(|_| lane.open(&house)).collect();
        for client in &mut clients {
            let text = client.ask(&Ask::get("/other")).status(200).text();
            let asker = usize::from(text.starts_with('1'));
            assert_eq!(text, format!("{asker} of 2 asked {}", 1 - asker), "{}", lane.name());
            seen[asker] += 1;
        }
        assert_eq!(seen[0] + seen[1], 12);
    }
    let sum = counts[0].load(SeqCst) + counts[1].load(SeqCst);
    assert_eq!(sum, 12 * LANES.len() as u64);
}

/// A drain does not wait for messages, and who waits for one learns when there is nobody left to answer it.
#[test]
fn nothing_hangs_when_shards_end() {
    let server = Server::new(|shard: Shard| {
        let route = get(|State(shard): State<Shard>| async move {
            let next = (shard.id() + 1) % shard.shards();
            while shard.ask(next, Shard::id).await.is_ok() {
                shard.sleep(Duration::from_millis(1)).await;
            }
            "alone"
        });
        Router::new().route("/alone", route).with_state(shard)
    });
    let two = NonZero::new(2).unwrap();
    let running = server.listen("127.0.0.1:0").shards(two).start().unwrap();
    let ListenAddress::Tcp(address) = running.addresses()[0] else { panic!("not TCP") };
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(b"GET /alone HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    eventually("the request is begun", || {
        running.stats().iter().any(|stats| stats.requests.get() == 1)
    });
    running.stopper().drain();
    // The shard without connections ends first; the other has one until it has answered.
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("alone"), "{answer}");
    running.wait().unwrap();
}
