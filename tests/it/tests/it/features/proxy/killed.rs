//! Servers that die and come back under load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use trilane::proxy::{CheckPolicy, HealthPolicy, Terms, Upstream};

use super::super::super::parity::{Ask, House, LANES, Lane, eventually, front};
use super::super::super::process::Process;
use super::Ended;

const MOMENT: Duration = Duration::from_millis(100);

fn start(address: &str) -> Process {
    let flags = ["--http", address, "--h2c", "--shards", "2", "--log", "off"];
    let mut process = None;
    // The port may still be its predecessor's for a moment.
    eventually("a server starts", || {
        process = Process::start(&flags, |_| {}).ok();
        process.is_some()
    });
    process.unwrap()
}

/// Checks that are as quick as the case.
fn terms() -> Terms {
    let health = HealthPolicy { fail_timeout: MOMENT, ..HealthPolicy::default() };
    let check =
        CheckPolicy { path: "/plaintext".into(), interval: MOMENT, ..CheckPolicy::default() };
    Terms { health, check: Some(check), ..Terms::default() }
}

/// Servers, a proxy in front of them, and what it has told of them: which, and whether it is fit.
struct Site {
    backs: Vec<Process>,
    told: Arc<Mutex<Vec<(usize, bool)>>>,
    house: Arc<House>,
}

impl Site {
    fn new() -> Self {
        let backs = vec![start("127.0.0.1:0"), start("127.0.0.1:0")];
        let told: Arc<Mutex<Vec<(usize, bool)>>> = Arc::default();
        let targets = backs.iter().map(|it| front::target(it.address())).collect();
        let hears = Arc::clone(&told);
        let upstream =
            Upstream::new("it", targets, terms()).unwrap().observed(Arc::new(move |_, change| {
                hears.lock().unwrap().push((change.server, change.is_fit))
            }));
        let house = House::serving(front::passing(&Arc::new(upstream), &front::policy()));
        Self { backs, told, house: Arc::new(house) }
    }

    fn end(&mut self, server: usize, signal: &str) {
        self.backs[server].signal(signal);
        self.backs[server].exit_within(Duration::from_secs(10));
    }

    fn restart(&mut self, server: usize) {
        let address = self.backs[server].address().to_string();
        self.backs[server] = start(&address);
    }

    /// Waits for that many changes, and takes them.
    fn told(&self, count: usize) -> Vec<(usize, bool)> {
        eventually("it is told", || self.told.lock().unwrap().len() >= count);
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

/// Asks until it is to stop.
fn load(lane: &dyn Lane, house: &House, is_over: &AtomicBool, answered: &AtomicU64) {
    while !is_over.load(SeqCst) {
        let mut client = lane.open(house);
        while client.is_open() && !is_over.load(SeqCst) {
            for target in ["/plaintext", "/slow/3", "/bytes/20000"] {
                client.ask(&Ask::get(target)).status(200);
                answered.fetch_add(1, SeqCst);
            }
        }
    }
}

#[test]
fn no_client_notices() {
    let mut site = Site::new();
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let house = Arc::clone(&site.house);
    std::thread::scope(|scope| {
        let lanes = [LANES[0], LANES[3], LANES[5]];
        for lane in lanes {
            let (is_over, answered, house) = (&is_over, &answered, &house);
            scope.spawn(move || load(lane, house, is_over, answered));
        }
        let ended = Ended(&is_over);
        let go_on = || {
            let before = answered.load(SeqCst);
            eventually("the load goes on", || answered.load(SeqCst) > before + 100);
        };
        for (server, signal) in [(0, "KILL"), (1, "TERM"), (0, "TERM"), (1, "KILL")] {
            go_on();
            site.end(server, signal);
            assert_eq!(site.told(1), [(server, false)], "{signal}");
            go_on();
            site.restart(server);
            assert_eq!(site.told(1), [(server, true)], "{signal}");
        }
        go_on();
        drop(ended);
    });
    assert!(site.told.lock().unwrap().is_empty());
    println!("{} requests", answered.load(SeqCst));
}

#[test]
fn all_are_gone_and_come_back() {
    let mut site = Site::new();
    site.end(0, "KILL");
    site.end(1, "KILL");
    let mut told = site.told(2);
    told.sort_unstable();
    assert_eq!(told, [(0, false), (1, false)]);
    for lane in LANES {
        let answer = lane.open(&*site.house).ask(&Ask::get("/plaintext")).status(503);
        let code = answer.json()["error"]["code"].clone();
        assert_eq!(code, "SERVICE_UNAVAILABLE", "{}", lane.name());
    }
    site.restart(1);
    assert_eq!(site.told(1), [(1, true)]);
    for lane in LANES {
        lane.open(&*site.house).ask(&Ask::get("/plaintext")).status(200);
    }
}
