//! The parity suite with a proxy between: the same cases, in a process of their own in which every house is behind one.

use std::process::Command;

use super::super::super::parity::front::THROUGH;

/// Cases about what is passed on, which depend on how.
const PASSED: &[&str] = &[
    "parity::content::",
    "parity::errors::a_panic",
    "parity::grpc::",
    "parity::leaving::while",
    "features::hints::the_demo",
];

/// WebSockets. Over HTTP/2 the first one on a new connection waits for the server's SETTINGS, which say whether it takes them (RFC 8441 §3).
const WEBSOCKETS: &[&str] = &["features::ws::messages_", "features::ws::who_ends"];

/// The other ones that have a house.
const MORE: &[&str] = &[
    "parity::early::",
    "parity::errors::",
    "parity::leaving::",
    "parity::limits::",
    "parity::rest::",
    "parity::reuse::",
    "parity::routes::",
    "parity::files::the_sample",
    "parity::slow::a_handler",
];

/// What cannot be the same behind a proxy.
const OTHERS: &[&str] = &[
    // RFC 9110 §10.1.1: 100 is a gateway's own to send, which it does when there is a server that takes the content.
    "continue_comes_when_the_handler_reads",
    "continue_never_comes_when_nobody_reads",
    "continue_is_left_out_once_content_came",
    // Pieces that come soon after each other may come together.
    "a_stream_comes_in_its_pieces",
    // Routes with limits of their own are behind it.
    "the_size_of_content",
    // A server sees the protocol that the proxy speaks.
    "the_front_page_names_the_protocol",
    // `OPTIONS *` is about the front (RFC 9110 §9.3.7).
    "methods_that_a_path_has_not",
    // An answer that is here at once has a length, which HEAD does not show: `heads` has that.
    "get_and_head_of_every_route",
    // Its time is short for two servers.
    "who_has_asked_everything",
    // It counts connections of the server that answers.
    "a_hundred_requests_on_one_connection",
];

/// What a client sees does not depend on whether there is a proxy. It also shows that what the clients of the suite leave behind is
/// gone from the servers too.
#[track_caller]
fn run(through: &str, cases: &[&[&str]]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(THROUGH, through).args(cases.concat());
    command.args(OTHERS.iter().flat_map(|case| ["--skip", case]));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains(" 0 passed"), "{through}\n{said}");
}

#[test]
fn over_http1() {
    run("h1", &[PASSED, WEBSOCKETS, MORE]);
}

#[test]
fn over_http2_in_clear() {
    run("h2c", &[PASSED, WEBSOCKETS]);
}

#[test]
fn over_tls() {
    let less =
        ["parity::content::trailers", "parity::content::a_stream_goes", "parity::leaving::while"];
    run("tls", &[&less, &["parity::grpc::"]]);
}
