//! What tests of a connection stand on: a host, a small service, and the turn of the loop.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use trilane_connection::{Connection, Host};
use trilane_exchange::{
    Address, Capabilities, ConnectionInfo, Exchange, Outgoing, Pool, Reply, Request, Response,
    Service, Shard, Stats, Summary, Wake, WakeQueue,
};
use trilane_semantics::{Command, Instant, Limits, Machine, Payload, Piece, StatusCode};

/// The content of `/big`, in bytes.
pub(crate) const BIG: usize = 100;

/// Time, a service whose slow handlers wait for a gate, and what became of its exchanges.
pub(crate) struct World {
    pub(crate) host: Host,
    clock: Rc<Clock>,
    queue: WakeQueue,
    gate: Rc<Gate>,
    over: Rc<RefCell<Vec<String>>>,
}

#[derive(Default)]
struct Clock {
    now: Cell<Instant>,
    stats: Stats,
}

#[derive(Default)]
struct Gate {
    open: Cell<bool>,
    wakers: RefCell<Vec<Waker>>,
}

type Handler = Pin<Box<dyn Future<Output = Response>>>;

struct App {
    gate: Rc<Gate>,
    pool: Rc<Pool<Handler>>,
    over: Rc<RefCell<Vec<String>>>,
}

/// What the connection wants done on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Bytes(Vec<u8>),
    Command(Command),
}

impl World {
    pub(crate) fn under(limits: Limits) -> Self {
        let (clock, gate) = (Rc::new(Clock::default()), Rc::new(Gate::default()));
        let (queue, over) = (WakeQueue::new(|| ()), Rc::default());
        let app = App { gate: Rc::clone(&gate), pool: Rc::default(), over: Rc::clone(&over) };
        let capabilities: Rc<dyn Capabilities> = Rc::<Clock>::clone(&clock);
        let (limits, shard) = (Rc::new(limits), Shard::new(capabilities));
        let host = Host::new(Rc::new(app), limits, shard, queue.clone(), "");
        Self { host, clock, queue, gate, over }
    }

    pub(crate) fn connect<M: Machine>(machine: M) -> Connection<M> {
        let address = Address::Ip(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        Connection::new(machine, 1, Rc::new(ConnectionInfo::new(address, address)))
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now.get()
    }

    /// Time goes by.
    pub(crate) fn wait(&self, duration: Duration) {
        self.clock.now.set(self.now() + duration);
    }

    /// Lets `/slow` and `/hold` go on.
    pub(crate) fn open_gate(&self) {
        self.gate.open.set(true);
        self.gate.wakers.take().into_iter().for_each(Waker::wake);
    }

    /// How the exchanges ended, in order, each as its path and its outcome.
    pub(crate) fn over(&self) -> Vec<String> {
        self.over.take()
    }

    /// The turn of the loop, until nothing is woken and nothing is to be sent.
    pub(crate) fn settle<M: Machine>(
        &self,
        connection: &mut Connection<M>,
    ) -> Vec<(M::Stream, Act)> {
        let (mut acts, mut woken) = (Vec::new(), Vec::new());
        for _ in 0..1000 {
            self.queue.drain(&mut woken);
            let was_woken = !woken.is_empty();
            for wake in woken.drain(..) {
                let Wake::Exchange(1, id) = wake else { panic!("a stranger: {wake:?}") };
                connection.wake(&self.host, self.now(), id);
            }
            let output = connection.take_output(&self.host, self.now());
            match output {
                Some(out) => {
                    acts.extend(out.entries().map(|(stream, piece)| match piece {
                        Piece::Bytes(bytes) => (stream, Act::Bytes(bytes.to_vec())),
                        Piece::File(_) | Piece::Pipe(_) | Piece::Datagram(_) => {
                            panic!("more than a transport of bytes takes")
                        }
                        Piece::Command(command) => (stream, Act::Command(command)),
                    }));
                    connection.sent(&self.host, self.now());
                }
                None if was_woken => (),
                None => return acts,
            }
        }
        panic!("never settles: {acts:?}")
    }
}

impl Gate {
    async fn pass(&self) {
        poll_fn(|cx| {
            if self.open.get() {
                return Poll::Ready(());
            }
            self.wakers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Service for App {
    fn call(&self, request: Request, cx: &mut Context<'_>) -> Reply {
        self.pool.run(Box::pin(handle(request, Rc::clone(&self.gate))), cx)
    }

    fn finished(&self, exchange: &Exchange, summary: &Summary) {
        let line = format!("{} {}", exchange.head().path(), summary.outcome.label());
        self.over.borrow_mut().push(line);
    }
}

async fn handle(mut request: Request, gate: Rc<Gate>) -> Response {
    let ok = Response::new(StatusCode::OK);
    match request.path() {
        "/big" => ok.body(Payload::from(vec![b'b'; BIG])),
        "/early" => Response::new(StatusCode::FORBIDDEN).body("no"),
        "/echo" => ok.body(Outgoing::frames(request.body)),
        "/hold" => {
            gate.pass().await;
            match request.body.collect().await {
                Ok(all) => ok.body(Payload::from(all)),
                Err(_) => Response::new(StatusCode::BAD_REQUEST),
            }
        }
        "/slow" => {
            gate.pass().await;
            ok.body("slow")
        }
        _ => Response::new(StatusCode::NOT_FOUND),
    }
}

impl Capabilities for Clock {
    fn id(&self) -> usize {
        0
    }
    fn now(&self) -> Instant {
        self.now.get()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
    fn random(&self) -> u64 {
        4
    }
    fn set_timer(&self, _: Instant, _: Waker) -> u64 {
        0
    }
    fn cancel_timer(&self, _: u64) {}
    fn spawn(&self, _: Pin<Box<dyn Future<Output = ()>>>) {}
    fn blocking(&self, _: Box<dyn FnOnce() + Send>) {}
    fn stats(&self) -> &Stats {
        &self.stats
    }
    fn all_stats(&self) -> Vec<Arc<Stats>> {
        Vec::new()
    }
}
