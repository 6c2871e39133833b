//! A real ring: one system call a turn, nothing lost, and every way to end a sleep.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use glommio::LocalExecutorBuilder;

use super::*;
use crate::buffers::Buffers;
use crate::slots::Key;
use crate::token::{Op, Token};

const SMALL: RingConfig = RingConfig { submissions: 4, completions: 8 };

const WHOLE: Manner = Manner { extent: Extent::All, followed: false, zero_copy: false };

fn token(index: u32, op: Op) -> Token {
    Token { key: Key { index, generation: 7 }, op }
}

fn turn(ring: &mut Ring) -> Vec<Completion> {
    let mut out = Vec::new();
    ring.turn(&mut out).unwrap();
    out
}

/// An operation that completes at once: it cancels what is not there.
fn quick(index: u32) -> Submission {
    Submission::cancel(token(u32::MAX, Op::Receive), token(index, Op::Cancel))
}

/// Runs `test` with a ring inside an executor, as a shard does.
fn in_executor(test: impl AsyncFnOnce(Ring) + Send + 'static) {
    LocalExecutorBuilder::default()
        .spawn(move || async move { test(Ring::new(SMALL).unwrap()).await })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_full_queue_loses_nothing() {
    // At n - 1, n and n + 1 of both queues, and far past them.
    for count in [3, 4, 5, 7, 8, 9, 100] {
        let mut ring = Ring::new(SMALL).unwrap();
        (0..count).for_each(|index| ring.push(quick(index)));
        let mut seen = Vec::new();
        for _ in 0..count {
            for completion in turn(&mut ring) {
                assert_eq!(completion.result(), -libc::ENOENT);
                seen.push(completion.token().unwrap().key.index);
            }
        }
        assert_eq!(seen, (0..count).collect::<Vec<_>>());
        assert!(!ring.is_busy());
    }
}

#[test]
fn a_thread_can_make_many_rings() {
    // A registration that was not taken back would fail at the 17th; then the plain descriptor serves.
    for _ in 0..40 {
        let mut ring = Ring::new(SMALL).unwrap();
        assert!(ring.index >= 0);
        ring.push(quick(1));
        assert_eq!(turn(&mut ring).len(), 1);
    }
    let mut rings: Vec<_> = (0..17).map(|_| Ring::new(SMALL).unwrap()).collect();
    assert_eq!(rings.iter().filter(|ring| ring.index == -1).count(), 1);
    for ring in &mut rings {
        ring.push(quick(1));
        assert_eq!(turn(ring).len(), 1);
    }
}

#[test]
fn a_connection_lives_and_dies() {
    let mut ring = Ring::new(SMALL).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    ring.push(Submission::accept(&listener, token(0, Op::Accept)));
    assert!(turn(&mut ring).is_empty());
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut accepted = turn(&mut ring).remove(0);
    assert!(accepted.more());
    let socket = accepted.take_descriptor().unwrap();
    assert!(accepted.take_descriptor().is_none(), "once");
    let words = *b"hello";
    // SAFETY: `words` outlives the send, which completes below.
    ring.push(unsafe { Submission::send(&socket, words.as_ptr(), 5, WHOLE, token(1, Op::Send)) });
    let mut sent = turn(&mut ring).remove(0);
    assert_eq!((sent.token(), sent.result()), (Some(token(1, Op::Send)), 5));
    assert!(sent.take_descriptor().is_none(), "5 is no descriptor here");
    assert!(sent.take_buffer().is_none());
    sys::shutdown(&socket, Shutdown::Write).unwrap();
    let mut text = String::new();
    io::Read::read_to_string(&mut &client, &mut text).unwrap();
    assert_eq!(text, "hello");
    ring.push(Submission::close(socket, token(1, Op::Close)));
    ring.push(Submission::cancel(token(0, Op::Accept), token(0, Op::Cancel)));
    let mut ends: Vec<_> = turn(&mut ring)
        .iter()
        .map(|completion| (completion.token().unwrap().op as u8, completion.result()))
        .collect();
    ends.sort_unstable();
    assert_eq!(
        ends,
        [(Op::Accept as u8, -libc::ECANCELED), (Op::Cancel as u8, 0), (Op::Close as u8, 0)]
    );
}

#[test]
fn a_list_is_sent_whole() {
    let mut ring = Ring::new(SMALL).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let parts = [*b"ab", *b"cd"];
    let mut list = parts.map(|part| (Box::new(part), 2));
    let mut vectors: Vec<libc::iovec> = list
        .iter_mut()
        .map(|(part, len)| libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: *len })
        .collect();
    // SAFETY: all-zero bytes are a valid msghdr: null pointers and lengths of 0.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vectors.as_mut_ptr();
    message.msg_iovlen = vectors.len();
    // SAFETY: message, list and bytes outlive the send, which completes below.
    ring.push(unsafe {
        Submission::send_list(&ours, &raw const message, WHOLE, token(1, Op::Send))
    });
    assert_eq!(turn(&mut ring).remove(0).result(), 4);
    let mut got = [0; 4];
    io::Read::read_exact(&mut &theirs, &mut got).unwrap();
    assert_eq!(&got, b"abcd");
}

#[test]
fn what_is_sent_without_a_copy_is_let_go_of_later() {
    let mut ring = Ring::new(SMALL).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut theirs, _) = listener.accept().unwrap();
    let bytes = vec![b'z'; 100_000];
    let manner = Manner { zero_copy: true, ..WHOLE };
    // SAFETY: the bytes outlive the send, whose last completion is waited for.
    ring.push(unsafe {
        Submission::send(&ours, bytes.as_ptr(), 100_000, manner, token(1, Op::Send))
    });
    let mut seen = turn(&mut ring);
    let reader = thread::spawn(move || {
        let mut got = vec![0; 100_000];
        io::Read::read_exact(&mut theirs, &mut got).map(|()| got)
    });
    for _ in 0..5000 {
        if seen.last().is_some_and(Completion::is_notice) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
        seen.extend(turn(&mut ring));
    }
    let [sent, notice] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((sent.result(), sent.more(), sent.is_notice()), (100_000, true, false));
    assert_eq!((notice.token(), notice.more()), (sent.token(), false));
    assert_eq!(reader.join().unwrap().unwrap(), bytes);
}

#[test]
fn a_completion_ends_sleep() {
    in_executor(async |mut ring| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        ring.push(Submission::accept(&listener, token(0, Op::Accept)));
        for pause in [0, 20, 50] {
            let client = thread::spawn(move || {
                thread::sleep(Duration::from_millis(pause));
                TcpStream::connect(address).unwrap()
            });
            let mut got = Vec::new();
            let mut sleeps = 0;
            while got.is_empty() {
                // Never woken, this would hang, and the runner say so.
                ring.sleep(None).await.unwrap();
                ring.turn(&mut got).unwrap();
                sleeps += 1;
            }
            assert!(sleeps < 4, "{sleeps} sleeps for one completion");
            drop(client.join().unwrap());
        }
    });
}

#[test]
fn a_waker_ends_sleep_or_the_next_one() {
    in_executor(async |mut ring| {
        let waker = ring.waker();
        // Before, and many times: one sleep ends, perhaps one more, then it sleeps.
        (0..100).for_each(|_| waker.wake());
        ring.sleep(None).await.unwrap();
        // During, again and again.
        for _ in 0..20 {
            let (waker, (sender, receiver)) = (waker.clone(), mpsc::channel());
            let other = thread::spawn(move || {
                thread::sleep(Duration::from_millis(3));
                sender.send(1).unwrap();
                waker.wake();
            });
            while receiver.try_recv().is_err() {
                ring.sleep(None).await.unwrap();
            }
            other.join().unwrap();
        }
    });
}

/// Each sleeps through glommio when the other knocks, as shards do that have nothing to do but for each other.
#[test]
fn shards_end_each_others_sleep() {
    const ROUNDS: u64 = 20;
    const LONG: Duration = Duration::from_secs(20);
    let turn = Arc::new(AtomicU64::new(0));
    let (sender, receiver) = mpsc::channel();
    let shards: Vec<_> = (0..2)
        .map(|me| {
            let (turn, sender) = (Arc::clone(&turn), sender.clone());
            let (give, other) = mpsc::channel::<Waker>();
            sender.send(give).unwrap();
            let (ready, waker) = mpsc::channel();
            let shard = LocalExecutorBuilder::default().spawn(move || async move {
                let mut ring = Ring::new(SMALL).unwrap();
                ready.send(ring.waker()).unwrap();
                let other = other.recv().unwrap();
                // One that time ends comes first, as it most often does.
                ring.sleep(Some(Duration::from_millis(5))).await.unwrap();
                let start = Instant::now();
                for round in 0..ROUNDS {
                    while turn.load(Ordering::SeqCst) < 2 * round + me {
                        ring.sleep(Some(LONG)).await.unwrap();
                        ring.turn(&mut Vec::new()).unwrap();
                    }
                    // By now the other one is fast asleep.
                    thread::sleep(Duration::from_millis(5));
                    turn.fetch_add(1, Ordering::SeqCst);
                    other.wake();
                }
                assert!(start.elapsed() < LONG / 2, "a knock was slept through");
            });
            (shard.unwrap(), waker.recv().unwrap())
        })
        .collect();
    let wakers: Vec<_> = shards.iter().map(|(_, waker)| waker.clone()).collect();
    for waker in wakers.into_iter().rev() {
        receiver.recv().unwrap().send(waker).unwrap();
    }
    for (shard, _) in shards {
        shard.join().unwrap();
    }
}

#[test]
fn time_ends_sleep_and_sleep_can_be_dropped() {
    in_executor(async |mut ring| {
        let waker = ring.waker();
        for _ in 0..3 {
            let start = Instant::now();
            ring.sleep(Some(Duration::from_millis(20))).await.unwrap();
            assert!(start.elapsed() >= Duration::from_millis(19), "{:?}", start.elapsed());
        }
        {
            let mut sleep = pin!(ring.sleep(None));
            let once = poll_fn(|context| Poll::Ready(sleep.as_mut().poll(context).is_pending()));
            assert!(once.await, "nothing to do, but it does not sleep");
        }
        // Rung after the sleep was dropped: whoever read the bell, the next sleep must end.
        waker.wake();
        glommio::timer::sleep(Duration::from_millis(5)).await;
        ring.sleep(None).await.unwrap();
    });
}

#[test]
fn another_shard_ends_sleep() {
    let (sender, receiver) = mpsc::channel();
    let sleeper = LocalExecutorBuilder::default()
        .spawn(move || async move {
            let mut ring = Ring::new(SMALL).unwrap();
            sender.send(ring.descriptor()).unwrap();
            let mut got = Vec::new();
            while got.is_empty() {
                ring.sleep(None).await.unwrap();
                ring.turn(&mut got).unwrap();
            }
            assert_eq!(got[0].token(), Some(token(9, Op::Message)));
            assert_eq!(got[0].result(), 42);
        })
        .unwrap();
    let target = receiver.recv().unwrap();
    thread::sleep(Duration::from_millis(20));
    let mut ring = Ring::new(SMALL).unwrap();
    ring.push(Submission::message(target, 42, token(9, Op::Message), token(1, Op::Message)));
    let mut got = Vec::new();
    while got.is_empty() {
        ring.turn(&mut got).unwrap();
    }
    assert_eq!((got[0].token(), got[0].result()), (Some(token(1, Op::Message)), 0));
    sleeper.join().unwrap();
}

#[test]
fn a_bad_operation_does_not_hold_up_the_next() {
    let mut ring = Ring::new(SMALL).unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    // No such group, and no such ring.
    ring.push(Submission::receive(&ours, 99, token(0, Op::Receive)));
    ring.push(Submission::message(-1, 0, token(0, Op::Message), token(1, Op::Message)));
    ring.push(quick(2));
    let mut got: Vec<_> = turn(&mut ring).iter().map(|c| c.token().unwrap().key.index).collect();
    got.sort_unstable();
    assert_eq!(&got[got.len() - 2..], [1, 2]);
}

/// A sleep that time ended leaves its read of the bell behind, which must not take the next ring for itself.
#[test]
fn a_sleep_that_time_ended_does_not_deafen_the_next() {
    in_executor(async |mut ring| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let buffers = Buffers::new(&mut ring, 0, 4, 8).unwrap();
        let mut got = Vec::new();
        for _ in 0..5 {
            ring.sleep(Some(Duration::from_millis(10))).await.unwrap();
            ring.push(Submission::receive_once(&ours, 0, token(1, Op::Receive)));
            ring.turn(&mut got).unwrap();
            // What `sleep` does, step by step, and the ring between its last look and its wait.
            ring.door.answer();
            assert!(!ring.doze(Some(Duration::from_secs(60))).unwrap());
            ring.io.completion().enable_eventfd();
            assert!(ring.enter(Entry::turn).unwrap() == Entered::Fully && !ring.is_busy());
            theirs.write_all(b"x").unwrap();
            let start = Instant::now();
            ring.wait(Some(Duration::from_secs(60))).await.unwrap();
            assert!(start.elapsed() < Duration::from_secs(30), "slept through its bell");
            ring.turn(&mut got).unwrap();
            got.drain(..).for_each(|mut completion| drop(buffers.take(&mut completion)));
            buffers.publish();
        }
    });
}

/// The same as it comes about by itself: bytes that come about when a doze ends.
#[test]
fn nothing_is_slept_through_between_doze_and_sleep() {
    const ROUNDS: u64 = 400;
    in_executor(async |mut ring| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let buffers = Buffers::new(&mut ring, 0, 4, 8).unwrap();
        let (go, gone) = mpsc::channel::<u64>();
        let other = thread::spawn(move || {
            while let Ok(nanos) = gone.recv() {
                let start = Instant::now();
                while start.elapsed() < Duration::from_nanos(nanos) {
                    std::hint::spin_loop();
                }
                theirs.write_all(b"x").unwrap();
            }
        });
        let mut got = Vec::new();
        for round in 0..ROUNDS {
            ring.sleep(Some(Duration::from_millis(2))).await.unwrap();
            ring.push(Submission::receive_once(&ours, 0, token(1, Op::Receive)));
            ring.turn(&mut got).unwrap();
            go.send(1_050_000 + round % 100 * 2_000).unwrap();
            let start = Instant::now();
            while got.is_empty() {
                ring.sleep(Some(Duration::from_secs(60))).await.unwrap();
                ring.turn(&mut got).unwrap();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "round {round} was slept through");
            got.drain(..).for_each(|mut completion| drop(buffers.take(&mut completion)));
            buffers.publish();
        }
        drop(go);
        other.join().unwrap();
    });
}
