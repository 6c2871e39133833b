//! Request targets (RFC 9112 §3.2): the parts of an accepted one lie in it, in order, and make it up again.

use trilane_semantics::target::is_authority;
use trilane_semantics::{Form, Method, RequestHead, Target};

/// `data` as a target.
pub fn targets(data: &[u8]) {
    let Some(target) = Target::parse(data) else {
        let visible = data.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
        let plain = data.first() == Some(&b'/') || data == b"*";
        assert!(!(visible && plain), "a target in origin form was refused");
        return;
    };
    // Only visible ASCII is accepted.
    let Ok(text) = std::str::from_utf8(data) else { panic!("not ASCII") };
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    let (path, query) = (target.path(text), target.query(text));
    let tail = query.map_or_else(String::new, |query| format!("?{query}"));
    assert!(!path.contains('?'));
    match target.form() {
        Form::Origin => assert_eq!(format!("{path}{tail}"), text),
        Form::Asterisk => assert_eq!((text, path, query), ("*", "*", None)),
        Form::Authority => {
            assert_eq!((target.authority(text), path, query), (text, "", None));
            assert!(is_authority(data));
        }
        Form::Absolute => {
            let (scheme, authority) = (target.scheme(text), target.authority(text));
            assert!(!scheme.is_empty() && !authority.is_empty() && path.starts_with('/'));
            assert!(!authority.contains(['/', '?']));
            let front = format!("{scheme}://{authority}");
            let is_whole = text == format!("{front}{path}{tail}");
            // RFC 9110 §4.2.3: an empty path is `/`.
            assert!(is_whole || path == "/" && text == format!("{front}{tail}"));
        }
    }
    let Some(head) = RequestHead::new(Method::GET, text) else { panic!("parsed once") };
    assert_eq!((head.target(), head.path(), head.query()), (text, path, query));
    assert_eq!((head.form(), head.clone().target()), (target.form(), text));
}
