//! The smallest server: two routes, one of them with a parameter.
//!
//!     cargo run --example hello
//!     curl http://127.0.0.1:8080/users/7

use trilane::{Path, Router, RunError, Server, Shard, get};

/// Made once on each shard.
pub fn app(_: Shard) -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/users/{id}", get(|Path(id): Path<u64>| async move { format!("user {id}") }))
}

fn main() -> Result<(), RunError> {
    Server::new(app).listen("127.0.0.1:8080").run()
}
