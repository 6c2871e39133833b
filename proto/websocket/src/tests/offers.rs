//! Offers of permessage-deflate, and what they come to (RFC 7692 §7.1).

use crate::{Deflate, Malformed};

#[track_caller]
fn answer(deflate: Deflate, offers: &str) -> Option<String> {
    deflate.accept(offers).unwrap().map(|agreed| agreed.to_string())
}

const NONE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[test]
fn what_is_agreed_on() {
    let both = Deflate::new().contexts(true, true);
    for (offers, expected) in [
        ("permessage-deflate", "permessage-deflate"),
        (
            "Permessage-Deflate;server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=12",
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=8",
        ),
        (
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9",
        ),
        (
            "permessage-deflate; server_max_window_bits=\"15\"",
            "permessage-deflate; server_max_window_bits=14",
        ),
        // The first that can be met.
        (
            "x-other; a=b, permessage-deflate; server_max_window_bits=8, , permessage-deflate",
            "permessage-deflate",
        ),
        ("permessage-deflate; unheard_of=\"a\\b\", permessage-deflate", "permessage-deflate"),
    ] {
        assert_eq!(answer(both.windows(14, 12), offers).as_deref(), Some(expected), "{offers}");
    }
    assert_eq!(answer(Deflate::new(), "permessage-deflate").as_deref(), Some(NONE));
}

#[test]
fn what_is_declined() {
    for params in [
        "unheard_of",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_max_window_bits",
        "server_max_window_bits=8",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "client_max_window_bits=7",
        "client_max_window_bits=+9",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_no_context_takeover; client_no_context_takeover",
    ] {
        assert_eq!(
            answer(Deflate::new(), &format!("permessage-deflate; {params}")),
            None,
            "{params}"
        );
    }
    assert_eq!(answer(Deflate::new(), "x-webkit-deflate-frame"), None);
    assert_eq!(answer(Deflate::new(), ""), None);
}

#[test]
fn what_is_malformed() {
    for offers in [
        "permessage-deflate;",
        "a b",
        "a; =1",
        "a; b=",
        "a; b=\"\"",
        "a; b=\"c d\"",
        "a; b=\"c",
        "a;;b",
    ] {
        assert_eq!(Deflate::new().accept(offers), Err(Malformed), "{offers}");
    }
}
