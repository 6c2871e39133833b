//! Chunked content (RFC 9112 §7.1): cut = whole, agreement with a naive decoder, the same end whether the content
//! is read or discarded, and what was read says the same when it is written and read again.

use trilane_semantics::{Content, Fields, Limits, Machine, Method, Outbox, Payload, RequestHead};

use crate::drive::{Answer, Said, client, converse, however_cut, sent, server};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";

type Lines = Vec<(Vec<u8>, Vec<u8>)>;

/// `data` as what follows the head of a chunked request.
pub fn chunked(data: &[u8]) {
    let wire = [HEAD, data].concat();
    let limits = large();
    let read =
        however_cut(&wire, |ends| converse(server(&limits), &wire, ends, Answer::WhenPaused));
    let discarded =
        however_cut(&wire, |ends| converse(server(&limits), &wire, ends, Answer::AtOnce));
    assert_eq!(requests(&read), requests(&discarded), "one end, read or not");

    let (mut body, mut trailers, mut ended) = (Vec::new(), Vec::new(), false);
    for said in read.into_iter().skip(1) {
        match said {
            Said::Body(data) => body = data,
            Said::Trailers(fields) => trailers = lines(&fields),
            Said::End => {
                ended = true;
                break;
            }
            _ => break,
        }
    }
    let model = decode(data);
    assert_eq!(ended, model.is_some(), "the naive decoder disagrees");
    let Some(model) = model else { return };
    assert_eq!((&body, &trailers), (&model.0, &model.1));
    again(&body, &trailers);
}

/// No limit but those of memory: they are tested elsewhere.
fn large() -> Limits {
    let mut limits = Limits::default();
    (limits.chunk_line, limits.head, limits.field_lines) = (1 << 20, 1 << 20, 60_000);
    limits.discard = u64::MAX;
    limits
}

fn requests(said: &[Said]) -> Vec<String> {
    let head = |said: &Said| match said {
        Said::Request(head, content, _) => Some(format!("{head:?} {content:?}")),
        _ => None,
    };
    said.iter().filter_map(head).collect()
}

fn lines(fields: &Fields) -> Lines {
    fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// The grammar of RFC 9112 §7.1, read all at once and without thought for speed. `None` when it is not met.
fn decode(mut rest: &[u8]) -> Option<(Vec<u8>, Lines)> {
    let mut body = Vec::new();
    loop {
        let line = line(&mut rest)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits]).ok()?;
        let size = u64::from_str_radix(size, 16).ok()?;
        let extension = line[digits..].trim_ascii_start();
        let is_good = |&byte: &u8| byte == b'\t' || byte >= b' ' && byte != 0x7f;
        let is_extension = extension.first() == Some(&b';') && extension.iter().all(is_good);
        let space = &line[digits..line.len() - extension.len()];
        let is_space = space.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        if !(line.len() == digits || is_extension && is_space) {
            return None;
        }
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok().filter(|size| *size < rest.len())?;
        body.extend_from_slice(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    let mut trailers = Vec::new();
    loop {
        let line = line(&mut rest)?;
        if line.is_empty() {
            return Some((body, trailers));
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        let is_value = |&b: &u8| b == b'\t' || b >= b' ' && b != 0x7f;
        if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(is_value) {
            return None;
        }
        trailers.push((name.to_ascii_lowercase(), value.trim_ascii().to_vec()));
    }
}

/// A line that ends in CRLF and has neither byte elsewhere.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (line, after) = rest.split_at(end);
    *rest = after.strip_prefix(b"\r\n")?;
    Some(line)
}

/// Written by a client in pieces, read by a server.
fn again(body: &[u8], trailers: &Lines) {
    let Some(head) = RequestHead::new(Method::POST, "/") else { return };
    let (mut machine, mut out) = (client(&Limits::default()), Outbox::new());
    let Ok(id) = machine.request(&head, Content::Unknown, &mut out) else { panic!("refused") };
    for piece in body.chunks(17) {
        let mut payload = Payload::from(piece.to_vec());
        assert_eq!(machine.send_body(id, &mut payload, 100, &mut out), Ok(()));
        assert!(payload.is_empty());
    }
    let mut fields = Fields::new();
    // RFC 9110 §6.5.1: a sender leaves out what may not be a trailer field.
    let sendable: Lines =
        trailers.iter().filter(|(name, _)| name.starts_with(b"x-")).cloned().collect();
    for (name, value) in &sendable {
        let name = String::from_utf8_lossy(name);
        assert_eq!(fields.append(&*name, value), Ok(()));
    }
    assert_eq!(machine.finish(id, Some(&fields), &mut out), Ok(()));
    let wire = sent(&mut out);
    let said = converse(server(&large()), &wire, &[], Answer::WhenPaused);
    let mut expected = Vec::new();
    if !body.is_empty() {
        expected.push(Said::Body(body.to_vec()));
    }
    if !sendable.is_empty() {
        expected.push(Said::Trailers(fields));
    }
    expected.push(Said::End);
    assert_eq!(said[1..=expected.len()], expected);
}
