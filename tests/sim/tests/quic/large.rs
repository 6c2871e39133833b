//! Transfers that are larger than what may be held of them.

use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use trilane_exchange::{Outgoing, Pool, Reply, Request, Response, Service};
use trilane_semantics::StatusCode;

use crate::client::Ask;
use crate::memory;
use crate::net::Weather;
use crate::world::{Plan, World};

/// Bytes of each transfer.
const SIZE: u64 = 20 << 20;
/// What all of it may take at a time: windows of both sides, and queues above.
const MOST: isize = 14 << 20;
/// Bytes that are written at a time.
const PIECE: usize = 64 << 10;

/// Sends as much as is asked for, and counts what comes.
#[derive(Default)]
struct Large(Rc<Pool<std::pin::Pin<Box<dyn Future<Output = Response>>>>>);

impl Service for Large {
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        let handler: std::pin::Pin<Box<dyn Future<Output = Response>>> =
            if request.path().starts_with("/bytes") {
                Box::pin(async { Response::new(StatusCode::OK).body(pieces()) })
            } else {
                Box::pin(count(request))
            };
        self.0.run(handler, cx)
    }
}

fn pieces() -> Outgoing {
    Outgoing::write(|writer| async move {
        for _ in 0..SIZE / PIECE as u64 {
            writer.send(vec![b'x'; PIECE]).await;
        }
        Ok(())
    })
}

async fn count(request: Request) -> Response {
    let mut body = request.body;
    body.set_limit(u64::MAX);
    let mut count = 0;
    while let Ok(Some(frame)) = body.frame().await {
        if let trilane_exchange::Frame::Data(data) = frame {
            count += data.len() as u64;
        }
    }
    let status = if count == SIZE { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Response::new(status)
}

#[test]
fn large_transfers_take_little() {
    for ask in [Ask::get("/bytes"), Ask::post("/upload", SIZE)] {
        let weather = Weather::bad(2);
        let mut world =
            World::new(Plan { app: Rc::new(Large::default()), weather, ..Plan::default() });
        let client = world.client();
        world.clients[client].ask(Ask::post("/upload", 0));
        world.until(Duration::from_secs(60), |world| world.clients[client].is_done());
        world.clients[client].asks.clear();
        let before = memory::restart();
        world.clients[client].ask(ask);
        world.finish(Duration::from_secs(3600));
        let most = memory::peak() - before;
        assert!(most < MOST, "{most}");
        // And gives it back.
        world.pass(Duration::from_secs(20));
        let left = memory::restart() - before;
        assert!(left < 1 << 20, "{left}");
    }
}
