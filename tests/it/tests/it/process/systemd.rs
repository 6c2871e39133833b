//! The service manager (FEATURES O5): what it is told (`sd_notify(3)`), and the sockets that it gives (`sd_listen_fds(3)`).

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use trilane::{Router, Server, get};

use super::Process;
use super::child::{self, binary};
use crate::parity::{Ask, LANES, Over, eventually};

const SOON: Duration = Duration::from_secs(15);

/// What a watchdog wants to hear.
const BEAT: &str = "WATCHDOG=1";

/// A path of this test's own.
fn temporary(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("trilane-it-{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// One that hears what it is told.
struct Manager {
    words: Receiver<String>,
    path: PathBuf,
}

impl Manager {
    fn new(name: &str) -> Self {
        let path = temporary(name);
        let (socket, (send, words)) = (UnixDatagram::bind(&path).unwrap(), channel());
        let mut bytes = [0; 200];
        std::thread::spawn(move || {
            while let Ok(len @ 1..) = socket.recv(&mut bytes)
                && send.send(String::from_utf8_lossy(&bytes[..len]).into_owned()).is_ok()
            {
            }
        });
        Self { words, path }
    }

    #[track_caller]
    fn any(&self) -> String {
        self.words.recv_timeout(SOON).expect("a word")
    }

    /// The next word that is not about the watchdog.
    #[track_caller]
    fn word(&self) -> String {
        let end = Instant::now() + SOON;
        loop {
            let word = self.any();
            if word != BEAT {
                return word;
            }
            assert!(Instant::now() < end, "beats and no word");
        }
    }

    /// Hears of the watchdog so often.
    #[track_caller]
    fn beats(&self, times: usize) {
        (0..times).for_each(|_| assert_eq!(self.any(), BEAT));
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn the_manager_is_told() {
    let manager = Manager::new("notify.sock");
    let mut process =
        Process::start(&["--http", "127.0.0.1:0", "--shards", "2", "--log", "off"], |command| {
            command.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "100000");
        })
        .unwrap();
    assert_eq!(manager.word(), "READY=1");
    // Nobody asks for anything: the loops turn all the same.
    manager.beats(5);
    process.signal("HUP");
    let said = manager.word();
    assert!(said.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{said}");
    assert_eq!(manager.word(), "READY=1");
    process.upgrade();
    // The one says who its main process is now, the other that it serves: in any order.
    let mut words = [manager.word(), manager.word()];
    words.sort();
    assert_eq!(words, [format!("MAINPID={}", process.pid()), "READY=1".to_owned()]);
    process.alone_within(SOON);
    manager.beats(5);
    process.signal("TERM");
    assert_eq!(manager.word(), "STOPPING=1");
    process.gone_within(SOON);
}

#[test]
fn a_watchdog_of_another_process_is_not_ours() {
    let manager = Manager::new("foreign.sock");
    let process = Process::start(&["--http", "127.0.0.1:0", "--log", "off"], |command| {
        command.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "1000");
        command.env("WATCHDOG_PID", "1");
    })
    .unwrap();
    process.signal("TERM");
    assert_eq!([manager.any(), manager.any()], ["READY=1", "STOPPING=1"]);
}

#[test]
fn a_shard_that_is_stuck_is_noticed() {
    let is_free = Arc::new(AtomicBool::new(true));
    let of_app = Arc::clone(&is_free);
    let app = move |_| {
        let is_free = Arc::clone(&of_app);
        let stuck = move || {
            while !is_free.load(SeqCst) {
                std::thread::yield_now();
            }
            async { "free" }
        };
        Router::new().route("/", get(stuck))
    };
    let server = Server::new(app).listen("127.0.0.1:0").shards(2.try_into().unwrap());
    let running = server.start().unwrap();
    let mut pulse = running.pulse();
    eventually("it beats", || pulse.is_beating());
    is_free.store(false, SeqCst);
    let mut socket = TcpStream::connect(("127.0.0.1", running.port().unwrap())).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: it\r\n\r\n").unwrap();
    // Of a shard that hangs there is no beat, however often one looks.
    let mut silent = 0;
    eventually("it does not beat", || {
        silent = if pulse.is_beating() { 0 } else { silent + 1 };
        silent == 20
    });
    is_free.store(true, SeqCst);
    eventually("it beats again", || pulse.is_beating());
}

/// Starts the binary with that socket as the one that a manager gives.
fn activated(socket: impl Into<OwnedFd>, arguments: &[&str]) -> Process {
    let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    let program = binary().to_str().unwrap();
    let all = [&["-c", script, "sh", program][..], arguments].concat();
    let stdin: Stdio = socket.into().into();
    Process::of("sh".as_ref(), &all, |command| {
        command.stdin(stdin);
    })
    .unwrap()
}

fn plaintext(mut socket: impl Read + Write) {
    socket.write_all(b"GET /plaintext HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("\r\n\r\nHello, World!"), "{text}");
}

/// A socket of each kind, of which two shards and the next process have as much as the manager; whatever it was set to.
#[test]
fn sockets_of_the_manager_are_taken() {
    let both = ["--shards", "2", "--log", "off", "--h2c"];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    // Who is there before the process waits for it.
    let early = TcpStream::connect(address).unwrap();
    let text = address.to_string();
    let mut process = activated(listener, &[&["--http", &text][..], &both].concat());
    assert_eq!(process.http(), text);
    plaintext(early);
    (0..20).for_each(|_| plaintext(TcpStream::connect(address).unwrap()));
    process.upgrade();
    process.alone_within(SOON);
    (0..20).for_each(|_| plaintext(TcpStream::connect(address).unwrap()));

    let path = temporary("given.sock");
    let unix = format!("unix:{}", path.display());
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut process = activated(listener, &[&["--http", &unix][..], &both].concat());
    (0..20).for_each(|_| plaintext(UnixStream::connect(&path).unwrap()));
    process.upgrade();
    process.alone_within(SOON);
    (0..20).for_each(|_| plaintext(UnixStream::connect(&path).unwrap()));
    process.signal("TERM");
    process.gone_within(SOON);

    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let arguments = [&["--http", "127.0.0.1:0", "--http3", &address][..], &both].concat();
    let mut process = activated(socket, &arguments);
    assert!(process.ready.contains(&format!(" h3={address} ")), "{}", process.ready);
    for _ in 0..2 {
        for _ in 0..20 {
            LANES[5].open(&process).ask(&Ask::get("/plaintext")).status(200);
        }
        process.upgrade();
        process.alone_within(SOON);
    }
    drop(fs::remove_file(path));
}

#[test]
fn a_unix_socket_changes_hands_with_its_file() {
    let path = temporary("handed.sock");
    let unix = format!("unix:{}", path.display());
    let mut process = Process::start(&["--http", &unix, "--log", "off"], |_| {}).unwrap();
    for _ in 0..2 {
        process.upgrade();
        process.alone_within(SOON);
        plaintext(UnixStream::connect(&path).unwrap());
    }
    process.signal("TERM");
    process.gone_within(SOON);
    assert!(!path.exists(), "the socket's file is left behind");
}

#[test]
fn what_the_environment_says_must_be_understood() {
    for (name, value, word) in [
        ("TRILANE_HANDOVER", "3", "TRILANE_HANDOVER=3"),
        ("TRILANE_HANDOVER", "stdin", "cannot take over"),
    ] {
        let refused = Process::start(&["--http", "127.0.0.1:0"], |command| {
            command.env(name, value);
        });
        let Err(refusal) = refused else { panic!("it started") };
        assert!(refusal.errors.contains(word), "{refusal:?}");
    }
    // They are for somebody else.
    let process = Process::start(&["--http", "127.0.0.1:0", "--log", "off"], |command| {
        command.env("LISTEN_PID", "1").env("LISTEN_FDS", "7");
    });
    assert!(process.is_ok());
}

#[test]
fn by_the_manager_s_own_tool() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        eprintln!("skipped: there is no systemd-socket-activate");
        return;
    }
    let path = temporary("tool.sock");
    // It wants a port that is named.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (http, unix) = (free.to_string(), path.to_str().unwrap().to_owned());
    let mut tool = Command::new("systemd-socket-activate")
        .args(["-l", &http, "-l", &unix, binary().to_str().unwrap(), "--log", "off"])
        .args(["--http", &http, "--http", &format!("unix:{unix}"), "--https", "off"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + SOON;
    let first = loop {
        // It starts us when somebody comes.
        match TcpStream::connect(free) {
            Ok(socket) => break socket,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
    };
    plaintext(first);
    plaintext(UnixStream::connect(&path).unwrap());
    assert!(child::signal("TERM", tool.id()));
    assert!(tool.wait().unwrap().success());
    assert!(path.exists(), "its file is the manager's");
    fs::remove_file(path).unwrap();
}

#[test]
fn an_operator_asks_for_it_and_hears_what_came_of_it() {
    let mut process = Process::demo(&["--log", "off"]);
    let ask = |pid: u32| Process::said(&["upgrade", "--pid", &pid.to_string()]);
    let old = process.pid();
    let (is_well, said) = ask(old);
    process.succeeded();
    assert!(is_well, "{said}");
    assert_eq!(said, format!("process {} has taken over; this one drains\n", process.pid()));
    process.alone_within(SOON);
    let (is_well, said) = ask(old);
    assert!(!is_well && said.contains("No such process"), "{said}");
    let address: SocketAddr = crate::parity::Place::address(&process, Over::Tcp);
    plaintext(TcpStream::connect(address).unwrap());
}
