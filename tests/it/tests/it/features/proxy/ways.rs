//! Ways to servers that the parity suite does not take: unix sockets, and the PROXY protocol.

use std::sync::Arc;

use trilane::proxy::proxy_protocol::Version;
use trilane::proxy::{Member, Place, Target, Terms, Upstream};
use trilane::{Bytes, ConnectionInfo, ProxyProtocol, Router, Server, get, post};

use super::super::super::parity::{Ask, Folder, House, LANES, Length, Over, front};

#[test]
fn a_unix_socket() {
    let folder = Folder::new();
    let path = folder.0.join("back.sock");
    let app = |_| {
        let back = |all: Bytes| async { all };
        Router::new().route("/", get(|| async { "by a socket" })).route("/back", post(back))
    };
    let _back = House::of(Server::new(app).listen(format!("unix:{}", path.display())));
    let target =
        Target { member: Member::new("back"), place: Place::Unix(path), authority: "back".into() };
    let upstream = Arc::new(Upstream::new("it", vec![target], Terms::default()).unwrap());
    let house = House::serving(front::passing(&upstream, &front::policy()));
    for lane in LANES {
        let mut client = lane.open(&house);
        assert_eq!(client.ask(&Ask::get("/")).status(200).text(), "by a socket", "{}", lane.name());
        let content = vec![b'u'; 300_000];
        let ask = Ask::post("/back", Length::Exact(300_000));
        let answer = lane.open(&house).ask_with(&ask, &content).status(200);
        assert!(answer.body == content, "{}", lane.name());
    }
}

/// The server sees the client's address, and a connection a request.
#[test]
fn the_proxy_protocol() {
    let proxies = ProxyProtocol::new(["127.0.0.1:0"], ["127.0.0.0/8"]).unwrap();
    let who = |info: ConnectionInfo| async move { info.peer.to_string() };
    let app = move |_| Router::new().route("/", get(who));
    let back = House::of(Server::new(app).h2c().proxy_protocol(proxies));
    for version in [Version::V1, Version::V2] {
        let terms = Terms { proxy_protocol: Some(version), ..Terms::default() };
        let upstream = front::upstream(&[back.at(Over::Tcp)], terms);
        // A client by its own word, so that it shows whose address comes through.
        let pass = front::passing(&upstream, &front::policy());
        let proxies = trilane::TrustedProxies::new(trilane::ClientField::XForwardedFor);
        let proxies = proxies.trust("127.0.0.1");
        let house =
            House::serving(move |shard| Router::new().merge(pass(shard)).layer(proxies.clone()));
        for (at, lane) in LANES.iter().enumerate() {
            let mut client = lane.open(&house);
            let peer = client.ask(&Ask::get("/")).status(200).text();
            assert!(peer.starts_with("127.0.0.1:"), "{} {version:?} {peer}", lane.name());
            let other = format!("203.0.113.{at}");
            let ask = Ask::get("/").field("x-forwarded-for", &other);
            let peer = lane.open(&house).ask(&ask).status(200).text();
            assert!(peer.starts_with(&other), "{} {version:?} {peer}", lane.name());
        }
    }
}
