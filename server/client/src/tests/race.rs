//! Which of several addresses is taken.

use trilane_exchange::{JoinHandle, Remote};
use trilane_semantics::{Cause, Protocol};

use super::*;
use crate::tests::world::{World, over};

type Raced = JoinHandle<Result<(Caller, usize), DialError>>;

fn begin(world: &World, shard: &Shard, count: u16) -> Raced {
    let dials = (1..=count).map(|port| Dial::new(Remote::Ip(([127, 0, 0, 1], port).into())));
    world.begin(shard, race(shard.clone(), dials.collect::<Vec<_>>()))
}

fn taken(raced: &mut Raced) -> Option<usize> {
    over(raced).map(|outcome| outcome.unwrap().1)
}

#[test]
fn the_second_is_tried_when_the_first_is_late() {
    let (world, shard) = World::new();
    let mut raced = begin(&world, &shard, 3);
    assert_eq!(world.dials(), 1);
    world.pass(249);
    assert_eq!(world.dials(), 1);
    world.pass(1);
    assert_eq!(world.dials(), 2);
    world.line(1).open(Protocol::Http11, 1);
    world.run();
    assert_eq!((taken(&mut raced), world.dials()), (Some(1), 2));
    assert_eq!(world.line(0).desk.wanted(), Some(Cause::LastMessage), "it is given up");
}

#[test]
fn the_first_may_still_win() {
    let (world, shard) = World::new();
    let mut raced = begin(&world, &shard, 2);
    world.pass(300);
    world.line(0).open(Protocol::Http2, 1);
    world.run();
    assert_eq!(taken(&mut raced), Some(0));
}

#[test]
fn one_that_fails_is_followed_at_once() {
    let (world, shard) = World::new();
    let mut raced = begin(&world, &shard, 3);
    let refused = |number| DialError::Io(std::io::ErrorKind::ConnectionRefused, Some(number));
    for number in 0..2 {
        world.line(number).desk.end(refused(number as i32));
        world.run();
        assert_eq!(world.dials(), number + 2);
    }
    world.pass(10_000);
    assert_eq!((world.dials(), over(&mut raced).is_none()), (3, true));
    world.line(2).desk.end(refused(2));
    world.run();
    assert_eq!(over(&mut raced).unwrap().err(), Some(refused(0)));
    let mut none = begin(&world, &shard, 0);
    assert!(matches!(over(&mut none), Some(Err(DialError::Name(_)))));
}

#[test]
fn who_leaves_gives_all_up() {
    let (world, shard) = World::new();
    let raced = begin(&world, &shard, 2).abort_on_drop();
    world.pass(250);
    drop(raced);
    assert!((0..2).all(|number| world.line(number).desk.wanted().is_some()));
}
