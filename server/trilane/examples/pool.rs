//! Passes requests on to another server: `pool LISTEN UPSTREAM`.
use trilane::client::{Pool, PoolConfig, Share};
use trilane::{
    Ask, Dial, Error, Known, Outgoing, Remote, Request, Response, Router, Server, StatusCode, any,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let upstream: std::net::SocketAddr = args[2].parse()?;
    let share = Share::new(256);
    Server::new(move |shard| {
        let pool = Pool::new(
            shard.clone(),
            Dial::new(Remote::Ip(upstream)),
            PoolConfig::default(),
            share.clone(),
        );
        Router::new().route(
            "/{*rest}",
            any(move |mut request: Request| {
                let pool = pool.clone();
                async move {
                    let head = request.head().clone();
                    let mut ask = Ask::new(head);
                    let body = std::mem::take(&mut request.body);
                    ask.body = match body.promised() {
                        Some(0) => Outgoing::Empty,
                        Some(n) => Outgoing::frames(body).with_length(n),
                        None => Outgoing::frames(body),
                    };
                    let bad = |error: trilane::AskError| {
                        eprintln!("{error:?}");
                        Error::new(StatusCode::BAD_GATEWAY).internal(error.to_string())
                    };
                    let answer = pool.ask(ask).await.map_err(bad)?.await.map_err(bad)?;
                    let mut response = Response::new(answer.head.status);
                    response.head = answer.head;
                    response.head.fields.remove(Known::Connection);
                    response.body = match answer.body.promised() {
                        Some(0) => Outgoing::Empty,
                        Some(n) => Outgoing::frames(answer.body).with_length(n),
                        None => Outgoing::frames(answer.body),
                    };
                    Ok::<_, Error>(response)
                }
            }),
        )
    })
    .listen(&args[1])
    .run()?;
    Ok(())
}
