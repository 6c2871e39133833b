//! A server inside a program: it ends as completely as it began, and what its handlers break is theirs alone.

use std::io::{PipeWriter, Read, Write};
use std::net::TcpStream;
use std::num::NonZero;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use trilane::{
    Frame, Limits, ListenAddress, Outgoing, Response, Router, Running, Server, StatusCode, get,
};
use trilane_exchange::outgoing::SourceError;
use trilane_exchange::{Shard, Source};

const PATIENCE: Duration = Duration::from_secs(10);

fn start(app: fn(Shard) -> Router, limits: Limits) -> (Running, TcpStream) {
    let server = Server::new(app)
        .listen("127.0.0.1:0")
        .shards(NonZero::new(1).unwrap())
        .limits(limits)
        .start()
        .unwrap();
    let stream = connect(&server);
    (server, stream)
}

fn connect(server: &Running) -> TcpStream {
    let ListenAddress::Tcp(address) = server.addresses()[0] else { panic!() };
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, target: &str) -> String {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

fn hello(_: Shard) -> Router {
    Router::new().route("/", get(|| async { "here" }))
}

/// Asks without waiting for an answer.
fn begin(server: &Running) -> TcpStream {
    let mut stream = connect(server);
    write!(stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    stream
}

fn is_answered(mut stream: &TcpStream) -> bool {
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    answer[..length].ends_with(b"here")
}

/// As many as there may be, and one fewer and one more: who is too many waits for another to leave.
#[test]
fn connections_beyond_the_limit_wait() {
    const MOST: usize = 3;
    let server = Server::new(hello)
        .listen("127.0.0.1:0")
        .shards(NonZero::new(1).unwrap())
        .connections(NonZero::new(MOST).unwrap())
        .start()
        .unwrap();
    let stats = &server.stats()[0];
    let mut served: Vec<TcpStream> = (1..=MOST).map(|_| begin(&server)).collect();
    for (number, stream) in (1..).zip(&served) {
        assert!(is_answered(stream));
        assert!(stats.open.get() <= MOST as u64, "{number}");
    }
    assert_eq!((stats.open.get(), stats.accept_pauses.get()), (MOST as u64, 1));
    let mut late: Vec<TcpStream> = (0..MOST).map(|_| begin(&server)).collect();
    for stream in &served {
        // The served ones still are, and the late ones still wait.
        write!(&mut &*stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(is_answered(stream));
    }
    assert_eq!((stats.open.get(), stats.requests.get()), (MOST as u64, 2 * MOST as u64));
    // One for one.
    for (number, stream) in (1..).zip(late.drain(..)) {
        drop(served.remove(0));
        assert!(is_answered(&stream));
        assert_eq!(stats.requests.get(), 2 * MOST as u64 + number);
        assert!(stats.open.get() <= MOST as u64);
        served.push(stream);
    }
    // The listener is open again below the limit.
    drop(served);
    assert!(is_answered(&begin(&server)));
}

/// One leaves, one comes: the others stay where they are, in the kernel's queue, and cost no descriptor.
#[test]
fn one_who_leaves_makes_room_for_one() {
    let one_shard = NonZero::new(1).unwrap();
    let server = Server::new(hello).listen("127.0.0.1:0").shards(one_shard);
    let server = server.connections(NonZero::new(2).unwrap()).start().unwrap();
    let stats = &server.stats()[0];
    let mut served = vec![begin(&server), begin(&server)];
    assert!(served.iter().all(is_answered));
    for (late, accepted) in
        (0..300).map(|_| begin(&server)).collect::<Vec<_>>().into_iter().zip(3..)
    {
        drop(served.remove(0));
        assert!(is_answered(&late));
        assert_eq!((stats.accepted.get(), stats.open.get()), (accepted, 2));
        served.push(late);
    }
}

/// They are in the kernel's queue when the drain begins, and get their answer.
#[test]
fn a_drain_serves_those_who_were_not_accepted_yet() {
    let server = Server::new(hello)
        .listen("127.0.0.1:0")
        .shards(NonZero::new(1).unwrap())
        .connections(NonZero::<usize>::MIN)
        .start()
        .unwrap();
    let first = begin(&server);
    assert!(is_answered(&first));
    let late: Vec<TcpStream> = (0..20).map(|_| begin(&server)).collect();
    server.stopper().drain();
    drop(first);
    // In the order in which they came, one at a time.
    late.into_iter().for_each(|stream| assert!(is_answered(&stream)));
    server.wait().unwrap();
}

#[test]
fn a_server_that_has_stopped_holds_no_connection() {
    let (server, mut stream) = start(hello, Limits::default());
    assert!(ask(&mut stream, "/").ends_with("here"));
    server.stopper().stop();
    server.wait().unwrap();
    // Not only told to go away: the descriptor is closed, or this would wait until it loses patience.
    match stream.read(&mut [0; 16]) {
        Ok(length) => assert_eq!(length, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

/// A server with a task whose read is under way, of a pipe that is empty, and the other end of that.
fn reading() -> (Running, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let reader = Mutex::new(Some(reader));
    let app = move |shard: Shard| {
        let file = Rc::new(reader.lock().unwrap().take().unwrap());
        let mine = shard.clone();
        shard.spawn(async move { mine.read(file, 0, 10).await.map(drop) });
        hello(shard)
    };
    let one_shard = NonZero::new(1).unwrap();
    let server = Server::new(app).listen("127.0.0.1:0").shards(one_shard).start().unwrap();
    // After an answer the read is with the kernel.
    assert!(is_answered(&begin(&server)));
    (server, writer)
}

/// A read that is under way is waited for: its file is closed with the server, not forgotten.
#[test]
fn a_server_waits_for_the_reads_of_its_tasks() {
    let (server, mut writer) = reading();
    server.stopper().stop();
    // Long enough for a server to end that does not wait.
    thread::sleep(Duration::from_millis(200));
    writer.write_all(b"x").unwrap();
    server.wait().unwrap();
    let error = writer.write_all(b"y").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

/// One that never ends is left to the kernel, with its file.
#[test]
fn a_read_that_never_ends_does_not_keep_a_server() {
    let (server, mut writer) = reading();
    server.stopper().stop();
    server.wait().unwrap();
    writer.write_all(b"y").unwrap();
}

#[test]
fn ten_servers_one_after_the_other() {
    for _ in 0..10 {
        let (server, mut stream) = start(hello, Limits::default());
        assert!(ask(&mut stream, "/").ends_with("here"));
        drop(server);
    }
}

struct Bomb;

impl Source for Bomb {
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, SourceError>>> {
        Poll::Ready(None)
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose, in a destructor");
    }
}

#[test]
fn a_panic_costs_its_exchange_and_not_the_shard() {
    let app = |_: Shard| {
        let bomb = || async { Response::new(StatusCode::OK).body(Outgoing::source(Bomb)) };
        let joined = |shard: Shard| async move {
            shard.spawn(async { panic!("on purpose, in a task") }).await;
            "never"
        };
        Router::new()
            .route("/bomb", get(bomb))
            .route("/task", get(joined))
            .route("/", get(|| async { "here" }))
    };
    let (server, mut stream) = start(app, Limits::default());
    assert!(ask(&mut stream, "/bomb").starts_with("HTTP/1.1 200 "));
    let mut other = connect(&server);
    // Who awaits the task has its panic, at once, and not a timeout.
    assert!(ask(&mut other, "/task").starts_with("HTTP/1.1 500 "));
    assert!(ask(&mut other, "/").ends_with("here"));
    assert!(server.stats()[0].panics.get() >= 1);
}

/// What a unix socket's reader has taken is seen, too: slow is not gone.
#[test]
fn a_slow_reader_on_a_unix_socket_lives() {
    const LENGTH: usize = 6 << 20;
    let path = std::env::temp_dir().join(format!("trilane-slow-{}.sock", std::process::id()));
    let mut limits = Limits::default();
    limits.write_timeout = Duration::from_secs(1);
    let server = Server::new(|_| Router::new().route("/", get(|| async { vec![b'x'; LENGTH] })))
        .listen(format!("unix:{}", path.display()))
        .shards(NonZero::new(1).unwrap())
        .limits(limits)
        .start()
        .unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let (mut got, mut piece) = (0, vec![0; 256 << 10]);
    // 2.4 s in all, which is longer than the peer may take nothing.
    while got < LENGTH {
        thread::sleep(Duration::from_millis(100));
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "cut after {got} bytes");
        got += length;
    }
    server.stopper().stop();
    server.wait().unwrap();
}

/// RFC 9110 §7.8: a server may ignore an offer to upgrade; then the request is an ordinary one, without content.
#[test]
fn an_upgrade_that_nobody_takes_changes_nothing() {
    let app = |shard: Shard| trilane_cli::demo::router(&shard, None);
    let (_server, mut stream) = start(app, Limits::default());
    for target in ["/upload", "/echo", "/echo/stream"] {
        write!(
            stream,
            "POST {target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
        )
        .unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
    }
    assert!(ask(&mut stream, "/plaintext").ends_with("Hello, World!"));
}

/// Two leave in one turn: one place is for who waits, the other for whoever comes next.
#[test]
fn accepting_goes_on_when_several_leave_at_once() {
    let app = |_: Shard| {
        let busy = || async {
            thread::sleep(Duration::from_millis(400));
            "here"
        };
        Router::new().route("/", get(|| async { "here" })).route("/busy", get(busy))
    };
    let one_shard = NonZero::new(1).unwrap();
    let server = Server::new(app).listen("127.0.0.1:0").shards(one_shard);
    let server = server.connections(NonZero::new(3).unwrap()).start().unwrap();
    let mut first = connect(&server);
    let busy = |first: &mut TcpStream| {
        write!(first, "GET /busy HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        thread::sleep(Duration::from_millis(100));
    };
    // All three are accepted while the shard is busy, and the fourth waits.
    busy(&mut first);
    let (second, third, fourth) = (begin(&server), begin(&server), begin(&server));
    assert!(is_answered(&first) && is_answered(&second) && is_answered(&third));
    busy(&mut first);
    drop((second, third));
    assert!(is_answered(&first) && is_answered(&fourth));
    assert!(is_answered(&begin(&server)), "two of three are open, and nobody is accepted");
}
