//! A server in this process on port 0 (FEATURES O8), and the client without sockets, on the same routes.

use std::io::{Read, Write};
use std::net::TcpStream;

use trilane::testing::TestClient;
use trilane::{Path, Router, Server, default_layers, get};

fn router() -> Router {
    Router::new()
        .route("/users/{id}", get(|Path(id): Path<u64>| async move { format!("user {id}") }))
}

#[test]
fn both_give_the_same_answer() {
    let client = TestClient::new(router().layer(default_layers(None))).unwrap();
    let running = Server::new(|_| router()).listen("127.0.0.1:0").start().unwrap();
    let port = running.port().unwrap();
    assert_eq!(running.url().unwrap(), format!("http://127.0.0.1:{port}"));
    for (target, status) in [("/users/7", 200), ("/users/x", 400), ("/nothing", 404)] {
        let mut expected = client.get(target).send();
        assert_eq!(expected.status(), status);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {target} HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let kind = expected.field("content-type").unwrap().to_owned();
        assert!(head.to_ascii_lowercase().contains(&format!("content-type: {kind}")), "{head}");
        if status == 200 {
            assert_eq!(body, expected.text());
        } else {
            let code = |text: &str| {
                serde_json::from_str::<serde_json::Value>(text).unwrap()["error"]["code"].clone()
            };
            assert_eq!(code(body), code(&expected.text()));
        }
    }
}
