//! Forgery across origins (FEATURES X7): what a page of another origin makes a browser send is refused.

use trilane::{Csrf, Router, get};

use crate::parity::{Ask, House, LANES};

#[test]
fn who_may_send_what() {
    let house = House::serving(|_| {
        let done = get(|| async { "read" }).post(|| async { "done" });
        Router::new().route("/", done).layer(Csrf::new().trust("https://friend.example"))
    });
    for lane in LANES {
        let mut client = lane.open(&house);
        for (method, name, value, status) in [
            ("POST", "sec-fetch-site", "same-origin", 200),
            ("POST", "sec-fetch-site", "none", 200),
            ("POST", "sec-fetch-site", "cross-site", 403),
            ("POST", "sec-fetch-site", "same-site", 403),
            ("GET", "sec-fetch-site", "cross-site", 200),
            ("POST", "origin", "https://friend.example", 200),
            ("POST", "origin", "https://evil.example", 403),
            ("POST", "origin", "null", 403),
            // No browser.
            ("POST", "x-none", "", 200),
        ] {
            let answer = client.ask(&Ask::new(method, "/").field(name, value)).status(status);
            if status == 403 {
                assert_eq!(answer.json()["error"]["code"], "FORBIDDEN", "{} {value}", lane.name());
            }
        }
    }
}
