//! The client of handlers (FEATURES R6, W6): against servers of ours over all protocols that it speaks, and against one that ends its
//! connections in the middle.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serde_json::json;
use trilane::client::{Client, ClientBuilder, ClientError, Clients};
use trilane::tls::{Connector, ConnectorConfig, Trust};
use trilane::{
    Compress, Error, Fields, Frame, Incoming, Json, Known, Outgoing, Path, Request, RequestId,
    Response, Router, Shard, State, StatusCode, Trace, get, join_all, post,
};

use super::{Ask, House, LANES};
use crate::parity::{Over, eventually};

/// What is streamed each way.
const LARGE: usize = 8 << 20;

/// What the server behind has seen.
#[derive(Default)]
struct Seen {
    /// Handlers under way, and the most there ever were.
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Mark(Arc<Seen>);

impl Mark {
    fn new(seen: &Arc<Seen>) -> Self {
        let now = seen.now.fetch_add(1, SeqCst) + 1;
        seen.most.fetch_max(now, SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

/// The server that is asked.
fn behind(seen: &Arc<Seen>) -> House {
    let seen = Arc::clone(seen);
    House::serving(move |_| {
        let trailers = || async {
            Response::new(StatusCode::OK).body(Outgoing::write(|writer| async move {
                writer.send("content").await;
                let mut fields = Fields::new();
                fields.append("x-sum", "7")?;
                writer.trailers(fields).await;
                Ok(())
            }))
        };
        let who = |request: Request| async move {
            let field = |name| request.head().fields.get_str(name).unwrap_or("none").to_owned();
            format!("{} {}", field("traceparent"), field("x-request-id"))
        };
        let (hangs, slow) = (Arc::clone(&seen), Arc::clone(&seen));
        let hang = move || {
            let mark = Mark::new(&hangs);
            async move {
                std::future::pending::<()>().await;
                drop(mark);
            }
        };
        let slow = move |shard: Shard| {
            let mark = Mark::new(&slow);
            async move {
                shard.sleep(Duration::from_millis(5)).await;
                drop(mark);
                "slow"
            }
        };
        let away = || async { Response::new(StatusCode::FOUND).field(Known::Location, "hello") };
        Router::new()
            .route("/hello", get(|| async { "hello" }))
            .route("/large", get(|| async { "text ".repeat(20_000) }).layer(Compress::new()))
            .route("/json", post(|Json(value): Json<serde_json::Value>| async { Json(value) }))
            .route("/echo", post(|content: Incoming| async { Outgoing::frames(content) }))
            .route("/trailers", get(trailers))
            .route("/away", get(away))
            .route(
                "/gone",
                get(|| async { Response::new(StatusCode::OK).field(Known::Alt, "h3=\":9\"") }),
            )
            .route("/who", get(who))
            .route("/hang", get(hang))
            .route("/slow", get(slow))
    })
}

/// A client of each kind, and where it finds the server.
fn kinds(house: &House) -> Vec<(&'static str, Clients, String)> {
    let config = ConnectorConfig { trust: Trust::DangerAnyone, ..ConnectorConfig::default() };
    let tls = Connector::new(&config).unwrap();
    let (clear, secure) = (house.at(Over::Tcp), house.at(Over::Tls));
    let build = |builder: ClientBuilder| {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        builder.resolve("house.example", [local]).build().unwrap()
    };
    let at =
        |scheme: &str, address: SocketAddr| format!("{scheme}://house.example:{}", address.port());
    let h1s = Client::builder().tls(tls.with_alpn(["http/1.1"])).alt_svc(false);
    let h3 = Client::builder().tls(tls.clone()).http3_prior_knowledge();
    vec![
        ("HTTP/1.1", build(Client::builder()), at("http", clear)),
        ("HTTP/2", build(Client::builder().http2_prior_knowledge()), at("http", clear)),
        ("HTTP/1.1", build(h1s), at("https", secure)),
        ("HTTP/2", build(Client::builder().tls(tls).alt_svc(false)), at("https", secure)),
        ("HTTP/3", build(h3), at("https", house.at(Over::Quic))),
    ]
}

/// A server whose handlers ask the one behind: `/{path}` asks there for `path`, `/all` for everything.
fn front(clients: &Clients, url: &str) -> House {
    let (clients, url) = (clients.clone(), url.to_owned());
    House::serving(move |shard| {
        let state = (clients.on(&shard), url.clone());
        let pass = |State((client, url)): State<(Client, String)>, Path(path): Path<String>| async move {
            Ok::<_, Error>(client.get(format!("{url}/{path}")).send().await?.text().await?)
        };
        let many = |State((client, url)): State<(Client, String)>| async move {
            let ask = || async { client.get(format!("{url}/slow")).send().await?.text().await };
            let answers = join_all((0..16).map(|_| ask())).await;
            let answers: Result<Vec<String>, ClientError> = answers.into_iter().collect();
            Ok::<_, Error>(answers?.concat())
        };
        let layered = Router::new().route("/{path}", get(pass)).route("/many", get(many));
        let all = |State((client, url)): State<(Client, String)>| async move {
            Ok::<_, Error>(everything(&client, &url).await?)
        };
        layered
            .route("/all", get(all))
            .layer(Trace::new())
            .layer(RequestId::default())
            .with_state(state)
    })
}

/// All that can be asked. Which protocol it was.
async fn everything(client: &Client, url: &str) -> Result<String, ClientError> {
    let response = client.get(format!("{url}/hello")).send().await?;
    let protocol = response.protocol();
    assert_eq!((response.status(), response.text().await?.as_str()), (StatusCode::OK, "hello"));
    let value = json!({ "a": [1, 2, "ü"] });
    let response = client.post(format!("{url}/json")).json(&value).send().await?;
    assert_eq!(response.json::<serde_json::Value>().await?, value);
    // Followed, and relative.
    let response = client.get(format!("{url}/away")).send().await?;
    assert_eq!(response.url().path(), "/hello");
    assert_eq!(response.text().await?, "hello");
    // Decoded: it came in a coding, so its length is not known.
    let response = client.get(format!("{url}/large")).send().await?;
    assert_eq!((response.header("content-encoding"), response.content_length()), (None, None));
    assert_eq!(response.text().await?, "text ".repeat(20_000));
    let mut response = client.get(format!("{url}/trailers")).send().await?;
    let (mut content, mut sum) = (Vec::new(), None);
    while let Some(frame) = response.frame().await? {
        match frame {
            Frame::Data(data) => content.extend_from_slice(data.as_ref()),
            Frame::Trailers(fields) => sum = fields.get_str("x-sum").map(str::to_owned),
        }
    }
    assert_eq!((&content[..], sum.as_deref()), (&b"content"[..], Some("7")));
    // Both ways at once, a piece at a time.
    let body = Outgoing::write(|writer| async move {
        for _ in 0..LARGE / (64 << 10) {
            writer.send(vec![b'x'; 64 << 10]).await;
        }
        Ok(())
    });
    let mut response = client.post(format!("{url}/echo")).body(body).send().await?;
    let mut came = 0;
    while let Some(frame) = response.frame().await? {
        if let Frame::Data(data) = frame {
            assert!(data.as_ref().iter().all(|byte| *byte == b'x'));
            came += data.len();
        }
    }
    assert_eq!(came, LARGE);
    let error = client.get(format!("{url}/nowhere")).send().await?.error_for_status();
    assert_eq!(error.err().and_then(|error| error.status()), Some(StatusCode::NOT_FOUND));
    Ok(protocol.to_string())
}

#[test]
fn everything_over_every_protocol() {
    let behind = behind(&Arc::default());
    for (protocol, clients, url) in kinds(&behind) {
        let front = front(&clients, &url);
        for _ in 0..2 {
            let answer = LANES[0].open(&front).ask(&Ask::get("/all"));
            assert_eq!(answer.status(200).text(), protocol, "{url}");
        }
    }
}

/// RFC 7838: who says that it is to be had over HTTP/3 is asked so from then on; who is not there then, by TCP as before.
#[test]
fn an_origin_that_advertises_it_is_asked_over_http3() {
    let behind = behind(&Arc::default());
    let config = ConnectorConfig { trust: Trust::DangerAnyone, ..ConnectorConfig::default() };
    let builder = Client::builder().tls(Connector::new(&config).unwrap());
    let clients = builder.build().unwrap();
    let house = House::serving(move |shard| {
        let client = clients.on(&shard);
        let ask = move |Path(url): Path<String>, State(client): State<Client>| async move {
            let response = client.get(format!("https://{url}")).send().await?;
            let protocol = response.protocol();
            response.text().await?;
            Ok::<_, Error>(protocol.to_string())
        };
        Router::new().route("/{*url}", get(ask)).with_state(client)
    });
    // A connection is on one shard, and each shard hears for itself.
    let mut client = LANES[0].open(&house);
    let mut ask = |path: &str| {
        let path = format!("/{}/{path}", behind.at(Over::Tls));
        client.ask(&Ask::get(&path)).status(200).text()
    };
    assert_eq!(
        ["hello", "hello", "large", "gone", "hello"].map(&mut ask),
        ["HTTP/2", "HTTP/3", "HTTP/3", "HTTP/3", "HTTP/2"]
    );
}

/// FEATURES W6: nothing is passed by hand.
#[test]
fn a_handlers_trace_and_id_go_on() {
    let behind = behind(&Arc::default());
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (_, clients, url) in kinds(&behind) {
        let front = front(&clients, &url);
        for lane in LANES {
            let ask = Ask::get("/who").field("traceparent", parent).field("x-request-id", "me");
            let text = lane.open(&front).ask(&ask).status(200).text();
            let (trace, id) = text.split_once(' ').unwrap();
            assert_eq!((&trace[..36], id), (&parent[..36], "me"), "{} {url}", lane.name());
            assert_ne!(trace[36..52], parent[36..52]);
        }
    }
}

#[test]
fn who_leaves_takes_the_request_along() {
    let seen = Arc::<Seen>::default();
    let behind = behind(&seen);
    for (_, clients, url) in kinds(&behind) {
        let front = front(&clients, &url);
        for lane in LANES {
            let mut client = lane.open(&front);
            client.begin(&Ask::get("/hang"));
            eventually("it is asked", || seen.now.load(SeqCst) == 1);
            drop(client);
            eventually("it is given up", || seen.now.load(SeqCst) == 0);
        }
    }
}

#[test]
fn connections_have_a_bound() {
    let seen = Arc::<Seen>::default();
    let behind = behind(&seen);
    let clients = Client::builder().per_origin(4).build().unwrap();
    let front = front(&clients, &format!("http://{}", behind.at(Over::Tcp)));
    let mut asked: Vec<_> = (0..8)
        .map(|_| {
            let mut client = LANES[0].open(&front);
            let id = client.begin(&Ask::get("/many"));
            (client, id)
        })
        .collect();
    for (client, id) in &mut asked {
        assert_eq!(client.answer(*id).whole().status(200).text(), "slow".repeat(16));
    }
    assert!(seen.most.load(SeqCst) <= 4 && clients.open() <= 4, "{clients:?}");
}

/// It answers the first request of each connection, and ends it when it has read the second.
fn rude() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            if socket.read(&mut buffer).is_ok_and(|count| count > 0) {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                let _ = socket.read(&mut buffer);
            }
        }
    });
    address
}

#[test]
fn a_dead_connection_is_replaced() {
    let clients = Client::builder().build().unwrap();
    let front = front(&clients, &format!("http://{}", rude()));
    let mut client = LANES[0].open(&front);
    for made in 1..=3 {
        assert_eq!(client.ask(&Ask::get("/x")).status(200).text(), "ok");
        assert_eq!(clients.made(), made, "each is asked twice, and answers once");
    }
}

#[test]
fn another_address_is_tried_and_failures_have_a_status() {
    let behind = behind(&Arc::default());
    // Nobody listens there.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let living = behind.at(Over::Tcp);
    let builder = Client::builder().resolve("two.example", [dead, living]);
    let clients = builder.resolve("none.example", [dead]).build().unwrap();
    let ask = |url: &str, status| {
        let front = front(&clients, url);
        LANES[0].open(&front).ask(&Ask::get("/hello")).status(status).text()
    };
    assert_eq!(ask("http://two.example", 200), "hello");
    for (url, status) in [
        ("http://none.example", 502),
        // No TLS was set up, and no URL given: that is our own mistake.
        ("https://two.example", 500),
        ("nonsense", 500),
    ] {
        let text = ask(url, status);
        assert!(!text.contains("example"), "the client is told no more: {text}");
    }
}
