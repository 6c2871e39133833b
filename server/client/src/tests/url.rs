//! URLs: what is one, what it becomes, and what references mean.

use super::*;

#[test]
fn what_urls_become() {
    for (text, expected) in [
        ("http://a", "http://a/"),
        ("http://a?x", "http://a/?x"),
        ("http://a/?", "http://a/?"),
        ("HTTPS://A.Example:443/X", "https://a.example/X"),
        ("https://a:80/", "https://a:80/"),
        ("http://a:/", "http://a/"),
        ("http://a:8080#x/y", "http://a:8080/"),
        ("http://[0:0::1]:81/", "http://[::1]:81/"),
        ("http://127.0.0.1/", "http://127.0.0.1/"),
        ("http://u:p@a/x", "http://a/x"),
        ("http://a/ü \"<>\\^`{|}\r\n", "http://a/%C3%BC%20%22%3C%3E%5C%5E%60%7B%7C%7D%0D%0A"),
        ("http://a/%2f?%", "http://a/%2f?%"),
        ("http://a/x@y:z?a@b", "http://a/x@y:z?a@b"),
        // As it is given.
        ("http://a/b/../c", "http://a/b/../c"),
    ] {
        let url: Url = text.parse().unwrap();
        assert_eq!(url.to_string(), expected, "{text}");
        let again: Url = expected.parse().unwrap();
        assert_eq!(again.to_string(), expected);
    }
}

#[test]
fn what_is_no_url() {
    use InvalidUrl::{Authority, Scheme, UserInfo};
    for (text, expected) in [
        ("", Scheme),
        ("/path", Scheme),
        ("a.example/x", Scheme),
        ("ftp://a/", Scheme),
        ("http:/a", Scheme),
        ("http://", Authority),
        ("http:///x", Authority),
        ("http://a b/", Authority),
        ("http://ä.example/", Authority),
        ("http://a%20b/", Authority),
        ("http://a\\b/", Authority),
        ("http://a:65536/", Authority),
        ("http://a:x/", Authority),
        ("http://a:-1/", Authority),
        ("http://::1/", Authority),
        ("http://[::1/", Authority),
        ("http://[v1.x]/", Authority),
        ("http://[::1]x/", Authority),
        ("http://u@v@a/", Authority),
        ("http://%ff@a/", UserInfo),
        ("http://%4@a/", UserInfo),
        ("http://u@/", Authority),
        ("http://a\r\nHost: b/", Authority),
    ] {
        assert_eq!(text.parse::<Url>(), Err(expected), "{text}");
    }
}

#[test]
fn no_text_panics() {
    let text = "http://u%41:p@[::1]:81/a/../b?c=d#e";
    for end in 0..text.len() {
        let _ = text[..end].parse::<Url>();
        let _ = text[end..].parse::<Url>();
        let base: Url = text.parse().unwrap();
        let _ = base.join(&text[..end]);
        let _ = base.join(&text[end..]);
    }
}

/// RFC 3986 §5.4, but for what is not http, and with paths that begin at the host.
#[test]
fn what_references_mean() {
    let base: Url = "http://a/b/c/d;p?q".parse().unwrap();
    for (reference, expected) in [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        (";x", "http://a/b/c/;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../g", "http://a/g"),
        ("../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("https://b/x", "https://b/x"),
        ("x y", "http://a/b/c/x%20y"),
    ] {
        assert_eq!(base.join(reference).unwrap().to_string(), expected, "{reference}");
    }
    for bad in ["ftp://a/", "javascript:alert(1)", "//", "http://"] {
        assert!(base.join(bad).is_err(), "{bad}");
    }
}

#[test]
fn credentials_are_taken_and_never_shown() {
    let mut url: Url = "https://a%40b:p%3Aq:r@host/".parse().unwrap();
    assert_eq!(
        (format!("{url:?}"), url.to_string().contains('q')),
        ("Url(https://host/)".into(), false)
    );
    assert_eq!(url.take_user(), Some(("a@b".into(), "p:q:r".into())));
    assert_eq!(url.take_user(), None);
}

#[test]
fn queries_grow() {
    for (text, expected) in [
        ("http://a/", "http://a/?x=1&y=%20"),
        ("http://a/?", "http://a/?x=1&y=%20"),
        ("http://a/?z", "http://a/?z&x=1&y=%20"),
    ] {
        let mut url: Url = text.parse().unwrap();
        url.add_query("");
        url.add_query("x=1&y=%20");
        assert_eq!(url.to_string(), expected);
    }
}
