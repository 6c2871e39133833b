use super::*;

/// RFC 9110 §7.8: an upgrade that we do not pass on, such as to `h2c`, leaves a request without content, which is asked as such, and again.
#[test]
fn what_waits_for_a_tunnel_is_no_content_without_one() {
    let policy = Rc::new(Policy::new("test").unwrap());
    let (_writer, body) = Incoming::tunnel();
    let mut content = Content::new(body);
    assert!(matches!(content.send(false, &policy, false), (Outgoing::Empty, None)));
    assert_eq!(content.state, ContentState::Whole);
    assert!(matches!(content.send(true, &policy, false), (Outgoing::Stream { .. }, Some(_))));
    assert_eq!(content.state, ContentState::Begun);
}
