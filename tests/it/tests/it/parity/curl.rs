//! curl, the client that we did not write. Without it these cases say so, loudly, and pass.

use std::io::{Write, stderr};
use std::process::{Command, Stdio};

use super::{House, Over, secure};

/// What curl printed of an answer of the shared house.
fn curl(over: Over, arguments: &[&str], target: &str, content: &[u8]) -> Option<String> {
    curl_at(House::shared(), over, arguments, target, content)
}

/// What curl printed, headers first (`-i`), or `None` without curl.
pub(crate) fn curl_at(
    house: &House,
    over: Over,
    arguments: &[&str],
    target: &str,
    content: &[u8],
) -> Option<String> {
    let address = house.at(over);
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "--max-time", "20"]).args(arguments);
    match over {
        Over::Tcp => command.arg(format!("http://{address}{target}")),
        Over::Quic => unreachable!("curl of Debian 12 speaks no HTTP/3"),
        Over::Tls => {
            command.arg("--cacert").arg(&secure::files().0);
            command.arg(format!("https://{address}{target}"))
        }
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        // Not by `eprintln!`, which the test harness would keep to itself.
        let text = b"\nNO CURL ON THIS MACHINE: its cases of the parity suite did not run\n\n";
        stderr().write_all(text).unwrap();
        return None;
    };
    let mut input = child.stdin.take().unwrap();
    let content = content.to_vec();
    // curl need not take all of it: an early answer is an answer.
    let writer = std::thread::spawn(move || drop(input.write_all(&content)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {arguments:?} {target}: {errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The status of the final answer, and its content.
fn parts(text: &str) -> (u16, &str) {
    let mut rest = text;
    loop {
        let (head, body) = rest.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status >= 200 {
            return (status, body);
        }
        rest = body;
    }
}

#[test]
fn curl_gets_right_answers() {
    use Over::{Tcp, Tls};
    let cases: &[(Over, &[&str], &str, u16, &str)] = &[
        (Tcp, &[], "/plaintext", 200, "Hello, World!"),
        (Tcp, &["-0"], "/plaintext", 200, "Hello, World!"),
        (Tcp, &["--http2-prior-knowledge"], "/plaintext", 200, "Hello, World!"),
        (Tcp, &["--http2-prior-knowledge", "-I"], "/plaintext", 200, ""),
        (Tcp, &["--http2-prior-knowledge"], "/stream/3", 200, "chunk 0\nchunk 1\nchunk 2\n"),
        (Tcp, &["--http2-prior-knowledge"], "/panic", 500, "{"),
        (Tcp, &["-I"], "/plaintext", 200, ""),
        (Tcp, &[], "/stream/3", 200, "chunk 0\nchunk 1\nchunk 2\n"),
        (Tcp, &["-0"], "/stream/2", 200, "chunk 0\nchunk 1\n"),
        (Tcp, &["-X", "OPTIONS"], "/echo", 204, ""),
        (Tcp, &["--path-as-is"], "/x/../plaintext", 404, "{"),
        (Tcp, &[], "/panic", 500, "{"),
        (Tls, &["--http1.1"], "/stream/3", 200, "chunk 0\nchunk 1\nchunk 2\n"),
        (Tls, &["--http2"], "/stream/3", 200, "chunk 0\nchunk 1\nchunk 2\n"),
        (Tls, &["--http2", "-I"], "/plaintext", 200, ""),
        (Tls, &["--http2"], "/panic", 500, "{"),
        (Tls, &["--tls-max", "1.2"], "/plaintext", 200, "Hello, World!"),
        (Tls, &["--tls-max", "1.2", "--http1.1"], "/plaintext", 200, "Hello, World!"),
    ];
    for (over, arguments, target, status, start) in cases {
        let Some(text) = curl(*over, arguments, target, b"") else { return };
        let (got, body) = parts(&text);
        assert_eq!(got, *status, "{arguments:?} {target}");
        let matches = if start.starts_with('{') { body.starts_with(start) } else { body == *start };
        assert!(matches, "{arguments:?} {target}: {body:?}");
    }
}

#[test]
fn curl_uploads() {
    let content = vec![b'q'; 3 << 20];
    let text = String::from_utf8(content.clone()).unwrap();
    let plain: &[&str] = &["--data-binary", "@-"];
    let chunked: &[&str] = &["-T", "-", "-X", "POST"];
    let h2: &[&str] = &["--http2-prior-knowledge", "--data-binary", "@-"];
    let h2_unknown: &[&str] = &["--http2-prior-knowledge", "-T", "-", "-X", "POST"];
    let (tcp, tls) = (Over::Tcp, Over::Tls);
    for (over, arguments) in [
        (tcp, plain),
        (tcp, chunked),
        (tcp, h2),
        (tcp, h2_unknown),
        (tls, plain),
        (tls, chunked),
        (tls, &["--http1.1", "--data-binary", "@-"]),
        (tls, &["--tls-max", "1.2", "--data-binary", "@-"]),
    ] {
        // curl asks for 100 (Continue) by itself with content of that size.
        let Some(answer) = curl(over, arguments, "/echo", &content) else { return };
        assert!(parts(&answer) == (200, &text), "{arguments:?}");
        let Some(answer) = curl(over, arguments, "/echo/stream", &content) else { return };
        assert!(parts(&answer) == (200, &text), "{arguments:?}");
        let Some(answer) = curl(over, arguments, "/upload", &content) else { return };
        assert_eq!(parts(&answer), (200, r#"{"bytes":3145728}"#));
        // Past what is read of content that nobody wants, HTTP/2 has a reset (RFC 9113 §8.1), which curl 7.88 takes for an error.
        let is_h2 = over == tls || arguments[0].starts_with("--http2");
        let is_h2 = is_h2 && arguments[0] != "--http1.1";
        let unwanted = if is_h2 { &content[..200 << 10] } else { &content };
        let Some(answer) = curl(over, arguments, "/nothing", unwanted) else { return };
        assert_eq!(parts(&answer).0, 404);
    }
    let Some(answer) = curl(tcp, plain, "/echo", &vec![b'q'; (32 << 20) + 1]) else { return };
    assert_eq!(parts(&answer).0, 413);
}

#[test]
fn curl_uses_its_connection_again() {
    let again = format!("http://{}/users/2", House::shared().address());
    let ask: &[&str] = &["-w", "<%{num_connects}>", &again];
    let Some(text) = curl(Over::Tcp, ask, "/users/1", b"") else { return };
    assert!(text.contains("<1>") && text.ends_with("<0>"), "{text}");
}
