//! One call of a machine, with all that it was given: how it is written, and how it is read again.

use std::borrow::Cow;

use trilane_semantics::{Content, Fields, Method, Protocol, RequestHead, ResponseHead, StatusCode};

use crate::secret::Secrets;
use crate::wire::{Reader, put_bytes, put_number};

/// A call of [`Machine`](trilane_semantics::Machine). Streams and exchanges are their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Time has passed, in nanoseconds.
    Clock(u64),
    /// `poll_event`. What it was shown is known from what was taken by it and by those after it.
    Poll(Poll<'a>),
    /// Bytes of a stream that were shown and not taken, when nothing more was shown of them.
    Rest {
        stream: u64,
        bytes: Cow<'a, [u8]>,
    },
    Reset {
        stream: u64,
        code: u64,
    },
    Stopped {
        stream: u64,
        code: u64,
    },
    Room {
        stream: u64,
        room: u64,
    },
    Revisit,
    Datagram(Cow<'a, [u8]>),
    SendDatagram {
        id: u64,
        data: Cow<'a, [u8]>,
    },
    PassedBy(u64),
    Refused,
    Respond {
        id: u64,
        head: Cow<'a, ResponseHead>,
        content: Content,
        date: &'a str,
        server: &'a str,
    },
    Interim {
        id: u64,
        head: Cow<'a, ResponseHead>,
    },
    Proceed(u64),
    Request {
        head: Cow<'a, RequestHead>,
        content: Content,
    },
    Cut,
    Push {
        id: u64,
        head: Cow<'a, RequestHead>,
    },
    /// Content as it was offered: how much, and whether its bytes were in memory.
    SendBody {
        id: u64,
        length: u64,
        in_memory: bool,
        room: u64,
    },
    Finish {
        id: u64,
        trailers: Option<Cow<'a, Fields>>,
    },
    Release {
        id: u64,
        bytes: u64,
    },
    Cancel(u64),
    Sendable(u64),
    Schedule(Vec<u64>),
    Drain,
    Flush,
    Timeout,
    /// What a flush has left for `poll_timeout` to say is another time than before.
    Timer,
    Streams(u64),
}

/// What a poll was shown, and what it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Poll<'a> {
    pub(crate) stream: u64,
    /// How many bytes it was shown; none, where something else had changed, says nothing of what waits.
    pub(crate) shown: u64,
    pub(crate) fin: bool,
    /// What it took: bytes, then content of which only the length is kept, then bytes.
    pub(crate) before: Cow<'a, [u8]>,
    pub(crate) content: u64,
    pub(crate) after: Cow<'a, [u8]>,
}

impl Step<'_> {
    /// Writes it; `secrets` of heads are left out.
    pub(crate) fn put(&self, into: &mut Vec<u8>, secrets: Secrets) {
        let mut say = |op: u8, numbers: &[u64]| {
            into.push(op);
            numbers.iter().for_each(|&number| put_number(into, number));
        };
        match self {
            Self::Clock(nanos) => say(0, &[*nanos]),
            Self::Poll(poll) => {
                say(1, &[poll.stream, poll.shown, poll.fin.into(), poll.content]);
                put_bytes(into, &poll.before);
                put_bytes(into, &poll.after);
            }
            Self::Rest { stream, bytes } => {
                say(2, &[*stream]);
                put_bytes(into, bytes);
            }
            Self::Reset { stream, code } => say(3, &[*stream, *code]),
            Self::Stopped { stream, code } => say(4, &[*stream, *code]),
            Self::Room { stream, room } => say(5, &[*stream, *room]),
            Self::Revisit => say(6, &[]),
            Self::Datagram(bytes) => {
                say(7, &[]);
                put_bytes(into, bytes);
            }
            Self::SendDatagram { id, data } => {
                say(8, &[*id]);
                put_bytes(into, data);
            }
            Self::PassedBy(bytes) => say(9, &[*bytes]),
            Self::Refused => say(10, &[]),
            Self::Respond { id, head, content, date, server } => {
                say(11, &[*id]);
                put_content(into, *content);
                put_response(into, head, secrets);
                put_bytes(into, date.as_bytes());
                put_bytes(into, server.as_bytes());
            }
            Self::Interim { id, head } => {
                say(12, &[*id]);
                put_response(into, head, secrets);
            }
            Self::Proceed(id) => say(13, &[*id]),
            Self::Request { head, content } => {
                say(14, &[]);
                put_content(into, *content);
                put_request(into, head, secrets);
            }
            Self::Cut => say(15, &[]),
            Self::Push { id, head } => {
                say(16, &[*id]);
                put_request(into, head, secrets);
            }
            Self::SendBody { id, length, in_memory, room } => {
                say(17, &[*id, *length, (*in_memory).into(), *room]);
            }
            Self::Finish { id, trailers } => {
                say(18, &[*id, trailers.is_some().into()]);
                if let Some(fields) = trailers {
                    put_fields(into, fields, secrets);
                }
            }
            Self::Release { id, bytes } => say(19, &[*id, *bytes]),
            Self::Cancel(id) => say(20, &[*id]),
            Self::Sendable(id) => say(21, &[*id]),
            Self::Schedule(ids) => {
                say(22, &[ids.len() as u64]);
                ids.iter().for_each(|&id| put_number(into, id));
            }
            Self::Drain => say(23, &[]),
            Self::Flush => say(24, &[]),
            Self::Timeout => say(25, &[]),
            Self::Timer => say(26, &[]),
            Self::Streams(more) => say(27, &[*more]),
        }
    }

    /// Reads one. `None` is what was never written.
    pub(crate) fn read<'a>(from: &mut Reader<'a>) -> Option<Step<'a>> {
        Some(match from.byte()? {
            0 => Step::Clock(from.number()?),
            1 => {
                let (stream, shown) = (from.number()?, from.number()?);
                let (fin, content) = (read_bool(from)?, from.number()?);
                let (before, after) = (from.bytes()?.into(), from.bytes()?.into());
                Step::Poll(Poll { stream, shown, fin, before, content, after })
            }
            2 => Step::Rest { stream: from.number()?, bytes: from.bytes()?.into() },
            3 => Step::Reset { stream: from.number()?, code: from.number()? },
            4 => Step::Stopped { stream: from.number()?, code: from.number()? },
            5 => Step::Room { stream: from.number()?, room: from.number()? },
            6 => Step::Revisit,
            7 => Step::Datagram(from.bytes()?.into()),
            8 => Step::SendDatagram { id: from.number()?, data: from.bytes()?.into() },
            9 => Step::PassedBy(from.number()?),
            10 => Step::Refused,
            11 => {
                let (id, content) = (from.number()?, read_content(from)?);
                let head = Cow::Owned(read_response(from)?);
                Step::Respond { id, head, content, date: from.text()?, server: from.text()? }
            }
            12 => Step::Interim { id: from.number()?, head: Cow::Owned(read_response(from)?) },
            13 => Step::Proceed(from.number()?),
            14 => {
                let content = read_content(from)?;
                Step::Request { content, head: Cow::Owned(read_request(from)?) }
            }
            15 => Step::Cut,
            16 => Step::Push { id: from.number()?, head: Cow::Owned(read_request(from)?) },
            17 => {
                let (id, length) = (from.number()?, from.number()?);
                let (in_memory, room) = (read_bool(from)?, from.number()?);
                Step::SendBody { id, length, in_memory, room }
            }
            18 => {
                let (id, has_trailers) = (from.number()?, read_bool(from)?);
                let trailers =
                    if has_trailers { Some(Cow::Owned(read_fields(from)?)) } else { None };
                Step::Finish { id, trailers }
            }
            19 => Step::Release { id: from.number()?, bytes: from.number()? },
            20 => Step::Cancel(from.number()?),
            21 => Step::Sendable(from.number()?),
            22 => {
                let count = from.number()?;
                let ids: Option<Vec<_>> = (0..count).map(|_| from.number()).collect();
                Step::Schedule(ids?)
            }
            23 => Step::Drain,
            24 => Step::Flush,
            25 => Step::Timeout,
            26 => Step::Timer,
            27 => Step::Streams(from.number()?),
            _ => return None,
        })
    }
}

fn read_bool(from: &mut Reader<'_>) -> Option<bool> {
    match from.number()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn put_content(into: &mut Vec<u8>, content: Content) {
    match content {
        Content::None => into.push(0),
        Content::Exact(length) => {
            into.push(1);
            put_number(into, length);
        }
        Content::Unknown => into.push(2),
        Content::Tunnel => into.push(3),
    }
}

fn read_content(from: &mut Reader<'_>) -> Option<Content> {
    Some(match from.byte()? {
        0 => Content::None,
        1 => Content::Exact(from.number()?),
        2 => Content::Unknown,
        3 => Content::Tunnel,
        _ => return None,
    })
}

fn put_fields(into: &mut Vec<u8>, fields: &Fields, secrets: Secrets) {
    put_number(into, fields.len() as u64);
    for (name, value) in fields.iter() {
        put_bytes(into, name);
        put_bytes(into, &secrets.of_value(name, value));
    }
}

fn read_fields(from: &mut Reader<'_>) -> Option<Fields> {
    let mut fields = Fields::new();
    for _ in 0..from.number()? {
        let (name, value) = (from.text()?, from.bytes()?);
        fields.append(name, value).ok()?;
    }
    Some(fields)
}

fn put_response(into: &mut Vec<u8>, head: &ResponseHead, secrets: Secrets) {
    put_number(into, head.status.as_u16().into());
    put_fields(into, &head.fields, secrets);
}

fn read_response(from: &mut Reader<'_>) -> Option<ResponseHead> {
    let status = u16::try_from(from.number()?).ok()?;
    let status = StatusCode::from_u16(status).ok()?;
    Some(ResponseHead { status, fields: read_fields(from)? })
}

const PROTOCOLS: [Protocol; 4] =
    [Protocol::Http10, Protocol::Http11, Protocol::Http2, Protocol::Http3];

fn put_request(into: &mut Vec<u8>, head: &RequestHead, secrets: Secrets) {
    into.push(head.protocol as u8);
    for text in [head.method.as_str(), head.target(), head.connect_protocol().unwrap_or_default()] {
        put_bytes(into, text.as_bytes());
    }
    put_fields(into, &head.fields, secrets);
}

fn read_request(from: &mut Reader<'_>) -> Option<RequestHead> {
    let protocol = *PROTOCOLS.get(usize::from(from.byte()?))?;
    let method = Method::from_bytes(from.bytes()?).ok()?;
    let (target, connect_protocol) = (from.text()?, from.text()?);
    let mut head = RequestHead::with_fields(method, protocol, read_fields(from)?, target)?;
    head.set_connect_protocol(connect_protocol);
    Some(head)
}
