//! Queues are used again as if they were new, up to their bounds.

use std::task::{Context, Poll};

use trilane_semantics::{Fields, Payload};

use super::*;
use crate::incoming::Incoming;

fn is_pending(incoming: &mut Incoming) -> bool {
    incoming.poll_frame(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn data(text: &'static str) -> Frame {
    Frame::Data(Payload::from(text))
}

/// So many bytes, which count up from `from`.
fn piece(len: usize, from: usize) -> Frame {
    Frame::Data((from..from + len).map(|at| (at ^ (at >> 8)) as u8).collect::<Vec<_>>().into())
}

/// Takes all that waits: the lengths of its frames. Credit is due for each when it is taken, and not before.
fn take_all(writer: &IncomingWriter, incoming: &mut Incoming) -> Vec<usize> {
    let (mut lengths, mut at) = (Vec::new(), 0);
    let mut cx = Context::from_waker(Waker::noop());
    let waiting = writer.queued();
    while let Poll::Ready(Some(Ok(Frame::Data(data)))) = incoming.poll_frame(&mut cx) {
        assert!(Frame::Data(data.clone()) == piece(data.len(), at), "in its order");
        at += data.len();
        assert_eq!((writer.take_released(), writer.queued()), (data.len(), waiting - at));
        lengths.push(data.len());
    }
    assert_eq!(at, waiting);
    lengths
}

#[test]
fn small_pieces_that_wait_become_one() {
    let (big, full) = (SMALL, JOINED);
    for (pieces, taken) in [
        (&[1][..], &[1][..]),
        (&[1, 1, 1], &[3]),
        (&[big - 1, big - 1], &[2 * big - 2]),
        (&[1, big, 1, 1], &[1, big, 2]),
        (&[1, 1, big, big, 1], &[2, big, big, 1]),
        (&[0, 0, 0], &[0]),
        (&[0, 5, 0, 5], &[10]),
        (&[big, 0, 0, 7], &[big, 7]),
        (&[full / 16; 16], &[full]),
        (&[full / 16; 17], &[full, full / 16]),
        (&[full / 16; 33], &[full, full, full / 16]),
    ] {
        let (writer, mut incoming) = Incoming::channel(None, u64::MAX);
        // Again when all was taken.
        for _ in 0..2 {
            let mut at = 0;
            for len in pieces {
                writer.push(piece(*len, at));
                at += len;
            }
            assert_eq!((writer.queued(), writer.take_released()), (at, 0));
            assert_eq!(take_all(&writer, &mut incoming), taken, "{pieces:?}");
        }
    }
}

/// What waits takes memory by its bytes, not by the pieces in which it came.
#[test]
fn pieces_of_a_byte_take_little_memory() {
    const BYTES: usize = 64 << 10;
    let (writer, mut incoming) = Incoming::channel(None, u64::MAX);
    for at in 0..BYTES {
        writer.push(piece(1, at));
    }
    let (frames, joined) =
        (writer.queue.frames.borrow().capacity(), writer.queue.joined.borrow().capacity());
    assert!(frames <= 2 * BYTES / JOINED && joined <= JOINED, "{frames} frames, {joined} bytes");
    assert_eq!(take_all(&writer, &mut incoming), [JOINED; BYTES / JOINED]);
    assert_eq!(writer.queue.joined.borrow().capacity(), 0, "nothing is kept");
}

#[test]
fn trailers_come_after_what_was_joined() {
    let (writer, mut incoming) = Incoming::channel(None, u64::MAX);
    writer.push(piece(1, 0));
    writer.push(piece(1, 1));
    writer.push(Frame::Trailers(Fields::new()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(incoming.poll_frame(&mut cx) == Poll::Ready(Some(Ok(piece(2, 0)))));
    let trailers = incoming.poll_frame(&mut cx);
    assert!(matches!(trailers, Poll::Ready(Some(Ok(Frame::Trailers(_))))));
}

/// Joined pieces that nobody takes are given credit for, like others.
#[test]
fn joined_pieces_that_nobody_takes() {
    let (writer, incoming) = Incoming::channel(None, u64::MAX);
    (0..10).for_each(|at| writer.push(piece(1, at)));
    drop(incoming);
    assert_eq!((writer.queued(), writer.take_released()), (0, 10));
    let (other, mut incoming) = Incoming::channel(None, u64::MAX);
    drop(writer);
    other.push(piece(1, 0));
    assert_eq!(take_all(&other, &mut incoming), [1]);
}

#[test]
fn a_recycled_queue_is_as_new() {
    let place = |writer: &IncomingWriter| Rc::as_ptr(&writer.queue);
    for writer_first in [true, false] {
        let (writer, mut incoming) = Incoming::channel(Some(7), 100);
        let old = place(&writer);
        assert!(is_pending(&mut incoming));
        writer.notify_room(Waker::noop());
        writer.push(data("abc"));
        writer.push(data("de"));
        assert!(!is_pending(&mut incoming));
        writer.end(Err(BodyError::Gone));
        if writer_first {
            drop(writer);
            drop(incoming);
        } else {
            drop(incoming);
            drop(writer);
        }
        let (writer, mut incoming) = Incoming::channel(None, 100);
        assert_eq!(place(&writer), old);
        assert_eq!((incoming.promised(), writer.queued(), writer.take_released()), (None, 0, 0));
        assert!(writer.has_reader() && !writer.is_wanted() && !writer.is_ended());
        assert!(is_pending(&mut incoming));
    }
}

#[test]
fn the_bound_of_what_a_kept_queue_holds() {
    FREE.with(|free| free.borrow_mut().clear());
    for (frames, kept) in [(KEEP - 1, 1), (KEEP, 1), (KEEP + 1, 0)] {
        let (writer, incoming) = Incoming::channel(None, 100);
        // Smaller ones would become one.
        (0..frames).for_each(|_| writer.push(piece(SMALL, 0)));
        drop((writer, incoming));
        assert_eq!(FREE.with(|free| free.borrow().len()), kept, "{frames}");
    }
}

#[test]
fn the_bound_of_kept_queues() {
    let channels = |n: usize| (0..n).map(|_| Incoming::channel(None, 1)).collect::<Vec<_>>();
    for (count, kept) in [(POOL - 1, POOL - 1), (POOL, POOL), (POOL + 1, POOL)] {
        drop(channels(count));
        assert_eq!(FREE.with(|free| free.take().len()), kept);
    }
}
