//! Connections to servers: how many there are, how long they last, and whose turn it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use trilane::client::PoolConfig;
use trilane::proxy::{Balance, Key, Terms, Upstream};
use trilane::{Limits, Router, Server, get};

use super::super::super::parity::{Ask, Client, House, LANES, Length, Over, eventually, front};
use super::named;

const SIZE: usize = 8;

fn house(upstream: &Arc<Upstream>) -> House {
    House::serving(front::passing(upstream, &front::policy()))
}

fn addresses<const N: usize>(houses: [&House; N]) -> [SocketAddr; N] {
    houses.map(|house| house.at(Over::Tcp))
}

/// How often each name was the answer.
fn asked(front: &House, times: usize, names: &[&str]) -> Vec<usize> {
    let mut client = LANES[0].open(front);
    let answers: Vec<_> =
        (0..times).map(|_| client.ask(&Ask::get("/")).status(200).text()).collect();
    names.iter().map(|name| answers.iter().filter(|it| *it == name).count()).collect()
}

/// Many clients, a few connections: nobody waits for ever.
#[test]
fn a_pool_is_never_larger_than_it_may_be() {
    let requests: usize = std::env::var("POOL_REQUESTS").map_or(10_000, |it| it.parse().unwrap());
    const THREADS: usize = 4;
    const EACH: usize = 25;
    let back = named("back");
    let terms = Terms { connections: SIZE, ..Terms::default() };
    let upstream = front::upstream(&addresses([&back]), terms);
    let house = house(&upstream);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut clients: Vec<_> = (0..EACH).map(|_| LANES[0].open(&house)).collect();
                for _ in 0..requests / THREADS / EACH {
                    let ids: Vec<_> =
                        clients.iter_mut().map(|it| it.begin(&Ask::get("/"))).collect();
                    for (client, id) in clients.iter_mut().zip(ids) {
                        assert_eq!(client.answer(id).whole().status(200).text(), "back");
                    }
                }
            });
        }
    });
    assert_eq!(back.sum(|stats| stats.requests.get()), requests as u64);
    let accepted = back.sum(|stats| stats.accepted.get());
    // At once it is never more. While shards find their parts a few are given up, and none after that.
    assert!(accepted <= 2 * SIZE as u64, "{accepted} connections");
    assert_eq!(upstream.share(0).unwrap().made() as u64, accepted);
}

#[test]
fn idle_connections_end_and_dead_ones_are_replaced() {
    let idle_timeout = Duration::from_millis(100);
    let back = named("back");
    let pool = PoolConfig { idle_timeout, ..PoolConfig::default() };
    let of_pool = front::upstream(&addresses([&back]), Terms { pool, ..Terms::default() });
    // This one's connections end at the server.
    let app = |_| Router::new().fallback(|| async { "brief" });
    let mut limits = Limits::default();
    limits.idle_timeout = idle_timeout;
    let brief = House::of(Server::new(app).limits(limits));
    let of_brief = front::upstream(&addresses([&brief]), Terms::default());
    for (back, upstream, method) in [(&back, of_pool, "GET"), (&brief, of_brief, "POST")] {
        let house = house(&upstream);
        for lane in LANES {
            let open = || back.sum(|stats| stats.open.get());
            lane.open(&house)
                .ask(&Ask { length: Length::None, ..Ask::new(method, "/") })
                .status(200);
            eventually("the connection ends", || open() == 0);
            let what = format!("it is known: {} {method}", lane.name());
            eventually(&what, || upstream.share(0).unwrap().open() == 0);
        }
        assert_eq!(back.sum(|stats| stats.accepted.get()), LANES.len() as u64);
    }
}

#[test]
fn weights_are_shares() {
    let (one, three) = (named("one"), named("three"));
    let mut targets = addresses([&one, &three]).map(front::target);
    targets[1].member = targets[1].member.clone().weight(3);
    let upstream = Upstream::new("it", targets.into(), Terms::default()).unwrap();
    let house = house(&Arc::new(upstream));
    assert_eq!(asked(&house, 80, &["one", "three"]), [20, 60]);
}

#[test]
fn who_has_least_to_do_is_asked() {
    let slow = House::serving(|shard| {
        let wait = move || {
            let shard = shard.clone();
            async move {
                shard.sleep(Duration::from_secs(600)).await;
                "slow"
            }
        };
        Router::new().route("/wait", get(wait.clone())).fallback(|| async { "slow" })
    });
    let free = House::serving(|_| {
        Router::new().route("/wait", get(|| async { "free" })).fallback(|| async { "free" })
    });
    let terms = Terms { balance: Balance::LeastConnections, ..Terms::default() };
    let house = house(&front::upstream(&addresses([&slow, &free]), terms));
    // Whoever of them comes to the slow one stays there.
    let mut clients: Vec<_> = (0..4).map(|_| LANES[0].open(&house)).collect();
    let _ids: Vec<_> = clients.iter_mut().map(|it| it.begin(&Ask::get("/wait"))).collect();
    eventually("somebody waits", || slow.sum(|stats| stats.requests.get()) > 0);
    for lane in LANES {
        assert_eq!(lane.open(&house).ask(&Ask::get("/")).text(), "free", "{}", lane.name());
    }
}

#[test]
fn who_asks_again_comes_to_the_same_server() {
    let backs = [named("a"), named("b"), named("c")];
    let key = Some(Key::Header("x-user".into()));
    let terms = Terms { balance: Balance::Hash, key, ..Terms::default() };
    let upstream = front::upstream(&addresses(backs.each_ref()), terms);
    let house = house(&upstream);
    let who = |client: &mut dyn Client, user: usize| {
        client.ask(&Ask::get("/").field("x-user", user.to_string())).status(200).text()
    };
    let mut first = LANES[0].open(&house);
    let chosen: Vec<_> = (0..30).map(|user| who(&mut *first, user)).collect();
    for name in ["a", "b", "c"] {
        assert!(chosen.iter().any(|it| it == name), "{name} has nobody");
    }
    for lane in LANES {
        for (user, name) in chosen.iter().enumerate().take(6) {
            assert_eq!(who(&mut *lane.open(&house), user), *name, "{}", lane.name());
        }
    }
}
