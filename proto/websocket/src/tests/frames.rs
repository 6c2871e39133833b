//! Frames by hand: what RFC 6455 allows, and each thing that it does not, however the bytes are cut.

use crate::{CloseCode, CloseFrame, Error, Header, Limits, Message, Opcode, Receiver, Role};

/// A frame of a server's, or of a client's without its mask: the first byte, and the payload with its length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let opcode = Opcode::Binary;
    Header { fin: true, rsv1: false, opcode, mask: None, len: payload.len() as u64 }
        .write(&mut bytes);
    bytes[0] = first;
    [&bytes, payload].concat()
}

/// All that a receiver says to these bytes, cut after each that `is_cut` names.
fn receive(role: Role, limits: Limits, wire: &[u8], step: usize) -> (Vec<Message>, Option<Error>) {
    let (mut receiver, mut said) = (Receiver::new(role, limits), Vec::new());
    for mut part in wire.chunks(step) {
        loop {
            match receiver.poll(&mut part) {
                Ok(Some(message)) => said.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert!(receiver.is_over());
                    assert_eq!(receiver.poll(&mut &b"\x81\x01x"[..]), Ok(None), "ignored");
                    return (said, Some(error));
                }
            }
        }
        assert!(part.is_empty());
    }
    (said, None)
}

/// As [`receive`], by a client, cut in every way.
#[track_caller]
fn read(wire: &[u8]) -> (Vec<Message>, Option<Error>) {
    let whole = receive(Role::Client, Limits::default(), wire, wire.len().max(1));
    for step in 1..wire.len().min(40) {
        assert_eq!(receive(Role::Client, Limits::default(), wire, step), whole, "cut every {step}");
    }
    whole
}

#[test]
fn examples_of_the_rfc() {
    // RFC 6455 §5.7.
    let hello = vec![Message::from("Hello")];
    assert_eq!(read(b"\x81\x05Hello"), (hello.clone(), None));
    assert_eq!(read(b"\x01\x03Hel\x80\x02lo"), (hello.clone(), None));
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    for step in 1..12 {
        let got = receive(Role::Server, Limits::default(), masked, step);
        assert_eq!(got, (hello.clone(), None));
    }
    let ping = Message::Ping("Hello".into());
    assert_eq!(read(b"\x89\x05Hello"), (vec![ping], None));
}

#[test]
fn lengths_of_every_size() {
    for len in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_000] {
        let payload = vec![7; len];
        assert_eq!(read(&frame(0x82, &payload)), (vec![Message::from(payload)], None), "{len}");
    }
}

#[test]
fn control_frames_stand_between_fragments() {
    let wire =
        [&b"\x01\x02\xe2\x82\x89\x01p\x00\x00\x8a\x00\x80\x01\xac"[..], b"\x82\x01x"].concat();
    let said = vec![
        Message::Ping("p".into()),
        Message::Pong("".into()),
        Message::from("\u{20ac}"),
        Message::from(b"x".to_vec()),
    ];
    assert_eq!(read(&wire), (said, None));
}

#[test]
fn what_is_refused() {
    let long = [0x89, 126, 0, 126];
    for (of, wire, error) in [
        ("§5.2 RSV1 without an extension", &b"\xc1\x00"[..], Error::ReservedBit),
        ("§5.2 RSV2", b"\xa1\x00", Error::ReservedBit),
        ("§5.2 RSV3", b"\x91\x00", Error::ReservedBit),
        ("RFC 7692 §6 RSV1 on a ping", b"\xc9\x00", Error::ReservedBit),
        ("§5.2 opcode 3", b"\x83\x00", Error::Opcode),
        ("§5.2 opcode 11", b"\x8b\x00", Error::Opcode),
        ("§5.1 a masked frame to a client", b"\x81\x80abcd", Error::Mask),
        ("§5.2 126 for 125", b"\x82\x7e\x00\x7d", Error::Length),
        ("§5.2 127 for 65535", b"\x82\x7f\0\0\0\0\0\0\xff\xff", Error::Length),
        ("§5.2 the highest bit", b"\x82\x7f\x80\0\0\0\0\x01\0\0", Error::Length),
        ("§5.5 a ping without its end", b"\x09\x00", Error::Control),
        ("§5.5 a ping of 126 bytes", &long, Error::Control),
        ("§5.4 a continuation of nothing", b"\x80\x00", Error::Continuation),
        ("§5.4 the same after a message", b"\x81\x00\x80\x00", Error::Continuation),
        ("§5.4 a message inside another", b"\x01\x00\x81\x00", Error::Interleaved),
        ("§5.5.1 a close of one byte", b"\x88\x01\x03", Error::CloseLength),
        ("§7.4.1 a code for what was not sent", b"\x88\x02\x03\xed", Error::CloseCode(1005)),
        ("§5.5.1 a reason that is not UTF-8", b"\x88\x03\x03\xe8\xff", Error::Utf8),
    ] {
        assert_eq!(read(wire).1, Some(error), "{of}");
    }
    let unmasked = receive(Role::Server, Limits::default(), b"\x81\x00", 1);
    assert_eq!(unmasked.1, Some(Error::Mask), "§5.1 an unmasked frame to a server");
}

#[test]
fn close_codes() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4999] {
        let frame = CloseFrame { code: CloseCode(code), reason: "so".into() };
        let wire = [&b"\x88\x04"[..], &code.to_be_bytes(), b"so", b"\x81\x01x"].concat();
        // §5.5.1: what comes after it is not looked at.
        assert_eq!(read(&wire), (vec![Message::Close(Some(frame))], None));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let wire = [&b"\x88\x02"[..], &u16::to_be_bytes(code)].concat();
        assert_eq!(read(&wire).1, Some(Error::CloseCode(code)));
    }
    assert_eq!(read(b"\x88\x00"), (vec![Message::Close(None)], None));
}

#[test]
fn text_is_checked_as_it_comes() {
    let text = "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}";
    let bytes = text.as_bytes();
    for at in 0..=bytes.len() {
        let (one, other) = bytes.split_at(at);
        let wire = [frame(1, one), frame(0x80, other)].concat();
        assert_eq!(read(&wire), (vec![Message::from(text)], None));
    }
    for wrong in [&b"\xff"[..], b"\xc0", b"\xed\xa0", b"\xf4\x90", b"\xf5", b"a\x80", b"\xe2\x28"] {
        // Neither the frame nor the message is complete: it fails before.
        let wire = [&[1, wrong.len() as u8 + 9], wrong].concat();
        assert_eq!(read(&wire).1, Some(Error::Utf8), "{wrong:x?}");
    }
    assert_eq!(read(b"\x81\x01\xe2").1, Some(Error::Utf8), "a character without its end");
    assert_eq!(read(b"\x82\x01\xe2").1, None, "bytes are not text");
}

#[test]
fn limits_hold_by_the_head_alone() {
    let limits = Limits { message: 10, frame: 8, empty_fragments: 2 };
    let read = |wire: &[u8]| receive(Role::Client, limits, wire, 1).1;
    assert_eq!(read(b"\x82\x09"), Some(Error::TooBig), "a frame");
    assert_eq!(read(b"\x02\x06123456\x80\x05"), Some(Error::TooBig), "a message");
    assert_eq!(read(b"\x02\x06123456\x80\x041234"), None);
    assert_eq!(read(b"\x02\x00\x00\x00\x00\x00"), Some(Error::EmptyFragments));
    assert_eq!(read(b"\x02\x00\x00\x00\x80\x00"), None);
}

#[test]
fn memory_goes_from_message_to_message() {
    let mut receiver = Receiver::new(Role::Client, Limits::default());
    let mut next = |bytes: &[u8]| match receiver.poll(&mut &bytes[..]) {
        Ok(Some(Message::Binary(bytes))) => bytes,
        other => panic!("{other:?}"),
    };
    let first = next(b"\x82\x08aaaaaaaa");
    let place = first.as_ptr();
    drop(first);
    let second = next(b"\x82\x08bbbbbbbb");
    assert_eq!(second.as_ptr(), place, "used again");
    let third = next(b"\x82\x08cccccccc");
    assert_eq!(
        (&second[..], &third[..]),
        (&[b'b'; 8][..], &[b'c'; 8][..]),
        "but not while it is held"
    );
}
