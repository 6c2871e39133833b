//! WebSocket frames (RFC 6455, RFC 7692): cut = whole, limits hold, text is UTF-8, and what was read says the same when it is
//! written and read again.

use trilane_websocket::{Agreed, Deflate, Error, Limits, Message, Receiver, Role, Sender};

const LIMITS: Limits = Limits { message: 4096, frame: 2048, empty_fragments: 8 };

/// The first byte says who reads, and whether what comes may be compressed; the rest is what comes.
pub fn websocket(data: &[u8]) {
    let Some((&how, wire)) = data.split_first() else { return };
    let role = if how & 1 == 0 { Role::Server } else { Role::Client };
    let agreed = match how >> 1 & 3 {
        0 => None,
        contexts => agree(contexts & 1 == 1),
    };
    let whole = read(role, agreed, wire, usize::MAX);
    for step in [1, 2, 3, 7, 64] {
        assert_eq!(read(role, agreed, wire, step), whole, "cut every {step}");
    }
    let (messages, _) = whole;
    for message in &messages {
        assert!(message.len() <= LIMITS.message, "{} bytes", message.len());
        if let Message::Text(text) = message {
            assert!(std::str::from_utf8(text.as_bytes()).is_ok());
        }
    }
    for (sender, agreed) in [(Role::Client, None), (Role::Server, None), (Role::Server, agreed)] {
        again(sender, agreed, &messages);
    }
}

fn agree(has_contexts: bool) -> Option<Agreed> {
    let deflate = Deflate::new().contexts(has_contexts, has_contexts).from(0);
    deflate.accept("permessage-deflate").unwrap_or_default()
}

fn receiver(role: Role, agreed: Option<Agreed>, limits: Limits) -> Receiver {
    let receiver = Receiver::new(role, limits);
    match agreed {
        Some(agreed) => receiver.compressed(&agreed),
        None => receiver,
    }
}

/// All that comes of it, read in pieces of `step` bytes.
fn read(
    role: Role,
    agreed: Option<Agreed>,
    wire: &[u8],
    step: usize,
) -> (Vec<Message>, Option<Error>) {
    let (mut receiver, mut messages) = (receiver(role, agreed, LIMITS), Vec::new());
    for mut piece in wire.chunks(step) {
        loop {
            match receiver.poll(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert!(receiver.is_over());
                    return (messages, Some(error));
                }
            }
        }
        assert!(piece.is_empty(), "it takes all, or has something to say");
    }
    (messages, None)
}

/// Written by one side, read by the other.
fn again(role: Role, agreed: Option<Agreed>, messages: &[Message]) {
    let mut sender = Sender::new(role);
    if let Some(agreed) = &agreed {
        sender = sender.compressed(agreed);
    }
    let mut wire = Vec::new();
    for message in messages {
        let Ok(rest) = sender.push(message.clone(), [0xa5, 0, 0xff, 0x3c], &mut wire) else {
            break;
        };
        wire.extend_from_slice(&rest.unwrap_or_default());
    }
    let other = if role == Role::Server { Role::Client } else { Role::Server };
    let (mut receiver, mut got) = (receiver(other, agreed, Limits::default()), Vec::new());
    let mut rest = &wire[..];
    while let Ok(Some(message)) = receiver.poll(&mut rest) {
        got.push(message);
    }
    assert_eq!(got, messages, "and back");
}
