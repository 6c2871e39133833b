//! Field lines: their form, Host, and the limits of a section (RFC 9110 §5, §7.2; RFC 9112 §3.2, §5).

use super::{Row, with_fields};

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = LINES
        .iter()
        .map(|(section, lines, expected)| Row::new(section, with_fields(lines), expected))
        .collect();
    rows.extend(HOSTS.iter().map(|(section, lines, expected)| {
        let head = [b"GET /plaintext HTTP/1.1\r\n", *lines, b"\r\n\r\n"].concat();
        Row::new(section, head, expected)
    }));
    rows.extend(long());
    rows
}

type Case = (&'static str, &'static [u8], &'static str);

/// Field lines after an honest Host.
const LINES: &[Case] = &[
    ("9112 5 a plain one", b"X-A: b", "200+"),
    ("9112 5 no space", b"X-A:b", "200+"),
    ("9110 5.6.3 white space around the value", b"X-A: \t b \t ", "200+"),
    ("9110 5.5 an empty value", b"X-A:", "200+"),
    ("9110 5.5 a value of white space", b"X-A:   \t", "200+"),
    ("9110 5.5 obs-text", b"X-A: caf\xe9 \xff\x80", "200+"),
    ("9110 5.5 UTF-8", b"X-A: caf\xc3\xa9", "200+"),
    ("9110 5.5 a tab inside", b"X-A: b\tc", "200+"),
    ("9110 5.5 colons in a value", b"X-A: b:c: d", "200+"),
    ("9110 5.1 every kind of character", b"X!#$%&'*+-.^_`|~0: b", "200+"),
    ("9110 5.1 a digit", b"1: b", "200+"),
    ("9110 5.2 the same again", b"X-A: b\r\nX-A: b\r\nx-a: c", "200+"),
    ("9112 5.1 a space before the colon", b"X-A : b", "400!"),
    ("9112 5.1 a tab before the colon", b"X-A\t: b", "400!"),
    ("9112 5.1 before a known one's colon", b"Content-Length : 0", "400!"),
    ("9112 5.1 before a known one's colon", b"Transfer-Encoding : chunked", "400!"),
    ("9112 5.1 a CR before the colon", b"X-A\r: b", "400!"),
    ("9110 5.1 an empty name", b": b", "400!"),
    ("9110 5.1 an empty name", b":", "400!"),
    ("9110 5.1 a space inside a name", b"X A: b", "400!"),
    ("9110 5.1 a name of white space", b" : b", "400!"),
    ("9110 5.1 no colon", b"X-A", "400!"),
    ("9110 5.1 no colon", b"X-A b", "400!"),
    ("9110 5.1 a NUL in a name", b"X\0A: b", "400!"),
    ("9110 5.1 a control in a name", b"X\x01A: b", "400!"),
    ("9110 5.1 a DEL in a name", b"X\x7fA: b", "400!"),
    ("9110 5.1 obs-text in a name", b"X\xe9A: b", "400!"),
    ("9110 5.1 UTF-8 in a name", b"X\xc3\xa9A: b", "400!"),
    ("9110 5.1 quotes in a name", b"\"X-A\": b", "400!"),
    ("9110 5.1 brackets in a name", b"X(A): b", "400!"),
    ("9110 5.1 brackets in a name", b"X[A]: b", "400!"),
    ("9110 5.1 a slash in a name", b"X/A: b", "400!"),
    ("9110 5.1 a comma in a name", b"X,A: b", "400!"),
    ("9110 5.1 an at in a name", b"X@A: b", "400!"),
    ("9110 5.1 a pseudo-field", b":path: /", "400!"),
    ("9110 5.5 a NUL in a value", b"X-A: b\0c", "400!"),
    ("9110 5.5 a NUL as a value", b"X-A: \0", "400!"),
    ("9110 5.5 a control in a value", b"X-A: b\x01c", "400!"),
    ("9110 5.5 a backspace in a value", b"X-A: b\x08c", "400!"),
    ("9110 5.5 a vertical tab in a value", b"X-A: b\x0bc", "400!"),
    ("9110 5.5 a form feed in a value", b"X-A: b\x0cc", "400!"),
    ("9110 5.5 an escape in a value", b"X-A: \x1b[0m", "400!"),
    ("9110 5.5 a DEL in a value", b"X-A: b\x7fc", "400!"),
    ("9112 2.2 a bare CR in a value", b"X-A: b\rc", "400!"),
    ("9112 2.2 a bare CR that would split", b"X-A: b\rTransfer-Encoding: chunked", "400!"),
    ("9112 2.2 a bare CR ends a value", b"X-A: b\r", "400!"),
    ("9112 2.2 a bare LF in a value", b"X-A: b\nX-B: c", "400!"),
    ("9112 2.2 a bare LF that would split", b"X-A: b\nTransfer-Encoding: chunked", "400!"),
    ("9112 2.2 LF CR", b"X-A: b\n\rX-B: c", "400!"),
    ("9112 2.2 CR CR LF", b"X-A: b\r\r\nX-B: c", "400!"),
    // RFC 9112 §5.2: a server MUST refuse, or replace by spaces; we refuse, as hyper and llhttp do.
    ("9112 5.2 folded by a space", b"X-A: b\r\n c", "400!"),
    ("9112 5.2 folded by a tab", b"X-A: b\r\n\tc", "400!"),
    ("9112 5.2 an empty fold", b"X-A: b\r\n ", "400!"),
    ("9112 5.2 the value in the fold", b"X-A:\r\n b", "400!"),
    ("9112 5.2 a folded known field", b"Connection:\r\n close", "400!"),
    ("9112 5.2 a fold that hides a field", b"X-A: b\r\n Transfer-Encoding: chunked", "400!"),
    ("9110 5.1 a fold without a space is a line", b"X-A:\r\nb", "400!"),
    ("9110 7.6.1 TE", b"TE: trailers", "200+"),
    ("9110 5.1 underscores are no dashes", b"Content_Length: 5", "200+"),
    ("9110 5.1 underscores are no dashes", b"Transfer_Encoding: chunked", "200+"),
];

/// Field lines that are all there are.
const HOSTS: &[Case] = &[
    ("9112 3.2 Host", b"Host: h", "200+"),
    ("9112 3.2 the name has no case", b"hOST: h", "200+"),
    ("9112 3.2 a port", b"Host: h:8080", "200+"),
    ("9110 4.2 an empty port", b"Host: h:", "200+"),
    ("9112 3.2 an address", b"Host: 127.0.0.1:80", "200+"),
    ("3986 3.2.2 an IPv6 address", b"Host: [::1]", "200+"),
    ("3986 3.2.2 an IPv6 address and a port", b"Host: [2001:db8::1]:80", "200+"),
    ("3986 3.2.2 a future address", b"Host: [v7.a:b]", "200+"),
    ("3986 3.2.2 an encoded name", b"Host: %61", "200+"),
    ("3986 3.2.2 characters that may be there", b"Host: a-b_c.d~e", "200+"),
    ("9112 3.2 an empty one", b"Host:", "200+"),
    ("9110 5.6.3 white space around it", b"Host: \t h \t", "200+"),
    ("9112 3.2 none", b"X-A: b", "400!"),
    ("9112 3.2 two", b"Host: h\r\nHost: h", "400!"),
    ("9112 3.2 two that differ", b"Host: h\r\nHost: i", "400!"),
    ("9112 3.2 two, one empty", b"Host: h\r\nHost:", "400!"),
    ("9112 3.2 two in two cases", b"Host: h\r\nX: y\r\nhOsT: i", "400!"),
    ("9112 3.2 two, one folded", b"Host: h\r\n\tHost: i", "400!"),
    ("9112 3.2 a list", b"Host: h, i", "400!"),
    ("9112 3.2 two words", b"Host: h i", "400!"),
    ("9112 3.2 a path", b"Host: h/plaintext", "400!"),
    ("9112 3.2 a query", b"Host: h?a", "400!"),
    ("9112 3.2 a fragment", b"Host: h#a", "400!"),
    ("9112 3.2 a URI", b"Host: http://h", "400!"),
    ("9112 3.2 userinfo", b"Host: user@h", "400!"),
    ("9112 3.2 userinfo", b"Host: user:word@h", "400!"),
    ("9112 3.2 a backslash", b"Host: h\\i", "400!"),
    ("9112 3.2 quotes", b"Host: \"h\"", "400!"),
    ("9112 3.2 angle brackets", b"Host: <h>", "400!"),
    ("9112 3.2 obs-text", b"Host: caf\xe9", "400!"),
    ("9112 3.2 a tab inside", b"Host: h\ti", "400!"),
    ("9112 3.2 a NUL", b"Host: h\0", "400!"),
    ("9112 3.2 a space before the colon", b"Host : h", "400!"),
    ("3986 3.2.3 a port only", b"Host: :80", "400!"),
    ("3986 3.2.3 a port of letters", b"Host: h:port", "400!"),
    ("3986 3.2.3 two ports", b"Host: h:80:81", "400!"),
    ("3986 3.2.3 a negative port", b"Host: h:-1", "400!"),
    ("3986 3.2.3 a signed port", b"Host: h:+80", "400!"),
    ("3986 3.2.3 a port too high", b"Host: h:65536", "400!"),
    ("3986 3.2.3 a port of many digits", b"Host: h:99999999999999999999", "400!"),
    ("3986 3.2.3 a space in a port", b"Host: h: 80", "400!"),
    ("3986 3.2.2 an open bracket", b"Host: [::1", "400!"),
    ("3986 3.2.2 a closed bracket", b"Host: ::1]", "400!"),
    ("3986 3.2.2 no brackets", b"Host: ::1", "400!"),
    ("3986 3.2.2 empty brackets", b"Host: []", "400!"),
    ("3986 3.2.2 no address in brackets", b"Host: [h]", "400!"),
    ("3986 3.2.2 too many colons", b"Host: [:::]", "400!"),
    ("3986 3.2.2 text after brackets", b"Host: [::1]h", "400!"),
    ("3986 3.2.2 a bad escape", b"Host: h%", "400!"),
    ("3986 3.2.2 a bad escape", b"Host: h%2", "400!"),
    ("3986 3.2.2 a bad escape", b"Host: h%gg", "400!"),
];

/// A section at a limit: 32 bytes a line are counted on top (RFC 9113 §10.5.1).
fn long() -> Vec<Row> {
    let lines = |n: usize| with_fields("X-A: b\r\n".repeat(n - 1).trim_end().as_bytes());
    // Two field lines, Host's and that one.
    let cost = |n: usize| {
        let bare = with_fields(b"X-A: ").len() + 2 * 32;
        with_fields(format!("X-A: {}", "v".repeat(n - bare)).as_bytes())
    };
    let name = |n: usize| with_fields(format!("{}: v", "n".repeat(n)).as_bytes());
    vec![
        Row::new("Limits field_lines", lines(19), "200+"),
        Row::new("Limits field_lines", lines(20), "200+"),
        Row::new("Limits field_lines", lines(21), "431!"),
        Row::new("Limits field_lines", lines(90), "431!"),
        Row::new("Limits head", cost(4095), "200+"),
        Row::new("Limits head", cost(4096), "200+"),
        Row::new("Limits head", cost(4097), "431!"),
        Row::new("Limits head", cost(9000), "431!"),
        Row::new("Limits head, a long name", name(3000), "200+"),
        Row::new("Limits head, a long name", name(5000), "431!"),
        Row::new(
            "Limits head, no end in sight",
            format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "v".repeat(5000)),
            "431!",
        ),
        Row::new(
            "Limits head, one long cookie",
            with_fields(format!("Cookie: {}", "a=b; ".repeat(1000)).as_bytes()),
            "431!",
        ),
    ]
}
