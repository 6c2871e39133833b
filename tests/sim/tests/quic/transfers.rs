//! Transfers come to their end, in fair weather and in foul.

use std::time::Duration;

use crate::client::Ask;
use crate::world::{Plan, World};

/// Long enough for everything here.
const LONG: Duration = Duration::from_secs(600);

#[test]
fn a_request_is_answered() {
    let mut world = World::new(Plan::default());
    let client = world.client();
    world.clients[client].ask(Ask::get("/plaintext"));
    let time = world.finish(LONG);
    // A round trip for the handshake, and one for the request.
    assert_eq!(time, Duration::from_millis(20));
    assert_eq!(world.clients[client].asks[&0].got, 13);
}
