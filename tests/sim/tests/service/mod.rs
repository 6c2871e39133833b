//! The demo application's routes, directly on `Service`: what the worlds of these tests run.

use std::fs::File;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use trilane_exchange::{
    BodyError, Error, Frame, Outgoing, Pool, Reply, Request, Response, Service,
};
use trilane_semantics::{Known, Method, Payload, StatusCode};

/// Content that `/echo` takes at most.
const ECHO: u64 = 32 << 20;

type Handler = Pin<Box<dyn Future<Output = Response>>>;

/// The service.
#[derive(Debug, Default)]
pub(crate) struct Demo {
    pool: Rc<Pool<Handler>>,
}

impl Service for Demo {
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        let path = request.path().to_owned();
        let mut parts = path.trim_start_matches('/').split('/');
        let route = parts.next().unwrap_or_default().to_owned();
        let rest = parts.next().unwrap_or_default().to_owned();
        let handler: Handler = match (route.as_str(), request.method() == Method::POST) {
            ("plaintext", false) => Box::pin(async { text("Hello, World!") }),
            ("bytes", false) => Box::pin(async move { ok(bytes(number(&rest))) }),
            ("slow", false) => Box::pin(slow(request, number(&rest))),
            ("stream", false) => Box::pin(async move { stream(&request, number(&rest)) }),
            ("echo", true) if rest == "stream" => Box::pin(async { ok(frames(request)) }),
            ("echo", true) => Box::pin(echo(request)),
            ("upload", true) => Box::pin(upload(request)),
            ("panic", _) if rest == "late" => Box::pin(async { late_panic() }),
            ("panic", _) => Box::pin(async { panic!("on purpose") }),
            ("headers", false) => Box::pin(async move { headers(&request) }),
            ("tunnel", false) if request.method() == Method::CONNECT => {
                Box::pin(async { ok(Outgoing::frames(request.body)) })
            }
            ("tunnel", false) => Box::pin(async { tunnel(request) }),
            _ => Box::pin(async { Response::new(StatusCode::NOT_FOUND) }),
        };
        self.pool.run(handler, cx)
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or(0)
}

/// So many, in an open file if they are many.
fn bytes(n: usize) -> Payload {
    thread_local! {
        static FILE: Rc<File> = Rc::new(file());
    }
    match n {
        ..=60_000 => vec![b'x'; n].into(),
        _ => Payload::from_file(FILE.with(Rc::clone) as _, 7, n),
    }
}

/// A file without a name, of the letter alone.
fn file() -> File {
    let name = format!("trilane-sim-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, vec![b'x'; 1 << 20]).expect("the temporary directory is writable");
    let file = File::open(&path).expect("it was just written");
    let _ = std::fs::remove_file(path);
    file
}

fn ok(body: impl Into<Outgoing>) -> Response {
    Response::new(StatusCode::OK).body(body)
}

fn text(body: &'static str) -> Response {
    ok(body).field(Known::ContentType, "text/plain")
}

async fn slow(request: Request, ms: usize) -> Response {
    request.shard().sleep(Duration::from_millis(ms as u64)).await;
    text("done")
}

fn stream(request: &Request, n: usize) -> Response {
    let shard = request.shard().clone();
    ok(Outgoing::write(move |writer| async move {
        for i in 0..n {
            shard.sleep(Duration::from_millis(10)).await;
            writer.send(format!("chunk {i}\n")).await;
        }
        Ok(())
    }))
}

fn frames(request: Request) -> Outgoing {
    let mut body = request.body;
    body.set_limit(ECHO);
    Outgoing::frames(body)
}

async fn echo(mut request: Request) -> Response {
    request.body.set_limit(ECHO);
    match request.body.collect().await {
        Ok(bytes) => ok(bytes),
        Err(error) => refused(error),
    }
}

fn refused(error: BodyError) -> Response {
    Error::from(error.reason()).into()
}

/// Counts in a task of its own, with a thread's help at the end: the reader is not the handler.
async fn upload(request: Request) -> Response {
    let shard = request.shard().clone();
    let mut body = request.body;
    let naps = shard.clone();
    let count = shard.spawn(async move {
        let mut bytes = 0u64;
        loop {
            match body.frame().await {
                Ok(Some(Frame::Data(data))) => bytes += data.len() as u64,
                Ok(Some(Frame::Trailers(_))) => (),
                Ok(None) => return Ok(bytes),
                Err(error) => return Err(error),
            }
            naps.sleep(Duration::from_millis(1)).await;
        }
    });
    match count.await {
        Ok(bytes) => ok(shard.blocking(move || format!("{{\"bytes\":{bytes}}}")).await),
        Err(error) => refused(error),
    }
}

fn late_panic() -> Response {
    ok(Outgoing::write(|writer| async move {
        writer.send("so far").await;
        panic!("on purpose")
    }))
}

fn headers(request: &Request) -> Response {
    let mut lines = Vec::new();
    for (name, value) in request.head().fields.iter() {
        lines.extend_from_slice(&[name, b": ", value, b"\n"].concat());
    }
    ok(lines)
}

fn tunnel(request: Request) -> Response {
    let is_upgrade = request.head().fields.contains(Known::Upgrade);
    if !is_upgrade {
        return Response::new(StatusCode::UPGRADE_REQUIRED);
    }
    Response::new(StatusCode::SWITCHING_PROTOCOLS)
        .field(Known::Connection, "upgrade")
        .field(Known::Upgrade, "sim")
        .body(Outgoing::frames(request.body))
}
