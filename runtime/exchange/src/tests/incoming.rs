//! The queue between a connection and the reader of its content, at its edges.

use std::future::Future;

use std::task::Waker;

use super::*;

fn poll(incoming: &mut Incoming) -> Poll<Option<Result<Frame, BodyError>>> {
    incoming.poll_frame(&mut Context::from_waker(Waker::noop()))
}

fn data(text: &'static str) -> Frame {
    Frame::Data(Payload::from(text))
}

#[test]
fn frames_come_in_order_and_credit_follows_the_reader() {
    let (writer, mut incoming) = Incoming::channel(None, 100);
    assert!(poll(&mut incoming).is_pending() && writer.is_wanted());
    // Pieces so large are not joined.
    let large = |byte| Frame::Data(vec![byte; 5000].into());
    writer.push(large(b'a'));
    writer.push(large(b'b'));
    assert_eq!((writer.queued(), writer.take_released()), (10_000, 0));
    incoming.set_limit(10_000);
    assert_eq!(poll(&mut incoming), Poll::Ready(Some(Ok(large(b'a')))));
    assert_eq!((writer.queued(), writer.take_released(), writer.take_released()), (5000, 5000, 0));
    writer.end(Ok(()));
    writer.end(Err(BodyError::Gone));
    assert_eq!(poll(&mut incoming), Poll::Ready(Some(Ok(large(b'b')))));
    assert_eq!(poll(&mut incoming), Poll::Ready(None));
}

#[test]
fn the_limit_holds_at_its_edges() {
    for (limit, fits) in [(2, false), (3, true), (4, true)] {
        let (writer, mut incoming) = Incoming::channel(None, limit);
        writer.push(data("abc"));
        let got = poll(&mut incoming);
        assert_eq!(got == Poll::Ready(Some(Ok(data("abc")))), fits, "{limit}");
        let (_writer, mut promised) = Incoming::channel(Some(3), limit);
        let refused = Poll::Ready(Some(Err(BodyError::TooLarge)));
        assert_eq!(poll(&mut promised) != refused, fits, "{limit}");
    }
}

/// Content made of other content: the reader's limit is that of what was made.
#[test]
fn what_is_made_is_counted_as_it_is_read() {
    for (limit, fits) in [(5, false), (6, true)] {
        let (writer, inner) = Incoming::channel(Some(6), 6);
        let mut made = Incoming::frames(inner);
        made.set_limit(limit);
        assert_eq!((made.promised(), writer.is_wanted()), (None, false));
        assert!(poll(&mut made).is_pending() && writer.is_wanted());
        for piece in ["abc", "def"] {
            writer.push(data(piece));
            let got = poll(&mut made);
            assert_eq!(
                got == Poll::Ready(Some(Ok(data(piece)))),
                fits || piece == "abc",
                "{limit}"
            );
        }
        writer.end(Ok(()));
        assert_eq!(poll(&mut made), Poll::Ready(None));
        drop(made);
        assert!(!writer.has_reader());
    }
}

#[test]
fn a_tunnel_has_no_content_before_it_begins() {
    let (writer, mut incoming) = Incoming::tunnel();
    assert_eq!(poll(&mut incoming), Poll::Ready(None));
    writer.open();
    assert_eq!(poll(&mut incoming), Poll::Pending);
    writer.push(data("a"));
    assert_eq!(poll(&mut incoming), Poll::Ready(Some(Ok(data("a")))));
}

fn collected(incoming: &mut Incoming) -> Result<Payload, BodyError> {
    let collect = std::pin::pin!(incoming.collect_payload());
    match collect.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(whole) => whole,
        Poll::Pending => panic!("everything is there"),
    }
}

#[test]
fn one_piece_is_not_copied_and_more_are_joined() {
    let trailers = || Frame::Trailers(Fields::new());
    for (pieces, whole) in [
        (vec![], ""),
        (vec![data("abc")], "abc"),
        (vec![data(""), data("abc"), trailers()], "abc"),
        (vec![data("ab"), data("c"), data("de")], "abcde"),
    ] {
        let first = pieces.iter().find_map(|frame| match frame {
            Frame::Data(data) if !data.is_empty() => Some(data.as_ref().as_ptr()),
            _ => None,
        });
        let is_one = whole == "abc";
        let (writer, mut incoming) = Incoming::channel(Some(whole.len() as u64), 100);
        pieces.into_iter().for_each(|frame| writer.push(frame));
        writer.end(Ok(()));
        let got = collected(&mut incoming).unwrap();
        assert_eq!(got, Payload::from(whole));
        assert_eq!(is_one, Some(got.as_ref().as_ptr()) == first, "{whole}");
    }
    let (writer, mut incoming) = Incoming::channel(None, 3);
    writer.push(data("ab"));
    writer.push(data("cd"));
    assert_eq!(collected(&mut incoming), Err(BodyError::TooLarge));
}

#[test]
fn what_nobody_reads_counts_as_taken() {
    let (writer, incoming) = Incoming::channel(None, 100);
    writer.push(data("abc"));
    drop(incoming);
    writer.push(data("de"));
    assert_eq!((writer.queued(), writer.take_released()), (0, 5));
}
