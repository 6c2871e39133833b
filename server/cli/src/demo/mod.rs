//! The demo application: one route for each thing that a server must do well. The same on every
//! protocol.

mod cached;
mod events;
mod hints;
mod observed;
mod page;
mod secure;
mod users;
mod visitor;
mod ws;

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;
use trilane::{
    BodyLimit, Bytes, Error, Frame, Html, Incoming, IntoResponse, Json, Known, Metrics, Outgoing,
    Path, Payload, Request, Response, Router, ServeDir, Shard, State, StatusCode, any, get, post,
};

use cached::Cached;
use observed::Observed;
use users::Users;
use visitor::Secret;

/// The most content that `/echo` keeps, in bytes.
pub const ECHO_LIMIT: u64 = 32 << 20;
/// The most that `/bytes/{n}` sends.
const MOST_BYTES: u64 = 64 << 30;
/// The piece that `/bytes/{n}` is made of, in bytes.
const PIECE: usize = 1 << 20;
/// The most chunks of `/stream/{n}`.
const MOST_CHUNKS: u64 = 1_000_000;
/// Between two of them.
const BETWEEN_CHUNKS: Duration = Duration::from_millis(10);

/// What the routes share on one shard.
#[derive(Clone)]
struct Demo {
    shard: Shard,
    /// `PIECE` times `x`, made once.
    piece: Bytes,
}

/// What is served at `/static/` while no root is given.
const SAMPLE: [(&str, &[u8]); 3] = [
    ("index.html", include_bytes!("sample/index.html")),
    ("lanes.svg", include_bytes!("sample/lanes.svg")),
    ("style.css", include_bytes!("sample/style.css")),
];

/// The demo for a server: makes its routes on each shard, around one collection of users. The files
/// below `root` take the place of the sample at `/static/`.
pub fn app(root: Option<PathBuf>) -> impl Fn(&Shard) -> Router + Send + Sync + 'static {
    app_with(root, Metrics::new())
}

/// The same, which counts in `metrics`.
pub fn app_with(
    root: Option<PathBuf>,
    metrics: Metrics,
) -> impl Fn(&Shard) -> Router + Send + Sync + 'static {
    let (users, cached, observed) = (Users::default(), Cached::default(), Observed::new(metrics));
    let secret = Secret::default();
    move |shard| {
        let router = on_shard(shard, root.clone(), users.clone(), cached.clone());
        observed.put_on(router.merge(visitor::routes(shard, &secret)))
    }
}

/// The demo's routes for a server of one shard.
#[must_use]
pub fn router(shard: &Shard, root: Option<PathBuf>) -> Router {
    app(root)(shard)
}

fn on_shard(shard: &Shard, root: Option<PathBuf>, users: Users, cached: Cached) -> Router {
    let demo = Demo { shard: shard.clone(), piece: vec![b'x'; PIECE].into() };
    let files = root.map_or_else(|| ServeDir::embedded(SAMPLE), ServeDir::new);
    Router::new()
        .route("/", get(front_page))
        .route("/stats", get(page::stats))
        .route("/plaintext", get(|| async { "Hello, World!" }))
        .route("/json", get(json))
        .route("/users/{id}", get(|Path(id): Path<String>| async { id }))
        .route("/echo", post(echo).layer(BodyLimit::new(ECHO_LIMIT)))
        .route("/echo/stream", post(echo_stream).layer(BodyLimit::unlimited()))
        .route("/upload", post(upload).layer(BodyLimit::unlimited()))
        .route("/bytes/{n}", get(bytes))
        .route("/stream/{n}", get(stream))
        .route("/datagrams", any(datagrams))
        .route("/events", get(events::events))
        .route("/hints", get(hints::page))
        .route("/early", post(echo).early_data())
        .route("/slow/{ms}", get(slow))
        .route("/panic", get(fail))
        .route("/headers", get(headers))
        .route("/tls", get(secure::tls))
        .with_state(demo)
        .serve_dir("/static", files)
        .serve_dir("/page", ServeDir::embedded(page::ASSETS))
        .merge(users::routes(users))
        .merge(ws::routes())
        .merge(cached::routes(cached))
}

async fn front_page(request: Request) -> Html<String> {
    Html(page::front(request.protocol()))
}

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

async fn json() -> Json<Message> {
    Json(Message { message: "Hello, World!" })
}

/// All content, sent back when it is complete.
async fn echo(content: Bytes) -> Bytes {
    content
}

/// Content sent back as it comes, trailers too.
async fn echo_stream(content: Incoming) -> Response {
    Response::new(StatusCode::OK)
        .field(Known::ContentType, "application/octet-stream")
        .body(Outgoing::frames(content))
}

#[derive(Serialize)]
struct Uploaded {
    bytes: u64,
}

/// Counts content without keeping it.
async fn upload(mut content: Incoming) -> Result<Json<Uploaded>, Error> {
    let mut bytes = 0;
    while let Some(frame) = content.frame().await? {
        if let Frame::Data(data) = frame {
            bytes += data.len() as u64;
        }
    }
    Ok(Json(Uploaded { bytes }))
}

/// That many times `x`: a slice of the shard's piece, or the piece again and again.
async fn bytes(State(demo): State<Demo>, Path(n): Path<u64>) -> Result<Response, Error> {
    if n > MOST_BYTES {
        return Err(Error::new(StatusCode::BAD_REQUEST).message("more bytes than /bytes sends"));
    }
    let body = match usize::try_from(n) {
        Ok(n) if n <= PIECE => Outgoing::Full(Payload::from(demo.piece.slice(..n))),
        _ => {
            let piece = demo.piece.clone();
            Outgoing::write(|writer| async move {
                let mut left = n;
                while left > 0 {
                    let now = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
                    writer.send(piece.slice(..now)).await;
                    left -= now as u64;
                }
                Ok(())
            })
            .with_length(n)
        }
    };
    Ok(Response::new(StatusCode::OK).field(Known::ContentType, "text/plain").body(body))
}

/// That many chunks, one every 10 ms.
async fn stream(State(demo): State<Demo>, Path(n): Path<u64>) -> Result<Response, Error> {
    if n > MOST_CHUNKS {
        return Err(Error::new(StatusCode::BAD_REQUEST).message("more chunks than /stream sends"));
    }
    let body = Outgoing::write(|writer| async move {
        for number in 0..n {
            if number > 0 {
                demo.shard.sleep(BETWEEN_CHUNKS).await;
            }
            writer.send(format!("chunk {number}\n")).await;
        }
        Ok(())
    });
    Ok(Response::new(StatusCode::OK).field(Known::ContentType, "text/plain").body(body))
}

/// The datagrams of the request, sent back until the client ends it (RFC 9297). What became of each that was not: a line of
/// the content.
async fn datagrams(request: Request) -> Response {
    let mut datagrams = request.datagrams();
    let mut content = request.body;
    let body = Outgoing::write(|writer| async move {
        let echo = async {
            while let Some(datagram) = datagrams.receive().await {
                if let Err(error) = datagrams.send(datagram) {
                    writer.send(format!("{error}\n")).await;
                }
            }
        };
        let end = async { while let Ok(Some(_)) = content.frame().await {} };
        first(echo, end).await;
        Ok(())
    });
    Response::new(StatusCode::OK).field(Known::ContentType, "text/plain").body(body)
}

/// Until either is done.
async fn first(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| {
        let is_done = one.as_mut().poll(cx).is_ready() || other.as_mut().poll(cx).is_ready();
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// An answer after that many milliseconds.
async fn slow(State(demo): State<Demo>, Path(ms): Path<u64>) -> String {
    demo.shard.sleep(Duration::from_millis(ms)).await;
    format!("slept {ms} ms\n")
}

/// A handler with a bug.
async fn fail() -> &'static str {
    panic!("the demo's /panic was asked for")
}

#[derive(Serialize)]
struct Headers<'a> {
    method: &'a str,
    target: &'a str,
    protocol: &'a str,
    authority: Option<&'a str>,
    fields: Vec<(String, String)>,
}

/// The request's head, as JSON.
async fn headers(request: Request) -> Response {
    let head = request.head();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Json(Headers {
        method: head.method.as_str(),
        target: head.target(),
        protocol: head.protocol.as_str(),
        authority: head.authority(),
        fields: head.fields.iter().map(|(name, value)| (text(name), text(value))).collect(),
    })
    .into_response()
}
