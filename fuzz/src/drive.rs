//! A machine driven over given bytes, whole or cut, and everything it says.

use std::rc::Rc;

use trilane_http1::Http1;
use trilane_semantics::{
    Closed, Content, Event, ExchangeId, Fields, Input, Instant, Limits, Machine, Next, Outbox,
    Piece, Reason, RequestHead, ResponseHead, Stamp, StatusCode, Why,
};

pub(crate) const NOW: Instant = Instant::from_nanos(0);

/// What a machine said; content in a row is one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// With its bytes on the wire, without the empty line that may stand before it; without any where content is
    /// discarded.
    Request(RequestHead, Content, Vec<u8>),
    Response(ResponseHead, Content),
    Interim(ResponseHead),
    Body(Vec<u8>),
    Trailers(Fields),
    End,
    Closed(Closed),
    /// And whether one last answer is allowed.
    Fault(Reason, bool),
}

/// When a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As soon as there is a head.
    AtOnce,
    /// When the machine waits for it.
    WhenPaused,
}

pub(crate) fn stamp() -> Stamp {
    Stamp::new("Sat, 21 Nov 2026 22:00:00 GMT", "")
}

pub(crate) fn server(limits: &Limits) -> Http1 {
    Http1::server(Rc::new(limits.clone()), NOW)
}

pub(crate) fn client(limits: &Limits) -> Http1 {
    Http1::client(Rc::new(limits.clone()), NOW)
}

/// All bytes of an outbox, which is empty afterwards.
pub(crate) fn sent(out: &mut Outbox) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(out.len());
    for piece in out.pieces() {
        if let Piece::Bytes(piece) = piece {
            bytes.extend_from_slice(piece);
        }
    }
    out.clear(0);
    bytes
}

/// Shows the machine `data` up to each of `ends`, then its end. A server answers 200, without content.
pub(crate) fn converse(
    mut machine: Http1,
    data: &[u8],
    ends: &[usize],
    answer: Answer,
) -> Vec<Said> {
    let (mut said, mut at, mut last) = (Vec::new(), 0, ExchangeId(0));
    let mut out = Outbox::new();
    let mut polls = 4 * data.len() + 4 * ends.len() + 100;
    let shown = ends.iter().map(|&end| (end, false)).chain([(data.len(), true)]);
    for (end, fin) in shown {
        loop {
            polls -= 1;
            assert!(polls > 0, "the machine makes no progress");
            let mut input = Input::new((), &data[at..end], fin);
            let next = machine.poll_event(NOW, &mut input);
            let wire = &data[at..end - input.bytes().len()];
            at += wire.len();
            match next {
                Ok(Next::Event(event)) => {
                    if let Event::Request { id, .. } = event {
                        last = id;
                    }
                    let is_request = matches!(event, Event::Request { .. });
                    // A poll that discards takes more than the head.
                    let wire = if answer == Answer::AtOnce { b"" } else { wire };
                    note(&mut said, event, wire, &mut machine);
                    if is_request && answer == Answer::AtOnce {
                        respond(&mut machine, last, &mut out);
                    }
                }
                Ok(Next::NeedInput) | Ok(Next::Paused(Why::Request)) => break,
                Ok(Next::Paused(Why::Answer)) => respond(&mut machine, last, &mut out),
                Ok(Next::Closed(closed)) => {
                    said.push(Said::Closed(closed));
                    return said;
                }
                Err(fault) => {
                    said.push(Said::Fault(fault.reason, machine.refused().is_some()));
                    return said;
                }
            }
        }
    }
    said
}

fn respond(machine: &mut Http1, id: ExchangeId, out: &mut Outbox) {
    let head = ResponseHead::new(StatusCode::OK);
    let answered = machine.respond(id, &head, Content::None, &stamp(), out);
    assert_eq!(answered, Ok(()), "a request can be answered");
    // A 2xx to CONNECT is a tunnel; ours is over at once.
    assert_eq!(machine.finish(id, None, out), Ok(()));
    assert!(!sent(out).is_empty());
}

fn note(said: &mut Vec<Said>, event: Event<'_>, wire: &[u8], machine: &mut Http1) {
    let new = match event {
        Event::Request { head, content, .. } => {
            Said::Request(head, content, wire.strip_prefix(b"\r\n").unwrap_or(wire).to_vec())
        }
        Event::Response { head, content, .. } => Said::Response(head, content),
        Event::Interim { head, .. } => Said::Interim(head),
        Event::Body { id, data } => {
            assert!(!data.is_empty(), "content is at least a byte");
            machine.release(id, data.len());
            if let Some(Said::Body(before)) = said.last_mut() {
                before.extend_from_slice(data);
                return;
            }
            Said::Body(data.to_vec())
        }
        Event::Trailers { fields, .. } => Said::Trailers(fields),
        Event::End { .. } => Said::End,
        other => panic!("HTTP/1 has no {other:?}"),
    };
    said.push(new);
}

/// Runs `data` whole, byte by byte, and in a few other cuts: what is said must be the same.
pub(crate) fn however_cut(data: &[u8], run: impl Fn(&[usize]) -> Vec<Said>) -> Vec<Said> {
    let whole = run(&[data.len()]);
    let singles: Vec<usize> = (0..=data.len()).collect();
    let fives: Vec<usize> = (0..=data.len()).step_by(5).collect();
    // FNV-1a: a place that depends on everything, and repeats.
    let fnv = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    let place = (hash % (data.len() as u64 + 1)) as usize;
    for ends in [&singles[..], &fives, &[place, data.len()]] {
        assert_eq!(whole, run(ends), "cut = whole");
    }
    whole
}
