//! What an encoder writes, read by our own decoder: everything comes back, and little is sent twice.

use super::{block, hex, lines, same};
use crate::huffman;
use crate::text::LENGTH_BITS;
use crate::{Decoder, Encoder, Field};
use trilane_semantics::{Known, NameRef, StatusCode};

const BROWSER: &[&str] = &[
    ":method: GET",
    ":authority: www.example.com",
    ":scheme: https",
    ":path: /a/picture.png?version=12",
    "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
    "accept: text/html,application/xhtml+xml",
    "sec-fetch-site: same-origin",
    "sec-fetch-mode: navigate",
    "accept-encoding: gzip, deflate, br, zstd",
    "cookie: session=0123456789abcdef0123456789abcdef",
    "x-request-id: 0123456789abcdef",
];

/// FEATURES P6: the second block shrinks.
#[test]
fn what_was_sent_is_an_index() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
    let sizes = [(); 3].map(|()| {
        let block = block(&mut encoder, BROWSER);
        same(lines(&mut decoder, &block), BROWSER);
        block.len()
    });
    assert!(sizes[0] > 200 && sizes[1] < 40 && sizes[2] == sizes[1], "{sizes:?}");
}

/// A name that is not in the static table is sent once, also when its values change.
#[test]
fn names_are_learnt() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
    for (index, len) in [(1, 18), (2, 8), (3, 8)] {
        let line = format!("x-request-id: {index}0f0f");
        let block = block(&mut encoder, &[&line]);
        same(lines(&mut decoder, &block), &[&line]);
        assert!(block.len() <= len, "{block:x?}");
    }
    assert_eq!(decoder.table().len(), 1);
}

/// RFC 7541 §7.1.3, §6.2.3.
#[test]
fn secrets_are_in_no_table() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
    let mut sizes = Vec::new();
    for _ in 0..2 {
        let mut block = block(&mut encoder, &["authorization: Basic abc", "cookie: a=b"]);
        let field = Field { sensitive: true, ..Field::new("x-own", b"secret") };
        encoder.field(&mut block, field);
        let field = Field { sensitive: true, ..Field::new(NameRef::Other(b":method"), b"GET") };
        encoder.field(&mut block, field);
        let decoded = lines(&mut decoder, &block).unwrap();
        assert!(decoded.len() == 4 && decoded.iter().all(|(.., sensitive)| *sensitive));
        sizes.push(block.len());
    }
    assert_eq!((decoder.table().len(), sizes[0]), (0, sizes[1]));
}

#[test]
fn every_status_is_written() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
    for round in 0..2 {
        for code in [100, 200, 201, 204, 206, 302, 304, 400, 404, 500, 503] {
            let mut block = Vec::new();
            encoder.begin(&mut block);
            encoder.status(&mut block, StatusCode::from_u16(code).unwrap());
            assert!(round == 0 || block.len() == 1);
            same(lines(&mut decoder, &block), &[&format!(":status: {code}")]);
        }
    }
}

/// RFC 7541 §4.2: the least size in between, then the last.
#[test]
fn size_updates_are_announced() {
    let updates = |sizes: &[usize]| {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        same(lines(&mut decoder, &block(&mut encoder, BROWSER)), BROWSER);
        for size in sizes {
            encoder.set_max_table_size(*size);
            decoder.set_max_table_size(*size);
        }
        let next = block(&mut encoder, BROWSER);
        same(lines(&mut decoder, &next), BROWSER);
        let again = block(&mut encoder, BROWSER);
        same(lines(&mut decoder, &again), BROWSER);
        assert!(again[0] == 0x82);
        next[..next.iter().position(|&byte| byte == 0x82).unwrap()].to_vec()
    };
    assert_eq!(updates(&[]), b"");
    assert_eq!(updates(&[4096, 4097, 1 << 20]), b"");
    assert_eq!(updates(&[0]), hex("20"));
    assert_eq!(updates(&[100]), hex("3f45"));
    assert_eq!(updates(&[4095]), hex("3fe01f"));
    assert_eq!(updates(&[0, 4096]), hex("20 3fe11f"));
    assert_eq!(updates(&[500, 100, 200]), hex("3f45 3fa901"));
    assert_eq!(updates(&[100, 100]), hex("3f45"));
}

/// Thousands of lines through tables of any size: the two tables stay the same.
#[test]
fn any_lines_come_back() {
    let mut state = 1u64;
    let mut next = move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for max in [0, 32, 40, 64, 200, 1000, 4096, 70_000] {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        encoder.set_max_table_size(max);
        decoder.set_max_table_size(max);
        for _ in 0..400 {
            let lines: Vec<_> = (0..next(9))
                .map(|_| match next(3) {
                    0 => {
                        let known = Known::ALL[next(Known::COUNT as u64) as usize];
                        (known.as_str().to_owned(), "v".repeat(next(60) as usize))
                    }
                    1 => (format!("x-{}", next(40)), format!("{:x}", next(1 << 30))),
                    _ => (":path".to_owned(), format!("/{}", next(5))),
                })
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            let lines: Vec<_> = lines.iter().map(|line| &line[..]).collect();
            same(super::lines(&mut decoder, &block(&mut encoder, &lines)), &lines);
        }
    }
}

/// RFC 7541 Appendix B: every byte, alone, in pairs, and long.
#[test]
fn every_text_comes_back_from_the_code() {
    let both = |text: &[u8]| {
        let (mut coded, mut decoded) = (Vec::new(), b"before".to_vec());
        huffman::encode(text, &mut coded);
        assert_eq!(coded.len(), huffman::encoded_len(text));
        assert_eq!(huffman::decode(&coded, &mut decoded), Ok(()), "{text:?}");
        assert_eq!(decoded, [b"before", text].concat());
        for cut in 0..coded.len() {
            let mut decoded = b"before".to_vec();
            let part = huffman::decode(&coded[..cut], &mut decoded);
            assert!(decoded.starts_with(b"before"));
            assert!(part.is_ok() || decoded == b"before");
        }
    };
    both(b"");
    for first in 0..=255 {
        both(&[first]);
        for second in 0..=255 {
            both(&[first, second]);
        }
        both(&[first; 40]);
        both(&[b"a text of", &[first][..], b" some length, and 0123456789"].concat());
    }
}

/// RFC 7541 §5.2: EOS is no text, and padding is at most 7 ones.
#[test]
fn padding_is_short_and_of_ones() {
    let decode = |coded: &[u8]| huffman::decode(coded, &mut Vec::new());
    for len in 0..40 {
        let mut coded = Vec::new();
        huffman::encode(&vec![b'0'; len], &mut coded);
        assert!(decode(&coded).is_ok());
        // A byte of padding on top, and one with EOS.
        assert!(decode(&[&coded[..], &[0xff]].concat()).is_err());
        assert!(decode(&[&coded[..], &[0xff; 4]].concat()).is_err());
        assert!(decode(&[&coded[..], &[0xff; 4], b"0123456789"].concat()).is_err());
        // '0' is 5 zeros, so the padding is all that is not.
        let padding = (8 - 5 * len % 8) % 8;
        for bit in 0..padding {
            let mut wrong = coded.clone();
            *wrong.last_mut().unwrap() ^= 1 << bit;
            // 5 bits or more may be another text.
            assert!(decode(&wrong).is_err() || padding > 4, "{len} {bit}");
        }
    }
}

/// RFC 7541 §5.2: a string is in the Huffman code where that is shorter, else as it is, on both sides of every length that is
/// written in another way.
#[test]
fn strings_have_the_shorter_form() {
    let mixed: Vec<u8> =
        (0..400u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let texts: [&[u8]; 5] =
        [&[b'0'; 400], &[b'z'; 400], &[0; 400], &[b'-', b'X'].repeat(200), &mixed];
    for text in texts {
        for length in 0..text.len() {
            let text = &text[..length];
            let mut out = b"before".to_vec();
            crate::text::write(text, 0, LENGTH_BITS, &mut out);
            let coded = huffman::encoded_len(text).min(length);
            let (mut rest, mut scratch) = (&out[6..], Vec::new());
            let first = rest[0];
            let mut digits = rest;
            assert_eq!(crate::integer::decode(&mut digits, 7), Ok(coded as u64), "{length}");
            assert_eq!((digits.len(), first & 0x80 != 0), (coded, coded < length));
            let read = crate::text::Text::take(&mut rest, LENGTH_BITS, &mut scratch).unwrap();
            assert_eq!((read.bytes(&scratch), rest), (text, &b""[..]));
        }
    }
}
