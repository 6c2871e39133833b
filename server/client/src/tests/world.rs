//! A shard whose time passes when a test says so, and whose connections end at desks that the test sits at.

use std::future::Future;
use std::ops::Deref;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use trilane_exchange::fake::{Dialed, Fake};
use trilane_exchange::{Address, Answer, Ask, Asked, ConnectionInfo, JoinHandle, Shard};
use trilane_semantics::{Protocol, ResponseHead, StatusCode};

/// A shard of a test.
pub(crate) struct World(Rc<Fake>);

impl World {
    pub(crate) fn new() -> (Rc<Self>, Shard) {
        let (fake, shard) = Fake::with(|fake| fake.random = 7);
        (Rc::new(Self(fake)), shard)
    }

    /// Begins something, and sees how far it comes.
    pub(crate) fn begin<T: 'static>(
        &self,
        shard: &Shard,
        future: impl Future<Output = T> + 'static,
    ) -> JoinHandle<T> {
        let handle = shard.spawn(future);
        self.run();
        handle
    }

    pub(crate) fn line(&self, number: usize) -> Line {
        Line(Rc::clone(&self.dialed.borrow()[number]))
    }
}

impl Deref for World {
    type Target = Fake;

    fn deref(&self) -> &Fake {
        &self.0
    }
}

/// A connection, as the server has it.
pub(crate) struct Line(Rc<Dialed>);

impl Deref for Line {
    type Target = Dialed;

    fn deref(&self) -> &Dialed {
        &self.0
    }
}

/// What came of it, if it is over.
pub(crate) fn over<T>(handle: &mut JoinHandle<T>) -> Option<T> {
    let polled = std::pin::pin!(handle).poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

impl Line {
    /// It is made, speaks that, and has so much room.
    pub(crate) fn open(&self, protocol: Protocol, room: usize) {
        let info = ConnectionInfo::new(Address::Unix, Address::Unix);
        self.desk.opened(protocol, Rc::new(info));
        self.desk.connected();
        self.desk.offer(0, room);
    }

    /// What is asked next.
    #[track_caller]
    pub(crate) fn asked(&self) -> (Ask, Asked) {
        self.desk.next(|_| true).expect("nobody asks")
    }
}

/// A response to be given.
pub(crate) fn answer(status: u16, fields: &[(&str, &str)], content: &[u8]) -> Answer {
    let mut head = ResponseHead::new(StatusCode::from_u16(status).unwrap());
    fields.iter().for_each(|(name, value)| head.fields.append(*name, value).unwrap());
    let content = content.to_vec();
    Answer { head, body: trilane_exchange::Incoming::full(content.into()) }
}
