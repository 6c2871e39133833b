//! A server in this process: the demo, and routes of the suite's own that tell what became of their handlers.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Once, OnceLock};
use std::time::{Duration, Instant};

use trilane::{
    Bytes, Error, Fields, Frame, Incoming, Inspector, IntoResponse, Known, Limits, ListenAddress,
    Outgoing, Request, Response, Router, Running, Server, Shard, State, Stats, StatusCode, get,
    post,
};

use super::lane::{Over, Place, SOON};
use super::{front, secure};

/// What the suite's own handlers have done, over all shards.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// Handlers, and bodies, that began.
    pub(crate) begun: AtomicU64,
    /// Those that are gone, finished or not.
    pub(crate) dropped: AtomicU64,
    /// Those that came to their end.
    pub(crate) finished: AtomicU64,
    /// Bytes that `/test/endless` made.
    pub(crate) made: AtomicU64,
}

/// Counts itself gone.
struct Mark(Arc<Probe>);

impl Mark {
    fn new(probe: &Arc<Probe>) -> Self {
        probe.begun.fetch_add(1, SeqCst);
        Self(Arc::clone(probe))
    }

    fn finish(self) {
        self.0.finished.fetch_add(1, SeqCst);
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

/// What is spoken in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clear {
    /// HTTP/1.1, and HTTP/2 by prior knowledge.
    Both,
    Http1,
}

impl Clear {
    fn of<A: Fn(Shard) -> Router + Send + Sync + 'static>(self, server: Server<A>) -> Server<A> {
        if self == Self::Both { server.h2c() } else { server }
    }
}

/// A server with two shards on a port of its own.
pub(crate) struct House {
    address: SocketAddr,
    secure: SocketAddr,
    quic: SocketAddr,
    stats: Vec<Arc<Stats>>,
    pub(crate) probe: Arc<Probe>,
    running: Running,
    /// Who answers, if this one only passes on.
    back: Option<Box<Self>>,
}

impl House {
    /// The one with default limits, for cases that count nothing.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<House> = OnceLock::new();
        SHARED.get_or_init(|| Self::new(|_| {}))
    }

    /// One with other limits, or for a case that counts.
    pub(crate) fn new(set: impl FnOnce(&mut Limits)) -> Self {
        Self::speaking(Clear::Both, set)
    }

    /// One that speaks these protocols in clear.
    pub(crate) fn speaking(clear: Clear, set: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        set(&mut limits);
        match front::wanted() {
            Some(behind) => {
                // What a server waits for before it believes that we have left.
                let mut back = Limits::default();
                back.write_timeout = limits.write_timeout;
                if limits.body == back.body {
                    // Routes behind have limits of their own.
                    limits.body = u64::MAX;
                }
                Self::before(Self::demo(Clear::Both, back), behind, clear, limits)
            }
            None => Self::demo(clear, limits),
        }
    }

    fn demo(clear: Clear, limits: Limits) -> Self {
        let probe = Arc::new(Probe::default());
        let of_routes = Arc::clone(&probe);
        let demo = trilane_cli::demo::app(None);
        let app = move |shard: Shard| demo(&shard).merge(routes(&shard, &of_routes));
        Self { probe, ..Self::of(clear.of(Server::new(app).limits(limits))) }
    }

    /// One that passes everything on to `back`, and counts its handlers.
    fn before(back: Self, behind: front::Behind, clear: Clear, limits: Limits) -> Self {
        let upstream = front::upstream(&[back.at(behind.over)], behind.terms);
        let app = front::passing(&upstream, &front::policy());
        let house = Self::of(clear.of(Server::new(app).limits(limits)));
        Self { probe: Arc::clone(&back.probe), back: Some(Box::new(back)), ..house }
    }

    /// One of another application, over all protocols.
    pub(crate) fn serving(app: impl Fn(Shard) -> Router + Send + Sync + 'static) -> Self {
        Self::of(Server::new(app).h2c())
    }

    /// A server that listens nowhere yet, on two shards and ports of its own.
    pub(crate) fn of(server: Server<impl Fn(Shard) -> Router + Send + Sync + 'static>) -> Self {
        quietly();
        let server = server
            .listen("127.0.0.1:0")
            .listen_secure("127.0.0.1:0")
            .listen_quic("127.0.0.1:0")
            .tls(secure::acceptor())
            .shards(NonZero::new(2).unwrap());
        let running = server.start().unwrap();
        // The last one: a server may have others of its own.
        let Some(&ListenAddress::Tcp(address)) = running.addresses().last() else {
            panic!("not TCP")
        };
        let ListenAddress::Tcp(secure) = running.secure_addresses()[0] else { panic!("not TCP") };
        let ListenAddress::Udp(quic) = running.udp_addresses()[0] else { panic!("not UDP") };
        let (stats, probe) = (running.stats().to_vec(), Arc::default());
        Self { address, secure, quic, stats, probe, running, back: None }
    }

    /// A handle on what it does.
    pub(crate) fn inspector(&self) -> Inspector {
        self.running.inspector()
    }

    /// Begins to drain.
    pub(crate) fn drain(&self) {
        self.running.stopper().drain();
    }

    /// Sets it up anew.
    pub(crate) fn reload(
        &self,
        server: Server<impl Fn(Shard) -> Router + Send + Sync + 'static>,
    ) -> Result<(), trilane::RunError> {
        self.running.reloader().reload(server.h2c())
    }

    /// Who has the handlers: itself, unless it only passes on.
    pub(crate) fn answering(&self) -> &Self {
        self.back.as_deref().unwrap_or(self)
    }

    /// A counter, summed over the shards.
    pub(crate) fn sum(&self, of: impl Fn(&Stats) -> u64) -> u64 {
        self.stats.iter().map(|stats| of(stats)).sum()
    }

    /// Waits until every handler of the suite that began is gone, and every connection closed.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let probe = &self.probe;
        eventually("handlers are dropped", || {
            probe.begun.load(SeqCst) == probe.dropped.load(SeqCst)
        });
        eventually("connections are closed", || self.sum(|stats| stats.open.get()) == 0);
    }

    pub(crate) fn begun(&self) -> u64 {
        self.probe.begun.load(SeqCst)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.probe.dropped.load(SeqCst)
    }

    pub(crate) fn finished(&self) -> u64 {
        self.probe.finished.load(SeqCst)
    }

    pub(crate) fn made(&self) -> u64 {
        self.probe.made.load(SeqCst)
    }
}

impl House {
    /// Where it speaks in clear.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it does nothing but redirect.
    pub(crate) fn redirect(&self) -> SocketAddr {
        match self.running.redirect_addresses() {
            [ListenAddress::Tcp(address)] => *address,
            other => panic!("not one: {other:?}"),
        }
    }

    /// Where it speaks over that.
    pub(crate) fn at(&self, over: Over) -> SocketAddr {
        match over {
            Over::Tcp => self.address,
            Over::Tls => self.secure,
            Over::Quic => self.quic,
        }
    }
}

impl Place for House {
    fn address(&self, over: Over) -> SocketAddr {
        self.at(over)
    }
}

/// Waits until it is so, for as long as a case waits for anything.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Panics that handlers are asked for would drown the output of a failing test.
pub(crate) fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload_as_str().unwrap_or_default();
            if text != "on purpose" && !text.starts_with("the demo's /panic") {
                usual(info);
            }
        }));
    });
}

/// What the suite's own routes share on one shard.
#[derive(Clone)]
struct Here {
    probe: Arc<Probe>,
    shard: Shard,
}

fn routes(shard: &Shard, probe: &Arc<Probe>) -> Router {
    Router::new()
        .route("/test/collect", post(|content: Bytes| async { content }))
        .route("/test/endless", get(endless))
        .route("/test/first", post(first))
        .route("/test/ignore", post(ignore))
        .route("/test/late", post(read_late))
        .route("/test/late-hang", get(late_hang))
        .route("/test/late-panic", get(late_panic))
        .route("/test/trailers", get(trailers))
        .route("/test/wait", get(wait))
        .with_state(Here { probe: Arc::clone(probe), shard: shard.clone() })
        .merge(super::grpc::routes())
}

/// Waits for much longer than any case.
async fn wait(State(here): State<Here>) -> &'static str {
    let mark = Mark::new(&here.probe);
    here.shard.sleep(Duration::from_secs(600)).await;
    mark.finish();
    "waited"
}

/// Never stops sending.
async fn endless(State(here): State<Here>) -> Response {
    let piece = Bytes::from(vec![b'e'; 64 << 10]);
    let body = Outgoing::write(|writer| async move {
        let mark = Mark::new(&here.probe);
        while here.probe.made.fetch_add(piece.len() as u64, SeqCst) < u64::MAX / 2 {
            writer.send(piece.clone()).await;
        }
        mark.finish();
        Ok(())
    });
    Response::new(StatusCode::OK).body(body)
}

/// Panics after its head.
async fn late_panic() -> Response {
    Response::new(StatusCode::OK).body(Outgoing::write(|writer| async move {
        writer.send("so far").await;
        panic!("on purpose")
    }))
}

/// Sends something, then nothing for much longer than any case.
async fn late_hang(State(here): State<Here>) -> Response {
    Response::new(StatusCode::OK).body(Outgoing::write(move |writer| async move {
        let mark = Mark::new(&here.probe);
        writer.send("so far").await;
        here.shard.sleep(Duration::from_secs(600)).await;
        mark.finish();
        Ok(())
    }))
}

/// Trailers that nobody sent before.
async fn trailers(State(here): State<Here>) -> Response {
    let body = Outgoing::write(move |writer| async move {
        writer.send("counted").await;
        here.shard.sleep(Duration::from_millis(5)).await;
        let mut fields = Fields::new();
        fields.append("x-count", "7")?;
        writer.trailers(fields).await;
        Ok(())
    });
    Response::new(StatusCode::OK).field(Known::ContentType, "text/plain").body(body)
}

/// Asks for the content only after a while.
async fn read_late(State(here): State<Here>, mut content: Incoming) -> Result<Response, Error> {
    let mark = Mark::new(&here.probe);
    here.shard.sleep(Duration::from_millis(150)).await;
    let bytes = content.collect().await.map_err(|error| Error::from(error.reason()))?;
    mark.finish();
    Ok(bytes.into_response())
}

/// Answers without a look at the content.
async fn ignore(State(here): State<Here>, _: Request) -> &'static str {
    let mark = Mark::new(&here.probe);
    here.shard.sleep(Duration::from_millis(20)).await;
    mark.finish();
    "ignored"
}

/// Answers with the first piece of content, and lets go of the rest.
async fn first(mut content: Incoming) -> Result<Response, Error> {
    match content.frame().await.map_err(|error| Error::from(error.reason()))? {
        Some(Frame::Data(data)) => Ok(Response::new(StatusCode::OK).body(data)),
        _ => Ok("nothing".into_response()),
    }
}
