//! A reverse proxy in front of some servers: `proxy 127.0.0.1:8080 127.0.0.1:9001 127.0.0.1:9002`.
//!
//! What is known of the servers is known to all shards; each shard has connections of its own.

use std::rc::Rc;
use std::sync::Arc;

use trilane::proxy::rewrite::Policy;
use trilane::proxy::{Member, Place, Proxy, Servers, Target, Terms, Upstream};
use trilane::{Request, Router, Server, any};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let listen = args.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let target = |text: String| -> Result<Target, std::net::AddrParseError> {
        let place = Place::Ip(text.parse()?);
        Ok(Target { member: Member::new(&*text), place, authority: text.into() })
    };
    let targets = args.map(target).collect::<Result<Vec<_>, _>>()?;
    let upstream = Arc::new(Upstream::new("app", targets, Terms::default())?);
    let policy = Policy::new("trilane-example")?.x_real_ip(true);
    Server::new(move |shard| {
        let servers = Servers::new(Arc::clone(&upstream), &shard);
        let proxy = Proxy::new(Rc::new(policy.clone()), servers);
        let forward = move |request: Request| proxy.clone().forward(request);
        Router::new().route("/", any(forward.clone())).route("/{*rest}", any(forward))
    })
    .listen(listen)
    .run()?;
    Ok(())
}
