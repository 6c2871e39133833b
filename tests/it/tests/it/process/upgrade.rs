//! SIGUSR2 (FEATURES O3): another process takes over, and no request fails.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::Process;
use super::child::{self, Addresses};
use crate::parity::{Ask, LANES, Lane, eventually};

const SOON: Duration = Duration::from_secs(15);

/// Ends the load also when the case fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// What clients do until it is over: each asks again and again, on a connection as long as it lives.
struct Load<'a> {
    /// They stay the same.
    addresses: &'a Addresses,
    is_over: &'a AtomicBool,
    answered: &'a AtomicU64,
}

impl Load<'_> {
    fn run(&self, lane: &dyn Lane, target: &str, streams: usize) {
        // Of HTTP/1.1 the answer that ends a connection is the last, whatever was sent behind its request (RFC 9112 §9.3.2).
        let streams = if lane.protocol().starts_with("HTTP/1") { 1 } else { streams };
        while !self.is_over.load(SeqCst) {
            let mut client = lane.open(self.addresses);
            while client.is_open() && !self.is_over.load(SeqCst) {
                let ids: Vec<_> = (0..streams).map(|_| client.begin(&Ask::get(target))).collect();
                for id in ids {
                    let answer = client.answer(id);
                    assert_eq!(answer.head.status, 200, "{} {target}: {answer:?}", lane.name());
                    assert!(
                        answer.is_whole,
                        "{} {target}: {:?} {}",
                        lane.name(),
                        answer.head,
                        answer.body.len()
                    );
                    self.answered.fetch_add(1, SeqCst);
                }
            }
        }
    }

    /// Waits for as many more answers.
    fn go_on(&self, more: u64) {
        let before = self.answered.load(SeqCst);
        eventually("the load goes on", || self.answered.load(SeqCst) >= before + more);
    }
}

/// What is done to a process while clients ask, over each protocol: small things, things that take their time, and downloads.
#[allow(clippy::print_stdout, reason = "what a run of it has shown")]
fn under_load(process: &mut Process, act: impl FnOnce(&mut Process, &Load<'_>)) {
    let (is_over, answered, began) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    let addresses = process.addresses();
    let load = Load { addresses: &addresses, is_over: &is_over, answered: &answered };
    std::thread::scope(|scope| {
        let _ended = Ended(&is_over);
        for lane in LANES {
            for (target, streams) in [("/plaintext", 1), ("/slow/20", 100), ("/bytes/1000000", 2)] {
                let load = &load;
                scope.spawn(move || load.run(*lane, target, streams));
            }
        }
        load.go_on(500);
        act(process, &load);
        load.go_on(500);
    });
    println!("{} requests in {:?}", answered.load(SeqCst), began.elapsed());
}

/// A folder of this test's own, with the binary, and a file of settings for it.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trilane-it-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        let home = Self(path);
        home.put_binary();
        home.set("");
        home
    }

    fn program(&self) -> PathBuf {
        self.0.join("trilane")
    }

    fn put_binary(&self) {
        let _ = fs::remove_file(self.program());
        std::os::unix::fs::symlink(child::binary(), self.program()).unwrap();
    }

    /// Another program stands in its place from now on.
    fn put(&self, script: &str) {
        fs::remove_file(self.program()).unwrap();
        fs::write(self.program(), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(self.program(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What its file says, besides where it listens.
    fn set(&self, text: &str) {
        let always = "http = ['127.0.0.1:0']\nh2c = true\nlog = 'off'\n";
        fs::write(self.0.join("config.toml"), format!("{always}{text}")).unwrap();
    }

    fn start(&self) -> Process {
        let file = self.0.join("config.toml");
        Process::of(&self.program(), &["--config", file.to_str().unwrap()], |_| {}).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn processes_take_over_and_no_request_fails() {
    let home = Home::new("upgrade");
    home.set("shards = 2");
    let mut process = home.start();
    under_load(&mut process, |process, load| {
        for shards in [2, 3, 1, 2] {
            home.set(&format!("shards = {shards}\n"));
            process.upgrade();
            assert!(process.ready.contains(&format!(" shards={shards} ")), "{}", process.ready);
            load.go_on(500);
            process.alone_within(SOON);
            load.go_on(500);
        }
    });
    let said = process.errors();
    assert_eq!(said.matches("has taken over; this one drains").count(), 4, "{said}");
}

#[test]
fn who_is_not_ready_changes_nothing() {
    let home = Home::new("unready");
    home.set("shards = 2\n[drain]\nhandover_timeout = 5\n");
    let mut process = home.start();
    let ready = process.ready.clone();
    under_load(&mut process, |process, load| {
        let says = |process: &Process, what: &str| {
            eventually(what, || process.errors().contains(what));
            load.go_on(500);
        };
        // A file with a mistake.
        home.set("shards = 'two'\n");
        process.signal("USR2");
        says(process, "ended before it was ready: exit status: 1");
        // Killed on its way, when it has all the sockets: it waits for keys that do not come.
        let pipe = home.0.join("keys");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        home.set(&format!("[tls]\nticket_keys = '{}'\n", pipe.display()));
        for _ in 0..3 {
            process.signal("USR2");
            // Opening one end waits for the other.
            let _keys = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
            let other = process.started().unwrap();
            load.go_on(500);
            assert!(child::signal("KILL", other));
            eventually("it is gone", || process.started().is_none());
        }
        says(process, "ended before it was ready: signal: 9");
        home.set("shards = 3\n");
        // Something else altogether, which has all the sockets and says nothing; and another one meanwhile.
        home.put("exec sleep 60");
        process.signal("USR2");
        eventually("another one is started", || process.started().is_some());
        process.signal("USR2");
        says(process, "no handover: a handover is under way");
        says(process, "the new process was not ready in 5 s");
        home.put("exit 3");
        process.signal("USR2");
        says(process, "ended before it was ready: exit status: 3");
        fs::remove_file(home.program()).unwrap();
        process.signal("USR2");
        says(process, "cannot be started: No such file or directory");
        assert_eq!(process.ready, ready);
        // And still one can.
        home.put_binary();
        process.upgrade();
        process.alone_within(SOON);
    });
}

#[test]
fn who_is_killed_after_it_was_relieved_leaves_the_group_whole() {
    let home = Home::new("killed");
    home.set("shards = 3\n");
    let mut process = home.start();
    for shards in [2, 3] {
        home.set(&format!("shards = {shards}\n"));
        let old = process.pid();
        process.upgrade();
        // Its own connections are gone with it. It may have ended by itself.
        child::signal("KILL", old);
        process.alone_within(SOON);
        for _ in 0..20 {
            for lane in LANES {
                lane.open(&process).ask(&Ask::get("/plaintext")).status(200);
            }
        }
    }
}

/// Whoever ends a server ends also whom it was starting: nobody is left that serves, or will.
#[test]
fn who_ends_in_mid_handover_leaves_nobody() {
    let home = Home::new("orphan");
    let mut process = home.start();
    let pipe = home.0.join("keys");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    home.set(&format!("[tls]\nticket_keys = '{}'\n", pipe.display()));
    process.signal("USR2");
    // Opening one end waits for the other: it is half-way, and stays there.
    let _keys = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let other = process.started().unwrap();
    process.signal("TERM");
    assert!(process.exit_within(SOON).success());
    assert!(!child::signal("0", other), "it is still there");
}

/// The listener for operators is a server of its own, and a port that it has is no port for the next process.
#[test]
fn operators_find_the_next_process_where_they_found_the_last() {
    let mut process = Process::demo(&["--log", "off", "--admin", "127.0.0.1:0"]);
    let admin = |process: &Process| {
        let rest = process.ready.split_once(" admin=").unwrap().1;
        rest.split(' ').next().unwrap().to_owned()
    };
    let address = admin(&process);
    for _ in 0..2 {
        process.upgrade();
        assert_eq!(admin(&process), address);
        process.alone_within(SOON);
        let mut socket = TcpStream::connect(&address).unwrap();
        socket
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
