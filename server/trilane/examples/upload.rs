//! Uploads: a form with files, read piece by piece as it comes, and never held in memory as a whole.
//!
//!     cargo run --example upload
//!     curl -F note=hello -F file=@Cargo.lock http://127.0.0.1:8080/upload

use serde::Serialize;
use trilane::{
    BodyLimit, Error, Html, Json, Multipart, Router, RunError, Server, Shard, get, post,
};

const PAGE: &str = "<!doctype html><title>upload</title>
<form action=/upload method=post enctype=multipart/form-data><input name=file type=file><button>send</button></form>
";

/// The most that an upload may be, in bytes.
const MOST: u64 = 1 << 30;

#[derive(Serialize)]
struct Received {
    name: String,
    file: Option<String>,
    content_type: Option<String>,
    bytes: usize,
}

/// Made once on each shard.
pub fn app(_: Shard) -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/upload", post(upload).layer(BodyLimit::new(MOST)))
}

async fn upload(mut form: Multipart) -> Result<Json<Vec<Received>>, Error> {
    let mut all = Vec::new();
    while let Some(mut field) = form.next_field().await? {
        let mut received = Received {
            name: field.name().to_owned(),
            file: field.file_name().map(ToOwned::to_owned),
            content_type: field.content_type().map(ToOwned::to_owned),
            bytes: 0,
        };
        while let Some(chunk) = field.chunk().await? {
            received.bytes += chunk.len();
        }
        all.push(received);
    }
    Ok(Json(all))
}

fn main() -> Result<(), RunError> {
    Server::new(app).listen("127.0.0.1:8080").run()
}
