//! A whole connection, server role: machine, connection and handlers of every kind, under arbitrary operations.
//!
//! Steps: `<bytes` come, `X` bytes in hexadecimal digits come, `c bytes` come one by one, `f` fin, `t 5` milliseconds pass, `w` the peer takes nothing by
//! itself any more, or again, `s 5` it takes so many bytes, `d` drain, `x` the drain's deadline, `r` the transport
//! fails. No panic; the rule of use (`transport`); bounded memory; every request that begins ends, and every answer
//! is the right one, as a parser that shares nothing with ours reads them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Once;
use std::task::Context;
use std::time::Duration;

use trilane_exchange::{
    Error, Exchange, Outgoing, Pool, Reply, Request, Response, Service, Summary,
};
use trilane_semantics::{Known, Limits, Method, StatusCode};
use trilane_sim::answer::Parser;

use crate::script::{Script, Step};
use crate::transport::{BUFFER, LARGEST, Speaks, Transport};

/// What handlers panic with, so that it can be told from what must not happen.
const ON_PURPOSE: &str = "on purpose";

/// `data` as a script.
pub fn connection(data: &[u8]) {
    quietly();
    let handlers = Rc::new(Handlers::default());
    let mut transport = Transport::new(Rc::clone(&handlers) as _, limits(), Speaks::Http1);
    for step in Script::new(data).0 {
        match step.op {
            b'<' => {
                let pieces = step.rest.chunks(BUFFER).map(<[u8]>::to_vec);
                transport.waiting.extend(pieces.filter(|_| transport.fin.is_none()));
            }
            b'X' => {
                let bytes = Step::hex(step.rest);
                let pieces = bytes.chunks(BUFFER).map(<[u8]>::to_vec);
                transport.waiting.extend(pieces.filter(|_| transport.fin.is_none()));
            }
            b'c' => transport.waiting.extend(step.rest.chunks(1).map(<[u8]>::to_vec)),
            b'f' => transport.fin = Some(()),
            b't' => transport.pass(Duration::from_millis(step.number() as u64)),
            b'w' => transport.is_slow = !transport.is_slow,
            b's' => transport.take(step.number()),
            b'd' => transport.drain(),
            b'x' => transport.shut(),
            b'r' => transport.fail(),
            _ => continue,
        }
        if transport.is_over {
            break;
        }
        transport.settle();
    }
    transport.end();
    let got = std::mem::take(&mut transport.got);
    drop(transport);
    handlers.judge(&got);
}

/// Small, so that short scripts reach them.
fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.target, limits.head, limits.field_lines) = (128, 2 << 10, 16);
    (limits.body, limits.discard, limits.chunk_line) = (64 << 10, 4 << 10, 64);
    (limits.receive_queue, limits.send_queue) = (8 << 10, 16 << 10);
    limits.events_a_turn = 16;
    limits
}

/// A handler's panic is caught: its message would only be noise.
pub(crate) fn quietly() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(ON_PURPOSE) {
                before(info);
            }
        }));
    });
}

type Handler = Pin<Box<dyn Future<Output = Response>>>;

#[derive(Default)]
pub(crate) struct Handlers {
    pool: Rc<Pool<Handler>>,
    /// For each request that began whether it was HEAD.
    begun: RefCell<Vec<bool>>,
    finished: Cell<usize>,
}

impl Handlers {
    /// Looks at what has become of every request.
    pub(crate) fn judge_ends(&self) {
        // More have ended than began: a request may be refused before its handler sees it.
        assert!(self.finished.get() >= self.begun.borrow().len(), "what begins ends");
    }

    /// Looks at everything that was sent.
    fn judge(&self, got: &[u8]) {
        self.judge_ends();
        let begun = self.begun.borrow();
        let mut parser = Parser::new(begun.clone());
        parser.feed(got);
        parser.end();
        // The parser is for text; echoed trailers need not be.
        let error = parser.error.filter(|error| !error.ends_with("is not UTF-8"));
        assert_eq!(error, None, "{:?}", String::from_utf8_lossy(got));
        assert!(parser.answers.len() <= begun.len() + 1, "more answers than requests");
        for (at, answer) in parser.answers.iter().enumerate() {
            let number = answer.field("x-n").map(str::to_owned);
            assert!(number.is_none_or(|n| n == at.to_string()), "an answer to another request");
        }
    }
}

impl Service for Handlers {
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        let begun = self.begun.borrow().len().to_string();
        // Where requests do not come one after the other, they say what they are.
        let number = request.head().fields.get_str("x-id").map_or(begun, str::to_owned);
        self.begun.borrow_mut().push(request.method() == Method::HEAD);
        let handler = async move { handle(request).await.field("x-n", number) };
        self.pool.run(Box::pin(handler), cx)
    }

    fn finished(&self, _: &Exchange, _: &Summary) {
        self.finished.set(self.finished.get() + 1);
    }
}

async fn handle(request: Request) -> Response {
    let path = request.path().to_owned();
    let mut parts = path.trim_start_matches('/').split('/');
    let route = parts.next().unwrap_or_default();
    let number = parts.next().and_then(|part| part.parse::<usize>().ok()).unwrap_or(1);
    let shard = request.shard().clone();
    match route {
        // CONNECT has no path.
        "" => tunnel(request, StatusCode::OK),
        "close" => ok("last").field(Known::Connection, "close"),
        "collect" => collect(request).await,
        "drop" => {
            drop(request);
            shard.sleep(Duration::from_millis(5)).await;
            ok("dropped")
        }
        "empty" => Response::new(StatusCode::OK),
        "frames" => ok(Outgoing::frames(request.body)),
        "late" => {
            shard.sleep(Duration::from_millis(number as u64 % 100_000)).await;
            ok("late")
        }
        "never" => std::future::pending().await,
        "over" => ok(stream(request, 3).with_length(number as u64 % 20)),
        "panic" => panic!("{ON_PURPOSE}"),
        "sized" => ok(vec![b'x'; number % LARGEST]),
        "status" => {
            let code = u16::try_from(200 + number % 400).unwrap_or(200);
            let status = StatusCode::from_u16(code).unwrap_or_default();
            Response::new(status).body("content")
        }
        "stream" => ok(stream(request, number % 40)),
        "torn" => ok(Outgoing::write(|writer| async move {
            writer.send("so far").await;
            panic!("{ON_PURPOSE}")
        })),
        "tunnel" => tunnel(request, StatusCode::SWITCHING_PROTOCOLS),
        _ => ok("ready"),
    }
}

fn ok(body: impl Into<Outgoing>) -> Response {
    Response::new(StatusCode::OK).body(body)
}

async fn collect(mut request: Request) -> Response {
    match request.body.collect().await {
        Ok(bytes) => ok(bytes),
        Err(error) => Error::from(error.reason()).into(),
    }
}

fn stream(request: Request, pieces: usize) -> Outgoing {
    let shard = request.shard().clone();
    Outgoing::write(move |writer| async move {
        for at in 0..pieces {
            shard.sleep(Duration::from_millis(10)).await;
            writer.send(vec![b's'; 1 + at * 300]).await;
        }
        Ok(())
    })
}

fn tunnel(request: Request, status: StatusCode) -> Response {
    let head = Response::new(status).field(Known::Connection, "upgrade");
    head.field(Known::Upgrade, "fuzz").body(Outgoing::frames(request.body))
}
