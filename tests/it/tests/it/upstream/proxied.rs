//! Rows of what only proxies have to do: fields of one hop, targets that name another host, expectations, content where none is
//! meant, and pipelines that differ by how they are read (RFC 9110 §7; RFC 9112 §3.2, §6, §11).

use crate::hostile::Row;

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = FIELDS
        .iter()
        .map(|(section, lines, expected)| {
            let lines = [
                b"POST /test/collect HTTP/1.1\r\nHost: h\r\n",
                *lines,
                b"\r\nContent-Length: 5\r\n\r\nhello",
            ];
            Row::new(section, lines.concat(), expected)
        })
        .collect();
    rows.extend(WHOLE.iter().map(|(section, bytes, expected)| Row::new(section, *bytes, expected)));
    rows
}

type Case = (&'static str, &'static [u8], &'static str);

/// Before an honest length.
const FIELDS: &[Case] = &[
    ("9110 7.6.1 Connection names Host", b"Connection: host", "h200+"),
    ("9110 7.6.1 Connection names Content-Length", b"Connection: content-length", "h200+"),
    ("9110 7.6.1 Connection names it and close", b"Connection: close, content-length", "h200!"),
    ("9110 7.6.1 Connection names Transfer-Encoding", b"Connection: transfer-encoding", "h200+"),
    ("9110 7.6.1 Connection names Cookie", b"Connection: cookie\r\nCookie: a=b", "h200+"),
    (
        "9110 7.6.1 Connection names Authorization",
        b"Connection: authorization\r\nAuthorization: Basic YTpi",
        "h200+",
    ),
    (
        "9110 7.6.1 Connection names X-Forwarded-For",
        b"Connection: x-forwarded-for\r\nX-Forwarded-For: 1.2.3.4",
        "h200+",
    ),
    ("9110 7.6.1 Connection names Via", b"Connection: via\r\nVia: 1.1 a", "h200+"),
    ("9110 7.6.1 Connection names Expect", b"Connection: expect\r\nExpect: 100-continue", "h200+"),
    (
        "9110 7.6.1 Connection names one of two",
        b"Connection: x-a\r\nX-A: b\r\nX-B: c\r\nx-a: d",
        "h200+",
    ),
    (
        "9110 7.6.1 Connection in two lines",
        b"Connection: x-a\r\nX-A: b\r\nConnection: x-b\r\nX-B: c",
        "h200+",
    ),
    ("9110 7.6.1 Connection after what it names", b"X-A: b\r\nConnection: x-a", "h200+"),
    ("9110 7.6.1 Connection names itself", b"Connection: connection, x-a\r\nX-A: b", "h200+"),
    ("9110 7.6.1 no name in Connection", b"Connection: x a, (, x-b\r\nX-B: c", "h200+"),
    ("9110 7.6.1 Keep-Alive", b"Keep-Alive: timeout=5, max=1000", "h200+"),
    ("9110 7.6.1 Proxy-Connection", b"Proxy-Connection: keep-alive", "h200+"),
    ("9110 10.1.4 TE", b"TE: chunked, trailers\r\nConnection: TE", "h200+"),
    ("9110 10.1.4 TE without the option", b"TE: gzip", "h200+"),
    ("9110 11.7.2 Proxy-Authorization", b"Proxy-Authorization: Basic YTpi", "h200+"),
    (
        "9110 7.8 Upgrade to h2c",
        b"Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "h200+",
    ),
    ("9110 7.8 Upgrade to h2c, without settings", b"Connection: upgrade\r\nUpgrade: h2c", "h200+"),
    ("9110 7.8 Upgrade to TLS", b"Connection: upgrade\r\nUpgrade: TLS/1.0", "h200+"),
    ("9110 5.1 Content_Length", b"Content_Length: 0", "h200+"),
    ("9110 5.1 Transfer_Encoding", b"Transfer_Encoding: chunked", "h200+"),
    ("9110 5.1 X_Forwarded_For", b"X_Forwarded_For: 1.2.3.4", "h200+"),
    ("9110 5.1 a dot for a dash", b"Content.Length: 0\r\nTransfer.Encoding: chunked", "h200+"),
    ("9110 7.6.2 Max-Forwards", b"Max-Forwards: 0", "h200+"),
    ("9110 5.5 a framing in a value", b"X-A: Content-Length: 0", "h200+"),
    ("9110 5.5 an encoded CRLF in a value", b"X-A: %0d%0aTransfer-Encoding: chunked", "h200+"),
    ("9110 5.5 NEL in a value", b"X-A: b\x85Transfer-Encoding: chunked", "h200+"),
    ("9110 6.6.2 Trailer names a framing", b"Trailer: Content-Length, Transfer-Encoding", "h200+"),
    ("9110 5.1 Content-Length and a letter", b"Content-Lengthx: 0\r\nxContent-Length: 0", "h200+"),
    ("9110 8.4 Content-Encoding is no framing", b"Content-Encoding: chunked", "h200+"),
];

const WHOLE: &[Case] = &[
    // The authority of the target wins (RFC 9112 §3.2.2).
    ("9112 3.2.2 the target's authority", b"GET http://other/plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "h200|421+"),
    ("9112 3.2.2 a query alone", b"GET http://h?a=b HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9112 3.2.1 an absolute URL as a path", b"GET /http://other/ HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9112 3.2.1 an authority as a path", b"GET //other/ HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9112 3.2.1 an at in a path", b"GET /@other/ HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9112 3.2.1 encoded spaces and a version", b"GET /a%20HTTP/1.1%0d%0aX:%20b HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9112 3.2.4 OPTIONS of nothing", b"OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("3986 2.1 encoded dots", b"GET /a/%2e%2e/%2e%2e/b HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("3986 2.1 a semicolon", b"GET /a/..;/b HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    // Content where none is meant: it must not become a request.
    ("9110 9.3.1 GET with a request as content", b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9110 9.3.2 HEAD with a request as content", b"HEAD /a HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9110 9.3.5 DELETE with a request as content", b"DELETE /a HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9110 9.3.1 GET with a request in chunks", b"GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n23\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n\r\n0\r\n\r\n", "h200+"),
    ("9110 9.3.2 HEAD, then GET", b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", "h200 h200+"),
    // Expectations, of which the upstream answers 100 or does not.
    ("9110 10.1.1 expected, and a request as content", b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9110 10.1.1 expected of GET, and the next", b"GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", "h200 h200+"),
    ("9110 10.1.1 expected in chunks, and the next", b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", "h200 h200+"),
    // What the one framing ends, the other would go on with.
    ("9112 6.1 CL.TE", b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", "400!"),
    ("9112 6.1 TE.CL", b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n26\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\nX: \r\n0\r\n\r\n", "400!"),
    ("9112 6.1 TE.TE by a second coding", b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: cow\r\nContent-Length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "400!"),
    ("9112 6.3 CL.0", b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", "h200+"),
    ("9112 6.3 0.CL", b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", "h200 h200+"),
    ("9112 7.1.1 a request in an extension", b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"GET /smuggled HTTP/1.1\"\r\nhello\r\n0\r\n\r\n", "h200+"),
    ("9110 6.5.1 a framing in trailers", b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 36\r\nTransfer-Encoding: x\r\nHost: other\r\n\r\n", "h200+"),
    ("9110 6.5.1 a request in a trailer", b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: GET /smuggled HTTP/1.1\r\n\r\n", "h200+"),
    ("9112 9.3.2 two uploads", b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloPOST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\n\r\n", "h200 h200+"),
    ("9112 2.2 CRLF after content", b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", "h200 h200+"),
];
