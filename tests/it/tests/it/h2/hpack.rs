//! RFC 7541: blocks that cannot be decompressed. Each is an error of the connection, because the tables differ then.

use super::Row;
use super::frames::{code, get, headers, integer};
use super::generic::GET;

pub(super) fn rows() -> Vec<Row> {
    let wrong = |of, line: &[u8]| {
        Row::new(of).send(&headers(1, 1, &[GET, line].concat())).goaway(&[code::COMPRESSION])
    };
    let front = |of, line: &[u8]| {
        Row::new(of).send(&headers(1, 1, &[line, GET].concat())).goaway(&[code::COMPRESSION])
    };
    vec![
        wrong("7541 §2.3.3 a line that is not there", b"\xbe"),
        wrong("7541 §2.3.3 line 70", b"\xc6"),
        wrong(
            "7541 §2.3.3 the name of such a line",
            &[&integer(0x40, 6, 70)[..], b"\x01a"].concat(),
        ),
        wrong(
            "7541 §2.3.3 the name of such a line, not indexed",
            &[&integer(0, 4, 62)[..], b"\x01a"].concat(),
        ),
        wrong("7541 §4.2 a size update at the end", b"\x21"),
        front("7541 §4.2 a size update past what was allowed", &integer(0x20, 5, 4097)),
        front("7541 §6.3 the same, by far", &integer(0x20, 5, 1 << 30)),
        // §5.2: padding is the front of EOS, shorter than a byte, and EOS itself never comes.
        wrong("7541 §5.2 padding of 8 bits", b"\x40\x01x\x81\xff"),
        wrong("7541 §5.2 a byte and 8 bits", b"\x40\x01x\x82\x1f\xff"),
        wrong("7541 §5.2 padding of zeros", b"\x40\x01x\x81\x18"),
        wrong("7541 §5.2 EOS", b"\x40\x01x\x84\xff\xff\xff\xff"),
        wrong("7541 §5.2 a string that is cut", b"\x40\x01x\x05ab"),
        wrong("7541 §5.1 a number that is cut", b"\x40\x01x\x7f\x80"),
        wrong(
            "7541 §5.1 a number without end",
            &[&b"\x40\x01x\x7f"[..], &[0xff; 12], b"\x01"].concat(),
        ),
        wrong("7541 §6.1 line 0", b"\x80"),
        Row::new("7541 §4.1 a line that is larger than the table empties it")
            .send(&headers(1, 1, &[GET, b"\x40\x01a\x7f\xa1\x1f", &[b'x'; 4128]].concat()))
            .send(&get(3, "/plaintext"))
            .answer(3),
    ]
}
