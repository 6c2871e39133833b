//! Asks ten services at once: ten times 100 ms are answered in about 100 ms.
//!
//!     cargo run --example fan_out
//!     time curl http://127.0.0.1:8080/

use std::time::Duration;

use trilane::client::{Client, ClientError, Clients};
use trilane::{Error, Path, Router, Server, Shard, State, get, join_all};

/// What ten services would be: each takes 100 ms.
pub fn services(_: Shard) -> Router {
    async fn slow(shard: Shard, Path(number): Path<u32>) -> String {
        shard.sleep(Duration::from_millis(100)).await;
        format!("service {number}")
    }
    Router::new().route("/{number}", get(slow))
}

/// Asks the services at that URL.
pub fn app(clients: Clients, url: String) -> impl Fn(Shard) -> Router + Send + Sync + 'static {
    move |shard| {
        let state = (clients.on(&shard), url.clone());
        Router::new().route("/", get(all)).with_state(state)
    }
}

async fn all(State((client, url)): State<(Client, String)>) -> Result<String, Error> {
    let answers = join_all((0..10).map(|number| ask(&client, format!("{url}/{number}")))).await;
    let answers: Result<Vec<String>, ClientError> = answers.into_iter().collect();
    // A service that fails is a 502, 503 or 504.
    Ok(answers?.join("\n"))
}

async fn ask(client: &Client, url: String) -> Result<String, ClientError> {
    client.get(url).send().await?.error_for_status()?.text().await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Made before the shards, so that they share its budget of connections.
    let clients = Client::builder().timeout(Duration::from_secs(5)).build()?;
    let _services = Server::new(services).listen("127.0.0.1:8081").start()?;
    Server::new(app(clients, "http://127.0.0.1:8081".into())).listen("127.0.0.1:8080").run()?;
    Ok(())
}
