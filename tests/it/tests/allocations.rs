//! What warm keep-alive requests allocate, through the demo's own router, default layers and connection; and through
//! an extractor and a response of JSON. A binary of its own, because the allocator belongs to the whole program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{Read, Write};
use std::iter;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use trilane::tls::{
    Acceptor, Connector, ConnectorConfig, Heard, Identity, Pem, Session, TlsConfig, Trust,
};
use trilane::{Json, Router, Shard, get, post};
use trilane_benches::counting::allocations;
use trilane_benches::{Counting, Scenario, Wire};
use trilane_hpack::{Decoder, Encoder, Field};
use trilane_semantics::{Known, NameRef};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of the second hundred turns.
fn warm_allocations(mut wire: Wire, scenario: &Scenario) -> usize {
    for _ in 0..100 {
        assert!(wire.turn(scenario), "{scenario:?} is answered wrongly");
    }
    let before = allocations();
    for _ in 0..100 {
        assert!(wire.turn(scenario));
    }
    allocations() - before
}

#[test]
fn warm_requests_of_the_demo() {
    for (scenario, most) in [
        (Scenario::plaintext(), 0),
        (Scenario::browser(), 0),
        (Scenario::pipelined(), 0),
        (Scenario::json(), 0),
        // The string that its handler asks for.
        (Scenario::parameter(), 1),
        // The exchange that waits for its content, and the content.
        (Scenario::echo(), 2),
        (Scenario::h2_one(), 0),
        (Scenario::h2_many(), 0),
        (Scenario::h2_browser(), 0),
    ] {
        let wire = Wire::new(&scenario).unwrap();
        let count = warm_allocations(wire, &scenario);
        assert!(count <= 100 * most, "{scenario:?}: {count} in 100 turns");
    }
}

/// Over TLS 1.3 records are opened and sealed where they lie. Only our side is counted.
#[test]
fn warm_requests_over_tls() {
    for version in [&TLS13, &TLS12] {
        let scenario = Scenario::plaintext();
        let (mut wire, mut client) = (Wire::new(&scenario).unwrap(), secured(version));
        wire.secure(Session::server(client.1.current()).unwrap());
        let (mut counted, mut records, mut out, mut answer) =
            (0, Vec::new(), Vec::new(), Vec::new());
        for round in 0..210 {
            if round >= 10 {
                client.0.writer().write_all(&scenario.bytes).unwrap();
            }
            records.clear();
            while client.0.wants_write() {
                client.0.write_tls(&mut records).unwrap();
            }
            out.clear();
            let before = allocations();
            wire.records(&mut records, &mut out);
            counted += if round < 110 { 0 } else { allocations() - before };
            let mut rest = &out[..];
            while !rest.is_empty() {
                client.0.read_tls(&mut rest).unwrap();
                client.0.process_new_packets().unwrap();
            }
            answer.clear();
            let _ = client.0.reader().read_to_end(&mut answer);
            assert_eq!(answer.ends_with(&scenario.body), round >= 10, "{round}");
        }
        // rustls's own records show that it is counted.
        assert_eq!(counted == 0, version.version == rustls::ProtocolVersion::TLSv1_3, "{counted}");
    }
}

/// The same in the client role: what is said to a server, and what it answers.
#[test]
fn warm_records_to_a_server() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let trust = Trust::Only(Pem::Text(certificate.clone()));
    let identities = vec![Identity::new(Pem::Text(certificate), Pem::Text(key))];
    let acceptor = Acceptor::new(TlsConfig { identities, ..TlsConfig::default() }).unwrap();
    let config = ConnectorConfig { trust, alpn: Vec::new(), ..ConnectorConfig::default() };
    let connector = Connector::new(&config).unwrap();
    let mut server = Session::server(acceptor.current()).unwrap();
    let mut client = Session::client(&connector, "localhost").unwrap();
    let (mut up, mut down, mut heard, mut counted) = (Vec::new(), Vec::new(), 0, 0);
    for round in 0..210 {
        let before = allocations();
        client.take_owed(&mut up);
        if round >= 10 {
            client.seal([&[1; 500][..], &[2; 20_000]].into_iter(), &mut up).unwrap();
        }
        counted += if round < 110 { 0 } else { allocations() - before };
        server.receive(&mut up, |_| ()).unwrap();
        up.clear();
        server.take_owed(&mut down);
        if round >= 10 {
            server.seal(iter::once(&[3; 20_000][..]), &mut down).unwrap();
        }
        let before = allocations();
        let hear = |what: Heard<'_>| {
            if let Heard::Content(content) = what {
                heard += content.len();
            }
        };
        client.receive(&mut down, hear).unwrap();
        counted += if round < 110 { 0 } else { allocations() - before };
        down.clear();
    }
    assert_eq!((counted, heard), (0, 200 * 20_000));
}

/// A client of that version, and the only server that it trusts.
fn secured(version: &'static SupportedProtocolVersion) -> (ClientConnection, Acceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let identities = vec![Identity::new(Pem::Text(certificate), Pem::Text(key))];
    let acceptor = Acceptor::new(TlsConfig { identities, ..TlsConfig::default() }).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    (ClientConnection::new(Arc::new(config), name).unwrap(), acceptor)
}

#[test]
fn json_in_and_out() {
    let routes = |_: &Shard| {
        Router::new()
            .route("/boxed", get(|| async { Json(Box::new(7)) }))
            .route("/json", post(async |Json(user): Json<(String, u64)>| Json(user)))
    };
    let json = br#"["Ann Example",1234567]"#;
    let post = "POST /json HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n";
    let scenario = Scenario {
        name: "JSON in and out",
        bytes: [post.as_bytes(), json].concat(),
        frames: None,
        requests: 1,
        body: json.to_vec(),
    };
    let boxed = Scenario {
        name: "a box",
        bytes: b"GET /boxed HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        frames: None,
        requests: 1,
        body: b"7".to_vec(),
    };
    let wire = || Wire::serving(routes).unwrap();
    // The exchange, its content, the string that the extractor makes.
    let count = warm_allocations(wire(), &scenario);
    assert!(count <= 300, "{count} in 100 turns");
    assert_eq!(warm_allocations(wire(), &boxed), 100, "the allocator counts");
}

#[test]
fn blocks_of_hpack() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(Encoder::TABLE_SIZE));
    let mut block = Vec::with_capacity(1024);
    let mut turn = |round: usize| {
        block.clear();
        encoder.begin(&mut block);
        // Known, changing with each block, and once in a while.
        let (path, date) = (["/a path", "/another"][round % 2], format_date(round / 10));
        encoder.field(&mut block, Field::new(NameRef::Other(b":path"), path.as_bytes()));
        encoder.field(&mut block, Field::new("x-own", b"a value to be coded"));
        encoder.field(&mut block, Field::new(Known::Date, &date));
        let mut count = 0;
        let decoded = decoder.decode(&block, |_| {
            count += 1;
            Ok::<_, ()>(())
        });
        assert_eq!((decoded, count), (Ok(()), 3));
    };
    // Until both tables are full and have gone round.
    (0..5000).for_each(&mut turn);
    let before = allocations();
    (5000..10_000).for_each(&mut turn);
    assert_eq!(allocations() - before, 0);
}

/// As long as a date.
fn format_date(second: usize) -> [u8; 29] {
    let mut date = *b"Sat, 21 Nov 2026 12:00:00 GMT";
    date[20..22].copy_from_slice(&[b'0' + (second / 10 % 10) as u8, b'0' + (second % 10) as u8]);
    date
}
