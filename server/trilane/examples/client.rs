//! Asks other servers, and shows what they say.
//!
//!     cargo run --example client & curl 'http://127.0.0.1:8080/?url=https://example.org/'

use std::time::Duration;

use trilane::client::{Client, ClientError, Clients};
use trilane::tls::{Connector, ConnectorConfig};
use trilane::{Error, Query, Router, Server, Shard, State, get};

/// A server that asks for others: `/?url=..`. For trusted users alone: it goes wherever they say.
pub fn app(clients: Clients) -> impl Fn(Shard) -> Router + Send + Sync + 'static {
    move |shard| Router::new().route("/", get(fetch)).with_state(clients.on(&shard))
}

#[derive(serde::Deserialize)]
struct Wanted {
    url: String,
}

async fn fetch(
    State(client): State<Client>,
    Query(wanted): Query<Wanted>,
) -> Result<String, Error> {
    Ok(told(&client, &wanted.url).await?)
}

async fn told(client: &Client, url: &str) -> Result<String, ClientError> {
    let response = client.get(url).send().await?.error_for_status()?;
    let (from, protocol) = (response.url().clone(), response.protocol());
    Ok(format!("{from} over {protocol}:\n{}", response.text().await?))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clients = Client::builder()
        // The roots of the system; HTTP/2 where the server speaks it.
        .tls(Connector::new(&ConnectorConfig::default())?)
        .timeout(Duration::from_secs(10))
        .user_agent("trilane-example")
        .build()?;
    Server::new(app(clients)).listen("127.0.0.1:8080").run()?;
    Ok(())
}
