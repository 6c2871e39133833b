//! A warm keep-alive `GET /plaintext` allocates nothing, through the demo's own router, default layers and
//! connection. A binary of its own, because the allocator belongs to the whole program.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use trilane_benches::counting::allocations;
use trilane_benches::{Counting, Scenario, Wire};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn warm_allocations(scenario: &Scenario) -> usize {
    let mut wire = Wire::new().unwrap();
    for _ in 0..100 {
        assert!(wire.turn(scenario), "{scenario:?} is answered wrongly");
    }
    let before = allocations();
    for _ in 0..100 {
        assert!(wire.turn(scenario));
    }
    allocations() - before
}

#[test]
fn a_warm_plaintext_request_allocates_nothing() {
    assert!(warm_allocations(&Scenario::json()) > 0, "the allocator counts");
    for scenario in [Scenario::plaintext(), Scenario::browser(), Scenario::pipelined()] {
        assert_eq!(warm_allocations(&scenario), 0, "{scenario:?}");
    }
}
