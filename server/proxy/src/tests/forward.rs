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

/// Servers that end idle or old connections, as all do now and then, must not be ejected for it.
#[test]
fn what_says_something_about_a_server() {
    use trilane_semantics::Cause;
    let closed = || AskFailure::Connection(DialError::Closed(Cause::Peer));
    for (failure, effect, is_reused, expected) in [
        (closed(), Effect::Unknown, false, true),
        (closed(), Effect::Unknown, true, false),
        (AskFailure::Timeout, Effect::Unknown, true, true),
        (AskFailure::NotNow, Effect::None, true, false),
        (AskFailure::Content(None), Effect::Unknown, false, false),
        (AskFailure::Reset(0), Effect::None, true, false),
        // REFUSED_STREAM, which a server that is overloaded says, and INTERNAL_ERROR.
        (AskFailure::Reset(7), Effect::None, true, true),
        (AskFailure::Reset(2), Effect::None, true, true),
        (AskFailure::Reset(0), Effect::Unknown, true, true),
    ] {
        let text = format!("{failure:?} {effect:?} {is_reused}");
        let error = AskError { failure, effect, is_reused, request: None };
        assert_eq!(is_of_server(&error), expected, "{text}");
    }
}
