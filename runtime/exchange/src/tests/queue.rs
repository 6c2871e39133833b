//! Queues are used again as if they were new, up to their bounds.

use std::task::Context;

use trilane_semantics::Payload;

use super::*;
use crate::incoming::Incoming;

fn is_pending(incoming: &mut Incoming) -> bool {
    incoming.poll_frame(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn data(text: &'static str) -> Frame {
    Frame::Data(Payload::from(text))
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
        (0..frames).for_each(|_| writer.push(data("a")));
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
