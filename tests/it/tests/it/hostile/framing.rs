//! How long content is, and how it comes in chunks (RFC 9112 §6, §7, §11.2; RFC 9110 §8.6).

use super::{Row, chunked, post};

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = LENGTHS
        .iter()
        .map(|(section, lines, expected)| Row::new(section, post(lines, b"hello"), expected))
        .collect();
    rows.extend(CODINGS.iter().map(|(section, lines, expected)| {
        Row::new(section, post(lines, b"5\r\nhello\r\n0\r\n\r\n"), expected)
    }));
    rows.extend(
        CHUNKS
            .iter()
            .map(|(section, content, expected)| Row::new(section, chunked(content), expected)),
    );
    rows.extend(OLD.iter().map(|(section, lines, expected)| {
        let head = [b"POST /test/collect HTTP/1.0\r\n", *lines, b"\r\n\r\n0\r\n\r\n"].concat();
        Row::new(section, head, expected)
    }));
    rows.extend(long());
    rows
}

type Case = (&'static str, &'static [u8], &'static str);

/// Before the content `hello`.
const LENGTHS: &[Case] = &[
    ("9110 8.6 five", b"Content-Length: 5", "200+"),
    ("9110 8.6 the name has no case", b"cONTENT-lENGTH: 5", "200+"),
    ("9110 8.6 leading zeros", b"Content-Length: 00000000000000000000005", "200+"),
    ("9110 5.6.3 white space around it", b"Content-Length: \t 5 \t", "200+"),
    ("9110 8.6 negative", b"Content-Length: -5", "400!"),
    ("9110 8.6 negative nothing", b"Content-Length: -0", "400!"),
    ("9110 8.6 a plus", b"Content-Length: +5", "400!"),
    ("9110 8.6 hexadecimal", b"Content-Length: 0x5", "400!"),
    ("9110 8.6 a letter", b"Content-Length: 5a", "400!"),
    ("9110 8.6 a fraction", b"Content-Length: 5.0", "400!"),
    ("9110 8.6 an exponent", b"Content-Length: 5e0", "400!"),
    ("9110 8.6 an underscore", b"Content-Length: 5_0", "400!"),
    ("9110 8.6 a thousands mark", b"Content-Length: 5'000", "400!"),
    ("9110 8.6 two numbers", b"Content-Length: 5 5", "400!"),
    ("9110 8.6 a semicolon", b"Content-Length: 5;", "400!"),
    ("9110 8.6 quotes", b"Content-Length: \"5\"", "400!"),
    ("9110 8.6 empty", b"Content-Length:", "400!"),
    ("9110 8.6 white space", b"Content-Length: \t ", "400!"),
    ("9110 8.6 a word", b"Content-Length: five", "400!"),
    ("9110 8.6 obs-text", b"Content-Length: 5\xb2", "400!"),
    ("9110 8.6 Arabic digits", b"Content-Length: \xd9\xa5", "400!"),
    ("9110 8.6 a vertical tab", b"Content-Length: \x0b5", "400!"),
    ("9110 8.6 a NUL", b"Content-Length: 5\0", "400!"),
    ("9110 8.6 2^63", b"Content-Length: 9223372036854775808", "h413!"),
    ("9110 8.6 2^64 - 1", b"Content-Length: 18446744073709551615", "h413!"),
    ("9110 8.6 2^64", b"Content-Length: 18446744073709551616", "400!"),
    ("9110 8.6 2^64 + 5", b"Content-Length: 18446744073709551621", "400!"),
    ("9110 8.6 many digits", b"Content-Length: 99999999999999999999999999999999999999", "400!"),
    // RFC 9110 §8.6 would let us take a list of one value; llhttp, hyper and nginx refuse it.
    ("9110 8.6 a list", b"Content-Length: 5, 5", "400!"),
    ("9110 8.6 a list that differs", b"Content-Length: 5, 6", "400!"),
    ("9110 8.6 a list with a hole", b"Content-Length: ,5", "400!"),
    ("9110 8.6 a list with a hole", b"Content-Length: 5,", "400!"),
    ("9112 6.3 twice", b"Content-Length: 5\r\nContent-Length: 5", "400!"),
    ("9112 6.3 twice, different", b"Content-Length: 5\r\nContent-Length: 6", "400!"),
    ("9112 6.3 twice, different", b"Content-Length: 6\r\nContent-Length: 5", "400!"),
    ("9112 6.3 twice, in two cases", b"Content-Length: 5\r\nX: y\r\ncontent-length: 0", "400!"),
    ("9112 6.3 twice, one empty", b"Content-Length: 5\r\nContent-Length:", "400!"),
    ("9112 6.3 thrice", b"Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 5", "400!"),
    ("9112 5.1 a space before the colon", b"Content-Length : 5", "400!"),
    ("9112 5.2 folded", b"Content-Length:\r\n 5", "400!"),
    ("9112 5.2 a fold after it", b"Content-Length: 5\r\n 0", "400!"),
    ("9112 2.2 a bare CR after it", b"Content-Length: 5\rX: y", "400!"),
];

/// Before the content `hello` in a chunk.
const CODINGS: &[Case] = &[
    ("9112 6.1 chunked", b"Transfer-Encoding: chunked", "200+"),
    ("9112 7 the coding has no case", b"tRANSFER-eNCODING: CHUNKED", "200+"),
    ("9110 5.6.3 white space around it", b"Transfer-Encoding: \t chunked \t", "200+"),
    ("9112 6.3 with a length", b"Transfer-Encoding: chunked\r\nContent-Length: 5", "400!"),
    ("9112 6.3 with a length", b"Content-Length: 5\r\nTransfer-Encoding: chunked", "400!"),
    ("9112 6.3 with a length", b"Content-Length: 15\r\nX: y\r\nTRANSFER-ENCODING: CHUNKED", "400!"),
    ("9112 6.3 with a length of 0", b"Content-Length: 0\r\nTransfer-Encoding: chunked", "400!"),
    ("9112 6.3 with a bad length", b"Content-Length: x\r\nTransfer-Encoding: chunked", "400!"),
    (
        "9112 6.3 with two lengths",
        b"Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked",
        "400!",
    ),
    (
        "9112 6.3 another coding with a length",
        b"Content-Length: 5\r\nTransfer-Encoding: gzip",
        "400!",
    ),
    (
        "9112 6.3 identity with a length",
        b"Content-Length: 5\r\nTransfer-Encoding: identity",
        "400!",
    ),
    ("9112 6.3 nothing with a length", b"Content-Length: 5\r\nTransfer-Encoding:", "400!"),
    ("9112 6.3 a word with a length", b"Content-Length: 5\r\nTransfer-Encoding: x", "400!"),
    (
        "9112 6.3 a fold that hides one",
        b"Content-Length: 5\r\nX: y\r\n Transfer-Encoding: chunked",
        "400!",
    ),
    ("9112 6.3 a tab for the space", b"Content-Length: 5\r\nTransfer-Encoding:\tchunked", "400!"),
    ("9112 6.3 a vertical tab", b"Content-Length: 5\r\nTransfer-Encoding:\x0bchunked", "400!"),
    ("9112 6.3 a form feed", b"Content-Length: 5\r\nTransfer-Encoding: chunked\x0c", "400!"),
    ("9112 6.3 a NUL", b"Content-Length: 5\r\nTransfer-Encoding: chunked\0", "400!"),
    ("9112 6.3 a NUL in the name", b"Content-Length: 5\r\nTransfer-Encoding\0: chunked", "400!"),
    (
        "9112 6.3 a space before the colon",
        b"Content-Length: 5\r\nTransfer-Encoding : chunked",
        "400!",
    ),
    (
        "9112 6.3 a space before the name",
        b"Content-Length: 5\r\n Transfer-Encoding: chunked",
        "400!",
    ),
    (
        "9112 6.3 a bare CR before it",
        b"Content-Length: 5\r\nX: y\rTransfer-Encoding: chunked",
        "400!",
    ),
    (
        "9112 6.3 a bare LF before it",
        b"Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked",
        "400!",
    ),
    (
        "9112 6.3 a colon before the name",
        b"Content-Length: 5\r\n:Transfer-Encoding: chunked",
        "400!",
    ),
    ("9112 7.1 chunked twice", b"Transfer-Encoding: chunked, chunked", "400!"),
    ("9112 7.1 chunked twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "400!"),
    ("9112 6.1 not last", b"Transfer-Encoding: chunked, gzip", "400!"),
    ("9112 6.1 not last", b"Transfer-Encoding: chunked, identity", "400!"),
    ("9112 6.1 not last", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "400!"),
    ("9112 6.1 not last", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "400!"),
    ("9112 6.1 empty", b"Transfer-Encoding:", "400!"),
    ("9112 6.1 a comma", b"Transfer-Encoding: ,", "400!"),
    ("9112 6.1 a comma before it", b"Transfer-Encoding: , chunked", "400!"),
    ("9112 6.1 a comma after it", b"Transfer-Encoding: chunked,", "400!"),
    ("9112 6.1 an empty line of it", b"Transfer-Encoding: chunked\r\nTransfer-Encoding:", "400!"),
    ("9112 6.1 gzip, chunked", b"Transfer-Encoding: gzip, chunked", "501!"),
    (
        "9112 6.1 gzip, chunked in two lines",
        b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "501!",
    ),
    ("9112 6.1 identity, chunked", b"Transfer-Encoding: identity, chunked", "501!"),
    ("9112 6.1 gzip", b"Transfer-Encoding: gzip", "501|400!"),
    ("9112 6.1 identity", b"Transfer-Encoding: identity", "501|400!"),
    ("9112 6.1 unknown", b"Transfer-Encoding: xchunked", "501|400!"),
    ("9112 6.1 unknown", b"Transfer-Encoding: chunke", "501|400!"),
    ("9112 6.1 unknown", b"Transfer-Encoding: chunkedx", "501|400!"),
    ("9112 6.1 two words", b"Transfer-Encoding: chunked x", "501|400!"),
    ("9112 6.1 quotes", b"Transfer-Encoding: \"chunked\"", "501|400!"),
    ("9112 7 a parameter", b"Transfer-Encoding: chunked;a=b", "501|400!"),
    ("9112 6.1 a vertical tab", b"Transfer-Encoding: \x0bchunked", "400!"),
    ("9112 6.1 a NUL", b"Transfer-Encoding: chun\0ked", "400!"),
    ("9112 6.1 obs-text", b"Transfer-Encoding: chunked\xa0", "501|400!"),
    ("9112 5.2 folded", b"Transfer-Encoding:\r\n chunked", "400!"),
    ("9112 5.2 folded", b"Transfer-Encoding: x\r\n chunked", "400!"),
    (
        "9110 7.6.1 a connection option",
        b"Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding",
        "200+",
    ),
];

/// HTTP/1.0, before the content of an empty chunked message.
const OLD: &[Case] = &[
    ("9112 6.1 chunked in HTTP/1.0", b"Transfer-Encoding: chunked", "400!"),
    (
        "9112 6.1 chunked in HTTP/1.0",
        b"Transfer-Encoding: chunked\r\nConnection: keep-alive",
        "400!",
    ),
    (
        "9112 6.1 chunked and a length in HTTP/1.0",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        "400!",
    ),
    ("9110 8.6 a length in HTTP/1.0", b"Content-Length: 5", "200!"),
];

/// After an honest head.
const CHUNKS: &[Case] = &[
    ("9112 7.1 one", b"5\r\nhello\r\n0\r\n\r\n", "200+"),
    ("9112 7.1 two", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "200+"),
    ("9112 7.1 none", b"0\r\n\r\n", "200+"),
    ("9112 7.1 upper case", b"A\r\n0123456789\r\n0\r\n\r\n", "200+"),
    ("9112 7.1 lower case", b"a\r\n0123456789\r\n0\r\n\r\n", "200+"),
    ("9112 7.1 leading zeros", b"0005\r\nhello\r\n0000\r\n\r\n", "200+"),
    ("9112 7.1 CRLF as content", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", "200+"),
    (
        "9112 7.1 a whole request as content",
        b"23\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n\r\n0\r\n\r\n",
        "200+",
    ),
    ("9112 7.1 no size", b"\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 0x", b"0x5\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a minus", b"-5\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a minus and zero", b"-0\r\n\r\n", "400!"),
    ("9112 7.1 a plus", b"+5\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 an underscore", b"0_5\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a letter", b"5g\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 an h", b"5h\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a dot", b"5.0\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a comma", b"5,5\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 quotes", b"\"5\"\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a NUL", b"5\0\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 obs-text", b"5\xa0\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a space before", b" 5\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a tab before", b"\t5\r\nhello\r\n0\r\n\r\n", "400!"),
    // Only before an extension is there room for white space; llhttp refuses it too.
    ("9112 7.1 a space after", b"5 \r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a tab after", b"5\t\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a vertical tab after", b"5\x0b\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 a space inside", b"0 5\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 2^64", b"10000000000000000\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 2^64 + 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 2^68 + 5", b"100000000000000005\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 2^64 - 1, cut", b"ffffffffffffffff\r\nhello", "400|413!$"),
    ("9112 7.1 LF after the size", b"5\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 CR after the size", b"5\rhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 CR CR LF after the size", b"5\r\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 LF CR after the size", b"5\n\rhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 no CRLF after the data", b"5\r\nhello0\r\n\r\n", "400!"),
    ("9112 7.1 LF after the data", b"5\r\nhello\n0\r\n\r\n", "400!"),
    ("9112 7.1 CR after the data", b"5\r\nhello\r0\r\n\r\n", "400!"),
    ("9112 7.1 too much data", b"5\r\nhelloo\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 too little data", b"6\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 an empty line between", b"5\r\nhello\r\n\r\n0\r\n\r\n", "400!"),
    ("9112 7.1 LF after the last", b"5\r\nhello\r\n0\n\r\n", "400!"),
    ("9112 7.1 LF at the very end", b"5\r\nhello\r\n0\r\n\n", "400!"),
    ("9112 7.1 CR at the very end", b"5\r\nhello\r\n0\r\n\rX", "400!"),
    ("9112 7.1 the last and a sign", b"0+\r\n\r\n", "400!"),
    ("9112 8 cut in a size", b"5", "400!$"),
    ("9112 8 cut after a size", b"5\r\n", "400!$"),
    ("9112 8 cut in the data", b"5\r\nhell", "400!$"),
    ("9112 8 cut after the data", b"5\r\nhello", "400!$"),
    ("9112 8 no last chunk", b"5\r\nhello\r\n", "400!$"),
    ("9112 8 no empty line", b"5\r\nhello\r\n0\r\n", "400!$"),
    ("9112 8 cut in a trailer", b"5\r\nhello\r\n0\r\nX: ", "400!$"),
    // Extensions.
    ("9112 7.1.1 a name", b"5;a\r\nhello\r\n0;b\r\n\r\n", "200+"),
    ("9112 7.1.1 a value", b"5;a=b\r\nhello\r\n0\r\n\r\n", "200+"),
    ("9112 7.1.1 a quoted value", b"5;a=\"b;c\\\"\"\r\nhello\r\n0\r\n\r\n", "200+"),
    ("9112 7.1.1 white space", b"5 ; a = b\r\nhello\r\n0\r\n\r\n", "200+"),
    ("9112 7.1.1 many", b"5;a;b;c=d;e=\"f\"\r\nhello\r\n0\r\n\r\n", "200+"),
    ("9112 7.1.1 obs-text in quotes", b"5;a=\"\xe9\"\r\nhello\r\n0\r\n\r\n", "200+"),
    ("9112 7.1.1 a bare LF", b"5;a\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1.1 a bare LF", b"5;\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1.1 a bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1.1 a bare CR in quotes", b"5;a=\"\r\"\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1.1 CRLF in quotes", b"5;a=\"\r\nhello\r\n0\r\n\r\n", "200|400+"),
    ("9112 7.1.1 a NUL", b"5;a\0\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1.1 a control", b"5;a=\x01\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1.1 a DEL", b"5;a=\x7f\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1.1 no semicolon", b"5 a\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 7.1.1 no size", b";a\r\nhello\r\n0\r\n\r\n", "400!"),
    // Trailers.
    ("9112 7.1.2 one", b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n", "200+"),
    ("9112 7.1.2 two", b"5\r\nhello\r\n0\r\nX-A: b\r\nX-B: c\r\n\r\n", "200+"),
    ("9112 7.1.2 no content", b"0\r\nX-A: b\r\n\r\n", "200+"),
    // RFC 9110 §6.5.1: never merged into the head, so that they mean nothing.
    ("9110 6.5.1 a length", b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n", "200+"),
    ("9110 6.5.1 a coding", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "200+"),
    ("9110 6.5.1 another Host", b"5\r\nhello\r\n0\r\nHost: other\r\n\r\n", "200+"),
    ("9110 6.5.1 close", b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n", "200+"),
    ("9112 5.1 a space before the colon", b"0\r\nX-A : b\r\n\r\n", "400!"),
    ("9112 5.2 folded", b"0\r\nX-A: b\r\n c\r\n\r\n", "400!"),
    ("9112 5.2 folded at first", b"0\r\n X-A: b\r\n\r\n", "400!"),
    ("9110 5.1 no colon", b"0\r\nX-A\r\n\r\n", "400!"),
    (
        "9110 5.1 no colon: the next request",
        b"0\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n",
        "400!",
    ),
    ("9110 5.1 an empty name", b"0\r\n: b\r\n\r\n", "400!"),
    ("9110 5.5 a NUL", b"0\r\nX-A: \0\r\n\r\n", "400!"),
    ("9112 2.2 a bare LF", b"0\r\nX-A: b\n\r\n", "400!"),
    ("9112 2.2 a bare CR", b"0\r\nX-A: b\rc\r\n\r\n", "400!"),
];

/// Content at a limit.
fn long() -> Vec<Row> {
    let exact = |n: usize| post(format!("Content-Length: {n}").as_bytes(), &vec![b'x'; n]);
    let pieces = |n: usize| {
        let piece = format!("64\r\n{}\r\n", "x".repeat(100)).repeat(n / 100);
        let rest = n % 100;
        let rest =
            if rest > 0 { format!("{rest:x}\r\n{}\r\n", "x".repeat(rest)) } else { String::new() };
        chunked(format!("{piece}{rest}0\r\n\r\n").as_bytes())
    };
    let extension =
        |n: usize| chunked(format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(n - 2)).as_bytes());
    let extensions = |n: usize| {
        let each = format!("1;{}\r\nx\r\n", "e".repeat(62));
        let rest = format!("1;{}\r\nx\r\n", "e".repeat(n % 63));
        chunked(format!("{}{rest}0\r\n\r\n", each.repeat(n / 63)).as_bytes())
    };
    let trailers = |n: usize| chunked(format!("0\r\n{}\r\n", "X: y\r\n".repeat(n)).as_bytes());
    let trailer =
        |n: usize| chunked(format!("0\r\nX: {}\r\n\r\n", "y".repeat(n - 7 - 32)).as_bytes());
    vec![
        Row::new("Limits body, said", exact(2999), "200+"),
        Row::new("Limits body, said", exact(3000), "200+"),
        Row::new("Limits body, said", exact(3001), "h413+"),
        Row::new("Limits body, said and then discarded", exact(5000), "h413+"),
        Row::new("Limits discard", post(b"Content-Length: 5001", b""), "h413!"),
        Row::new("Limits body, in chunks", pieces(2999), "200+"),
        Row::new("Limits body, in chunks", pieces(3000), "200+"),
        Row::new("Limits body, in chunks", pieces(3001), "h413+"),
        Row::new("Limits discard, in chunks", pieces(20_000), "h413!"),
        Row::new("Limits chunk_line", extension(99), "200+"),
        Row::new("Limits chunk_line", extension(100), "200+"),
        Row::new("Limits chunk_line", extension(101), "400!"),
        Row::new(
            "Limits chunk_line, leading zeros",
            chunked(&[&[b'0'; 101][..], b"5\r\nhello"].concat()),
            "400!",
        ),
        Row::new("Limits head, extensions together", extensions(4032), "200+"),
        Row::new("Limits head, extensions together", extensions(4300), "400!"),
        Row::new("Limits field_lines, trailers", trailers(19), "200+"),
        Row::new("Limits field_lines, trailers", trailers(20), "200+"),
        Row::new("Limits field_lines, trailers", trailers(21), "431!"),
        Row::new("Limits head, a trailer", trailer(4095), "200+"),
        Row::new("Limits head, a trailer", trailer(4096), "200+"),
        Row::new("Limits head, a trailer", trailer(4097), "431!"),
    ]
}
