//! Any bytes behind HTTP/2's preface, into the machine in the server role.
//!
//! No panic; however the bytes are cut, the same is said and the same is sent; what is sent are whole frames, and no more of
//! them than the bytes can be the cause of; and the end stays the end.

use std::rc::Rc;

use trilane_http2::{Http2, PREFACE};
use trilane_semantics::{
    Content, Event, ExchangeId, Input, Limits, Machine, Next, Outbox, Payload, ResponseHead,
    StatusCode,
};
use trilane_sim::h2::wire::Frame;

use crate::drive::{NOW, sent, stamp};

/// Sent for a frame of nine bytes at most: what answers it, and what it makes of an answer that waits.
const FOR_A_BYTE: usize = 200;
/// Content of every answer, in bytes.
const ANSWER: usize = 100;

/// `data` as frames.
pub fn h2_frames(data: &[u8]) {
    let whole = run(data, &[data.len()]);
    let singles: Vec<usize> = (0..=data.len()).collect();
    assert_eq!(whole, run(data, &singles), "byte by byte");
    // A cut that depends on everything, and repeats.
    let fnv = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    for salt in [1, 7, 1_000_003] {
        let at = (hash.wrapping_mul(salt) >> 20) as usize % (data.len() + 1);
        assert_eq!(whole, run(data, &[at, data.len()]), "cut at {at}");
    }
}

/// What is said, a line each, and what is sent, for `data` behind the preface up to each of `ends`. Nothing is sent before the
/// end, so that it does not depend on the cuts.
fn run(data: &[u8], ends: &[usize]) -> (Vec<String>, Vec<u8>) {
    let mut limits = Limits::default();
    (limits.head, limits.field_lines, limits.streams) = (1024, 16, 8);
    (limits.stream_window, limits.connection_window) = (2000, 65_535);
    let mut machine = Http2::server(Rc::new(limits.usable()), NOW);
    let (mut said, mut out, mut at) = (Vec::new(), Outbox::new(), 0);
    let mut polls = 50 * data.len() + 4 * ends.len() + 1000;
    let start = Input::new((), PREFACE, false);
    let _ = poll(&mut machine, start, &mut said, &mut out, &mut polls);
    for &end in ends {
        let input = Input::new((), &data[at..end], false);
        at = end - poll(&mut machine, input, &mut said, &mut out, &mut polls);
    }
    machine.flush(NOW, &mut out);
    let sent = sent(&mut out);
    assert!(sent.len() <= 1000 + FOR_A_BYTE * data.len(), "{} bytes sent", sent.len());
    let mut rest = &sent[..];
    while let Some((_, length)) = Frame::read(rest) {
        rest = &rest[length..];
    }
    assert!(rest.is_empty(), "half a frame was sent");
    (said, sent)
}

/// Asks until there is nothing more; how many bytes are left.
fn poll(
    machine: &mut Http2,
    mut input: Input<'_>,
    said: &mut Vec<String>,
    out: &mut Outbox,
    polls: &mut usize,
) -> usize {
    loop {
        *polls = polls.checked_sub(1).expect("the machine makes no progress");
        match machine.poll_event(NOW, &mut input) {
            Ok(Next::Event(event)) => act(machine, event, said, out),
            Ok(Next::NeedInput) => return input.bytes().len(),
            Ok(Next::Paused(why)) => panic!("never pauses: {why:?}"),
            Ok(Next::Closed(closed)) => {
                let line = format!("closed {closed:?}");
                if said.last() != Some(&line) {
                    assert!(!said.iter().any(|line| line.starts_with("closed")), "closed twice");
                    said.push(line);
                }
                return 0;
            }
            Err(fault) => {
                said.push(format!("{fault:?}"));
                if let Some(id) = machine.refused() {
                    respond(machine, id, 400, out);
                }
                if let trilane_semantics::Scope::Exchange(id) = fault.scope {
                    respond(machine, id, 400, out);
                    machine.cancel(id, out);
                }
            }
        }
    }
}

/// Answers some requests at once, some at their end, and some never.
fn act(machine: &mut Http2, event: Event<'_>, said: &mut Vec<String>, out: &mut Outbox) {
    let line = match event {
        Event::Request { id, head, content } => {
            if id.0 % 8 == 1 {
                respond(machine, id, 200, out);
            }
            format!("{} {head:?} {content:?}", id.0)
        }
        Event::Body { id, data } => {
            assert!(!data.is_empty(), "content is at least a byte");
            machine.release(id, data.len());
            let front = format!("{} body ", id.0);
            if let Some(line) = said.last_mut().filter(|line| line.starts_with(&front)) {
                line.push_str(&bytes(data));
                return;
            }
            format!("{front}{}", bytes(data))
        }
        Event::End { id } => {
            if id.0 % 8 == 3 {
                respond(machine, id, 200, out);
            }
            format!("{} end", id.0)
        }
        Event::Writable { id } => {
            let mut body = Payload::from(vec![b'w'; 10]);
            let _ = machine.send_body(id, &mut body, usize::MAX, out);
            format!("{} writable", id.0)
        }
        other => format!("{other:?}"),
    };
    said.push(line);
}

/// Misuse is told, and changes nothing.
fn respond(machine: &mut Http2, id: ExchangeId, status: u16, out: &mut Outbox) {
    let head = ResponseHead::new(StatusCode::from_u16(status).unwrap_or_default());
    let content = Content::Exact(ANSWER as u64);
    if machine.respond(id, &head, content, &stamp(), out).is_ok() {
        let mut body = Payload::from(vec![b'x'; ANSWER]);
        let _ = machine.send_body(id, &mut body, usize::MAX, out);
    }
}

/// As text, however it comes in pieces.
fn bytes(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}
