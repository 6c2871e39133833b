//! What came out of a call, as a short line of text: two runs are the same when all their lines are. Heads are there by a sum over them,
//! content by its length.

use std::fmt::{self, Write};

use trilane_semantics::{
    Content, Event, Fault, Fields, Misuse, Next, Outbox, Piece, RequestHead, ResponseHead, Scope,
};

use crate::secret::Secrets;
use crate::stream::Stream;
use crate::wire::Crc;

/// How much of a target is in a line, in bytes.
const TARGET: usize = 64;

/// What a poll has said. Nothing is that it needs input.
pub(crate) fn polled(said: &Result<Next<'_>, Fault>, secrets: Secrets) -> String {
    match said {
        Ok(Next::Event(event)) => happened(event, secrets),
        Ok(Next::NeedInput) => String::new(),
        Ok(Next::Paused(why)) => format!("paused {why:?}"),
        Ok(Next::Closed(closed)) => format!("closed {} {:?}", closed.cause, closed.linger),
        Err(error) => fault(error),
    }
}

pub(crate) fn fault(fault: &Fault) -> String {
    match fault.scope {
        Scope::Connection => format!("fault {}", fault.reason.label()),
        Scope::Exchange(id) => format!("fault {} of {}", fault.reason.label(), id.0),
    }
}

fn happened(event: &Event<'_>, secrets: Secrets) -> String {
    match event {
        Event::Request { id, head, content } => {
            let sum = of_request(head, secrets);
            let target = head.target().get(..TARGET).unwrap_or(head.target());
            format!("request {} {} {target} {} #{sum:08x}", id.0, head.method, of_content(*content))
        }
        Event::Response { id, head, content } => {
            let sum = of_response(head, secrets);
            format!(
                "response {} {} {} #{sum:08x}",
                id.0,
                head.status.as_u16(),
                of_content(*content)
            )
        }
        Event::Interim { id, head } => {
            format!("interim {} {} #{:08x}", id.0, head.status.as_u16(), of_response(head, secrets))
        }
        Event::Body { id, data } => format!("body {} {}", id.0, data.len()),
        Event::Trailers { id, fields } => {
            let mut sum = Crc::new();
            add_fields(&mut sum, fields, secrets);
            format!("trailers {} #{:08x}", id.0, sum.sum())
        }
        Event::End { id } => format!("end {}", id.0),
        Event::Reset { id, code, effect } => format!("reset {} {code} {effect:?}", id.0),
        Event::Promise { id, promised, head } => {
            format!("promise {} {} #{:08x}", id.0, promised.0, of_request(head, secrets))
        }
        Event::Writable { id } => format!("writable {}", id.0),
        _ => "event".to_owned(),
    }
}

fn of_content(content: Content) -> String {
    match content {
        Content::None => "none".to_owned(),
        Content::Exact(length) => length.to_string(),
        Content::Unknown => "unknown".to_owned(),
        Content::Tunnel => "tunnel".to_owned(),
    }
}

fn of_request(head: &RequestHead, secrets: Secrets) -> u32 {
    let mut sum = Crc::new();
    let protocol = head.connect_protocol().unwrap_or_default();
    for text in [head.method.as_str(), head.target(), head.protocol.as_str(), protocol] {
        sum.add(text.as_bytes());
        sum.add(b"\n");
    }
    add_fields(&mut sum, &head.fields, secrets);
    sum.sum()
}

fn of_response(head: &ResponseHead, secrets: Secrets) -> u32 {
    let mut sum = Crc::new();
    sum.add(&head.status.as_u16().to_be_bytes());
    add_fields(&mut sum, &head.fields, secrets);
    sum.sum()
}

fn add_fields(sum: &mut Crc, fields: &Fields, secrets: Secrets) {
    for (name, value) in fields.iter() {
        sum.add(name);
        sum.add(b":");
        sum.add(&secrets.of_value(name, value));
        sum.add(b"\n");
    }
}

/// How a call ended, and what is to be sent because of it.
pub(crate) fn called<S: Stream>(
    result: Result<(), Misuse>,
    out: &Outbox<S>,
    has_content: bool,
    secrets: Secrets,
) -> String {
    let mut text = result.err().map(misused).unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = sent(&mut text, out, has_content, secrets);
    text
}

pub(crate) fn misused(misuse: Misuse) -> String {
    format!("misuse {misuse:?}")
}

/// What is to be sent: lengths, and sums of what holds no content.
fn sent<S: Stream>(
    text: &mut String,
    out: &Outbox<S>,
    has_content: bool,
    secrets: Secrets,
) -> fmt::Result {
    for (stream, piece) in out.entries() {
        let stream = stream.number();
        match piece {
            Piece::Bytes(bytes) if has_content => write!(text, " >{stream} {}", bytes.len())?,
            Piece::Bytes(bytes) => {
                let sum = Crc::of(&secrets.of_lines(bytes));
                write!(text, " >{stream} {}#{sum:08x}", bytes.len())?;
            }
            Piece::File(range) | Piece::Pipe(range) => {
                write!(text, " >{stream} file {}", range.len())?
            }
            Piece::Datagram(bytes) => write!(text, " >{stream} datagram {}", bytes.len())?,
            Piece::Command(command) => write!(text, " >{stream} {command:?}")?,
        }
    }
    Ok(())
}
