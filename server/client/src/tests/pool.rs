//! Pools: who gets a connection, in which order, and what becomes of those that nobody needs.

use trilane_exchange::{Answer, Remote, Speak};
use trilane_semantics::{Method, RequestHead};

use super::*;
use crate::tests::world::{World, answer, over};

type Handle = JoinHandle<Result<Answer, AskError>>;

fn ask() -> Ask {
    Ask::new(RequestHead::new(Method::GET, "/").unwrap())
}

fn dial(speak: Speak) -> Dial {
    let mut dial = Dial::new(Remote::Ip(([127, 0, 0, 1], 80).into()));
    dial.speak = speak;
    dial
}

fn pool(shard: &Shard, speak: Speak, share: &Arc<Share>) -> Pool {
    Pool::new(shard.clone(), dial(speak), PoolConfig::default(), Arc::clone(share))
}

fn begin(world: &World, shard: &Shard, pool: &Pool) -> Handle {
    let pool = pool.clone();
    let asked = async move {
        let asking = pool.ask(ask()).await?;
        drop(pool);
        asking.await
    };
    world.begin(shard, asked)
}

/// A connection ends.
fn gone(world: &World, number: usize) {
    let line = world.dialed.borrow_mut().remove(number);
    line.desk.end(DialError::Closed(Cause::Peer));
    drop(line);
    world.run();
}

/// Answers what is asked on a connection that takes one request at a time.
#[track_caller]
fn serve(world: &World, number: usize) {
    let line = world.line(number);
    let (_, asked) = line.asked();
    asked.end(Ok(answer(200, &[], b"")));
    line.desk.offer(0, 1);
    world.run();
}

#[track_caller]
fn is_served(handle: &mut Handle) {
    assert!(over(handle).expect("not over").is_ok());
}

#[test]
fn a_connection_is_used_again() {
    let (world, shard) = World::new();
    let share = Share::new(4);
    let pool = pool(&shard, Speak::Http1, &share);
    let mut first = begin(&world, &shard, &pool);
    assert_eq!(world.line(0).dial.remote, dial(Speak::Http1).remote);
    world.line(0).open(Protocol::Http11, 1);
    world.run();
    serve(&world, 0);
    is_served(&mut first);
    for _ in 0..3 {
        let mut next = begin(&world, &shard, &pool);
        serve(&world, 0);
        is_served(&mut next);
    }
    assert_eq!((world.dials(), pool.open(), share.open(), share.made()), (1, 1, 1, 1));
    world.pass(60_000);
    assert_eq!(world.line(0).desk.wanted(), Some(Cause::IdleTimeout));
    gone(&world, 0);
    assert_eq!((pool.open(), share.open()), (0, 0));
}

#[test]
fn who_comes_first_is_served_first() {
    let (world, shard) = World::new();
    let share = Share::new(1);
    let pool = pool(&shard, Speak::Http1, &share);
    let mut handles: Vec<Handle> = (0..4).map(|_| begin(&world, &shard, &pool)).collect();
    assert_eq!((world.dials(), pool.waiting()), (1, 3));
    world.line(0).open(Protocol::Http11, 1);
    world.run();
    for place in 0..4 {
        let line = world.line(0);
        let (_, asked) = line.asked();
        asked.end(Ok(answer(200, &[], b"")));
        line.desk.offer(0, 1);
        // Nobody who comes now goes before those who wait.
        if place < 3 {
            assert!(pool.try_take().is_none());
        }
        world.run();
        let served: Vec<bool> = handles.iter_mut().map(|it| over(it).is_some()).collect();
        assert_eq!(served[place..], vec![true, false, false, false][..4 - place]);
    }
    // Who takes it and does not ask leaves it.
    drop(pool.try_take().unwrap());
    assert!(pool.try_take().is_some());
}

#[test]
fn who_leaves_is_passed_over() {
    let (world, shard) = World::new();
    let share = Share::new(1);
    let pool = pool(&shard, Speak::Http1, &share);
    let mut first = begin(&world, &shard, &pool);
    let second = begin(&world, &shard, &pool).abort_on_drop();
    let mut third = begin(&world, &shard, &pool);
    world.line(0).open(Protocol::Http11, 1);
    world.run();
    let line = world.line(0);
    let (_, asked) = line.asked();
    asked.end(Ok(answer(200, &[], b"")));
    line.desk.offer(0, 1);
    // It was called, and goes before it is polled.
    drop(second);
    world.run();
    is_served(&mut first);
    serve(&world, 0);
    is_served(&mut third);
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn who_gives_up_a_connection_leaves_its_lease() {
    let (world, shard) = World::new();
    let share = Share::new(1);
    let pool = pool(&shard, Speak::Http1, &share);
    let first = begin(&world, &shard, &pool).abort_on_drop();
    let mut second = begin(&world, &shard, &pool);
    drop(first);
    world.run();
    assert_eq!((world.dials(), share.open(), pool.waiting()), (2, 1, 0));
    world.line(1).open(Protocol::Http11, 1);
    world.run();
    serve(&world, 1);
    is_served(&mut second);
}

#[test]
fn waiting_has_bounds() {
    let (world, shard) = World::new();
    let config = PoolConfig { most_waiting: 1, ..PoolConfig::default() };
    let pool = Pool::new(shard.clone(), dial(Speak::Http1), config, Share::new(1));
    let mut first = begin(&world, &shard, &pool);
    let mut second = begin(&world, &shard, &pool);
    let mut third = begin(&world, &shard, &pool);
    let refused = |handle: &mut Handle| {
        let error = over(handle).unwrap().err().unwrap();
        assert!(error.request.is_some() && error.effect == Effect::None);
        error.failure
    };
    assert!(matches!(refused(&mut third), AskFailure::NotNow));
    world.line(0).open(Protocol::Http11, 1);
    world.pass(10_000);
    assert!(matches!(refused(&mut second), AskFailure::NotNow));
    serve(&world, 0);
    is_served(&mut first);
    // One that cannot be made in time is none.
    let mut late = begin(&world, &shard, &pool);
    serve(&world, 0);
    is_served(&mut late);
    gone(&world, 0);
    let mut late = begin(&world, &shard, &pool);
    world.pass(5_000);
    let timeout = DialError::from(io::Error::from(io::ErrorKind::TimedOut));
    assert!(matches!(refused(&mut late), AskFailure::Connection(error) if error == timeout));
}

/// The first connection of HTTP/2 is enough for all.
#[test]
fn one_shared_connection_is_waited_for() {
    let (world, shard) = World::new();
    let share = Share::new(8);
    let pool = pool(&shard, Speak::Http2, &share);
    let mut handles: Vec<Handle> = (0..5).map(|_| begin(&world, &shard, &pool)).collect();
    assert_eq!((world.dials(), pool.waiting()), (1, 4));
    let line = world.line(0);
    line.open(Protocol::Http2, 3);
    world.run();
    // Three have room; one more connection for the others, and the last waits for it.
    assert_eq!((world.dials(), pool.waiting(), line.desk.next(|_| true).is_some()), (2, 1, true));
    world.line(1).desk.end(DialError::Tls("no".into()));
    world.run();
    assert_eq!((world.dials(), pool.waiting()), (3, 0), "it was refused: the next one tries");
    assert_eq!(handles.iter_mut().filter_map(over).count(), 2, "one without room, one given up");
}

/// ALPN has said that each needs a connection of its own.
#[test]
fn nobody_waits_for_one_that_is_not_shared() {
    struct Unknown(Direct);
    impl Connect for Unknown {
        fn connect(&self) -> crate::Connecting {
            self.0.connect()
        }
        fn is_shared(&self) -> Option<bool> {
            None
        }
    }
    let (world, shard) = World::new();
    let place = Unknown(Direct { shard: shard.clone(), dial: dial(Speak::Http1) });
    let pool = Pool::of(shard.clone(), place, PoolConfig::default(), Share::new(8));
    let mut handles: Vec<Handle> = (0..5).map(|_| begin(&world, &shard, &pool)).collect();
    assert_eq!((world.dials(), pool.waiting()), (1, 4));
    world.line(0).open(Protocol::Http11, 1);
    world.run();
    assert_eq!((world.dials(), pool.waiting()), (5, 0));
    for number in 0..5 {
        if number > 0 {
            world.line(number).open(Protocol::Http11, 1);
            world.run();
        }
        serve(&world, number);
    }
    handles.iter_mut().for_each(is_served);
}

#[test]
fn leases_last_as_long_as_connections() {
    let (world, shard) = World::new();
    let share = Share::new(1);
    let first = pool(&shard, Speak::Http1, &share);
    let mut handle = begin(&world, &shard, &first);
    let line = world.line(0);
    line.open(Protocol::Http11, 1);
    world.run();
    let (_, asked) = line.asked();
    // The pool goes, what is under way goes on.
    drop(first);
    assert_eq!((share.open(), line.desk.wanted()), (1, Some(Cause::LastMessage)));
    let second = pool(&shard, Speak::Http1, &share);
    let mut waiting = begin(&world, &shard, &second);
    assert_eq!(world.dials(), 1);
    asked.end(Ok(answer(200, &[], b"")));
    world.run();
    is_served(&mut handle);
    drop(line);
    gone(&world, 0);
    assert_eq!((share.open(), world.dials()), (1, 1));
    world.line(0).open(Protocol::Http11, 1);
    world.run();
    serve(&world, 0);
    is_served(&mut waiting);
}

/// Another shard has all connections, and always something to do with them.
#[test]
fn each_pool_gets_its_part() {
    let ((one, shard), (two, other)) = (World::new(), World::new());
    let share = Share::new(2);
    let (busy, hungry) = (pool(&shard, Speak::Http1, &share), pool(&other, Speak::Http1, &share));
    let handles: Vec<Handle> = (0..6).map(|_| begin(&one, &shard, &busy)).collect();
    one.line(0).open(Protocol::Http11, 1);
    one.run();
    assert_eq!((one.dials(), busy.waiting()), (1, 5), "at first each has its part alone");
    one.pass(1_000);
    assert_eq!((one.dials(), busy.waiting()), (2, 4), "and then what nobody wants");
    one.line(1).open(Protocol::Http11, 1);
    one.run();
    two.pass(1_000);
    let mut starved = begin(&two, &other, &hungry);
    assert_eq!((two.dials(), hungry.waiting(), busy.waiting()), (0, 1, 4));
    serve(&one, 0);
    assert_eq!(one.line(0).desk.wanted(), Some(Cause::IdleTimeout));
    assert_eq!(busy.waiting(), 4, "who waits there goes on waiting");
    // As the connection does that is asked to end.
    gone(&one, 0);
    two.run();
    assert_eq!((one.dials(), two.dials(), share.open()), (1, 1, 2));
    two.line(0).open(Protocol::Http11, 1);
    two.run();
    serve(&two, 0);
    is_served(&mut starved);
    // And keeps it for a moment, though others wait.
    assert_eq!(two.line(0).desk.wanted(), None);
    serve(&one, 0);
    assert_eq!((one.line(0).desk.wanted(), busy.waiting()), (None, 3));
    two.pass(1_000);
    assert_eq!(two.line(0).desk.wanted(), Some(Cause::IdleTimeout));
    drop(handles);
}

/// One place uses what another one needs no longer.
#[test]
fn the_whole_is_shared_by_places() {
    let (world, shard) = World::new();
    let whole = Share::new(1);
    let [one, two] = [(); 2].map(|()| pool(&shard, Speak::Http1, &Share::within(4, &whole)));
    let mut first = begin(&world, &shard, &one);
    world.line(0).open(Protocol::Http11, 1);
    world.run();
    serve(&world, 0);
    is_served(&mut first);
    assert_eq!((whole.open(), world.line(0).desk.wanted()), (1, None));
    let mut second = begin(&world, &shard, &two);
    assert_eq!(world.line(0).desk.wanted(), Some(Cause::IdleTimeout));
    gone(&world, 0);
    world.line(0).open(Protocol::Http11, 1);
    world.run();
    serve(&world, 0);
    is_served(&mut second);
    assert_eq!((whole.open(), whole.made()), (1, 2));
}
