//! Connections to others over a real ring: what goes and comes, what is dropped half-way, what fails.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use super::*;
use crate::ring::RingConfig;

struct Rig {
    ring: Ring,
    wires: Wires,
    calls: Rc<Calls>,
}

impl Rig {
    fn new() -> Self {
        let calls = Rc::<Calls>::default();
        let ring = Ring::new(RingConfig::default()).unwrap();
        Self { ring, wires: Wires::new(Rc::clone(&calls)), calls }
    }

    fn connect(&self, to: SocketAddr) -> Box<dyn Pipe> {
        connect(&self.calls, &Remote::Ip(to)).unwrap()
    }

    fn turn(&mut self) {
        let mut completions = Vec::new();
        self.wires.serve(&mut self.ring);
        self.ring.turn(&mut completions).unwrap();
        for completion in completions {
            self.wires.completed(&completion, &mut self.ring);
        }
    }

    /// Turns until the future is ready.
    fn finish<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        for _ in 0..5000 {
            if let Poll::Ready(value) =
                future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                return value;
            }
            self.turn();
            thread::sleep(Duration::from_millis(1));
        }
        panic!("never ready");
    }

    fn connected(&mut self, to: SocketAddr) -> Box<dyn Pipe> {
        let pipe = self.connect(to);
        self.finish(poll_fn(|cx| pipe.poll_connected(cx))).unwrap();
        pipe
    }

    fn read(&mut self, pipe: &dyn Pipe, into: &mut Vec<u8>) -> io::Result<usize> {
        self.finish(poll_fn(|cx| pipe.poll_read(into, cx)))
    }

    fn write(&mut self, pipe: &dyn Pipe, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = bytes.to_vec();
        self.finish(poll_fn(|cx| pipe.poll_write(&mut bytes, cx)))?;
        assert!(bytes.is_empty(), "it was taken");
        Ok(())
    }

    /// Turns until all wires are gone, and their descriptors closed.
    fn settle(&mut self) {
        for _ in 0..5000 {
            if self.wires.is_empty() && !self.ring.has_submissions() {
                return;
            }
            self.turn();
            thread::sleep(Duration::from_millis(1));
        }
        panic!("a wire is left");
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn bytes_go_both_ways_until_both_halves_end() {
    let (mut rig, (listener, address)) = (Rig::new(), listener());
    let theirs = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        stream.write_all(&got).unwrap();
    });
    let pipe = rig.connected(address);
    let pattern: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    rig.write(&*pipe, b"").unwrap();
    rig.write(&*pipe, &pattern).unwrap();
    rig.write(&*pipe, b"the end").unwrap();
    pipe.shutdown();
    assert_eq!(rig.write(&*pipe, b"more").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    let (mut all, mut piece) = (Vec::new(), Vec::new());
    while rig.read(&*pipe, &mut piece).unwrap() > 0 {
        all.extend_from_slice(&piece);
    }
    assert_eq!(all.len(), pattern.len() + 7);
    assert!(all.starts_with(&pattern) && all.ends_with(b"the end"));
    assert_eq!(rig.read(&*pipe, &mut piece).unwrap(), 0, "the end stays the end");
    theirs.join().unwrap();
    drop(pipe);
    rig.settle();
}

#[test]
fn a_unix_socket_is_a_stream_too() {
    let path = std::env::temp_dir().join(format!("trilane-wires-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (listener, mut rig) = (UnixListener::bind(&path).unwrap(), Rig::new());
    let pipe = connect(&rig.calls, &Remote::Unix(path.clone())).unwrap();
    rig.finish(poll_fn(|cx| pipe.poll_connected(cx))).unwrap();
    std::fs::remove_file(path).unwrap();
    let (mut theirs, _) = listener.accept().unwrap();
    theirs.write_all(b"hi").unwrap();
    let mut piece = Vec::new();
    assert_eq!(rig.read(&*pipe, &mut piece).unwrap(), 2);
    let large = vec![7; 1_000_000];
    rig.write(&*pipe, &large).unwrap();
    let reader = thread::spawn(move || {
        let mut got = vec![0; 1_000_000];
        theirs.read_exact(&mut got).map(|()| got)
    });
    rig.finish(poll_fn(|cx| pipe.poll_flush(cx))).unwrap();
    assert_eq!(reader.join().unwrap().unwrap(), large);
}

#[test]
fn nobody_there_is_an_error_and_stays_one() {
    let (mut rig, (listener, address)) = (Rig::new(), listener());
    drop(listener);
    let pipe = rig.connect(address);
    for _ in 0..2 {
        let error = rig.finish(poll_fn(|cx| pipe.poll_connected(cx))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
    assert!(rig.read(&*pipe, &mut Vec::new()).is_err());
    assert!(rig.write(&*pipe, b"a").is_err());
    drop(pipe);
    rig.settle();
    let missing = Remote::Unix("/nowhere/at/all".into());
    let pipe = connect(&rig.calls, &missing).unwrap();
    let error = rig.finish(poll_fn(|cx| pipe.poll_connected(cx))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

/// What has come for a read that was given up is there for the next.
#[test]
fn a_read_that_is_dropped_loses_nothing() {
    let (mut rig, (listener, address)) = (Rig::new(), listener());
    let pipe = rig.connected(address);
    let (mut theirs, _) = listener.accept().unwrap();
    let mut lost = Vec::new();
    assert!(pipe.poll_read(&mut lost, &mut Context::from_waker(Waker::noop())).is_pending());
    rig.turn();
    theirs.write_all(b"abc").unwrap();
    for _ in 0..20 {
        rig.turn();
        thread::sleep(Duration::from_millis(1));
    }
    drop(lost);
    let mut piece = Vec::new();
    assert_eq!((rig.read(&*pipe, &mut piece).unwrap(), &*piece), (3, &b"abc"[..]));
}

#[test]
fn two_buffers_are_enough_for_any_number_of_pieces() {
    let (mut rig, (listener, address)) = (Rig::new(), listener());
    let pipe = rig.connected(address);
    let (mut theirs, _) = listener.accept().unwrap();
    let (mut piece, mut seen) = (Vec::new(), std::collections::HashSet::new());
    for _ in 0..20 {
        theirs.write_all(b"abc").unwrap();
        rig.read(&*pipe, &mut piece).unwrap();
        seen.insert(piece.as_ptr().addr());
    }
    assert_eq!(seen.len(), 2);
}

/// Whatever the kernel is doing: the slot and the memory stay until it is done, and then go.
#[test]
fn dropping_ends_all_that_is_under_way() {
    let (mut rig, (listener, address)) = (Rig::new(), listener());
    // Not yet seen by the loop; then seen.
    drop(rig.connect(address));
    rig.settle();
    let pipe = rig.connect(address);
    rig.wires.serve(&mut rig.ring);
    drop(pipe);
    assert!(!rig.wires.is_empty());
    rig.settle();
    // In the middle of a read, and of a send that nobody takes.
    let pipe = rig.connected(address);
    let accept = || -> TcpStream {
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            // Those that were dropped are over.
            if stream.read(&mut [0]).is_err() {
                return stream;
            }
        }
    };
    let mut theirs = accept();
    let mut piece = Vec::new();
    assert!(pipe.poll_read(&mut piece, &mut Context::from_waker(Waker::noop())).is_pending());
    rig.write(&*pipe, &vec![1; 32 << 20]).unwrap();
    for _ in 0..10 {
        rig.turn();
    }
    drop(pipe);
    assert_eq!(rig.wires.slots.len(), 1, "the kernel has its memory");
    rig.settle();
    let mut rest = Vec::new();
    theirs.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = theirs.read_to_end(&mut rest);
    assert!(rest.len() < 32 << 20);
}

#[test]
fn a_shard_that_ends_takes_its_wires_with_it() {
    let (mut rig, (_listener, address)) = (Rig::new(), listener());
    let pipe = rig.connected(address);
    assert!(pipe.poll_read(&mut Vec::new(), &mut Context::from_waker(Waker::noop())).is_pending());
    rig.turn();
    rig.wires.close(&mut rig.ring);
    rig.settle();
    let error = rig.read(&*pipe, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    drop(pipe);
}
