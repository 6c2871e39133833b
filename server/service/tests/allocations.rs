//! A warm route allocates nothing, with the default layers and a log around it, with a middleware or a cache, and with a
//! file that is kept.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use trilane_exchange::shard::LocalTask;
use trilane_exchange::{
    Address, Capabilities, ConnectionInfo, Exchange, Incoming, Outcome, Reply, Request, Response,
    Service, Shard, Stats, Summary,
};
use trilane_semantics::{Instant, Method, RequestHead, StatusCode};
use trilane_service::{
    AccessLog, App, Cache, CacheConfig, Hook, Next, Path, Router, ServeDir, Trace, default_layers,
    from_fn, get,
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Default)]
struct Still(Cell<u64>, Stats);

impl Capabilities for Still {
    fn id(&self) -> usize {
        0
    }
    fn now(&self) -> Instant {
        Instant::from_nanos(0)
    }
    fn wall(&self) -> SystemTime {
        UNIX_EPOCH
    }
    fn random(&self) -> u64 {
        self.0.replace(self.0.get() + 1)
    }
    fn set_timer(&self, _: Instant, _: Waker) -> u64 {
        0
    }
    fn cancel_timer(&self, _: u64) {}
    fn spawn(&self, _: LocalTask) {}
    fn blocking(&self, _: Box<dyn FnOnce() + Send>) {}
    fn stats(&self) -> &Stats {
        &self.1
    }
    fn all_stats(&self) -> Vec<Arc<Stats>> {
        Vec::new()
    }
}

/// Keeps the exchange for the end, as a connection does.
struct Keep(Rc<RefCell<Option<Rc<Exchange>>>>);

impl Hook for Keep {
    fn before(&self, request: &mut Request) -> Option<Response> {
        *self.0.borrow_mut() = Some(Rc::clone(request.exchange()));
        None
    }
}

/// Allocations of the third of three requests, those of making the request itself left out.
fn third(app: &App, kept: &RefCell<Option<Rc<Exchange>>>, target: &str) -> usize {
    let shard = Shard::new(Rc::new(Still::default()));
    let local = Address::Unix;
    let info = Rc::new(ConnectionInfo::new(local, local));
    let mut count = usize::MAX;
    for _ in 0..3 {
        let head = RequestHead::new(Method::GET, target).expect("a valid target");
        let exchange = Exchange::new(head, Rc::clone(&info), shard.clone(), Instant::default());
        let request = Request::new(Rc::new(exchange), Incoming::empty());
        let before = COUNT.get();
        let reply = app.call(request, &mut Context::from_waker(Waker::noop()));
        let Reply::Ready(response) = reply else { panic!("not ready") };
        assert_eq!(response.head.status, StatusCode::OK);
        drop(response);
        let summary = Summary {
            outcome: Outcome::Complete,
            closed: None,
            status: Some(StatusCode::OK),
            duration: Duration::ZERO,
            bytes_in: 0,
            bytes_out: 13,
        };
        let exchange = kept.borrow_mut().take().expect("the layer ran");
        app.finished(&exchange, &summary);
        drop(exchange);
        count = COUNT.get() - before;
    }
    count
}

#[test]
fn a_warm_route_allocates_nothing() {
    let kept: Rc<RefCell<Option<Rc<Exchange>>>> = Rc::default();
    let log = AccessLog::new(|line: &str| assert!(line.len() > 100));
    let around = from_fn(|request: Request, next: Next| async move { next.run(request).await });
    let files = [("a.css", &b"p{}"[..]), ("a.css.br", b"")];
    let files = ServeDir::embedded(files).cache_control("*", "max-age=60");
    let cached = || async { ([("cache-control", "max-age=60"), ("etag", "\"1\"")], "made once") };
    let app = Router::new()
        .serve_dir("/static", files)
        .route("/allocates", get(|| async { String::from("Hello, World!") }))
        .route("/cached", get(cached).layer(Cache::new(CacheConfig::new())))
        .route("/around", get(|| async { "Hello, World!" }).layer(around))
        .route("/plaintext", get(|| async { "Hello, World!" }))
        .route("/users/{id}", get(|Path(_): Path<u32>| async { "Hello, World!" }))
        .layer(Keep(Rc::clone(&kept)))
        .layer(Trace::new())
        .layer(default_layers(Some(log)))
        .build()
        .unwrap();
    assert!(third(&app, &kept, "/allocates") > 0, "the allocator counts");
    for target in ["/plaintext", "/users/7", "/around", "/static/a.css", "/cached"] {
        assert_eq!(third(&app, &kept, target), 0, "{target}");
    }
}
