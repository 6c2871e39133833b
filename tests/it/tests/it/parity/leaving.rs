//! Clients that leave: before, during and after; whatever they leave behind is dropped.

use std::time::Duration;

use super::house::eventually;
use super::{Ask, Got, House, LANES, Length};

#[test]
fn before_a_word_and_in_the_middle_of_a_head() {
    let house = House::new(|_| {});
    for lane in LANES {
        lane.open(&house).leave();
        let mut client = lane.open(&house);
        client.dangle(&Ask::get("/plaintext"));
        client.leave();
    }
    eventually("all are accepted", || {
        house.sum(|stats| stats.accepted.get()) == 2 * LANES.len() as u64
    });
    house.settle();
    assert_eq!(house.sum(|stats| stats.requests.get()), 0);
}

#[test]
fn while_the_handler_waits() {
    let house = House::new(|_| {});
    for (at, lane) in (1..).zip(LANES) {
        let mut client = lane.open(&house);
        client.begin(&Ask::get("/test/wait"));
        eventually("the handler begins", || house.begun() == at);
        client.leave();
        eventually("the handler is dropped", || house.dropped() == at);
    }
    assert_eq!(house.finished(), 0);
    house.settle();
}

#[test]
fn while_it_sends_content() {
    let house = House::new(|_| {});
    for (at, lane) in (1..).zip(LANES) {
        let mut client = lane.open(&house);
        let id = client.begin(&Ask::post("/test/late", Length::Exact(100)));
        client.send(id, &[b'a'; 50]).unwrap();
        eventually("the handler begins", || house.begun() == at);
        client.leave();
        eventually("the handler is dropped", || house.dropped() == at);
    }
    assert_eq!(house.finished(), 0);
    house.settle();
}

#[test]
fn while_the_answer_comes() {
    // A peer that has closed its half may read on: only silence for that time says that it does not.
    let house = House::new(|limits| limits.write_timeout = Duration::from_millis(300));
    for (at, lane) in (1..).zip(LANES) {
        for (target, n) in [("/test/endless", 2 * at - 1), ("/test/late-hang", 2 * at)] {
            let mut client = lane.open(&house);
            let id = client.begin(&Ask::get(target));
            let Got::Head(_) = client.next(id) else { panic!("no head") };
            let Got::Data(_) = client.next(id) else { panic!("no content") };
            eventually("the body begins", || house.begun() == n);
            client.leave();
            eventually(target, || house.dropped() == n);
        }
    }
    assert_eq!(house.finished(), 0);
    house.settle();
}

#[test]
fn after_the_answer() {
    let house = House::new(|_| {});
    for lane in LANES {
        let mut client = lane.open(&house);
        client.ask_with(&Ask::post("/test/ignore", Length::Exact(1)), b"a").status(200);
        client.leave();
    }
    house.settle();
    assert_eq!(house.finished(), LANES.len() as u64);
}

#[test]
fn a_silent_client_is_let_go_after_the_idle_time() {
    let house = House::new(|limits| limits.idle_timeout = Duration::from_millis(150));
    for lane in LANES {
        let mut client = lane.open(&house);
        client.ask(&Ask::get("/plaintext")).status(200);
        assert!(!client.is_closed_within(Duration::from_millis(60)), "{}", lane.name());
        client.ask(&Ask::get("/plaintext")).status(200);
        assert!(client.is_closed_within(Duration::from_secs(5)), "{}", lane.name());
    }
    house.settle();
}

#[test]
fn who_has_asked_everything_still_gets_the_answer() {
    let house = House::new(|limits| limits.write_timeout = Duration::from_millis(300));
    for lane in LANES {
        let mut client = lane.open(&house);
        // Longer than that time in all, never silent for so long.
        let id = client.begin(&Ask::get("/stream/60"));
        let Got::Head(_) = client.next(id) else { panic!("no head") };
        client.ask_no_more();
        assert!(client.answer(id).whole().text().ends_with("chunk 59\n"), "{}", lane.name());
    }
    house.settle();
}
