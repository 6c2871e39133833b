//! Peers that want our memory, our time, or somebody else's bandwidth.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use trilane_quic::{Retry, Settings};

use crate::client::{Ask, SERVER, config};
use crate::memory;
use crate::world::{Plan, World};

const LONG: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);

/// What that may take, in bytes: 3 MB are the content of small answers, which is their handlers'.
const MUCH: isize = 6 << 20;

/// RFC 9000 §8.1: three times what has come goes to an address that has shown nothing.
#[test]
fn an_address_that_never_asked_gets_little() {
    for retry in [Retry::Never, Retry::Always] {
        let settings = Settings { retry, ..Settings::default() };
        let mut world = World::new(Plan { settings, ..Plan::default() });
        let (there, back) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (up, down) = (Rc::clone(&there), Rc::clone(&back));
        world.net.filter = Some(Box::new(move |datagram| {
            let count = if datagram.to == SERVER { &up } else { &down };
            count.set(count.get() + datagram.bytes.len());
            // The address is somebody's who knows nothing of it.
            datagram.to == SERVER
        }));
        let client = world.client();
        world.pass(Duration::from_millis(1));
        world.clients[client].is_mute = true;
        world.pass(120 * SECOND);
        assert!(there.get() >= 1_200 && back.get() > 0);
        assert!(back.get() <= 3 * there.get(), "{} for {}", back.get(), there.get());
        assert_eq!(world.open(), 0);
    }
}

/// Many who begin, and never go on.
#[test]
fn handshakes_are_bounded() {
    const MOST: usize = 50;
    let settings = Settings { handshakes: MOST, retry: Retry::Never, ..Settings::default() };
    let mut world = World::new(Plan { settings, ..Plan::default() });
    for _ in 0..2 {
        for _ in 0..70 {
            let client = world.client();
            world.pass(Duration::ZERO);
            world.clients[client].is_mute = true;
        }
        world.pass(SECOND);
        assert_eq!((world.open(), world.shards[0].lane.endpoint().handshakes()), (MOST, MOST));
        world.clients.clear();
    }
    world.pass(15 * SECOND);
    assert_eq!((world.open(), world.shards[0].lane.endpoint().handshakes()), (0, 0));
    let client = world.client();
    world.clients[client].ask(Ask::get("/plaintext"));
    world.finish(LONG);
}

/// Under load who shows its address is still served.
#[test]
fn under_load_addresses_are_asked_for() {
    let settings =
        Settings { busy: 5, handshakes: 50, retry: Retry::UnderLoad, ..Settings::default() };
    let mut world = World::new(Plan { settings, ..Plan::default() });
    for _ in 0..40 {
        let client = world.client();
        world.pass(Duration::ZERO);
        world.clients[client].is_mute = true;
    }
    world.pass(SECOND / 10);
    assert_eq!(world.open(), 5, "who shows nothing takes nothing");
    world.clients.clear();
    let client = world.client();
    world.clients[client].ask(Ask::get("/plaintext"));
    world.until(SECOND, |world| world.clients[client].is_done());
    assert!(world.clients[client].is_good());
}

/// Asks for more than it may be given, and then does as `act` says: what that took at most, in bytes. All of it is given up.
fn greedy(streams: u64, config: &mut quiche::Config, act: impl Fn(&mut World)) -> isize {
    let mut world = World::new(Plan::default());
    let client = world.client_with(config);
    world.clients[client].ask(Ask::get("/plaintext"));
    world.pass(SECOND);
    let before = memory::restart();
    for _ in 0..streams {
        world.clients[client].ask(Ask::get("/bytes/60000"));
        world.clients[client].ask(Ask::get("/bytes/1000000"));
    }
    world.pass(Duration::from_millis(1));
    act(&mut world);
    // Nobody has anything to say that was not said before.
    world.pass(5 * SECOND);
    let (sent, received) = (world.clients[client].sent.0, world.clients[client].received.0);
    world.pass(15 * SECOND);
    assert!(world.clients[client].sent.0 < sent + 20);
    assert!(world.clients[client].received.0 < received + 20);
    // Long enough for whatever time-out is meant.
    world.pass(180 * SECOND);
    assert_eq!(world.shards[0].under_way(), 0, "{}", world.account());
    memory::peak() - before
}

/// RFC 9000 §13.2: what is not acknowledged is kept, but there is little of it.
#[test]
fn a_peer_that_acknowledges_nothing_gets_nothing() {
    let most = greedy(50, &mut config(), |world| world.clients[0].is_mute = true);
    assert!(most < MUCH, "{most}");
}

/// RFC 9000 §4.1: who opens no window.
#[test]
fn a_peer_that_opens_no_window_is_given_up() {
    let mut none = config();
    none.set_initial_max_stream_data_bidi_local(0);
    let most = greedy(50, &mut none, |_| {});
    assert!(most < MUCH, "{most}");
}

/// RFC 9000 §4.1: who reads nothing, and so opens its windows no further.
#[test]
fn a_peer_that_reads_nothing_is_given_up() {
    let mut small = config();
    // It keeps what came, up to its own window, and that is in this count too.
    small.set_initial_max_data(256 << 10);
    let most = greedy(50, &mut small, |world| world.clients[0].reads = false);
    assert!(most < MUCH, "{most}");
}
