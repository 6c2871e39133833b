//! The files of a folder beside an API: conditional requests, ranges and types by extension come with it.
//!
//!     cargo run --example files -- /srv/www
//!     curl -r 0-99 http://127.0.0.1:8080/index.html

use std::path::PathBuf;

use trilane::{Router, RunError, ServeDir, Server, Shard, get};

/// The files below `root`, and one route that is none.
pub fn app(root: PathBuf) -> impl Fn(Shard) -> Router + Send + Sync + 'static {
    move |_| {
        Router::new()
            .route("/api/time", get(|shard: Shard| async move { format!("{:?}", shard.wall()) }))
            .serve_dir("/", ServeDir::new(&root))
    }
}

fn main() -> Result<(), RunError> {
    let root = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    Server::new(app(root.into())).listen("127.0.0.1:8080").run()
}
