//! Requests to a listener of the test's own: in clear and over TLS, answers cut, malformed, late and too large.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use trilane_semantics::{Fields, Method};
use trilane_tls::{
    Acceptor, Connector, ConnectorConfig, Development, Heard, Pem, Session, TlsConfig, Trust,
};

use crate::{Answer, Errand, Errands, Failed};

/// Serves one connection as `serve` does; its address, and what it gave.
fn once<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    (place, thread::spawn(move || serve(listener.accept().unwrap().0)))
}

/// Says this when the request's head and `content` bytes have come; the request.
fn says(
    content: usize,
    pieces: &'static [&'static str],
) -> impl FnOnce(TcpStream) -> String + Send {
    move |mut stream| {
        let mut came = Vec::new();
        let mut piece = [0; 1000];
        let is_whole = |came: &[u8]| {
            let head = came.windows(4).position(|four| four == b"\r\n\r\n");
            head.is_some_and(|at| came.len() >= at + 4 + content)
        };
        while !is_whole(&came) {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "{came:?}");
            came.extend_from_slice(&piece[..count]);
        }
        for piece in pieces {
            stream.write_all(piece.as_bytes()).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        String::from_utf8(came).unwrap()
    }
}

fn errands(trust: Trust) -> Errands {
    let config = ConnectorConfig { trust, ..ConnectorConfig::default() };
    Errands::new(Connector::new(&config).unwrap())
        .timeout(Duration::from_secs(20))
        .content_limit(64)
}

fn get(errands: &Errands, url: &str) -> Result<Answer, Failed> {
    errands.send(Errand { method: Method::GET, url, fields: Fields::new(), content: Vec::new() })
}

#[test]
fn a_post_and_its_answer() {
    let (place, served) =
        once(says(3, &["HTTP/1.1 201 Created\r\nx: y\r\n", "content-length: 2\r\n\r\no", "k"]));
    let mut fields = Fields::new();
    fields.append("a", "b").unwrap();
    let url = format!("http://{place}/p?q");
    let errand = Errand { method: Method::POST, url: &url, fields, content: b"abc".to_vec() };
    let answer = errands(Trust::DangerAnyone).send(errand).unwrap();
    assert_eq!((answer.status.as_u16(), &answer.content[..]), (201, &b"ok"[..]));
    assert_eq!(answer.fields.get_str("x"), Some("y"));
    let request = served.join().unwrap();
    assert!(request.starts_with("POST /p?q HTTP/1.1\r\na: b\r\n"), "{request}");
    assert!(request.contains(&format!("host: {place}\r\n")), "{request}");
    assert!(
        request.contains("content-length: 3\r\n") && request.ends_with("\r\n\r\nabc"),
        "{request}"
    );
}

#[test]
fn answers_in_every_framing() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Some("ok")),
        ("HTTP/1.1 200 OK\r\n\r\nto the end", Some("to the end")),
        ("HTTP/1.1 204 No Content\r\n\r\n", Some("")),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", Some("x")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", None),
        ("SSH-2.0-x\r\n", None),
        ("", None),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 65\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123x",
            None,
        ),
    ] {
        let pieces: &'static [&'static str] = vec![answer].leak();
        let (place, served) = once(says(0, pieces));
        let answer = get(&errands(Trust::DangerAnyone), &format!("http://{place}"));
        let text = answer.ok().map(|answer| String::from_utf8(answer.content).unwrap());
        assert_eq!(text.as_deref(), expected, "{pieces:?}");
        assert!(served.join().unwrap().starts_with("GET / HTTP/1.1\r\n"));
    }
}

/// Answers with `ok` over TLS; whether the client has come so far.
fn secure(development: &Development) -> (String, JoinHandle<bool>) {
    let identities = vec![development.identity.clone()];
    let acceptor = Acceptor::new(TlsConfig { identities, ..TlsConfig::default() }).unwrap();
    once(move |mut stream| {
        let mut session = Session::server(acceptor.current()).unwrap();
        let (mut asked, mut piece) = (false, [0; 4000]);
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            let result = session
                .receive(&mut piece[..count], |heard| asked |= matches!(heard, Heard::Content(_)));
            let mut out = Vec::new();
            session.take_owed(&mut out);
            if asked {
                let answer: [&[u8]; 1] = [b"HTTP/1.1 200 OK\r\n\r\nok"];
                session.seal(answer.into_iter(), &mut out).unwrap();
                session.close(&mut out);
            }
            stream.write_all(&out).unwrap();
            if asked || result.is_err() {
                break;
            }
        }
        asked
    })
}

#[test]
fn servers_must_be_who_they_are() {
    let development = Development::passing().unwrap();
    let Pem::Text(root) = development.identity.certificate.clone() else { panic!("a file") };
    let (place, served) = secure(&development);
    let errands = errands(Trust::Roots(vec![Pem::Text(root)]));
    let answer = get(&errands, &format!("https://{place}/")).unwrap();
    assert_eq!(answer.content, b"ok");
    assert!(served.join().unwrap());
    let other = Development::passing().unwrap();
    let (place, served) = secure(&other);
    assert!(matches!(get(&errands, &format!("https://{place}/")), Err(Failed::Tls(_))));
    assert!(!served.join().unwrap());
}

#[test]
fn who_says_nothing_is_not_waited_for_forever() {
    let (place, served) = once(|stream| stream);
    let errands = errands(Trust::DangerAnyone).timeout(Duration::from_millis(50));
    let failed = get(&errands, &format!("http://{place}/")).unwrap_err();
    assert_eq!(failed.to_string(), "no answer in time");
    drop(served.join());
}

#[test]
fn what_is_no_url_is_told() {
    let errands = errands(Trust::DangerAnyone);
    for url in ["", "/x", "ftp://a/", "http://", "https://a:port/", "http://u@a/"] {
        assert!(matches!(get(&errands, url), Err(Failed::Url(_))), "{url}");
    }
}
