//! Both halves with each other: every role, with and without compression, however the bytes are cut.

use bytes::Bytes;

use crate::{
    CloseCode, CloseFrame, Closed, Deflate, Error, Limits, Message, Receiver, Role, Sender,
};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const fn other(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// Halves that talk to each other, `role` being the one that sends.
fn pair(role: Role, deflate: Option<(Deflate, &str)>) -> (Sender, Receiver) {
    let (sender, receiver) = (Sender::new(role), Receiver::new(other(role), Limits::default()));
    match deflate {
        None => (sender, receiver),
        Some((deflate, offer)) => {
            let agreed = deflate.accept(offer).unwrap().unwrap();
            (sender.compressed(&agreed), receiver.compressed(&agreed))
        }
    }
}

fn write(sender: &mut Sender, message: Message) -> Vec<u8> {
    let mut wire = Vec::new();
    let rest = sender.push(message, MASK, &mut wire).unwrap();
    wire.extend_from_slice(&rest.unwrap_or_default());
    wire
}

fn messages() -> Vec<Message> {
    let text = "what is said again and again is said again and \u{e4}gain. ".repeat(40);
    // No two alike, and nothing to be found twice.
    let noise: Vec<u8> =
        (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    vec![
        Message::from(""),
        Message::from("a"),
        Message::from(text.as_str()),
        Message::from(text.as_str()),
        Message::from(noise),
        Message::from(Vec::new()),
        Message::Ping(Bytes::from_static(b"there?")),
        Message::from(text.repeat(10)),
        Message::Close(Some(CloseFrame::new(CloseCode::NORMAL, "done"))),
    ]
}

#[test]
fn what_is_sent_is_received() {
    let deflate = Deflate::new().from(0);
    let offers = [
        "permessage-deflate",
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
    ];
    let mut ways = vec![None];
    for contexts in [(true, true), (true, false), (false, false)] {
        ways.extend(
            offers.map(|offer| Some((deflate.contexts(contexts.0, contexts.1).level(6), offer))),
        );
    }
    for role in [Role::Server, Role::Client] {
        for way in &ways {
            for step in [1, 7, 4096, usize::MAX] {
                let (mut sender, mut receiver) = pair(role, *way);
                let (mut got, mut size) = (Vec::new(), 0);
                for message in messages() {
                    let wire = write(&mut sender, message);
                    size += wire.len();
                    for mut part in wire.chunks(step.min(wire.len())) {
                        while let Some(message) = receiver.poll(&mut part).unwrap() {
                            got.push(message);
                        }
                    }
                }
                assert_eq!(got, messages(), "{role:?} {way:?}");
                assert!(way.is_none() || size < 30_000, "{size} bytes with {way:?}");
                assert!(receiver.is_over() && sender.is_closed());
                assert_eq!(sender.push(Message::from("x"), MASK, &mut Vec::new()), Err(Closed));
            }
        }
    }
}

#[test]
fn examples_of_deflate() {
    // RFC 7692 §7.2.3.1 to §7.2.3.6, as one frame or two, one block or several, the last one marked or not.
    let hello = Message::from("Hello");
    for wire in [
        &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
        b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",
        b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ] {
        for step in 1..=wire.len() {
            let (_, mut receiver) =
                pair(Role::Server, Some((Deflate::new(), "permessage-deflate")));
            let parts = wire.chunks(step);
            let got: Vec<_> =
                parts.filter_map(|mut part| receiver.poll(&mut part).unwrap()).collect();
            assert_eq!(got, std::slice::from_ref(&hello), "{wire:x?}");
        }
    }
    // §7.2.3.2: the second refers to the first.
    let contexts = Deflate::new().contexts(true, true);
    let (_, mut receiver) = pair(Role::Server, Some((contexts, "permessage-deflate")));
    let mut wire = &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00"[..];
    assert_eq!(receiver.poll(&mut wire), Ok(Some(hello.clone())));
    assert_eq!(receiver.poll(&mut wire), Ok(Some(hello)));
    let (mut sender, _) = pair(Role::Server, Some((contexts.from(0), "permessage-deflate")));
    assert_eq!(write(&mut sender, Message::from("")), b"\xc1\x01\x00", "§7.2.3.6");
}

#[test]
fn what_deflate_must_not_do() {
    let start = |limits| {
        let agreed = Deflate::new().accept("permessage-deflate").unwrap().unwrap();
        Receiver::new(Role::Client, limits).compressed(&agreed)
    };
    let read = |wire: &[u8]| start(Limits::default()).poll(&mut &wire[..]);
    assert_eq!(read(b"\xc1\x04\xff\xff\xff\xff"), Err(Error::Deflate));
    assert_eq!(read(b"\xc9\x00"), Err(Error::ReservedBit), "§6: no control frame");
    assert_eq!(read(b"\x41\x01\xf2\xc0\x00"), Err(Error::ReservedBit), "§6: no continuation");
    // A stored block of text that is none: it fails though neither frame nor message is complete.
    assert_eq!(read(b"\x41\x20\x00\x05\x00\xfa\xffHel\xffo"), Err(Error::Utf8));
    // What a few bytes stand for has a bound.
    let (mut sender, _) = pair(Role::Server, Some((Deflate::new(), "permessage-deflate")));
    let bomb = write(&mut sender, Message::from(vec![0; 1 << 20]));
    assert!(bomb.len() < 16 << 10, "{}", bomb.len());
    let limits = Limits { message: (1 << 20) - 1, ..Limits::default() };
    assert_eq!(start(limits).poll(&mut &bomb[..]), Err(Error::TooBig));
    let limits = Limits { message: 1 << 20, ..limits };
    assert!(matches!(start(limits).poll(&mut &bomb[..]), Ok(Some(Message::Binary(_)))));
}

#[test]
fn what_gains_nothing_goes_as_it_is() {
    let (mut sender, _) = pair(Role::Server, Some((Deflate::new(), "permessage-deflate")));
    assert_eq!(write(&mut sender, Message::from("short")), b"\x81\x05short");
    let noise: Vec<u8> =
        (0..200_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert_eq!(write(&mut sender, Message::from(noise.clone()))[0], 0x82);
    assert_eq!(write(&mut sender, Message::from("a".repeat(200)))[0], 0xc1);
    let (mut sender, _) = pair(Role::Server, Some((Deflate::new().from(0), "permessage-deflate")));
    assert_eq!(write(&mut sender, Message::from(noise))[0], 0xc2, "but where all are asked for");
}

#[test]
fn control_frames_are_kept_short() {
    let (mut sender, mut receiver) = pair(Role::Client, None);
    let wire = write(&mut sender, Message::Ping(vec![b'p'; 200].into()));
    assert_eq!(receiver.poll(&mut &wire[..]), Ok(Some(Message::Ping(vec![b'p'; 125].into()))));
    let frame = CloseFrame::new(CloseCode(4000), "\u{e4}".repeat(100));
    assert_eq!(frame.reason.len(), 122, "cut at a character");
    let wire = write(&mut sender, Message::Close(Some(frame.clone())));
    assert_eq!(receiver.poll(&mut &wire[..]), Ok(Some(Message::Close(Some(frame)))));
    let (mut sender, _) = pair(Role::Server, None);
    let unfit = CloseFrame::new(CloseCode(1006), "gone");
    assert_eq!(write(&mut sender, Message::Close(Some(unfit))), b"\x88\x00");
}

#[test]
fn large_payloads_are_moved() {
    let payload = Bytes::from(vec![1; 100_000]);
    let (mut sender, mut out) = (Sender::new(Role::Server), Vec::new());
    let rest = sender.push(Message::Binary(payload.clone()), MASK, &mut out).unwrap().unwrap();
    assert_eq!((rest.as_ptr(), out.len()), (payload.as_ptr(), 10));
}
