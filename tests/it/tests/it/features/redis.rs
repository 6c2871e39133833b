//! Budgets that processes share through a real Redis (FEATURES X2), and what becomes of requests while it is down.

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use trilane::rate::{Quota, SharedLimit};
use trilane::{RateLimit, Redis, Router, get};

use super::super::parity::{Ask, House, LANES, eventually};

/// A redis-server on a unix socket of its own.
struct Real {
    path: PathBuf,
    child: Option<Child>,
}

impl Real {
    /// `None`, and said aloud, where there is none installed.
    fn start() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("trilane-redis-{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
        let mut real = Self { path: std::env::temp_dir().join(name), child: None };
        if real.run() {
            return Some(real);
        }
        // Not by `eprintln!`, which the test harness would keep to itself.
        stderr().write_all(b"\nskipped: NO redis-server ON THIS MACHINE\n\n").unwrap();
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI has a redis-server");
        None
    }

    fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "no",
            "--requirepass",
            "s@cret",
        ]);
        command.arg("--unixsocket").arg(&self.path).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = command.spawn().ok();
        if self.child.is_some() {
            eventually("Redis listens", || {
                std::os::unix::net::UnixStream::connect(&self.path).is_ok()
            });
        }
        self.child.is_some()
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let _ = std::fs::remove_file(&self.path);
    }

    fn client(&self) -> Redis {
        let redis = Redis::new(&format!("unix://:s%40cret@{}?db=3", self.path.display())).unwrap();
        redis.command_timeout(Duration::from_secs(5))
    }

    /// A limit as another process would make it: nothing is shared but the Redis.
    fn limit(&self, quota: Quota) -> SharedLimit {
        RateLimit::new(quota).by_header("x-client").shared(self.client())
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.kill();
    }
}

fn house(limit: SharedLimit) -> House {
    House::serving(move |_| {
        let route = get(|| async { "hi" });
        Router::new().route("/", route).layer(limit.clone())
    })
}

#[test]
fn two_servers_share_one_budget() {
    let Some(redis) = Real::start() else { return };
    let hour = Duration::from_secs(3600);
    for (name, quota) in [("window", Quota::per_hour(9)), ("bucket", Quota::bucket(9, hour, 9))] {
        let houses = [house(redis.limit(quota)), house(redis.limit(quota))];
        for lane in LANES {
            let who = format!("{name} {}", lane.name());
            let mut allowed = 0;
            for at in 0..24 {
                let mut client = lane.open(&houses[at % 2]);
                let answer = client.ask(&Ask::get("/").field("x-client", who.clone()));
                let left = answer.head.field("x-ratelimit-remaining").unwrap();
                match answer.head.status {
                    200 => allowed += 1,
                    status => assert_eq!(status, 429, "{who}"),
                }
                assert_eq!(left, 9_usize.saturating_sub(at + 1).to_string(), "{who} {at}");
            }
            assert_eq!(allowed, 9, "{who}");
        }
    }
}

#[test]
fn many_at_once_get_no_more_than_there_is() {
    let Some(redis) = Real::start() else { return };
    let houses = [(); 2].map(|()| house(redis.limit(Quota::per_hour(100))));
    let lane = LANES.iter().find(|lane| lane.name() == "h2c").unwrap();
    let allowed: usize = std::thread::scope(|scope| {
        let clients = [0, 1, 0, 1].map(|at| {
            let house = &houses[at];
            scope.spawn(move || {
                let mut client = lane.open(house);
                let ask = Ask::get("/").field("x-client", "many");
                let ids: Vec<_> = (0..60).map(|_| client.begin(&ask)).collect();
                let answers = ids.into_iter().map(|id| client.answer(id).head.status);
                answers.filter(|status| *status == 200).count()
            })
        });
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(allowed, 100);
}

#[test]
fn without_redis_requests_pass_or_are_refused_and_it_is_used_again() {
    let Some(mut redis) = Real::start() else { return };
    let open = redis.limit(Quota::per_hour(1_000_000));
    let closed = redis.limit(Quota::per_hour(1_000_000)).fail_closed();
    let houses = [house(open.clone()), house(closed.clone())];
    for lane in LANES {
        let ask = |house: &House| lane.open(house).ask(&Ask::get("/").field("x-client", "one"));
        for house in &houses {
            eventually("Redis is used", || {
                ask(house).head.field("x-ratelimit-remaining").is_some()
            });
        }
        let before = [open.stats().unavailable, closed.stats().unavailable];
        redis.kill();
        let passed = ask(&houses[0]).status(200);
        assert_eq!(passed.head.field("x-ratelimit-remaining"), None, "{}", lane.name());
        let refused = ask(&houses[1]).status(503);
        assert_eq!(refused.json()["error"]["code"], "SERVICE_UNAVAILABLE", "{}", lane.name());
        assert_eq!(refused.head.field("retry-after"), Some("1"));
        assert!(open.stats().unavailable > before[0] && closed.stats().unavailable > before[1]);
        assert!(redis.run());
    }
}

/// A Redis that was started anew knows no script.
#[test]
fn a_redis_that_is_new_is_told_the_script() {
    let Some(mut redis) = Real::start() else { return };
    let limit = redis.limit(Quota::per_hour(2));
    let house = house(limit.clone());
    let mut client = LANES[0].open(&house);
    let mut ask = || client.ask(&Ask::get("/").field("x-client", "x"));
    assert_eq!([ask().head.status, ask().head.status, ask().head.status], [200, 200, 429]);
    // What was refused is known without asking.
    redis.kill();
    assert_eq!(ask().head.status, 429);
    assert_eq!(limit.stats().unavailable, 0);
}
