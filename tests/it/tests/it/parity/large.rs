//! Large files: by the system's own cache while they are in it, else from the disk, and what clients do meanwhile.

use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::num::NonZero;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use trilane::{Limits, ListenAddress, Router, Running, ServeDir, Server, Stats};

use super::house::eventually;
use super::{Ability, Ask, Client, Got, LANES, Over, Place, secure};

const SIZE: usize = 5 << 20;

/// A server of one directory, which goes with it.
struct Shelf {
    folder: std::path::PathBuf,
    address: SocketAddr,
    secure: SocketAddr,
    quic: SocketAddr,
    stats: Vec<Arc<Stats>>,
    _running: Running,
}

impl Shelf {
    fn new(name: &str, zero_copy_from: usize, set: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        set(&mut limits);
        let folder = std::env::temp_dir().join(format!("trilane-it-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("large.bin"), content()).unwrap();
        fs::write(folder.join("small.bin"), &content()[..100_000]).unwrap();
        let root = folder.clone();
        let running = Server::new(move |_| Router::new().serve_dir("/", ServeDir::new(&root)))
            .listen("127.0.0.1:0")
            .listen_secure("127.0.0.1:0")
            .listen_quic("127.0.0.1:0")
            .tls(secure::acceptor())
            .shards(NonZero::<usize>::MIN)
            .limits(limits)
            .zero_copy_from(zero_copy_from)
            .h2c()
            .start()
            .unwrap();
        let ListenAddress::Tcp(address) = running.addresses()[0] else { panic!("not TCP") };
        let ListenAddress::Tcp(secure) = running.secure_addresses()[0] else { panic!("not TCP") };
        let ListenAddress::Udp(quic) = running.udp_addresses()[0] else { panic!("not UDP") };
        Self { folder, address, secure, quic, stats: running.stats().to_vec(), _running: running }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.join("large.bin")
    }

    /// Takes the file out of the system's cache, where the system of this machine can do that.
    fn evict(&self) {
        File::open(self.file()).unwrap().sync_all().unwrap();
        let input = format!("if={}", self.file().display());
        let dd =
            Command::new("dd").args([&*input, "iflag=nocache", "count=0", "status=none"]).status();
        assert!(dd.unwrap().success());
    }

    /// Puts the file into the system's cache.
    fn warm(&self) {
        fs::read(self.file()).unwrap();
    }

    /// Bytes of files that were sent by sendfile(2), and bytes that were read by the ring. The first is 0 where a file
    /// system does not tell what is in memory, such as overlayfs: `TMPDIR` says where else to put the files.
    fn files(&self) -> (u64, u64) {
        (self.stats[0].file_sent.get(), self.stats[0].file_read.get())
    }

    /// `length` bytes more than `before` have gone the one way or the other, and none from memory of ours.
    fn went(&self, (sent, read): (u64, u64), length: usize) {
        eventually("all bytes are counted", || {
            let (now_sent, now_read) = self.files();
            now_sent - sent + now_read - read == length as u64
        });
    }

    /// Waits until every connection is closed.
    fn settle(&self) {
        eventually("connections are closed", || self.stats[0].open.get() == 0);
    }
}

impl Place for Shelf {
    fn address(&self, over: Over) -> SocketAddr {
        match over {
            Over::Tcp => self.address,
            Over::Tls => self.secure,
            Over::Quic => self.quic,
        }
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        // What is left in the temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn content() -> Vec<u8> {
    (0..SIZE as u32).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

#[test]
fn a_large_file_comes_whole_and_in_part_wherever_it_is() {
    let (shelf, all) = (Shelf::new("whole", 0, |_| {}), content());
    for lane in LANES {
        for evicts in [false, true] {
            let mut client = lane.open(&shelf);
            for (range, from, to) in [
                (None, 0, SIZE),
                (Some("bytes=1048575-1048576"), 1_048_575, 1_048_577),
                (Some("bytes=4097-"), 4097, SIZE),
                (Some("bytes=-1"), SIZE - 1, SIZE),
                (Some("bytes=0-1048576"), 0, 1_048_577),
            ] {
                if evicts {
                    shelf.evict();
                } else {
                    shelf.warm();
                }
                let (sent, read) = shelf.files();
                let ask = Ask::get("/large.bin");
                let ask = match range {
                    Some(range) => ask.field("range", range),
                    None => ask,
                };
                let answer = client.ask(&ask).status(if range.is_some() { 206 } else { 200 });
                assert!(answer.body == all[from..to], "{} {range:?} {evicts}", lane.name());
                shelf.went((sent, read), to - from);
                let (now_sent, now_read) = shelf.files();
                let by_ring = evicts || !lane.can(Ability::Files);
                assert!(if by_ring { now_read > read } else { now_sent > sent }, "{range:?}");
                let length = (to - from).to_string();
                assert_eq!(answer.head.field("content-length"), Some(&*length));
                let head = client.ask(&Ask::new("HEAD", "/large.bin")).status(200);
                assert!(head.body.is_empty());
                assert_eq!(head.head.field("content-length"), Some(&*SIZE.to_string()));
            }
            client.leave();
        }
    }
    shelf.settle();
}

#[test]
fn one_more_or_less_than_the_queue_takes() {
    const QUEUE: usize = 300_000;
    let (shelf, all) = (Shelf::new("queue", 0, |limits| limits.file_queue = QUEUE), content());
    for lane in LANES {
        let mut client = lane.open(&shelf);
        for n in [QUEUE - 1, QUEUE, QUEUE + 1, 2 * QUEUE, 2 * QUEUE + 1] {
            let before = shelf.files();
            let ask = Ask::get("/large.bin").field("range", format!("bytes=7-{}", n + 6));
            assert!(client.ask(&ask).status(206).body == all[7..n + 7], "{} {n}", lane.name());
            shelf.went(before, n);
        }
    }
}

/// Reads the head of an answer and `least` bytes of its content.
fn read_some(client: &mut dyn Client, id: usize, least: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < least {
        match client.next(id) {
            Got::Head(head) => assert_eq!(head.status, 200),
            Got::Data(data) => body.extend_from_slice(&data),
            other => panic!("{other:?}"),
        }
    }
    body
}

#[test]
fn a_client_that_leaves_or_reads_slowly() {
    let (shelf, all) = (Shelf::new("slow", 0, |_| {}), content());
    for lane in LANES {
        for evicts in [false, true] {
            if evicts {
                shelf.evict();
            }
            let mut leaver = lane.open(&shelf);
            let id = leaver.begin(&Ask::get("/large.bin"));
            read_some(&mut *leaver, id, 10_000);
            leaver.leave();
            let mut client = lane.open(&shelf);
            let id = client.begin(&Ask::get("/large.bin"));
            let mut body = Vec::new();
            while body.len() < SIZE / 2 {
                body.extend(read_some(&mut *client, id, 200_000));
                std::thread::sleep(Duration::from_millis(3));
            }
            // Others are not kept waiting.
            lane.open(&shelf).ask(&Ask::get("/small.bin")).status(200);
            body.extend(client.answer(id).whole().body);
            assert!(body == all, "{} {evicts}", lane.name());
            client.leave();
        }
    }
    shelf.settle();
}

#[test]
fn a_client_that_stops_is_left() {
    let shelf = Shelf::new("stop", 0, |limits| {
        limits.write_timeout = Duration::from_millis(300);
        // Where it is the stream alone that is given up.
        limits.idle_timeout = Duration::from_millis(300);
    });
    // More than both ends of the connection keep.
    OpenOptions::new().write(true).open(shelf.file()).unwrap().set_len(64 << 20).unwrap();
    for lane in LANES {
        let mut client = lane.open(&shelf);
        let id = client.begin(&Ask::get("/large.bin"));
        read_some(&mut *client, id, 1);
        shelf.settle();
        assert!(!client.answer(id).is_whole, "{}", lane.name());
    }
}

#[test]
fn a_file_that_shrinks_breaks_its_message_off() {
    let shelf = Shelf::new("shrink", 0, |_| {});
    let resize = |size| {
        OpenOptions::new().write(true).open(shelf.file()).unwrap().set_len(size).unwrap();
    };
    for lane in LANES {
        for evicts in [false, true] {
            resize(64 << 20);
            // That it is longer now shows a second later.
            eventually("the file is long", || {
                let head = lane.open(&shelf).ask(&Ask::new("HEAD", "/large.bin"));
                head.head.field("content-length") == Some("67108864")
            });
            if evicts {
                shelf.evict();
            }
            let mut client = lane.open(&shelf);
            let id = client.begin(&Ask::get("/large.bin"));
            let begun = read_some(&mut *client, id, 1);
            resize(1000);
            let rest = client.answer(id);
            assert!(!rest.is_whole, "{}", lane.name());
            assert!(begun.len() + rest.body.len() < 64 << 20);
        }
    }
    shelf.settle();
}

#[test]
fn memory_is_sent_without_a_copy_where_that_is_asked_for() {
    let (shelf, all) = (Shelf::new("zero", 50_000, |_| {}), content());
    for lane in LANES {
        if !lane.can(Ability::Uncopied) {
            continue;
        }
        let mut client = lane.open(&shelf);
        // Below the threshold, above it, again, from a file, and one that is not awaited.
        for (range, count) in [(0..49_000, 0), (0..100_000, 1), (10_000..90_000, 1)] {
            let before = shelf.stats[0].uncopied.get();
            let field = format!("bytes={}-{}", range.start, range.end - 1);
            let answer = client.ask(&Ask::get("/small.bin").field("range", field)).status(206);
            assert!(answer.body == all[range], "{}", lane.name());
            eventually("it is counted", || shelf.stats[0].uncopied.get() - before == count);
        }
        assert!(client.ask(&Ask::get("/large.bin")).status(200).body == all);
        client.begin(&Ask::get("/small.bin"));
        client.leave();
        shelf.settle();
    }
}
