//! The client without sockets: what it shows, and that its clock, tasks and chance are the test's own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{Outcome, current, join};
use trilane_semantics::Limits;

use crate::testing::TestClient;
use crate::{
    AccessLog, Fields, Incoming, Json, Outgoing, Path, Request, Response, Router, Shard,
    StatusCode, default_layers, get, post,
};

async fn nap(Path(seconds): Path<u64>, request: Request) -> String {
    let shard = request.shard().clone();
    shard.sleep(Duration::from_secs(seconds)).await;
    format!("slept {seconds}")
}

fn client(router: Router) -> TestClient {
    TestClient::new(router.layer(default_layers(None))).unwrap()
}

#[test]
fn content_of_every_kind_goes_in_and_comes_out() {
    async fn echo(content: Incoming) -> Outgoing {
        Outgoing::frames(content)
    }
    async fn number(Json(number): Json<u32>) -> Json<u32> {
        Json(number + 1)
    }
    let client = client(
        Router::new()
            .route("/", post(echo))
            .route("/number", post(number))
            .route("/get", get(|| async { "x" })),
    );
    assert_eq!(client.post("/").body("abc").send().text(), "abc");
    let mut answer = client.post("/").pieces(["ab", "", "cd"]).send();
    assert_eq!(answer.text(), "abcd");
    let mut trailers = Fields::new();
    trailers.append("x-sum", "1").unwrap();
    let mut answer = client.post("/").body("abc").trailers(trailers).send();
    assert_eq!(answer.trailers().and_then(|fields| fields.get_str("x-sum")), Some("1"));
    assert_eq!(answer.text(), "abc");
    assert_eq!(client.post("/number").json(&1).send().json::<u32>().unwrap(), 2);
    let mut answer = client.head("/get").send();
    assert_eq!((answer.status(), answer.bytes().len()), (200, 0));
    let answer = client.put("/get").send();
    assert_eq!((answer.status(), answer.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn what_no_server_would_take_is_refused() {
    let client = client(Router::new().route("/", get(|| async {})));
    for mut answer in [client.get("no path").send(), client.get("/").field("x", "a\nb").send()] {
        assert_eq!(answer.status(), 400);
        assert!(answer.text().contains("INVALID_REQUEST"));
    }
}

#[test]
fn the_clock_goes_on_by_itself_and_a_handler_has_its_time() {
    async fn never() {
        std::future::pending().await
    }
    let router = Router::new().route("/nap/{seconds}", get(nap)).route("/never", get(never));
    let mut limits = Limits::default();
    limits.handler_timeout = Duration::from_secs(60);
    let client = client(router).limits(limits);
    let before = client.shard().now();
    assert_eq!(client.get("/nap/59").send().text(), "slept 59");
    assert_eq!(client.shard().now().since(before), Duration::from_secs(59));
    assert_eq!(client.get("/nap/61").send().status(), 504);
    assert_eq!(client.get("/never").send().status(), 504);
}

#[test]
fn several_are_under_way_at_once_and_one_can_leave() {
    let router = Router::new().route("/nap/{seconds}", get(nap));
    let client = client(router);
    let (slow, fast) = (client.get("/nap/20").begin(), client.get("/nap/10").begin());
    let left = client.get("/nap/5").begin();
    drop(left);
    client.advance(Duration::from_secs(9));
    let fast = fast.now().unwrap_err();
    client.advance(Duration::from_secs(1));
    assert_eq!(fast.now().unwrap().text(), "slept 10");
    assert_eq!(slow.wait().text(), "slept 20");
}

#[test]
fn streams_come_piece_by_piece() {
    let ticks = |shard: Shard| async move {
        Outgoing::write(move |writer| async move {
            for n in 0..3 {
                shard.sleep(Duration::from_secs(1)).await;
                writer.send(format!("{n}\n")).await;
            }
            Err("enough".into())
        })
    };
    let client =
        TestClient::with(|shard| Router::new().route("/", get(move || ticks(shard.clone()))))
            .unwrap();
    let mut answer = client.get("/").send();
    let start = client.shard().now();
    assert_eq!(answer.chunk().as_deref(), Some(&b"0\n"[..]));
    assert_eq!(client.shard().now().since(start), Duration::from_secs(1));
    assert_eq!(answer.text(), "0\n1\n2\n");
    assert_eq!(answer.broken(), Some("enough"));
    assert_eq!(answer.chunk(), None);
}

#[test]
fn tasks_blocking_work_and_chance() {
    let seen: Rc<RefCell<Vec<u32>>> = Rc::default();
    let log = Rc::clone(&seen);
    let work = move |request: Request| {
        let log = Rc::clone(&log);
        async move {
            let shard = request.shard().clone();
            let (tick, later) = (shard.clone(), Rc::clone(&log));
            shard.spawn(async move {
                tick.sleep(Duration::from_secs(5)).await;
                later.borrow_mut().push(5);
            });
            let (two, three) = join(shard.blocking(|| 2), shard.blocking(|| 3)).await;
            log.borrow_mut().extend([two, three]);
            shard.random().to_string()
        }
    };
    let (work, again) = (work.clone(), work);
    let one = client(Router::new().route("/", get(work)));
    let first = one.get("/").send().text();
    assert_eq!(*seen.borrow(), [2, 3]);
    one.advance(Duration::from_secs(5));
    assert_eq!(*seen.borrow(), [2, 3, 5]);
    let other = client(Router::new().route("/", get(again)));
    assert_eq!(other.get("/").send().text(), first);
}

#[test]
fn the_end_of_an_exchange_is_told_once() {
    let lines = Rc::new(Cell::new(0));
    let count = Rc::clone(&lines);
    let log = AccessLog::new(move |line: &str| {
        assert!(line.contains(Outcome::Complete.label()) || line.contains("peer_left"), "{line}");
        count.set(count.get() + 1);
    });
    let endless = || async {
        Outgoing::write(|writer| async move {
            loop {
                writer.send("x").await;
            }
        })
    };
    let router = Router::new().route("/", get(|| async { "x" })).route("/endless", get(endless));
    let client = TestClient::new(router.layer(default_layers(Some(log)))).unwrap();
    assert_eq!(client.get("/").send().text(), "x");
    assert_eq!(lines.get(), 1);
    let mut answer = client.get("/endless").send();
    assert!(answer.chunk().is_some());
    assert_eq!(lines.get(), 1);
    drop(answer);
    assert_eq!(lines.get(), 2);
}

#[test]
fn a_panic_is_counted() {
    async fn fail() -> Response {
        panic!("on purpose")
    }
    let client = client(Router::new().route("/", get(fail)));
    let answer = client.get("/").send();
    assert_eq!((answer.status(), client.stats().panics.get()), (500, 1));
    assert_eq!(answer.error().and_then(|error| error.internal_text()), Some("on purpose"));
    assert_eq!(StatusCode::INTERNAL_SERVER_ERROR, answer.error().unwrap().status());
}

#[test]
fn what_runs_for_a_request_knows_it() {
    fn path() -> Option<String> {
        current().map(|exchange| exchange.head().path().to_owned())
    }
    let work = |request: Request| async move {
        let shard = request.shard().clone();
        let at_once = path();
        shard.sleep(Duration::from_secs(1)).await;
        let with = shard.spawn(async { path() }).abort_on_drop().await;
        let without = shard.spawn(async { path() }).await;
        let later = path();
        Outgoing::write(|writer| async move {
            writer.send(format!("{:?}", (at_once, with, without, later, path()))).await;
            Ok(())
        })
    };
    let client = client(Router::new().route("/work", get(work)));
    let here = Some("/work".to_owned());
    let expected = format!("{:?}", (&here, &here, None::<String>, &here, &here));
    assert_eq!(client.get("/work").send().text(), expected);
    assert_eq!(path(), None);
}
