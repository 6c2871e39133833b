//! Whose content goes first (RFC 9218).

use super::*;

/// Three answers wait for the connection's window, with these priorities; in which order are they told that it is open?
fn order(priorities: [&str; 3], rounds: usize) -> Vec<u32> {
    ordered(priorities, rounds, 0)
}

/// The same, where the caller asks for the order of all of them so often in each round.
fn ordered(priorities: [&str; 3], rounds: usize, asks: usize) -> Vec<u32> {
    let mut side = Side::ready();
    side.feed(setting(4, 1 << 20));
    for (id, priority) in [1, 3, 5].into_iter().zip(priorities) {
        let fields = [POST, &[("priority", priority)]].concat();
        side.feed(headers(flag::END_STREAM, id, &fields));
        side.respond(id.into(), 200, Content::Unknown);
    }
    side.feed(get(7));
    side.respond(7, 200, Content::Unknown);
    side.send(7, 65_535);
    for id in [1, 3, 5] {
        side.send(id, 100);
    }
    let mut order = Vec::new();
    for _ in 0..rounds {
        side.input = number(kind::WINDOW_UPDATE, 0, 1);
        let bytes = std::mem::take(&mut side.input);
        let mut input = Input::new((), &bytes, false);
        let Ok(Next::Event(Event::Writable { id })) = side.machine.poll_event(NOW, &mut input)
        else {
            panic!("nobody is told")
        };
        order.push(id.0 as u32);
        side.send(id.0, 100);
        for _ in 0..asks {
            side.machine.schedule(&mut [1, 3, 5].map(ExchangeId));
        }
    }
    order
}

#[test]
fn the_most_urgent_goes_first_and_nobody_waits_for_ever() {
    assert_eq!(order(["u=5", "u=1", "u=3"], 3), [3, 3, 3]);
    // One after the other, by number; or all in turn.
    assert_eq!(order(["", "", ""], 3), [1, 1, 1]);
    assert_eq!(order(["i", "i", "i"], 6), [1, 3, 5, 1, 3, 5]);
    let long = order(["u=7", "u=0", "u=7"], 64);
    assert!([1, 3, 5].iter().all(|id| long.contains(id)), "{long:?}");
    assert!(long.iter().filter(|&&id| id == 3).count() > 48, "{long:?}");
}

/// Found by the simulator: two that count their turns together must not have the fair ones fall to one of them.
#[test]
fn nobody_waits_for_ever_however_often_the_order_is_asked_for() {
    for asks in 0..8 {
        let long = ordered(["u=7", "u=0", "u=7"], 64, asks);
        assert!([1, 3, 5].iter().all(|id| long.contains(id)), "{asks}: {long:?}");
    }
}

/// RFC 9218 §7.1.
#[test]
fn a_priority_can_change() {
    let mut side = Side::ready();
    side.feed([get(1), get(3)].concat());
    let ids = || vec![ExchangeId(1), ExchangeId(3)];
    let mut waiting = ids();
    side.machine.schedule(&mut waiting);
    assert_eq!(waiting, ids());
    assert_eq!(side.feed(one(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x03u=0")), [""; 0]);
    side.machine.schedule(&mut waiting);
    assert_eq!(waiting, [ExchangeId(3), ExchangeId(1)]);
    for _ in 0..8 {
        waiting = ids();
        side.machine.schedule(&mut waiting);
        if waiting[0] == ExchangeId(1) {
            return;
        }
    }
    panic!("stream 1 waits for ever");
}
