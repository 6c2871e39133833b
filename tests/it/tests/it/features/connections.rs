//! Connections of one client (FEATURES R8): over the limit TCP is reset and QUIC refused, and places come free again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use trilane::quic::{EarlyData, Settings};
use trilane::{Router, Server, get};

use super::super::h3::wire::{self, End, Quic};
use super::super::parity::{Ask, House, LANES, Over, eventually};

const MOST: usize = 3;

fn house() -> House {
    let app = |_| Router::new().route("/", get(|| async { "hi" }));
    House::of(Server::new(app).h2c().connections_per_ip(MOST))
}

/// Whether a connection is closed before it gets an answer.
fn is_turned_away(house: &House, over: Over) -> bool {
    if over == Over::Quic {
        let quic = Quic::begin(house.at(over), wire::config());
        let ended = |connection: &mut quiche::Connection| {
            (connection.is_draining() || connection.is_closed() || connection.is_established())
                .then_some(())
        };
        quic.until(Duration::from_secs(20), ended).unwrap();
        // RFC 9000 §20.1: CONNECTION_REFUSED.
        return quic.end() == Some(End::Quic(2));
    }
    let mut stream = TcpStream::connect(house.at(over)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // An answer to this, or TLS waiting for more of it.
    let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
    match stream.read(&mut [0]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_client_has_so_many_connections_and_no_more() {
    let house = house();
    for lane in LANES {
        let over = match lane.name() {
            "h3" => Over::Quic,
            "h1s" | "h2" => Over::Tls,
            _ => Over::Tcp,
        };
        eventually("all are gone", || house.sum(|stats| stats.open.get()) == 0);
        let mut clients: Vec<_> = (0..MOST).map(|_| lane.open(&house)).collect();
        for client in &mut clients {
            client.ask(&Ask::get("/")).status(200);
        }
        assert_eq!(house.sum(|stats| stats.open.get()), MOST as u64, "{}", lane.name());
        let before = house.sum(|stats| stats.crowded.get());
        assert!(is_turned_away(&house, over), "{}", lane.name());
        assert!(house.sum(|stats| stats.crowded.get()) > before, "{}", lane.name());
        // Those that there are go on.
        for client in &mut clients {
            if client.is_open() {
                client.ask(&Ask::get("/")).status(200);
            }
        }
        clients.pop().unwrap().leave();
        eventually("there is a place again", || !is_turned_away(&house, over));
        clients.into_iter().for_each(|client| client.leave());
    }
}

/// Whoever sends can write any address there: what begins, and is not answered by the one who has it, takes no place.
#[test]
fn a_handshake_alone_takes_no_place() {
    let house = house();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..2 * MOST {
        for datagram in wire::first_flight(house.at(Over::Quic), None) {
            socket.send_to(&datagram, house.at(Over::Quic)).unwrap();
        }
    }
    eventually("they have come", || house.sum(|stats| stats.open.get()) == 2 * MOST as u64);
    for lane in LANES {
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/")).status(200);
        client.leave();
    }
}

/// Nor do requests in early data: they come before an address is validated, too.
#[test]
fn early_data_alone_takes_no_place() {
    let settings = Settings { early_data: EarlyData::On, ..Settings::default() };
    let app = |_| Router::new().route("/", get(|| async { "hi" }));
    let house = House::of(Server::new(app).h2c().connections_per_ip(MOST).quic(settings));
    let closed = || house.sum(|stats| stats.open.get()) == 0;
    let tickets: Vec<_> = (0..2 * MOST)
        .map(|_| {
            let quic = Quic::open(house.at(Over::Quic), wire::config());
            let ticket = quic.until(Duration::from_secs(20), |it| it.session().map(<[u8]>::to_vec));
            drop(quic);
            eventually("it is gone", closed);
            ticket.unwrap()
        })
        .collect();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for ticket in &tickets {
        for datagram in wire::first_flight(house.at(Over::Quic), Some(ticket)) {
            socket.send_to(&datagram, house.at(Over::Quic)).unwrap();
        }
    }
    let requests = || house.sum(|stats| stats.requests.get());
    eventually("they have come", || requests() == 2 * MOST as u64);
    for lane in LANES {
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/")).status(200);
        client.leave();
    }
}

/// One count for all protocols and shards.
#[test]
fn protocols_share_the_places_of_a_client() {
    let house = house();
    let mut clients: Vec<_> = LANES
        .iter()
        .filter(|lane| ["h1", "h2c", "h3"].contains(&lane.name()))
        .map(|lane| lane.open(&house))
        .collect();
    assert_eq!(clients.len(), MOST);
    for client in &mut clients {
        client.ask(&Ask::get("/")).status(200);
    }
    for over in [Over::Tcp, Over::Tls, Over::Quic] {
        assert!(is_turned_away(&house, over), "{over:?}");
    }
}
