//! Datagrams that nobody should send: whatever comes, the endpoint and its sessions live on, and a stranger does not notice.

use std::time::Instant;

use super::support::*;
use crate::{EarlyData, Retry, Route, Settings};

/// A little generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) as usize % below
    }
}

/// All that a client sends until it is connected, and a request.
fn recorded(server: &mut Server) -> Vec<Vec<u8>> {
    let mut client = Client::new(1);
    let mut all = Vec::new();
    for _ in 0..6 {
        for datagram in client.flight() {
            if let Came::Reply(reply) = server.take(&datagram, from(1)) {
                client.take(&reply);
            }
            all.push(datagram);
        }
        for (datagram, _) in server.flight() {
            client.take(&datagram);
        }
    }
    client.connection.stream_send(0, b"GET", true).unwrap();
    all.extend(client.flight());
    assert!(all.len() >= 4);
    all
}

#[test]
fn datagrams_cut_at_every_byte() {
    for retry in [Retry::Never, Retry::Always] {
        let mut server = Server::new(Settings { retry, replies: u32::MAX, ..Settings::default() });
        for datagram in recorded(&mut server) {
            for end in 0..datagram.len() {
                server.take(&datagram[..end], from(1));
            }
        }
    }
}

#[test]
fn datagrams_with_something_changed() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let settings = Settings { early_data: EarlyData::On, handshakes: 40, ..Settings::default() };
    let mut server = Server::new(settings);
    let (mut stranger, datagrams) = (Client::new(9), recorded(&mut server));
    pump(&mut stranger, &mut server);
    for round in 0..3_000 {
        let mut datagram = datagrams[dice.roll(datagrams.len())].clone();
        // Headers are where most is decided.
        let reach = if round % 2 == 0 { 60 } else { datagram.len() };
        for _ in 0..1 + dice.roll(4) {
            let at = dice.roll(reach.min(datagram.len()));
            datagram[at] = dice.roll(256) as u8;
        }
        datagram.truncate(1 + dice.roll(2 * datagram.len()));
        server.take(&datagram, from(1 + (round % 5) as u16));
    }
    assert!(server.endpoint.handshakes() <= 40);
    stranger.connection.stream_send(0, b"GET", true).unwrap();
    let from_stranger = stranger.flight();
    for mut datagram in from_stranger {
        let route = server.endpoint.route(Instant::now(), &mut datagram, from(9));
        assert!(matches!(route, Route::Known(_)), "{route:?}");
    }
}

#[test]
fn bytes_that_mean_nothing() {
    let mut dice = Dice(0xfeed_f00d_0123_4567);
    let mut server = Server::new(Settings::default());
    for _ in 0..20_000 {
        let length = dice.roll(100);
        let mut datagram: Vec<u8> = (0..length).map(|_| dice.roll(256) as u8).collect();
        if dice.roll(2) == 0 && length > 4 {
            datagram[1..5].copy_from_slice(&[0, 0, 0, 1]);
        }
        if dice.roll(20) == 0 {
            datagram.resize(1_200, 0);
        }
        server.take(&datagram, from(1));
    }
    let count: u64 = server.endpoint.stats().dropped.iter().sum();
    assert!(count > 10_000, "{count}");
}
