//! What applications are made of (layers, extractors, answers), seen from outside, over every protocol and on two shards.
//!
//! A case starts a server of a few routes with [`House::serving`](super::parity::House::serving), and goes through
//! [`LANES`](super::parity::LANES) with it.

mod access_log;
mod acme;
mod admin;
mod auth;
mod bandwidth;
mod cache;
mod cached;
mod client;
mod coalesce;
mod compress;
mod config;
mod connections;
mod cookies;
mod cors;
mod csrf;
mod dashboard;
mod deploy;
mod errors;
mod etag;
mod examples;
mod file_ranges;
mod files;
mod health;
mod hints;
mod ip;
mod lines;
mod messages;
mod metrics;
mod multipart;
mod otlp;
mod piped;
mod pprof;
mod probe;
mod proxied;
mod proxy;
mod rate;
mod record;
mod redirect;
mod redis;
mod reload;
mod security_headers;
mod shed;
mod sites;
mod sse;
mod testing;
mod tools;
mod trace;
mod trusted;
mod visitor;
mod ws;

use super::parity::{Ask, House, LANES};

#[test]
fn handlers_know_who_asks() {
    use trilane::{Request, Router, get};
    let house = House::serving(|_| {
        Router::new().route(
            "/",
            get(|request: Request| async move {
                let client = request.exchange().client();
                format!("{} {}", client.address.ip().is_some(), client.is_secure)
            }),
        )
    });
    for lane in LANES {
        let answer = lane.open(&house).ask(&Ask::get("/")).status(200);
        let is_secure = !["h1", "h1.0", "h2c"].contains(&lane.name());
        assert_eq!(answer.text(), format!("true {is_secure}"), "{}", lane.name());
    }
}

/// Content whose end shows only when it is asked for again, which is when what came before it has been sent: HTTP/1.0 ends it by
/// closing, and nobody else says anything.
#[test]
fn content_ends_when_its_last_piece_is_sent() {
    use std::future::poll_fn;
    use std::task::Poll;
    use trilane::{Outgoing, Response, Router, StatusCode, get};
    let ending = || async {
        Response::new(StatusCode::OK).body(Outgoing::write(|writer| async move {
            writer.send("all").await;
            let mut is_asked_again = false;
            poll_fn(|_| match std::mem::replace(&mut is_asked_again, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            Ok(())
        }))
    };
    let house = House::serving(move |_| Router::new().route("/", get(ending)));
    for lane in LANES.iter().filter(|lane| lane.name().starts_with("h1")) {
        let answer = lane.open(&house).ask(&Ask::get("/")).status(200);
        assert_eq!(answer.text(), "all", "{}", lane.name());
    }
}
