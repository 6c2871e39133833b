//! SIGTERM (FEATURES O2): no request that was sent on a connection accepted before the signal fails.

use std::net::TcpStream;
use std::sync::Barrier;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Process;
use crate::parity::{Ask, Client, Got, LANES, Over, Place, eventually};

const MOMENT: Duration = Duration::from_millis(200);

/// Waits until the server has accepted that many connections.
fn accepted(watch: &mut dyn Client, n: u64) {
    let end = Instant::now() + Duration::from_secs(10);
    while watch.ask(&Ask::get("/stats")).json()["accepted"].as_u64() < Some(n) {
        assert!(Instant::now() < end, "{n} connections are not accepted");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_under_way_is_finished() {
    for lane in LANES {
        let mut process = Process::demo(&["--log", "off"]);
        let mut idle = lane.open(&process);
        idle.ask(&Ask::get("/plaintext")).status(200);
        let mut silent = lane.open(&process);
        let mut slow = lane.open(&process);
        let of_slow = slow.begin(&Ask::get("/slow/1200"));
        let mut streamed = lane.open(&process);
        let of_stream = streamed.begin(&Ask::get("/stream/90"));
        let Got::Head(_) = streamed.next(of_stream) else { panic!("no head") };
        accepted(&mut *idle, 4);
        process.signal("TERM");
        // Every shard has heard of it.
        let address = Place::address(&process, Over::Tcp);
        eventually("listeners are closed", || TcpStream::connect(address).is_err());
        // An idle connection, and one that has not said a word: a request within the grace is answered, and
        // is the last (RFC 9112 §9.6).
        for client in [&mut idle, &mut silent] {
            assert_eq!(client.ask(&Ask::get("/plaintext")).status(200).text(), "Hello, World!");
        }
        for client in [&mut idle, &mut silent] {
            assert!(!client.is_open(), "{}: nobody said that this was the last", lane.name());
            assert!(client.is_closed_within(Duration::from_secs(3)), "{}", lane.name());
        }
        assert_eq!(slow.answer(of_slow).whole().status(200).text(), "slept 1200 ms\n");
        assert!(!slow.is_open());
        assert!(streamed.answer(of_stream).whole().text().ends_with("chunk 89\n"));
        assert_eq!(process.exit_within(Duration::from_secs(5)).code(), Some(0));
    }
}

#[test]
fn an_idle_connection_is_kept_for_the_grace_only() {
    for lane in LANES {
        let mut process = Process::demo(&["--log", "off"]);
        let mut client = lane.open(&process);
        client.ask(&Ask::get("/plaintext")).status(200);
        let began = Instant::now();
        process.signal("TERM");
        assert!(client.is_closed_within(Duration::from_secs(4)), "{}", lane.name());
        let kept = began.elapsed();
        // HTTP/2 has a word for it (RFC 9113 §6.8): who has answered that need not be waited for.
        // HTTP/3 has one that is not answered, and gives it a second.
        let least = match lane.protocol() {
            "HTTP/2" => 0,
            "HTTP/3" => 900,
            _ => 1800,
        };
        assert!(kept >= Duration::from_millis(least) && kept < Duration::from_secs(4), "{kept:?}");
        client.leave();
        assert_eq!(process.exit_within(Duration::from_secs(5)).code(), Some(0));
    }
}

#[test]
fn no_request_fails_under_load() {
    const THREADS: usize = 8;
    const EACH: usize = 25;
    for lane in LANES {
        let mut process = Process::demo(&["--log", "off"]);
        let (loaded, addresses, mut sent) = (Barrier::new(THREADS + 1), process.addresses(), 0);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut clients: Vec<_> =
                            (0..EACH).map(|_| lane.open(&addresses)).collect();
                        for client in &mut clients {
                            client.ask(&Ask::get("/plaintext")).status(200);
                        }
                        loaded.wait();
                        let mut sent = 0u64;
                        while !clients.is_empty() {
                            // All at once, so that each has a request under way all the time.
                            let ids: Vec<_> = clients
                                .iter_mut()
                                .enumerate()
                                .map(|(at, client)| client.begin(&Ask::get(target(at))))
                                .collect();
                            for (client, id) in clients.iter_mut().zip(ids) {
                                client.answer(id).whole().status(200);
                                sent += 1;
                            }
                            clients.retain(|client| client.is_open());
                        }
                        sent
                    })
                })
                .collect();
            loaded.wait();
            sleep(MOMENT);
            process.signal("TERM");
            sent = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
        });
        assert!(sent > (THREADS * EACH) as u64, "{}: {sent} requests are no load", lane.name());
        assert_eq!(process.exit_within(Duration::from_secs(10)).code(), Some(0));
    }
}

fn target(at: usize) -> &'static str {
    ["/plaintext", "/json", "/slow/5", "/bytes/20000"][at % 4]
}

#[test]
fn the_deadline_ends_what_would_not() {
    let path =
        std::env::temp_dir().join(format!("trilane-it-{}-deadline.toml", std::process::id()));
    std::fs::write(&path, "[drain]\ndeadline = 1\nidle_grace = 0\n").unwrap();
    for lane in LANES {
        let mut process = Process::demo(&["--log", "off", "--config", path.to_str().unwrap()]);
        let mut client = lane.open(&process);
        client.ask(&Ask::get("/plaintext")).status(200);
        let id = client.begin(&Ask::get("/slow/25000"));
        sleep(MOMENT);
        let began = Instant::now();
        process.signal("INT");
        assert_eq!(process.exit_within(Duration::from_secs(4)).code(), Some(0));
        assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
        assert_eq!(client.next(id), Got::Cut, "{}", lane.name());
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_second_signal_stops_at_once() {
    for lane in LANES {
        let mut process = Process::demo(&["--log", "off"]);
        let mut client = lane.open(&process);
        client.ask(&Ask::get("/plaintext")).status(200);
        let id = client.begin(&Ask::get("/slow/25000"));
        sleep(MOMENT);
        process.signal("TERM");
        assert_eq!(client.next_within(id, MOMENT), Got::Nothing, "{}", lane.name());
        let began = Instant::now();
        process.signal("TERM");
        assert_eq!(process.exit_within(Duration::from_secs(4)).code(), Some(0));
        assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
        assert_eq!(client.next(id), Got::Cut, "{}", lane.name());
    }
}

/// Much of an answer is with QUIC when there is no more to be said: it is not thrown away while it is taken, however slowly.
#[test]
fn downloads_over_quic_come_to_their_end() {
    const CLIENTS: usize = 12;
    let mut process = Process::demo(&["--log", "off"]);
    let (begun, addresses) = (Barrier::new(CLIENTS + 1), process.addresses());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = LANES[5].open(&addresses);
                client.ask(&Ask::get("/plaintext")).status(200);
                begun.wait();
                while client.is_open() {
                    let ids = [0; 2].map(|_| client.begin(&Ask::get("/bytes/1000000")));
                    for id in ids {
                        assert_eq!(client.answer(id).whole().body.len(), 1_000_000);
                    }
                }
            });
        }
        begun.wait();
        sleep(5 * MOMENT);
        process.signal("TERM");
    });
    assert_eq!(process.exit_within(Duration::from_secs(10)).code(), Some(0));
}
