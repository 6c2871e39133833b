//! WebSockets (FEATURES P12) over every protocol: messages, ends, and what is refused. Clients that are not ours are in
//! `websockets.py`, and Autobahn's cases.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use trilane::ws::{CloseCode, CloseFrame, Deflate, Error, Message, WebSocketUpgrade};
use trilane::{Response, Router, get, websocket};
use trilane_websocket::{Limits, Receiver, Role, Sender};

use super::super::parity::{
    Ability, Ask, Client, Got, Head, House, LANES, Lane, Over, Place, eventually, secure,
};
use super::super::process::Process;

/// The protocols that have WebSockets: HTTP/1.0 has no Upgrade (RFC 9110 §7.8).
pub(super) fn lanes() -> impl Iterator<Item = &'static dyn Lane> {
    LANES.iter().copied().filter(|lane| lane.protocol() != "HTTP/1.0")
}

/// A WebSocket by our own client role, over a lane.
pub(super) struct Talk {
    client: Box<dyn Client>,
    id: usize,
    head: Head,
    sender: Sender,
    receiver: Receiver,
    input: Vec<u8>,
}

impl Talk {
    #[track_caller]
    pub(super) fn open(lane: &dyn Lane, server: &dyn Place, ask: &Ask) -> Self {
        let mut client = lane.open(server);
        let id = client.begin(ask);
        let Got::Head(head) = client.next(id) else { panic!("{}: no head", lane.name()) };
        // RFC 6455 §4.2.2, RFC 8441 §5.
        let status = if lane.protocol() == "HTTP/1.1" { 101 } else { 200 };
        assert_eq!(head.status, status, "{}: {head:?}", lane.name());
        let sender = Sender::new(Role::Client);
        let receiver = Receiver::new(Role::Client, Limits::default());
        Self { client, id, head, sender, receiver, input: Vec::new() }
    }

    pub(super) fn send(&mut self, message: impl Into<Message>) {
        let mut wire = Vec::new();
        self.sender.push(message.into(), [0x37, 0xfa, 0x21, 0x3d], &mut wire).unwrap();
        // A server that has closed says so when its answer is asked for.
        let _ = self.client.send(self.id, &wire);
    }

    /// The next message; `None` at the end of the tunnel.
    #[track_caller]
    pub(super) fn next(&mut self) -> Option<Message> {
        loop {
            let mut rest = &self.input[..];
            let message = self.receiver.poll(&mut rest).unwrap();
            self.input.drain(..self.input.len() - rest.len());
            if message.is_some() {
                return message;
            }
            match self.client.next(self.id) {
                Got::Data(data) => self.input.extend(data),
                Got::End => return None,
                other => panic!("{other:?}"),
            }
        }
    }

    /// That message back, and not by chance.
    #[track_caller]
    fn echo(&mut self, message: impl Into<Message>) {
        let message = message.into();
        self.send(message.clone());
        let got = self.next();
        let length = got.as_ref().map(Message::len);
        assert!(got.as_ref() == Some(&message), "{length:?} bytes for {}", message.len());
    }
}

fn closed(code: CloseCode, reason: &str) -> Message {
    Message::Close(Some(CloseFrame::new(code, reason)))
}

#[test]
fn messages_come_back() {
    for lane in lanes() {
        let mut talk = Talk::open(lane, House::shared(), &Ask::websocket("/ws"));
        for text in ["", "hello", "\u{1f40d} and \u{e4}"] {
            talk.echo(text);
        }
        for length in [0, 125, 126, 65_536, 1 << 20, 16 << 20] {
            let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            talk.echo(bytes);
        }
        talk.send(Message::Ping("are you there".into()));
        assert_eq!(talk.next(), Some(Message::Pong("are you there".into())));
        // RFC 6455 §7.1.1: its code comes back, and then the server ends the connection, or the stream.
        talk.send(closed(CloseCode(4321), "enough"));
        assert_eq!(talk.next(), Some(closed(CloseCode(4321), "enough")));
        assert_eq!(talk.next(), None, "{}", lane.name());
    }
}

#[test]
fn messages_are_deflated_where_that_is_offered() {
    for lane in lanes() {
        let offer = "permessage-deflate; client_max_window_bits";
        let ask = Ask::websocket("/ws").field("sec-websocket-extensions", offer);
        let mut talk = Talk::open(lane, House::shared(), &ask);
        let answer = talk.head.field("sec-websocket-extensions").unwrap().to_owned();
        assert!(answer.starts_with("permessage-deflate; server_no_context_takeover"), "{answer}");
        let agreed = Deflate::new().from(0).accept(offer).unwrap().unwrap();
        talk.sender = Sender::new(Role::Client).compressed(&agreed);
        talk.receiver = Receiver::new(Role::Client, Limits::default()).compressed(&agreed);
        for _ in 0..3 {
            talk.echo("what is said again and again is short. ".repeat(10_000));
            talk.echo("short");
        }
    }
}

#[test]
fn who_ends_its_half_hears_the_rest() {
    for lane in lanes().filter(|lane| lane.protocol() != "HTTP/1.1") {
        let mut talk = Talk::open(lane, House::shared(), &Ask::websocket("/ws"));
        for n in 0..300 {
            talk.send(format!("{n}"));
        }
        talk.client.finish(talk.id, &[]).unwrap();
        for n in 0..300 {
            assert_eq!(talk.next(), Some(Message::from(format!("{n}"))), "{}", lane.name());
        }
        // RFC 8441 §5: an end in order is answered by one.
        assert_eq!(talk.next(), None, "{}", lane.name());
    }
}

#[test]
fn many_share_a_connection() {
    for lane in lanes().filter(|lane| lane.can(Ability::Many) && lane.protocol() != "HTTP/1.1") {
        let mut client = lane.open(House::shared());
        let mut ids = Vec::new();
        for _ in 0..8 {
            let id = client.begin(&Ask::websocket("/ws"));
            let Got::Head(head) = client.next(id) else { panic!("no head") };
            assert_eq!(head.status, 200);
            ids.push(id);
        }
        for (n, id) in ids.iter().enumerate() {
            let mut wire = Vec::new();
            let message = Message::from(format!("{n}"));
            Sender::new(Role::Client).push(message, [n as u8; 4], &mut wire).unwrap();
            client.send(*id, &wire).unwrap();
        }
        for (n, id) in ids.iter().enumerate().rev() {
            let wire = [&b"\x81\x01"[..], n.to_string().as_bytes()].concat();
            assert_eq!(client.next(*id), Got::Data(wire), "{}", lane.name());
        }
    }
}

#[test]
fn mistakes_end_it_with_their_code() {
    let house = House::serving(|_| {
        let small = |upgrade: WebSocketUpgrade| async move {
            upgrade.max_message_size(100).on_upgrade(|mut socket| async move {
                while let Some(Ok(_)) = socket.recv().await {}
            })
        };
        Router::new().route("/", websocket(small))
    });
    for lane in lanes() {
        for (wire, code) in [
            // RFC 6455 §5.1: not masked.
            (&b"\x81\x01x"[..], CloseCode::PROTOCOL),
            // §8.1: not UTF-8, though the message goes on.
            (b"\x01\x82\x00\x00\x00\x00\xc0\xaf", CloseCode::INVALID),
            // §7.4.1: larger than what is taken, by its head alone.
            (b"\x82\xfe\x00\x80abcd", CloseCode::TOO_BIG),
        ] {
            let mut talk = Talk::open(lane, &house, &Ask::websocket("/"));
            talk.client.send(talk.id, wire).unwrap();
            let Some(Message::Close(Some(frame))) = talk.next() else { panic!("no close") };
            assert_eq!(frame.code, code, "{}", lane.name());
            assert_eq!(talk.next(), None, "{}", lane.name());
        }
    }
}

async fn picky(upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["v2", "v1"]).allow_origins(["https://it.example"]).on_upgrade(|_| async {})
}

#[test]
fn what_is_refused() {
    let house = House::serving(|_| {
        Router::new().route("/", websocket(picky)).route("/other", get(|| async { "other" }))
    });
    for lane in LANES {
        let is_upgrade = lane.protocol() == "HTTP/1.1";
        // A request that asks for none: 426 MUST name what to upgrade to (RFC 9110 §15.5.22), where there are upgrades.
        let answer = lane.open(&house).ask(&Ask::get("/"));
        assert_eq!(answer.head.status, if is_upgrade { 426 } else { 400 }, "{}", lane.name());
        assert_eq!(answer.head.field("upgrade"), is_upgrade.then_some("websocket"));
    }
    for lane in lanes() {
        let is_upgrade = lane.protocol() == "HTTP/1.1";
        let refused = |ask: &Ask| {
            let mut client = lane.open(&house);
            let id = client.begin(ask);
            client.answer(id).head
        };
        let mut ask = Ask::websocket("/");
        ask.fields[0].1 = "8".to_owned();
        let head = refused(&ask);
        assert_eq!(head.status, if is_upgrade { 426 } else { 400 }, "{}", lane.name());
        assert_eq!(head.field("sec-websocket-version"), Some("13"), "RFC 6455 §4.4");
        if is_upgrade {
            // RFC 9110 §7.8: there is no place for content.
            let ask = Ask::websocket("/").field("content-length", "1");
            assert_eq!(refused(&ask).status, 400, "{}", lane.name());
        }
        let foreign = Ask::websocket("/").field("origin", "https://elsewhere.example");
        assert_eq!(refused(&foreign).status, 403, "{}", lane.name());
        assert_eq!(refused(&Ask::websocket("/nowhere")).status, 404, "{}", lane.name());
        // RFC 9110 §7.8: an upgrade may be ignored; a CONNECT may not.
        assert_eq!(refused(&Ask::websocket("/other")).status, if is_upgrade { 200 } else { 405 });
        let ask = Ask::websocket("/")
            .field("origin", "https://it.example")
            .field("sec-websocket-protocol", "v0, v1");
        let talk = Talk::open(lane, &house, &ask);
        assert_eq!(talk.head.field("sec-websocket-protocol"), Some("v1"));
        let accept = is_upgrade.then_some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(talk.head.field("sec-websocket-accept"), accept, "RFC 6455 §1.3");
    }
}

#[test]
fn handlers_hear_of_their_end_and_others_write_too() {
    let gone = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&gone);
    let house = House::serving(move |shard| {
        let gone = Arc::clone(&count);
        let handler = move |upgrade: WebSocketUpgrade| {
            let (gone, shard) = (Arc::clone(&gone), shard.clone());
            async move {
                upgrade.on_upgrade(|mut socket| async move {
                    let (sender, nap) = (socket.sender(), shard.sleep(Duration::from_millis(1)));
                    shard.spawn(async move {
                        nap.await;
                        let _ = sender.send("by a task").await;
                    });
                    while let Some(next) = socket.recv().await {
                        if next == Err(Error::Gone) {
                            gone.fetch_add(1, SeqCst);
                        }
                    }
                })
            }
        };
        Router::new().route("/", websocket(handler))
    });
    for (left, lane) in (1..).zip(lanes()) {
        let mut talk = Talk::open(lane, &house, &Ask::websocket("/"));
        assert_eq!(talk.next(), Some(Message::from("by a task")), "{}", lane.name());
        talk.client.leave();
        eventually("its handler hears of it", || gone.load(SeqCst) == left);
    }
    house.settle();
}

#[test]
fn a_drain_closes_with_1001() {
    for lane in lanes() {
        let mut process = Process::demo(&["--log", "off"]);
        let mut talk = Talk::open(lane, &process, &Ask::websocket("/ws"));
        talk.echo("before");
        process.signal("TERM");
        assert_eq!(talk.next(), Some(closed(CloseCode::GOING_AWAY, "")), "{}", lane.name());
        talk.send(closed(CloseCode::GOING_AWAY, ""));
        assert_eq!(talk.next(), None, "{}", lane.name());
        talk.client.leave();
        assert_eq!(process.exit_within(Duration::from_secs(10)).code(), Some(0));
    }
}

/// Where `make deps` puts Python's packages.
fn tool(name: &str) -> PathBuf {
    // TARGET/PROFILE/deps/it-HASH
    let here = std::env::current_exe().unwrap();
    here.ancestors().nth(3).unwrap().join("aioquic/bin").join(name)
}

/// Runs a program that may not be there. `None`, said loudly, if it is not.
#[allow(clippy::print_stderr, reason = "a case that is left out says so")]
#[track_caller]
fn run(command: &mut Command) -> Option<String> {
    let Ok(output) = command.output() else {
        eprintln!("skipped: {command:?} is not here; see `make deps`");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    Some(said)
}

/// These of Autobahn's cases.
#[track_caller]
fn autobahn(cases: &[&str]) {
    let place = format!("ws://{}/ws", House::shared().at(Over::Tcp));
    let folder =
        std::env::temp_dir().join(format!("trilane-it-{}-{}", std::process::id(), cases[0]));
    let mut command = Command::new(tool("kosoku"));
    command.args(["-p", "4", &place, "-o"]).arg(&folder);
    for case in cases {
        command.args(["-i", case]);
    }
    let said = run(&mut command);
    let _ = std::fs::remove_dir_all(folder);
    // It fails when a case does, or is not strict.
    let Some(said) = said else { return };
    assert!(said.contains("cases passed"), "{said}");
}

#[test]
fn autobahn_s_cases_pass() {
    autobahn(&["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]);
}

#[test]
fn autobahn_s_cases_of_compression_pass() {
    // One size of each kind; `make autobahn` runs all of them.
    autobahn(&[
        "12.1.1", "12.2.4", "12.3.7", "13.1.3", "13.2.3", "13.3.3", "13.4.3", "13.5.3", "13.6.3",
        "13.7.3",
    ]);
}

#[test]
fn python_s_clients_are_answered() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("websockets_client.py");
    let port = |over| House::shared().at(over).port().to_string();
    for (how, over) in
        [("h1", Over::Tcp), ("h1s", Over::Tls), ("h2", Over::Tls), ("h3", Over::Quic)]
    {
        let mut command = Command::new(tool("python"));
        command.arg(&script).args([how, &port(over)]).arg(&secure::files().0);
        let Some(said) = run(&mut command) else { return };
        assert_eq!(said.trim(), "ok", "{how}");
    }
}
