//! Reading the file again while the server runs (FEATURES O4): what changes for whom, over every protocol and on two shards.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use std::sync::{Arc, Mutex};

use trilane::{
    Bytes, Exchange, Hook, Limits, Phases, Response, Router, Server, Shard, Summary, any, get, post,
};

use super::super::parity::{Client, Folder, House, Lane, Length, eventually, quietly, secure};
use super::super::process::{Addresses, Process};
use super::{Ask, LANES};

/// A server of a file that is written anew.
struct Served {
    process: Process,
    file: PathBuf,
    _folder: Folder,
}

impl Served {
    #[track_caller]
    fn new(text: &str) -> Self {
        Self::with(text, &[])
    }

    #[track_caller]
    fn with(text: &str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        let file = folder.0.join("site.toml");
        fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        let fixed = ["serve", "--config", path, "--http", "127.0.0.1:0", "--h2c", "--shards", "2"];
        let process = Process::start(&[&fixed[..], flags].concat(), |_| {});
        let process = process.unwrap_or_else(|refusal| panic!("{refusal:?}"));
        Self { process, file, _folder: folder }
    }

    /// Has it read that instead. What it says of it.
    #[track_caller]
    fn reload(&self, text: &str) -> String {
        fs::write(&self.file, text).unwrap();
        let before = self.process.errors().len();
        self.process.signal("HUP");
        let said = || self.process.errors()[before..].to_owned();
        eventually("it says what came of it", || {
            said().contains("read again") || said().contains("nothing was changed")
        });
        said()
    }

    /// Connections that are kept, several of each protocol, so that both shards have some.
    fn clients(&self) -> Vec<Box<dyn Client>> {
        let lanes = LANES.iter().filter(|lane| lane.name() != "h1.0");
        lanes.flat_map(|lane| (0..4).map(|_| lane.open(&self.process))).collect()
    }
}

/// A file whose routes say that word.
fn saying(word: &str) -> String {
    format!("log = 'off'\n[[routes]]\npath = '/'\nrespond = {{ body = '{word}' }}\n")
}

#[test]
fn the_next_request_of_a_connection_is_answered_by_the_new_routes() {
    let served = Served::new(&saying("old"));
    let mut clients = served.clients();
    let mut all_say = |word: &str, gone: u16| {
        for client in &mut clients {
            assert_eq!(client.ask(&Ask::get("/")).status(200).text(), word);
            client.ask(&Ask::get("/more")).status(gone);
        }
    };
    all_say("old", 404);
    let more = "[[routes]]\npath = '/more'\nrespond = { body = 'more' }\n";
    let said = served.reload(&format!("{}{more}", saying("new")));
    assert!(said.contains("read again"), "{said}");
    all_say("new", 200);
    for (text, expected) in [
        ("[[routes]]\npaht = '/'\n".to_owned(), "did you mean `path`?"),
        (
            format!("{}[[routes]]\nprefix = '/x'\nroot = '/nowhere'\n", saying("bad")),
            "line 5: root",
        ),
        (saying("bad").replace("log = 'off'", "log = 'maybe'"), "json, text, off"),
    ] {
        let said = served.reload(&text);
        assert!(said.contains("nothing was changed") && said.contains(expected), "{said}");
        all_say("new", 200);
    }
    let said = served.reload(&saying("old"));
    assert!(said.contains("read again"), "{said}");
    all_say("old", 404);
}

/// What is under way has one application, to its last hook; what comes then has the other.
#[test]
fn a_request_ends_with_the_application_that_it_began_with() {
    /// Says which application an exchange has ended with.
    struct Ends(&'static str, Arc<Mutex<Vec<&'static str>>>);
    impl Hook for Ends {
        fn phases(&self) -> Phases {
            Phases::AFTER | Phases::DONE
        }

        fn after(&self, _: &Exchange, response: &mut Response) {
            response.head.fields.append("x-word", self.0).unwrap();
        }

        fn done(&self, _: &Exchange, _: &Summary) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let ended = Arc::new(Mutex::new(Vec::new()));
    let says = |word: &'static str| {
        let ended = Arc::clone(&ended);
        move |_| {
            let route =
                post(move |content: Bytes| async move { format!("{word} {}", content.len()) });
            Router::new().route("/", route).layer(Ends(word, Arc::clone(&ended)))
        }
    };
    for lane in LANES {
        let house = House::serving(says("old"));
        let mut clients: Vec<_> = (0..4).map(|_| lane.open(&house)).collect();
        let begun = |client: &mut Box<dyn Client>| {
            let id =
                client.begin(&Ask::post("/", Length::Exact(2)).field("expect", "100-continue"));
            client.send(id, b"1").unwrap();
            id
        };
        let ids: Vec<_> = clients.iter_mut().map(begun).collect();
        eventually("they are under way", || house.sum(|stats| stats.requests.get()) == 4);
        house.reload(Server::new(says("new"))).unwrap();
        let mut expected = 0;
        for (client, id) in clients.iter_mut().zip(ids) {
            client.send(id, b"2").unwrap();
            let answer = client.answer(id).whole().status(200);
            assert_eq!(
                (answer.text(), answer.head.field("x-word")),
                ("old 2".to_owned(), Some("old"))
            );
            if client.is_open() {
                let answer = client.ask_with(&Ask::post("/", Length::Exact(1)), b"1").status(200);
                assert_eq!(answer.head.field("x-word"), Some("new"), "{}", lane.name());
                assert_eq!(answer.text(), "new 1");
                expected += 1;
            }
        }
        let count = |word: &str| ended.lock().unwrap().iter().filter(|it| **it == word).count();
        let what = format!("{}: all have ended", lane.name());
        eventually(&what, || count("old") == 4 && count("new") == expected);
        ended.lock().unwrap().clear();
    }
}

/// All shards, or none.
#[test]
fn a_shard_that_cannot_leaves_all_as_they_were() {
    quietly();
    let house = House::serving(|_| Router::new().route("/", get(|| async { "old" })));
    let says_old = || {
        for lane in LANES {
            for _ in 0..4 {
                let answer = lane.open(&house).ask(&Ask::get("/")).status(200);
                assert_eq!(answer.text(), "old", "{}", lane.name());
            }
        }
    };
    let error = house.reload(Server::new(|shard: Shard| {
        assert!(shard.id() != 1, "on purpose");
        Router::new().route("/", get(|| async { "new" }))
    }));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("panicked: on purpose"), "{error}");
    says_old();
    let error = house.reload(Server::new(|shard: Shard| {
        let twice = if shard.id() == 1 { "/" } else { "/other" };
        let router = Router::new().route("/", get(|| async { "new" }));
        router.route(twice, get(|| async { "new" }))
    }));
    assert!(error.is_err());
    says_old();
    let new = |_: Shard| Router::new().route("/", get(|| async { "new" }));
    house.reload(Server::new(new)).unwrap();
    assert_eq!(LANES[0].open(&house).ask(&Ask::get("/")).text(), "new");
    house.drain();
    let error = house.reload(Server::new(|_: Shard| Router::new())).unwrap_err();
    assert_eq!(error.to_string(), "the server is about to end");
}

/// What only a start can do is told, and the rest is done.
#[test]
fn what_needs_an_upgrade_is_told() {
    let served = Served::new(&saying("old"));
    let said = served.reload(&format!("h2c = false\nhttp = [':1']\nshards = 7\n{}", saying("new")));
    assert!(said.contains("read again") && !said.contains("h2c"), "{said}");
    // Flags say where to listen, and how many shards: the file says nothing that counts.
    assert!(!said.contains("needs an upgrade"), "{said}");
    let said = served.reload(&format!("{}[ring]\nzero_copy_from = 1\n", saying("new")));
    assert!(said.contains("ring.zero_copy_from: needs an upgrade"), "{said}");
    for mut client in served.clients() {
        assert_eq!(client.ask(&Ask::get("/")).status(200).text(), "new");
    }
    let said = served.reload(&saying("new"));
    assert!(!said.contains("needs an upgrade"), "{said}");
}

#[test]
fn limits_count_from_the_next_request_or_the_next_connection_on() {
    let with = |body: u64, target: usize| {
        let mut limits = Limits::default();
        (limits.body, limits.target) = (body, target);
        let route = || any(|content: Bytes| async move { content });
        Server::new(move |_| Router::new().route("/", route())).limits(limits)
    };
    let long = format!("/?{}", "x".repeat(200));
    for lane in LANES {
        let house = House::of(with(1000, 100).h2c());
        let mut old = lane.open(&house);
        old.ask(&Ask::get("/")).status(200);
        house.reload(with(10, 1000)).unwrap();
        lane.open(&house).ask(&Ask::get(&long)).status(200);
        let ask = Ask::post("/", Length::Exact(20));
        lane.open(&house).ask_with(&ask, &[b'x'; 20]).status(413);
        if old.is_open() {
            old.ask_with(&ask, &[b'x'; 20]).status(413);
        }
        if old.is_open() {
            old.ask(&Ask::get(&long)).status(414);
        }
    }
}

#[test]
fn the_environment_stands_between_file_and_flags() {
    let folder = Folder::new();
    let file = folder.0.join("t.toml");
    fs::write(&file, format!("{}[limits]\nbody = 7\nhead = 5000\n", saying("x"))).unwrap();
    let file = file.to_str().unwrap();
    let said = |arguments: &[&str], variables: &[(&str, &str)]| {
        Process::said_with(&[arguments, &["--config", file]].concat(), variables)
    };
    let ours = [("TRILANE_LIMITS_BODY", "8"), ("TRILANE_SHARDS", "3"), ("PORT", "99")];
    let (is_good, text) = said(&["explain", "--shards", "2"], &ours);
    for line in [
        "\nbody = 8 # TRILANE_LIMITS_BODY in the environment\n",
        "\nhttp = [\"127.0.0.1:99\"] # PORT in the environment\n",
        "\nshards = 2 # --shards\n",
        &format!("\nhead = 5000 # {file}:7\n"),
        "\ntarget = 8192 # default\n",
    ] {
        assert!(is_good && text.contains(line), "{line}{text}");
    }
    let (is_good, text) = said(&["check"], &[("TRILANE_LIMIT_BODY", "8")]);
    assert!(!is_good && text.contains("did you mean `TRILANE_LIMITS_BODY`?"), "{text}");
    assert!(said(&["check"], &ours).0);
    let fixed = ["serve", "--config", file, "--http", "127.0.0.1:0", "--h2c", "--shards", "2"];
    let process = Process::start(&fixed, |command| {
        command.env("TRILANE_LIMITS_HEAD", "200");
    });
    let process = process.unwrap();
    for lane in LANES {
        let ask = Ask::get("/").field("x-large", "x".repeat(300));
        lane.open(&process).ask(&Ask::get("/")).status(200);
        lane.open(&process).ask(&ask).status(431);
    }
}

/// A file whose every part says that word: a route, a field of all answers, the server that is passed on to, and what TLS begins with.
fn all_saying(word: &str, back: &House, folder: &Path) -> String {
    let (certificate, key) = secure::files();
    // The same certificate, which clients trust, in files of another name.
    let copy = |from: &Path, kind: &str| {
        let to = folder.join(format!("{word}.{kind}"));
        fs::copy(from, &to).unwrap();
        to.display().to_string()
    };
    let (certificate, key) = (copy(certificate, "pem"), copy(key, "key"));
    let at = back.address();
    format!(
        "log = 'off'\n[headers]\nset = {{ x-word = '{word}' }}\n[limits]\nidle_timeout = {}\n\
         [[tls.certificates]]\ncertificate = '{certificate}'\nkey = '{key}'\n\
         [upstreams.back]\nservers = ['{at}']\n[upstreams.same]\nservers = ['{at}']\nhealth = {{ path = '/' }}\n\
         [[routes]]\npath = '/'\nrespond = {{ body = '{word}' }}\n[[routes]]\npath = '/back'\nproxy = 'back'\n\
         [[routes]]\npath = '/metrics'\nmetrics = true\n",
        if word == "a" { 60 } else { 70 },
    )
}

/// How many requests a thread has made, all of which were answered as a whole by what one file says.
fn asks_on(lane: &dyn Lane, at: &Addresses, is_over: &AtomicBool) -> usize {
    let mut count = 0;
    while !is_over.load(Relaxed) {
        // New connections have to do with new certificates and new limits, old ones with new routes.
        let mut client = lane.open(at);
        for target in ["/", "/back"].into_iter().cycle().take(40) {
            let answer = client.ask(&Ask::get(target)).status(200);
            assert_eq!(answer.head.field("x-word"), Some(&*answer.text()), "{}", lane.name());
            count += 1;
        }
        client.leave();
    }
    count
}

#[test]
fn a_hundred_reloads_under_load_fail_nobody_and_mix_nothing() {
    let says = |word: &'static str| {
        House::serving(move |_| {
            Router::new()
                .route("/", get(|| async {}))
                .route("/back", get(move || async move { word }))
        })
    };
    let (folder, houses) = (Folder::new(), [says("a"), says("b")]);
    let [a, b] =
        ["a", "b"].map(|word| all_saying(word, &houses[usize::from(word == "b")], &folder.0));
    let served = Served::with(&a, &["--https", "127.0.0.1:0"]);
    let (is_over, at) = (AtomicBool::new(false), served.process.addresses());
    thread::scope(|scope| {
        let lanes = LANES.iter().filter(|lane| lane.name() != "h1.0");
        let asking: Vec<_> = lanes
            .map(|lane| (lane.name(), scope.spawn(|| asks_on(*lane, &at, &is_over))))
            .collect();
        let mut memory = Vec::new();
        let reloads = catch_unwind(AssertUnwindSafe(|| {
            for at in 0..100 {
                if at % 10 == 5 {
                    let said = served.reload(&b.replace("proxy = 'back'", "proxy = 'bakc'"));
                    assert!(said.contains("nothing was changed"), "{said}");
                }
                let said = served.reload(if at % 2 == 0 { &b } else { &a });
                assert!(said.contains("read again"), "{said}");
                if at % 20 == 19 {
                    memory.push(served.process.memory() >> 10);
                }
            }
        }));
        is_over.store(true, Relaxed);
        for (name, asking) in asking {
            let count = asking.join().unwrap();
            eprintln!("{name}: {count} requests over 100 reloads, none failed");
            assert!(count > 40, "{name}: {count}");
        }
        eprintln!("memory after 20, 40, .. reloads, in KiB: {memory:?}");
        reloads.unwrap();
        let growth = memory.last().unwrap().saturating_sub(memory[1]);
        assert!(growth < 8 << 10, "{memory:?}");
    });
    // Nobody asks servers that are not in the file any more, nor keeps connections to them.
    eventually("pools are gone with their upstreams", || houses[1].sum(|it| it.open.get()) == 0);
    // Nothing is told twice, and what is counted goes on.
    let text = LANES[0].open(&served.process).ask(&Ask::get("/metrics")).status(200).text();
    for metric in [
        "trilane_upstream_fit{upstream=\"same\"",
        "http_requests_total{method=\"GET\",path=\"/\",status=\"200\"}",
    ] {
        let lines = text.lines().filter(|line| line.starts_with(metric));
        assert_eq!(lines.count(), 1, "{metric}: {text}");
    }
}
