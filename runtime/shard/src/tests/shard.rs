//! One shard, turn by turn: how large files leave it, and what becomes of reads that fail or take long.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::task::Context;
use std::thread;

use trilane_connection::Goal;
use trilane_exchange::{Outgoing, Reply, Request, Response, Service};
use trilane_semantics::{Limits, Payload};

use super::*;
use crate::listen::{ListenAddress, Listeners};
use crate::server::{Config, alone};

/// Answers everything with the beginning of one file.
struct Beginning(Rc<dyn AsFd>, usize);

impl Service for Beginning {
    fn call(&self, _: Request, _: &mut Context<'_>) -> Reply {
        let payload = Payload::from_file(Rc::clone(&self.0), 0, self.1);
        Reply::Ready(Response::default().body(Outgoing::Full(payload)))
    }
}

/// A shard without an executor.
struct Rig {
    shard: Shard,
    _listeners: Listeners,
    client: TcpStream,
}

impl Rig {
    /// One client, who asks for the first `len` bytes of `file`.
    fn new(file: &File, len: usize, limits: Limits) -> Self {
        let file = file.try_clone().unwrap();
        let mut config = Config::new(vec!["127.0.0.1:0".parse().unwrap()]).unwrap();
        config.limits = limits;
        let (shard, listeners) =
            alone(config, &move |_| Ok(Rc::new(Beginning(Rc::new(file.try_clone()?), len)) as _));
        let ListenAddress::Tcp(address) = listeners.addresses()[0] else { panic!() };
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut rig = Self { shard, _listeners: listeners, client };
        rig.shard.regulate();
        rig
    }

    /// What has completed; most often nothing.
    fn completions(&mut self) -> Vec<Completion> {
        let mut completions = Vec::new();
        self.shard.buffers.publish();
        self.shard.ring.turn(&mut completions).unwrap();
        completions
    }

    fn turn(&mut self) {
        for completion in self.completions() {
            let now = self.shard.core.tick();
            self.shard.completed(now, completion);
        }
    }

    /// Turns until that is so.
    fn until(&mut self, is_so: impl Fn(&Shard) -> bool) {
        for _ in 0..5000 {
            if is_so(&self.shard) {
                return;
            }
            self.turn();
            thread::sleep(Duration::from_millis(1));
        }
        panic!("never");
    }

    /// Turns until the read that is under way has completed, and takes that completion out.
    fn read(&mut self) -> Completion {
        for _ in 0..5000 {
            for completion in self.completions() {
                if completion.token().is_some_and(|token| token.op == Op::Read) {
                    return completion;
                }
                let now = self.shard.core.tick();
                self.shard.completed(now, completion);
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("never");
    }
}

/// A file without a name, of a hole of that many bytes: none of it is in memory.
fn hole(name: &str, len: u64) -> File {
    let name = format!("trilane-shard-{}-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.set_len(len).unwrap();
    file
}

/// `Limits::file_queue`: nobody waits for more of another's file than that.
#[test]
fn a_turn_sends_one_piece_of_a_file() {
    const QUEUE: usize = 100_000;
    let mut file = hole("queue", 0);
    file.write_all(&vec![1; 20 * QUEUE]).unwrap();
    for (len, turns) in [(QUEUE - 1, 1), (QUEUE, 1), (QUEUE + 1, 2), (20 * QUEUE, 20)] {
        let mut limits = Limits::default();
        limits.file_queue = QUEUE;
        let mut rig = Rig::new(&file, len, limits);
        // It reads until this end is shut down, which may be before it has read all: a reset, then.
        let mut client = rig.client.try_clone().unwrap();
        let reader = thread::spawn(move || client.read_to_end(&mut Vec::new()));
        let sent = |rig: &Rig| rig.shard.host.stats().file_sent.get();
        let (mut busy, mut before) = (0, 0);
        while before < len as u64 {
            rig.turn();
            let now = sent(&rig);
            assert!(now - before <= QUEUE as u64, "{} in one turn of {len}", now - before);
            busy += u32::from(now > before);
            before = now;
        }
        assert!(busy >= turns, "{len} bytes in {busy} turns");
        rig.client.shutdown(std::net::Shutdown::Both).unwrap();
        let _ = reader.join().unwrap();
    }
}

#[test]
fn a_read_that_failed_is_not_begun_again() {
    let file = hole("failed", 1 << 20);
    let mut rig = Rig::new(&file, 1 << 20, Limits::default());
    rig.until(|shard| !shard.reads.is_empty());
    // The kernel has not heard of the read yet.
    file.set_len(0).unwrap();
    let (completion, now) = (rig.read(), rig.shard.core.tick());
    assert_eq!(completion.result(), 0);
    rig.shard.completed(now, completion);
    assert!(rig.shard.reads.is_empty());
    rig.until(|shard| shard.sockets.is_empty());
    // The kernel hears of the close.
    rig.turn();
    let mut got = Vec::new();
    let end = rig.client.read_to_end(&mut got).map_err(|error| error.kind());
    assert_eq!(end, Err(io::ErrorKind::ConnectionReset));
}

/// A disk that takes longer than the peer may: the time of the peer begins when there is something for it.
#[test]
fn who_waits_for_the_disk_is_not_slow() {
    let limits = Limits::default();
    let timeout = limits.write_timeout;
    let mut rig = Rig::new(&hole("slow", 1 << 20), 1 << 20, limits);
    rig.until(|shard| !shard.reads.is_empty());
    let key = rig.shard.keys()[0];
    let deadline = |shard: &mut Shard| {
        let socket = shard.sockets.get_mut(key).unwrap();
        assert!(socket.conversation.goal() == Goal::Open);
        socket.conversation.poll_timeout().unwrap()
    };
    let due = deadline(&mut rig.shard);
    rig.shard.timer(due, Timer::Connection(key));
    assert_eq!(deadline(&mut rig.shard), due + timeout);
    let completion = rig.read();
    rig.shard.completed(due + timeout, completion);
    assert_eq!(deadline(&mut rig.shard), due + timeout + timeout);
}
