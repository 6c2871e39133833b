//! quiche's HTTP/3 as the client: what it takes for a good answer, and how it sees what is wrong.

use quiche::h3::{self, Header, NameValue};

use super::wire::{Quic, SOON, config};
use crate::parity::{House, Over};

/// One answer: its status, its content, and how often its end was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    status: Vec<u8>,
    content: Vec<u8>,
    ends: usize,
}

struct Client {
    quic: Quic,
    h3: h3::Connection,
}

impl Client {
    fn new(house: &House) -> Self {
        let quic = Quic::open(house.at(Over::Quic), config());
        let settings = h3::Config::new().unwrap();
        let h3 = quic.with(|it| h3::Connection::with_transport(it, &settings)).unwrap();
        Self { quic, h3 }
    }

    /// Begins a request, and sends its content as there is room.
    fn begin(&mut self, method: &str, path: &str, content: &[u8]) -> u64 {
        let pairs =
            [(":method", method), (":scheme", "https"), (":authority", "it"), (":path", path)];
        let head = pairs.map(|(name, value)| Header::new(name.as_bytes(), value.as_bytes()));
        let h3 = &mut self.h3;
        let id = self.quic.with(|it| h3.send_request(it, &head, content.is_empty())).unwrap();
        let mut rest = content;
        let sent = self.quic.until(SOON, |it| {
            while !rest.is_empty() {
                match h3.send_body(it, id, rest, true) {
                    Ok(n) => rest = &rest[n..],
                    Err(h3::Error::Done) => return None,
                    Err(error) => panic!("{error:?}"),
                }
            }
            Some(())
        });
        assert!(sent.is_some(), "{} bytes are not taken", rest.len());
        id
    }

    /// All of them, whichever comes first.
    fn answers(&mut self, ids: &[u64]) -> Vec<Answer> {
        let mut answers = vec![Answer::default(); ids.len()];
        let h3 = &mut self.h3;
        let done = self.quic.until(SOON, |it| {
            loop {
                let (id, event) = match h3.poll(it) {
                    Ok(next) => next,
                    Err(h3::Error::Done) => break,
                    Err(error) => panic!("{error:?}"),
                };
                let Some(at) = ids.iter().position(|known| *known == id) else { continue };
                match event {
                    h3::Event::Headers { list, .. } => {
                        let status = list.iter().find(|field| field.name() == b":status");
                        answers[at].status = status.unwrap().value().to_vec();
                    }
                    h3::Event::Data => {
                        let mut buffer = [0; 16 << 10];
                        while let Ok(n) = h3.recv_body(it, id, &mut buffer) {
                            answers[at].content.extend_from_slice(&buffer[..n]);
                        }
                    }
                    h3::Event::Finished => answers[at].ends += 1,
                    other => panic!("{other:?}"),
                }
            }
            answers.iter().all(|answer| answer.ends > 0).then_some(())
        });
        assert!(done.is_some(), "{:?}", self.quic.end());
        answers
    }

    fn ask(&mut self, method: &str, path: &str, content: &[u8]) -> Answer {
        let id = self.begin(method, path, content);
        self.answers(&[id]).remove(0)
    }
}

fn whole(status: &str, content: &[u8]) -> Answer {
    Answer { status: status.into(), content: content.to_vec(), ends: 1 }
}

#[test]
fn quiche_is_answered_as_it_understands_it() {
    let mut client = Client::new(House::shared());
    assert_eq!(client.ask("GET", "/plaintext", b""), whole("200", b"Hello, World!"));
    assert_eq!(client.ask("HEAD", "/plaintext", b""), whole("200", b""));
    for size in [0, 1, 1000, 100_000, 3_000_000] {
        let content: Vec<u8> = (0..size).map(|n: u32| n as u8).collect();
        assert!(client.ask("POST", "/echo", &content) == whole("200", &content), "{size}");
        let got = client.ask("GET", &format!("/bytes/{size}"), b"");
        assert_eq!((got.status, got.content.len(), got.ends), (b"200".to_vec(), size as usize, 1));
    }
    assert_eq!(client.ask("GET", "/nothing", b"").status, b"404");
    assert_eq!(client.ask("GET", "/panic", b"").status, b"500");
}

#[test]
fn quiche_asks_much_at_once() {
    let mut client = Client::new(House::shared());
    for _ in 0..4 {
        let ids: Vec<u64> =
            (0..50).map(|n| client.begin("GET", &format!("/users/{n}"), b"")).collect();
        for (n, answer) in client.answers(&ids).into_iter().enumerate() {
            assert_eq!(answer, whole("200", n.to_string().as_bytes()));
        }
    }
}
