//! The way between the two changes: other addresses, on purpose or not, and other sizes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use trilane_quic::Settings;

use crate::client::{Ask, at, config};
use crate::net::Weather;
use crate::world::{Plan, World, home};

const LONG: Duration = Duration::from_secs(600);
/// A download that takes many round trips, in bytes.
const LARGE: u64 = 1_000_000;

/// A world with a download and an upload under way.
fn downloading(steered: bool, weather: Weather) -> World {
    let mut world = World::new(Plan { shards: 2, steered, weather, ..Plan::default() });
    let client = world.client();
    world.clients[client].ask(Ask::get(format!("/bytes/{LARGE}")));
    world.clients[client].ask(Ask::post("/echo", LARGE));
    world.until(LONG, |world| {
        world.clients[client].asks.get(&0).is_some_and(|ask| ask.got > 100_000)
    });
    world
}

fn migrations(world: &World) -> u64 {
    world.sum(|shard| shard.host.stats().migrations.get())
}

/// RFC 9000 §9.3: an address that a NAT has changed.
#[test]
fn a_client_that_is_seen_elsewhere_goes_on() {
    for steered in [true, false] {
        let mut world = downloading(steered, Weather::FAIR);
        let forwarded = world.forwarded;
        world.net.rebind(home(0, 0), at([10, 2, 0, 0], 50_001), false);
        world.finish(LONG);
        assert_eq!(migrations(&world), 1, "steered {steered}");
        assert_eq!(world.open(), 1);
        // Its port is the next one: the shard that the kernel chooses by it is the other one.
        assert_eq!(world.forwarded > forwarded, !steered);
        world.clients[0].ask(Ask::get("/plaintext"));
        world.finish(LONG);
    }
}

/// RFC 9000 §9.4: a port that a NAT has changed, and that leads nowhere any more, whatever the weather.
#[test]
fn a_client_that_is_renumbered_misses_nothing() {
    for (steered, loss) in [(true, 0), (false, 0), (true, 20), (false, 20)] {
        let mut world = downloading(steered, Weather::bad(loss));
        let forwarded = world.forwarded;
        world.net.rebind(home(0, 0), at([10, 1, 0, 0], 50_001), true);
        world.finish(LONG);
        assert_eq!(migrations(&world), 1);
        assert_eq!(world.forwarded > forwarded, !steered);
    }
}

/// Another address, where what is under way to the old one is lost: quiche 0.30 sends two packets of it again, and never the rest.
#[test]
#[ignore = "quiche forgets what was under way on the path before"]
fn a_client_that_is_seen_elsewhere_misses_nothing() {
    let mut world = downloading(true, Weather::FAIR);
    world.net.rebind(home(0, 0), at([10, 2, 0, 0], 50_001), true);
    world.finish(LONG);
    assert_eq!(migrations(&world), 1);
}

/// The same, where datagrams overtake each other: while quiche 0.30 asks a path whether it takes large packets, any timer of
/// recovery makes it give up the path, and then the connection.
#[test]
#[ignore = "quiche gives up a path too early"]
fn a_client_that_is_seen_elsewhere_in_foul_weather_goes_on() {
    let mut world = downloading(false, Weather { loss: 0, ..Weather::bad(20) });
    world.net.rebind(home(0, 0), at([10, 2, 0, 0], 50_001), false);
    world.finish(LONG);
    assert_eq!(migrations(&world), 1);
}

/// RFC 9000 §9.2.
#[test]
fn a_client_that_moves_goes_on() {
    for steered in [true, false] {
        let mut world = downloading(steered, Weather::FAIR);
        let forwarded = world.forwarded;
        world.clients[0].quic.migrate_source(at([10, 3, 0, 0], 40_001)).unwrap();
        world.finish(LONG);
        assert_eq!(migrations(&world), 1, "steered {steered}");
        assert_eq!(world.forwarded > forwarded, !steered);
        // And back, and somewhere else.
        for address in [home(0, 0), at([10, 4, 0, 0], 40_000)] {
            world.clients[0].ask(Ask::get("/bytes/100000"));
            world.clients[0].quic.migrate_source(address).unwrap();
            world.finish(LONG);
        }
        // The last answer may be there before its path is.
        world.pass(Duration::from_secs(1));
        assert_eq!(migrations(&world), 3, "steered {steered}");
    }
}

/// RFC 9000 §9: before the handshake is confirmed nobody moves, but a NAT may have its own mind.
#[test]
fn a_client_that_is_seen_elsewhere_during_its_handshake_is_not_lost_for_ever() {
    let mut world = World::new(Plan { shards: 2, ..Plan::default() });
    let client = world.client();
    world.clients[client].ask(Ask::get("/plaintext"));
    world.pass(Duration::from_millis(7));
    world.net.rebind(home(0, 0), at([10, 2, 0, 0], 50_001), false);
    world.pass(Duration::from_secs(120));
    assert_eq!(world.open(), 0);
    let other = world.client();
    world.clients[other].ask(Ask::get("/plaintext"));
    world.until(LONG, |world| world.clients[other].is_good() && world.clients[other].is_done());
}

/// RFC 9000 §14.3: larger packets are tried, and not missed where they do not get through.
#[test]
fn the_size_of_packets_is_found() {
    for (mtu, most) in [(1_200, 1_200), (1_280, 1_280), (1_400, 1_400), (65_535, 1_452)] {
        let weather = Weather { mtu, ..Weather::FAIR };
        let settings = Settings { pmtud: true, ..Settings::default() };
        let mut world = World::new(Plan { weather, settings, ..Plan::default() });
        let mut config = config();
        config.set_max_send_udp_payload_size(1_200);
        let client = world.client_with(&mut config);
        let largest = Rc::new(Cell::new(0));
        let seen = Rc::clone(&largest);
        world.net.filter = Some(Box::new(move |datagram| {
            if datagram.bytes.len() <= mtu {
                seen.set(seen.get().max(datagram.bytes.len()));
            }
            true
        }));
        world.clients[client].ask(Ask::get(format!("/bytes/{LARGE}")));
        world.clients[client].ask(Ask::post("/echo", LARGE));
        let time = world.finish(LONG);
        assert!(time < Duration::from_secs(20), "{mtu}: {time:?}");
        let (largest, quite) = (largest.get(), most - 32);
        assert!((quite..=most).contains(&largest), "{largest} of {most}");
    }
}
