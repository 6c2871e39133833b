//! The cache in front of a handler, in a time that passes when a test says so.

mod coalescing;
mod serving;
mod stale;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use trilane_exchange::shard::LocalTask;
use trilane_exchange::{
    Address, Capabilities, ConnectionInfo, Exchange, Frame, Incoming, Outgoing, Reply, Request,
    Response, Running, Service, Shard, Stats, Tasks, Wake, WakeQueue,
};
use trilane_semantics::{Fields, Instant, Known, Method, RequestHead, StatusCode};

use crate::{App, Cache, CacheConfig, Error, Router, any};

struct Fake {
    seconds: Cell<u64>,
    timers: RefCell<BTreeMap<u64, (Instant, Waker)>>,
    count: Cell<u64>,
    queue: WakeQueue,
    tasks: RefCell<Tasks>,
    stats: Stats,
    /// Happens when the time is next asked for: what other shards do meanwhile.
    meanwhile: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Capabilities for Fake {
    fn id(&self) -> usize {
        0
    }
    fn now(&self) -> Instant {
        Instant::from_nanos(self.seconds.get() * 1_000_000_000)
    }
    fn wall(&self) -> SystemTime {
        let meanwhile = self.meanwhile.borrow_mut().take();
        meanwhile.into_iter().for_each(|happens| happens());
        UNIX_EPOCH + Duration::from_secs(1_000_000 + self.seconds.get())
    }
    fn random(&self) -> u64 {
        7
    }
    fn set_timer(&self, at: Instant, waker: Waker) -> u64 {
        self.count.set(self.count.get() + 1);
        self.timers.borrow_mut().insert(self.count.get(), (at, waker));
        self.count.get()
    }
    fn cancel_timer(&self, timer: u64) {
        self.timers.borrow_mut().remove(&timer);
    }
    fn spawn(&self, task: LocalTask) {
        self.tasks.borrow_mut().spawn(task);
    }
    fn blocking(&self, _: Box<dyn FnOnce() + Send>) {}
    fn stats(&self) -> &Stats {
        &self.stats
    }
    fn all_stats(&self) -> Vec<Arc<Stats>> {
        Vec::new()
    }
}

/// What the handler does.
type Act = Box<dyn Fn(&Request) -> Response>;
/// What it does next.
type Script = Rc<RefCell<Act>>;

/// A cache, a handler, and what the handler saw.
struct Rig {
    fake: Rc<Fake>,
    shard: Shard,
    app: App,
    cache: Cache,
    script: Script,
    /// The heads of the requests that came to it.
    seen: Rc<RefCell<Vec<RequestHead>>>,
    /// While it is shut, handlers wait.
    gate: Rc<Cell<bool>>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    status: u16,
    told: String,
    body: String,
    fields: Fields,
}

impl Got {
    fn age(&self) -> Option<&str> {
        self.fields.get_str(Known::Age)
    }
}

fn reply(lines: &[(&str, &str)], body: &'static str) -> Response {
    let plain = Response::new(StatusCode::OK).body(body);
    lines.iter().fold(plain, |response, (name, value)| response.field(*name, value))
}

impl Rig {
    fn new(config: CacheConfig) -> Self {
        Self::of(Cache::new(config))
    }

    /// A shard that shares a cache with others.
    fn of(cache: Cache) -> Self {
        let queue = WakeQueue::new(|| ());
        let fake = Rc::new(Fake {
            seconds: Cell::new(0),
            timers: RefCell::default(),
            count: Cell::new(0),
            tasks: RefCell::new(Tasks::new(queue.clone())),
            queue,
            stats: Stats::default(),
            meanwhile: RefCell::default(),
        });
        let shard = Shard::new(Rc::clone(&fake) as Rc<dyn Capabilities>);
        let script: Script = Rc::new(RefCell::new(Box::new(|_| reply(&[], ""))));
        let (seen, gate) = (Rc::<RefCell<Vec<_>>>::default(), Rc::new(Cell::new(true)));
        let (ours, heads, open) = (Rc::clone(&script), Rc::clone(&seen), Rc::clone(&gate));
        let handler = any(move |request: Request| {
            let (script, heads, open) = (Rc::clone(&ours), Rc::clone(&heads), Rc::clone(&open));
            async move {
                heads.borrow_mut().push(request.head().clone());
                let wait = |_: &mut Context<'_>| {
                    if open.get() { Poll::Ready(()) } else { Poll::Pending }
                };
                std::future::poll_fn(wait).await;
                script.borrow()(&request)
            }
        });
        let router = Router::new().route("/{*any}", handler);
        let app = router.layer(cache.clone()).build().unwrap();
        Self { fake, shard, app, cache, script, seen, gate }
    }

    /// A handler that always answers that.
    fn answering(config: CacheConfig, lines: &'static [(&str, &str)], body: &'static str) -> Self {
        let rig = Self::new(config);
        rig.script(move |_| reply(lines, body));
        rig
    }

    fn script(&self, script: impl Fn(&Request) -> Response + 'static) {
        *self.script.borrow_mut() = Box::new(script);
    }

    fn calls(&self) -> usize {
        self.seen.borrow().len()
    }

    /// What the last request that came to the handler had in that field.
    fn saw(&self, name: &str) -> Option<String> {
        Some(self.seen.borrow().last()?.fields.get_str(name)?.to_owned())
    }

    fn begin(&self, method: &str, target: &str, lines: &[(&str, &str)]) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut head = RequestHead::new(method, target).unwrap();
        head.fields.append("host", "h").unwrap();
        for (name, value) in lines {
            head.fields.append(*name, value).unwrap();
        }
        let local = Address::Unix;
        let info = Rc::new(ConnectionInfo::new(local, local));
        let exchange = Exchange::new(head, info, self.shard.clone(), self.shard.now());
        let request = Request::new(Rc::new(exchange), Incoming::empty());
        self.app.call(request, &mut Context::from_waker(Waker::noop()))
    }

    fn send(&self, method: &str, target: &str, lines: &[(&str, &str)]) -> Got {
        match self.begin(method, target, lines) {
            Reply::Ready(response) => got(response),
            Reply::Pending(mut running) => poll(&mut running).expect("ready"),
        }
    }

    fn get(&self, lines: &[(&str, &str)]) -> Got {
        self.send("GET", "/a", lines)
    }

    fn pass(&self, seconds: u64) {
        self.fake.seconds.set(self.fake.seconds.get() + seconds);
    }

    /// Polls spawned tasks until nothing is woken.
    fn run(&self) {
        let mut woken = Vec::new();
        self.fake.queue.drain(&mut woken);
        while !woken.is_empty() {
            for wake in woken.drain(..) {
                let Wake::Task(key) = wake else { panic!("{wake:?}") };
                let Some(mut task) = self.fake.tasks.borrow_mut().take(key) else { continue };
                task.poll();
                self.fake.tasks.borrow_mut().put_back(task);
            }
            self.fake.queue.drain(&mut woken);
        }
    }
}

fn poll(running: &mut Running) -> Option<Got> {
    match running.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => Some(got(response)),
        Poll::Pending => None,
    }
}

/// All of an answer, its stream sent to its end.
fn got(response: Response) -> Got {
    let mut body = Vec::new();
    match response.body {
        Outgoing::Empty => (),
        Outgoing::Full(payload) => body.extend_from_slice(payload.as_ref()),
        Outgoing::Stream { mut source, .. } => {
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(Some(Ok(frame))) = source.as_mut().poll_frame(&mut cx) {
                if let Frame::Data(data) = frame {
                    body.extend_from_slice(data.as_ref());
                }
            }
        }
    }
    let fields = response.head.fields;
    let told = fields.get_str("cache-status").unwrap_or_default();
    let told = told.strip_prefix("trilane; ").unwrap_or(told).to_owned();
    let status = response.head.status.as_u16();
    Got { status, told, body: String::from_utf8(body).unwrap(), fields }
}
