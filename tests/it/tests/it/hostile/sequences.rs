//! More than one message: pipelines, what ends a connection, expectations and upgrades (RFC 9110 §7.6.1, §7.8,
//! §10.1.1; RFC 9112 §9).

use super::Row;

pub(super) fn rows() -> Vec<Row> {
    CASES.iter().map(|(section, bytes, expected)| Row::new(section, *bytes, expected)).collect()
}

const CASES: &[(&str, &[u8], &str)] = &[
    // Persistence.
    ("9112 9.3 close", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "200!"),
    ("9112 9.3 close, no case", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nconnection: CLOSE\r\n\r\n", "200!"),
    ("9110 7.6.1 close in a list", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: x, ,close ,y\r\n\r\n", "200!"),
    ("9110 7.6.1 close in a second line", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: x\r\nConnection: close\r\n\r\n", "200!"),
    ("9112 9.3 close wins", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n", "200!"),
    ("9112 9.3 close wins in HTTP/1.0", b"GET /plaintext HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", "200!"),
    ("9112 9.3 closed is not close", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n", "200+"),
    ("9112 9.3 keep-alive", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "200+"),
    ("9112 9.3 keep-alive in HTTP/1.0", b"GET /plaintext HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200+"),
    ("9112 9.3 HTTP/1.0 closes", b"GET /plaintext HTTP/1.0\r\nConnection: x\r\n\r\n", "200!"),
    ("9110 7.6.1 an empty Connection", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection:\r\n\r\n", "200+"),
    ("9112 C.2.2 Proxy-Connection is nothing", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nProxy-Connection: close\r\n\r\n", "200+"),
    ("9112 9.6 nothing after close", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200!"),
    ("9112 9.6 nothing after HTTP/1.0", b"GET /plaintext HTTP/1.0\r\n\r\nGET /plaintext HTTP/1.0\r\n\r\n", "200!"),
    ("9112 9.6 rubbish after close", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n\0\0\0", "200!"),
    // Pipelines.
    ("9112 9.3.2 three", b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /json HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 200 200+"),
    ("9112 9.3.2 a late one first", b"GET /slow/20 HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 200+"),
    ("9112 2.2 an empty line between", b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 200+"),
    ("9112 2.2 two empty lines between", b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 400!"),
    ("9112 6.3 bytes beyond the length", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhelloGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 h405|501+"),
    ("9112 6.3 content is no request", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nContent-Length: 37\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n12GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 200+"),
    ("9112 6.3 no length is no content", b"POST /test/collect HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 200+"),
    ("9112 11.2 after a refusal, nothing", b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost : h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 400!"),
    ("9112 11.2 after CL and TE, nothing", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "400!"),
    ("9112 11.2 after two lengths, nothing", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 38\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "400!"),
    ("9112 11.2 after a bad chunk, nothing", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "400!"),
    ("9112 11.2 after a bad version, nothing", b"GET / HTTP/2.0\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "505!"),
    ("9112 11.2 after an unknown coding, nothing", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "501!"),
    ("9112 11.2 after 417, nothing", b"POST / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\nContent-Length: 0\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "417!"),
    ("9110 15.5.5 after 404, the next", b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "h404 200+"),
    ("9110 15.5.6 after 405, the next", b"DELETE /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "h405 200+"),
    ("9110 15.6.1 after a panic, the next", b"GET /panic HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "h500 200+"),
    ("9112 9.6 after CONNECT, nothing", b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "h405|501!"),
    ("9110 9.3.6 CONNECT with content", b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nContent-Length: 5\r\n\r\nhello", "400!"),
    ("9110 9.3.6 CONNECT with chunks", b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400!"),
    // Content where one expects none.
    ("9110 9.3.1 GET with content", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "200+"),
    ("9110 9.3.1 GET with chunks", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200+"),
    ("9110 9.3.2 HEAD with content", b"HEAD /plaintext HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "200+"),
    ("9110 9.3.7 OPTIONS * with content", b"OPTIONS * HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "h200|204+"),
    ("9110 9.3.8 TRACE with content", b"TRACE /plaintext HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "h400|405|501+"),
    ("9112 7.1 bad chunks of a GET", b"GET /test/wait HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", "400!"),
    ("9112 8 content is cut", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell", "400!$"),
    // Expectations.
    ("9110 10.1.1 100-continue", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "200+"),
    ("9110 10.1.1 no case", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello", "200+"),
    ("9110 10.1.1 in chunks", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200+"),
    ("9110 10.1.1 without content", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", "200+"),
    ("9110 10.1.1 with a length of 0", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", "200+"),
    ("9110 10.1.1 in HTTP/1.0", b"POST /test/collect HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "200!"),
    ("9110 10.1.1 anything in HTTP/1.0", b"POST /test/collect HTTP/1.0\r\nExpect: tea\r\nContent-Length: 5\r\n\r\nhello", "200!"),
    ("9110 10.1.1 twice", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue, 100-continue\r\nContent-Length: 5\r\n\r\nhello", "200+"),
    ("9110 10.1.1 empty", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect:\r\nContent-Length: 5\r\n\r\nhello", "200+"),
    ("9110 15.5.18 another", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: tea\r\nContent-Length: 5\r\n\r\nhello", "417!"),
    ("9110 15.5.18 another too", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue, tea\r\nContent-Length: 5\r\n\r\nhello", "417!"),
    ("9110 15.5.18 a parameter", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue;q=1\r\nContent-Length: 5\r\n\r\nhello", "417!"),
    ("9110 15.5.18 without content", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n", "417!"),
    // RFC 9110 §10.1.1: who gets a final answer instead of 100 may send its content or not: the end.
    ("9110 10.1.1 a final answer first", b"POST /nowhere HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "h404!"),
    ("9110 15.5.14 a final answer first", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n", "h413!"),
    // Upgrades that nobody takes.
    ("9110 7.8 to WebSocket", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", "200+"),
    ("9110 7.8 to h2c", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "200+"),
    ("9110 7.8 no connection option", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n", "200+"),
    ("9110 7.8 the option without a field", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n\r\n", "200+"),
    ("9110 7.8 in HTTP/1.0", b"GET /plaintext HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "200!"),
    ("9110 7.8 with content", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\nhello", "200+"),
    ("9110 7.8 and a pipeline", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 200+"),
    ("9110 7.8 and close", b"GET /plaintext HTTP/1.1\r\nHost: h\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\n", "200!"),
    // Half-closes between messages.
    ("9112 9.6 the end after a request", b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200!$"),
    ("9112 9.6 the end after two", b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n", "200 200!$"),
    ("9112 9.6 the end after content", b"POST /test/collect HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "200!$"),
    ("9112 8 the end in a second head", b"GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\nGET /plain", "200 400!$"),
];
