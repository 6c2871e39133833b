//! curl, the client that we did not write. Without it these cases say so, loudly, and pass.

use std::io::{Write, stderr};
use std::process::{Command, Stdio};

use super::House;

/// What curl printed, headers first (`-i`), or `None` without curl.
fn curl(arguments: &[&str], target: &str, content: &[u8]) -> Option<String> {
    let url = format!("http://{}{target}", House::shared().address());
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "--max-time", "20"]).args(arguments).arg(url);
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
    let cases: &[(&[&str], &str, u16, &str)] = &[
        (&[], "/plaintext", 200, "Hello, World!"),
        (&["-0"], "/plaintext", 200, "Hello, World!"),
        (&["--http2-prior-knowledge"], "/plaintext", 200, "Hello, World!"),
        (&["--http2-prior-knowledge", "-I"], "/plaintext", 200, ""),
        (&["--http2-prior-knowledge"], "/stream/3", 200, "chunk 0\nchunk 1\nchunk 2\n"),
        (&["--http2-prior-knowledge"], "/panic", 500, "{"),
        (&["-I"], "/plaintext", 200, ""),
        (&[], "/stream/3", 200, "chunk 0\nchunk 1\nchunk 2\n"),
        (&["-0"], "/stream/2", 200, "chunk 0\nchunk 1\n"),
        (&["-X", "OPTIONS"], "/echo", 204, ""),
        (&["--path-as-is"], "/x/../plaintext", 404, "{"),
        (&[], "/panic", 500, "{"),
    ];
    for (arguments, target, status, start) in cases {
        let Some(text) = curl(arguments, target, b"") else { return };
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
    for arguments in [plain, chunked, h2, h2_unknown] {
        // curl asks for 100 (Continue) by itself with content of that size.
        let Some(answer) = curl(arguments, "/echo", &content) else { return };
        assert!(parts(&answer) == (200, &text), "{arguments:?}");
        let Some(answer) = curl(arguments, "/echo/stream", &content) else { return };
        assert!(parts(&answer) == (200, &text), "{arguments:?}");
        let Some(answer) = curl(arguments, "/upload", &content) else { return };
        assert_eq!(parts(&answer), (200, r#"{"bytes":3145728}"#));
        // Over HTTP/2 some versions of curl take the reset after an early answer (RFC 9113 §8.1) for an error.
        if arguments[0].starts_with("--http2") {
            continue;
        }
        let Some(answer) = curl(arguments, "/nothing", &content) else { return };
        assert_eq!(parts(&answer).0, 404);
    }
    let Some(answer) = curl(plain, "/echo", &vec![b'q'; (32 << 20) + 1]) else { return };
    assert_eq!(parts(&answer).0, 413);
}

#[test]
fn curl_uses_its_connection_again() {
    let again = format!("http://{}/users/2", House::shared().address());
    let ask: &[&str] = &["-w", "<%{num_connects}>", &again];
    let Some(text) = curl(ask, "/users/1", b"") else { return };
    assert!(text.contains("<1>") && text.ends_with("<0>"), "{text}");
}
