//! One request and its answer, by the machine of HTTP/1.1 and its rule of use: events, then what is to be sent, then more bytes.

use std::rc::Rc;

use trilane_http1::Http1;
use trilane_semantics::{
    Content, Event, Input, Instant, Limits, Machine, Next, Outbox, Payload, Piece, RequestHead,
    ResponseHead,
};

use crate::errands::{Answer, Failed};
use crate::wire::Wire;

/// Sends it and waits for the answer, whose content has `most` bytes at most.
pub(crate) fn exchange(
    wire: &mut Wire,
    head: &RequestHead,
    content: Vec<u8>,
    most: usize,
) -> Result<Answer, Failed> {
    // The wire has the only deadline: to the machine no time passes.
    let now = Instant::from_nanos(1);
    let mut machine = Http1::client(Rc::new(Limits::default()), now);
    let mut out = Outbox::new();
    let misuse = |_| Failed::Answer("the request cannot be written");
    let (length, mut content) = (content.len(), Payload::from(content));
    let framing = if length == 0 && !matches!(head.method.as_str(), "POST" | "PUT") {
        Content::None
    } else {
        Content::Exact(length as u64)
    };
    let id = machine.request(head, framing, &mut out).map_err(misuse)?;
    if length > 0 {
        machine.send_body(id, &mut content, usize::MAX, &mut out).map_err(misuse)?;
        machine.finish(id, None, &mut out).map_err(misuse)?;
    }
    let (mut bytes, mut is_ended) = (Vec::new(), false);
    let mut answer = Heard { head: None, content: Vec::new(), most };
    loop {
        machine.flush(now, &mut out);
        let pieces = out.pieces().filter_map(|piece| match piece {
            Piece::Bytes(bytes) => Some(bytes),
            _ => None,
        });
        wire.write(pieces)?;
        out.clear(0);
        is_ended |= wire.read(&mut bytes)?;
        let mut input = Input::new((), &bytes, is_ended);
        loop {
            let next = machine.poll_event(now, &mut input);
            match next.map_err(|_| Failed::Answer("the answer is malformed"))? {
                Next::Event(event) => {
                    if answer.hear(event, &mut machine)? {
                        return answer.whole();
                    }
                }
                Next::NeedInput if !is_ended => break,
                Next::NeedInput | Next::Paused(_) | Next::Closed(_) => {
                    return Err(Failed::Answer("the answer ended early"));
                }
            }
        }
        let used = bytes.len() - input.bytes().len();
        bytes.drain(..used);
    }
}

/// What has come of the answer.
struct Heard {
    head: Option<ResponseHead>,
    content: Vec<u8>,
    most: usize,
}

impl Heard {
    /// Whether that was all of it.
    fn hear(&mut self, event: Event<'_>, machine: &mut Http1) -> Result<bool, Failed> {
        match event {
            Event::Response { head, content, .. } => {
                self.head = Some(head);
                return Ok(content == Content::None);
            }
            Event::End { .. } => return Ok(true),
            Event::Body { id, data } => {
                if self.content.len() + data.len() > self.most {
                    return Err(Failed::Answer("the answer is too large"));
                }
                self.content.extend_from_slice(data);
                machine.release(id, data.len());
            }
            Event::Reset { .. } => return Err(Failed::Answer("the answer ended early")),
            // Interim heads and trailers say nothing that is needed here.
            _ => {}
        }
        Ok(false)
    }

    fn whole(self) -> Result<Answer, Failed> {
        let head = self.head.ok_or(Failed::Answer("the answer has no head"))?;
        Ok(Answer { status: head.status, fields: head.fields, content: self.content })
    }
}
