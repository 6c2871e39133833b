//! Layers by a configuration file, in the order that they need: a page of another origin can read that it has asked too often.

use std::path::Path;

use trilane_cli::config::Config;
use trilane_cli::layers::Layers;

use super::{Ask, House, LANES};

const FILE: &str = "
[proxies]
trusted = ['127.0.0.0/8']
[security_headers]
csp = ''
set = { permissions-policy = 'camera=()' }
[cors]
origins = ['https://app.example']
[rate_limit]
requests = 3
[compression]
from = 10
";

fn layers(text: &str) -> Result<Layers, String> {
    let config = Config::parse(text, Path::new("t.toml")).map_err(|error| error.to_string())?;
    Layers::new(&config)
}

#[test]
fn sections_put_layers_around_everything() {
    let layers = layers(FILE).unwrap();
    let demo = trilane_cli::demo::app(None);
    let house = House::serving(move |shard| layers.around(demo(&shard)));
    for (at, lane) in LANES.iter().enumerate() {
        let ask = |target: &str| {
            let ask = Ask::get(target)
                .field("origin", "https://app.example")
                .field("accept-encoding", "gzip")
                .field("x-forwarded-for", format!("192.0.2.{at}"));
            lane.open(&house).ask(&ask)
        };
        let name = lane.name();
        let page = ask("/").status(200);
        assert_eq!(page.head.field("content-encoding"), Some("gzip"), "{name}");
        assert_eq!(page.head.field("permissions-policy"), Some("camera=()"));
        assert_eq!(page.head.field("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.head.field("content-security-policy"), None);
        let is_secure = !["h1", "h1.0", "h2c"].contains(&name);
        assert_eq!(page.head.field("strict-transport-security").is_some(), is_secure, "{name}");
        ask("/plaintext").status(200);
        ask("/none").status(404);
        let late = ask("/plaintext").status(429);
        assert!(late.head.field("retry-after").is_some(), "{name}");
        let origin = late.head.field("access-control-allow-origin");
        assert_eq!(origin, Some("https://app.example"), "{name}");
        assert_eq!(late.json()["error"]["code"], "RATE_LIMIT_EXCEEDED");
    }
}

#[test]
fn what_cannot_be_is_said_at_the_start() {
    for (text, expected) in [
        ("[cors]\norigins = ['*']\ncredentials = true\n", "[cors]"),
        ("[cors]\nmethods = ['a b']\n", "'a b' is no method"),
        ("[rate_limit]\nredis = 'http://x'\n", "[rate_limit] redis"),
        ("[rate_limit]\nrequest = 1\n", "`requests`"),
    ] {
        let error = layers(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
