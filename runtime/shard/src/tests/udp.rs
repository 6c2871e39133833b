//! Real sockets over the loopback: trains both ways, of both families, and what goes wrong with them.

use std::net::{SocketAddr, UdpSocket as Client};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

use super::*;
use crate::listen::{ListenAddress, Listeners, UdpConfig};
use crate::ring::RingConfig;

/// One shard's UDP, and nothing else of it.
struct Rig {
    ring: Ring,
    udp: Udp,
    stats: Stats,
    address: SocketAddr,
    completions: Vec<Completion>,
}

impl Rig {
    fn new(address: &str) -> Self {
        Self::with_buffers(address, COUNT, SIZE)
    }

    fn with_buffers(address: &str, count: u16, size: u32) -> Self {
        Self::open(address, count, size, UdpConfig::default())
    }

    fn open(address: &str, count: u16, size: u32, config: UdpConfig) -> Self {
        let asked = [ListenAddress::Udp(address.parse().unwrap())];
        let mut listeners = Listeners::open_with(&asked, NonZero::<usize>::MIN, config).unwrap();
        let sockets = listeners.take_udp().remove(0);
        let address = sockets[0].address();
        let mut ring = Ring::new(RingConfig { submissions: 8, completions: 64 }).unwrap();
        let mut udp = Udp::with_buffers(&mut ring, sockets, count, size).unwrap();
        udp.receive(&mut ring);
        let mut rig = Self { ring, udp, stats: Stats::default(), address, completions: Vec::new() };
        rig.turn();
        rig
    }

    /// One turn: what has come, as datagrams with their paths.
    fn turn(&mut self) -> Vec<(Vec<u8>, Path)> {
        self.udp.publish();
        self.ring.turn(&mut self.completions).unwrap();
        let mut got = Vec::new();
        for mut completion in self.completions.drain(..) {
            match completion.token().unwrap().op {
                Op::Datagrams => {
                    let received = self.udp.received(&mut completion, &mut self.ring, &self.stats);
                    if let Some(mut received) = received {
                        let path = received.path();
                        got.extend(received.datagrams().map(|bytes| (bytes.to_vec(), path)));
                    }
                }
                Op::Train => self.udp.sent(&completion, &mut self.ring, &self.stats),
                other => assert_eq!(other, Op::CancelDatagrams),
            }
        }
        got
    }

    /// Turns until `count` datagrams have come.
    fn take(&mut self, count: usize) -> Vec<(Vec<u8>, Path)> {
        let mut got = Vec::new();
        self.until(|rig| {
            got.extend(rig.turn());
            got.len() >= count
        });
        got
    }

    fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let late = (0..5000).find(|_| {
            thread::sleep(Duration::from_millis(1));
            done(self)
        });
        assert!(late.is_some(), "it never came");
    }

    /// Sends these as one train.
    fn send(&mut self, datagrams: &[&[u8]], path: Path) -> bool {
        self.udp.send(&mut self.ring, &self.stats, |train| fill(train, datagrams, path))
    }
}

fn fill(train: &mut Train, datagrams: &[&[u8]], path: Path) -> bool {
    for datagram in datagrams {
        train.space()[..datagram.len()].copy_from_slice(datagram);
        assert!(train.push(datagram.len(), path));
    }
    true
}

/// A client that waits for answers.
fn client(ip: &str) -> Client {
    let client = Client::bind((ip, 0)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client
}

fn receive(client: &Client) -> (Vec<u8>, SocketAddr) {
    let mut bytes = vec![0; 2000];
    let (len, from) = client.recv_from(&mut bytes).unwrap();
    bytes.truncate(len);
    (bytes, from)
}

fn has_ipv6() -> bool {
    Client::bind("[::1]:0").is_ok()
}

/// Datagrams of 1,000 bytes each but the last, told apart by their first byte.
fn datagrams(count: u8) -> Vec<Vec<u8>> {
    let len = |at| if at + 1 == count { 500 } else { 1000 };
    (0..count).map(|at| vec![at; len(at)]).collect()
}

#[test]
fn trains_go_both_ways_in_both_families() {
    for ip in ["127.0.0.1", "::1"] {
        if ip == "::1" && !has_ipv6() {
            continue;
        }
        let asked = SocketAddr::new(ip.parse().unwrap(), 0).to_string();
        let (mut ours, mut theirs) = (Rig::new(&asked), Rig::new(&asked));
        let sent = datagrams(20);
        let parts: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
        let path = Path { local: ours.address, peer: theirs.address };
        for round in 1..4 {
            assert!(ours.send(&parts, path));
            ours.until(|ours| {
                ours.turn();
                ours.stats.trains_sent.get() == round
            });
            let got = theirs.take(20);
            let back = Path { local: theirs.address, peer: ours.address };
            assert_eq!(got, sent.iter().map(|sent| (sent.clone(), back)).collect::<Vec<_>>());
            assert_eq!(ours.stats.datagrams_sent.get(), 20 * round);
            assert_eq!(theirs.stats.datagrams_received.get(), 20 * round);
            // The kernel puts together what it was given together.
            assert_eq!(theirs.stats.trains_received.get(), round);
        }
        assert_eq!(ours.udp.most, usize::MAX, "the loopback takes trains");
    }
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked() {
    for (asked, clients) in
        [("0.0.0.0:0", &["127.0.0.1", "127.0.0.2"][..]), ("[::]:0", &["127.0.0.3", "::1"])]
    {
        if asked == "[::]:0" && !has_ipv6() {
            continue;
        }
        let mut rig = Rig::new(asked);
        for ip in clients {
            let (client, to) =
                (client(ip), SocketAddr::new(ip.parse().unwrap(), rig.address.port()));
            client.send_to(b"question", to).unwrap();
            let (bytes, path) = rig.take(1).remove(0);
            assert_eq!(bytes, b"question");
            assert_eq!((path.local.ip().to_canonical(), path.local.port()), (to.ip(), to.port()));
            assert_eq!(path.peer.ip().to_canonical(), client.local_addr().unwrap().ip());
            // One, and a train.
            for answer in [&[&b"one"[..]][..], &[b"two", b"3"]] {
                assert!(rig.send(answer, path));
                rig.turn();
                for part in answer {
                    assert_eq!(receive(&client), (part.to_vec(), to));
                }
            }
        }
        assert_eq!((rig.stats.datagrams_sent.get(), rig.stats.trains_failed.get()), (6, 0));
    }
}

#[test]
fn without_buffers_it_waits_and_goes_on() {
    let mut rig = Rig::with_buffers("127.0.0.1:0", 4, SIZE);
    let client = client("127.0.0.1");
    let mut sent = 0u8;
    let mut got = Vec::new();
    // More than there are buffers, in one go, again and again.
    for _ in 0..3 {
        for _ in 0..20 {
            client.send_to(&[sent], rig.address).unwrap();
            sent += 1;
        }
        got.extend(rig.take(20));
    }
    let numbers: Vec<u8> = got.iter().map(|(bytes, _)| bytes[0]).collect();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());
    assert!(rig.stats.starved.get() > 0);
    assert_eq!(rig.udp.buffers.free(), 4);
}

#[test]
fn a_train_that_was_cut_short_is_counted_and_not_trusted() {
    let mut theirs = Rig::with_buffers("127.0.0.1:0", 4, 4096);
    let mut ours = Rig::new("127.0.0.1:0");
    let path = Path { local: ours.address, peer: theirs.address };
    let sent = datagrams(10);
    let parts: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
    assert!(ours.send(&parts, path));
    ours.turn();
    theirs.until(|theirs| {
        assert!(theirs.turn().is_empty());
        theirs.stats.datagrams_cut.get() == 1
    });
    // It goes on with what is whole.
    assert!(ours.send(&[b"short"], path));
    ours.turn();
    assert_eq!(theirs.take(1)[0].0, b"short");
    assert_eq!(theirs.stats.datagrams_received.get(), 1);
}

#[test]
fn what_the_kernel_has_lost_is_counted() {
    let config = UdpConfig { receive_buffer: 4096, ..UdpConfig::default() };
    let mut rig = Rig::open("127.0.0.1:0", COUNT, SIZE, config);
    let client = client("127.0.0.1");
    let (mut sent, mut got) = (0, 0);
    for _ in 0..2 {
        let before = rig.stats.datagrams_lost.get();
        // More than the queue holds, while nobody looks.
        (0..50).for_each(|_| assert!(client.send_to(&[0; 1000], rig.address).is_ok()));
        sent += 50;
        // What comes after them says how many were lost.
        rig.until(|rig| {
            client.send_to(b"after", rig.address).unwrap();
            sent += 1;
            got += rig.turn().len() as u64;
            got + rig.stats.datagrams_lost.get() == sent
        });
        assert!(rig.stats.datagrams_lost.get() > before);
    }
}

#[test]
fn what_cannot_be_sent_ends_nothing() {
    let mut rig = Rig::new("127.0.0.1:0");
    let client = client("127.0.0.1");
    let good = Path { local: rig.address, peer: client.local_addr().unwrap() };
    // No datagram has this length; nobody is at port 0, nor is IPv6 on this socket, nor is the local end ours.
    let bad = [
        Path { peer: "[::1]:9".parse().unwrap(), ..good },
        Path { peer: "127.0.0.1:0".parse().unwrap(), ..good },
        Path { local: "127.0.0.1:1".parse().unwrap(), ..good },
    ];
    for (failed, path) in (1..).zip(bad) {
        assert!(rig.send(&[b"ab", b"cd"], path));
        rig.until(|rig| {
            rig.turn();
            rig.stats.trains_failed.get() == failed
        });
        assert!(rig.send(&[b"good"], good));
        rig.turn();
        assert_eq!(receive(&client).0, b"good");
    }
    // A port where nobody listens: what ICMP says does not come back as an error.
    let nobody = Client::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for _ in 0..3 {
        assert!(rig.send(&[b"x"], Path { peer: nobody, ..good }));
        rig.turn();
    }
    assert_eq!((rig.stats.trains_failed.get(), rig.udp.most), (3, usize::MAX));
    client.send_to(b"still", rig.address).unwrap();
    assert_eq!(rig.take(1)[0].0, b"still");
}

#[test]
fn a_train_that_is_refused_goes_one_by_one() {
    let mut rig = Rig::new("127.0.0.1:0");
    let client = client("127.0.0.1");
    let path = Path { local: rig.address, peer: client.local_addr().unwrap() };
    let sent = datagrams(3);
    let parts: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
    // As if the device could not take it apart.
    let mut sending = rig.udp.sends.take().unwrap();
    sending.train.clear(usize::MAX);
    assert!(fill(&mut sending.train, &parts, path));
    sending.singly = Some(0);
    rig.udp.start(sending, &mut rig.ring);
    for part in &sent {
        rig.turn();
        assert_eq!(&receive(&client).0, part);
    }
    rig.turn();
    assert_eq!((rig.stats.datagrams_sent.get(), rig.stats.trains_sent.get()), (3, 0));
    // From then on there are no trains.
    let mut count = 0;
    rig.udp.send(&mut rig.ring, &rig.stats, |train| {
        train.space()[0] = 1;
        assert!(train.push(1, path) && !train.push(1, path));
        count = train.count();
        true
    });
    assert_eq!(count, 1);
}

#[test]
fn so_many_trains_are_under_way_and_no_more() {
    let mut rig = Rig::new("127.0.0.1:0");
    let client = client("127.0.0.1");
    let path = Path { local: rig.address, peer: client.local_addr().unwrap() };
    for round in 0..3u64 {
        for number in 0..sends::IN_FLIGHT {
            assert!(rig.udp.has_room() && rig.send(&[&number.to_ne_bytes()], path));
        }
        assert!(!rig.udp.has_room());
        let full = rig.udp.send(&mut rig.ring, &rig.stats, |_| panic!("there is no room"));
        assert!(!full && !rig.udp.is_idle());
        rig.until(|rig| {
            rig.turn();
            rig.stats.trains_sent.get() == (round + 1) * u64::from(sends::IN_FLIGHT)
        });
        assert!(rig.udp.has_room());
        (0..sends::IN_FLIGHT).for_each(|number| {
            assert_eq!(receive(&client).0, number.to_ne_bytes());
        });
    }
    // Nothing to say is nothing sent, whatever was written.
    let said = rig.udp.send(&mut rig.ring, &rig.stats, |train| !train.push(5, path));
    assert!(!said && rig.udp.send(&mut rig.ring, &rig.stats, |_| true));
    rig.turn();
    assert_eq!(rig.stats.trains_sent.get(), 3 * u64::from(sends::IN_FLIGHT));
}

#[test]
fn closing_ends_what_is_under_way() {
    let mut rig = Rig::new("127.0.0.1:0");
    let client = client("127.0.0.1");
    client.send_to(b"last", rig.address).unwrap();
    assert!(!rig.udp.is_idle());
    rig.udp.close(&mut rig.ring);
    rig.until(|rig| {
        rig.turn();
        rig.udp.is_idle()
    });
    client.send_to(b"late", rig.address).unwrap();
    assert!(rig.turn().is_empty() && rig.udp.is_idle());
}
