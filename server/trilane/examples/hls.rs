//! A video in segments (HLS, RFC 8216): a playlist that names them, and with each a hint of those that will be asked for next.
//!
//!     cargo run --example hls
//!     curl -v http://127.0.0.1:8080/live.m3u8

use std::fmt::Write;

use trilane::{
    Error, IntoResponse, Known, Link, Path, Request, Response, Router, RunError, Server, Shard,
    StatusCode, get,
};

/// How many segments there are.
const SEGMENTS: u32 = 8;
/// How many of the next ones are hinted.
const AHEAD: u32 = 2;
/// Bytes of a segment: made up, where a real server would have files.
const SIZE: usize = 188 * 1000;

/// Made once on each shard.
pub fn app(_: Shard) -> Router {
    Router::new().route("/live.m3u8", get(playlist)).route("/segments/{number}", get(segment))
}

/// The playlist, before it the first segments as a hint: a player asks for them next.
async fn playlist(request: Request) -> Response {
    hint(&request, 0);
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n");
    for number in 0..SEGMENTS {
        // Writing to a string cannot fail.
        let _ = write!(text, "#EXTINF:4.0,\n/segments/{number}\n");
    }
    text.push_str("#EXT-X-ENDLIST\n");
    let fields =
        [(Known::ContentType, "application/vnd.apple.mpegurl"), (Known::CacheControl, "max-age=2")];
    (fields, text).into_response()
}

async fn segment(Path(number): Path<u32>, request: Request) -> Result<Response, Error> {
    if number >= SEGMENTS {
        return Err(Error::new(StatusCode::NOT_FOUND));
    }
    hint(&request, number + 1);
    // Packets of MPEG-TS begin with 0x47.
    let mut bytes = vec![0; SIZE];
    bytes.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
    let fields =
        [(Known::ContentType, "video/mp2t"), (Known::CacheControl, "max-age=31536000, immutable")];
    Ok((fields, bytes).into_response())
}

/// A client that does not know hints loses nothing, so one that cannot be told is none.
fn hint(request: &Request, from: u32) {
    let next = from..SEGMENTS.min(from + AHEAD);
    let links = next.map(|number| Link::preload(format!("/segments/{number}")).as_("fetch"));
    let _ = request.exchange().hint(links);
}

fn main() -> Result<(), RunError> {
    Server::new(app).listen("127.0.0.1:8080").run()
}
