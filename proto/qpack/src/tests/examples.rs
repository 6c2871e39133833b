//! RFC 9204 Appendix B, in its order: one connection.

use super::{hex, lines, same};
use crate::{Decoder, Encoder, Field};
use trilane_semantics::NameRef;

fn owed(decoder: &mut Decoder) -> Vec<u8> {
    let mut out = Vec::new();
    decoder.owed(&mut out);
    out
}

#[track_caller]
fn instruct(decoder: &mut Decoder, wire: &str) {
    let bytes = hex(wire);
    for cut in 0..bytes.len() {
        // A copy of what has come: nothing is taken before an instruction is whole.
        let taken = decoder.instructions(&bytes[..cut]).unwrap();
        if taken > 0 {
            assert_eq!(decoder.instructions(&bytes[taken..]), Ok(bytes.len() - taken));
            return;
        }
    }
    assert_eq!(decoder.instructions(&bytes), Ok(bytes.len()));
}

#[track_caller]
fn table(decoder: &Decoder, size: usize, expected: &[&str]) {
    let ours = (0..decoder.table.len()).map(|age| {
        let (name, value, _) = decoder.table.line(age).unwrap();
        [name.as_bytes(), b": ", value].concat()
    });
    assert!(ours.rev().eq(expected.iter().map(|line| line.as_bytes().to_vec())));
    assert_eq!(decoder.table.size(), size);
}

#[test]
fn all_of_them() {
    let mut decoder = Decoder::new(220, 1);
    // §B.1: a name of the static table.
    let section = hex("0000 510b 2f69 6e64 6578 2e68 746d 6c");
    same(lines(&mut decoder, 0, &section), &[":path: /index.html"]);
    assert_eq!(owed(&mut decoder), []);

    // §B.2: two lines, and a section that needs them before they are there.
    let section = hex("0381 10 11");
    assert_eq!((decoder.required(&section), decoder.inserted()), (Ok(2), 0));
    assert_eq!(lines(&mut decoder, 4, &section), Ok(None));
    assert_eq!(owed(&mut decoder), []);
    instruct(
        &mut decoder,
        "3fbd01 c00f 7777 772e 6578 616d 706c 652e 636f 6d c10c 2f73 616d 706c 652f 7061 7468",
    );
    let first_two = [":authority: www.example.com", ":path: /sample/path"];
    table(&decoder, 106, &first_two);
    same(lines(&mut decoder, 4, &section), &first_two);
    assert_eq!(owed(&mut decoder), hex("84"));

    // §B.3: a line that nothing needs.
    instruct(&mut decoder, "4a63 7573 746f 6d2d 6b65 790c 6375 7374 6f6d 2d76 616c 7565");
    table(&decoder, 160, &[first_two[0], first_two[1], "custom-key: custom-value"]);
    assert_eq!(owed(&mut decoder), hex("01"));

    // §B.4: a section that comes before its line, and is not waited for.
    let section = hex("0500 80 c1 81");
    assert_eq!(lines(&mut decoder, 8, &section), Ok(None));
    decoder.cancel(8);
    assert_eq!(owed(&mut decoder), hex("48"));
    instruct(&mut decoder, "02");
    let third = "custom-key: custom-value";
    table(&decoder, 217, &[first_two[0], first_two[1], third, first_two[0]]);
    same(lines(&mut decoder, 8, &section), &[first_two[0], ":path: /", third]);

    // §B.5: a line goes.
    instruct(&mut decoder, "810d 6375 7374 6f6d 2d76 616c 7565 32");
    table(&decoder, 215, &[first_two[1], third, first_two[0], "custom-key: custom-value2"]);
}

/// The same connection from the other side: what we write and hear, apart from strings, which we write in the Huffman code.
#[test]
fn what_an_encoder_says_and_hears() {
    let mut encoder = Encoder::new(220);
    encoder.set_peer(220);
    let mut section = Vec::new();
    encoder.begin(0, &mut section);
    encoder.field(&mut section, Field::new(NameRef::Other(b":path"), b"/index.html"));
    encoder.end(&mut section);
    assert_eq!(section[..3], hex("0000 51"));
    let authority = Field::new(NameRef::Other(b":authority"), b"www.example.com");
    let custom = Field::new("custom-key", b"custom-value");
    section.clear();
    encoder.begin(0, &mut section);
    encoder.field(&mut section, authority);
    encoder.field(&mut section, custom);
    encoder.end(&mut section);
    let mut said = Vec::new();
    encoder.instructions_owed(&mut said);
    assert_eq!(said[..5], hex("3fbd01 c0 8c"));
    assert_eq!(said[17], 0x40 | 0x20 | 8);
    assert_eq!(encoder.acknowledge(&hex("02")), Ok(1));
    section.clear();
    encoder.begin(4, &mut section);
    encoder.field(&mut section, authority);
    encoder.field(&mut section, Field::new(NameRef::Other(b":path"), b"/"));
    encoder.field(&mut section, custom);
    encoder.end(&mut section);
    assert_eq!(section, hex("0300 81 c1 80"));
    assert_eq!(encoder.acknowledge(&hex("84")), Ok(1));
    assert!(encoder.acknowledge(&hex("84")).is_err());
    assert_eq!(encoder.acknowledge(&hex("48")), Ok(1));
}
