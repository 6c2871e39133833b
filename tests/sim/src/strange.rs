//! Handlers that no application has, below `/sim/`: each does what only a certain mistake of the server cannot bear.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::time::Duration;

use trilane_exchange::{BodyError, Error, Frame, Request, Response};
use trilane_semantics::StatusCode;

/// A handler of this module.
pub type Handler = Pin<Box<dyn Future<Output = Response>>>;

/// Content for `/sim/lazy`, in bytes: it fits into what may wait for a reader, and some of it waits through each rest.
pub const LAZY: usize = 60_000;
/// After how many bytes it rests, and how long: the second time too long.
const RESTS: [(usize, u64); 2] = [(20_000, 20), (42_000, 40)];

/// The handler of a request, if it is for one of these.
#[must_use]
pub fn find(request: &Request) -> Option<fn(Request) -> Handler> {
    by_path(request.path())
}

/// Whether a path is one of theirs.
#[must_use]
pub fn is_strange(path: &str) -> bool {
    by_path(path).is_some()
}

fn by_path(path: &str) -> Option<fn(Request) -> Handler> {
    match path {
        "/sim/fidget" => Some(|request| Box::pin(fidget(request))),
        "/sim/lazy" => Some(|request| Box::pin(lazy(request))),
        _ => None,
    }
}

/// Echoes, and wakes every other millisecond while it waits for content: for each of these polls the connection
/// must remember what it has told the client.
async fn fidget(mut request: Request) -> Response {
    let shard = request.shard().clone();
    let mut content = pin!(request.body.collect());
    let mut nap = pin!(shard.sleep(Duration::ZERO));
    let content = poll_fn(|cx| {
        while nap.as_mut().poll(cx).is_ready() {
            nap.set(shard.sleep(Duration::from_millis(2)));
        }
        content.as_mut().poll(cx)
    });
    match content.await {
        Ok(bytes) => Response::new(StatusCode::OK).body(bytes),
        Err(error) => refused(error),
    }
}

/// Counts like `/upload`, but rests: the time is its own, not that of the client whose content waits, and it is the
/// handler that is late in the end.
async fn lazy(mut request: Request) -> Response {
    let shard = request.shard().clone();
    let (mut bytes, mut rests) = (0, RESTS.into_iter().peekable());
    loop {
        match request.body.frame().await {
            Ok(Some(Frame::Data(data))) => bytes += data.len(),
            Ok(Some(Frame::Trailers(_))) => (),
            Ok(None) => break,
            Err(error) => return refused(error),
        }
        if let Some((_, seconds)) = rests.next_if(|(after, _)| bytes >= *after) {
            shard.sleep(Duration::from_secs(seconds)).await;
        }
    }
    Response::new(StatusCode::OK).body(format!("{{\"bytes\":{bytes}}}"))
}

fn refused(error: BodyError) -> Response {
    Error::from(error.reason()).into()
}
