//! Entity tags for handlers that make none, and the 304 that saves their content.

use trilane::{ETags, Router, get};

use super::super::parity::{Ask, House, LANES};

#[test]
fn who_has_the_content_gets_none() {
    let house = House::serving(|_| {
        let own = || async { ([("etag", "\"own\"")], "content") };
        Router::new()
            .route("/", get(|| async { "content" }))
            .route("/own", get(own))
            .layer(ETags::default())
    });
    for lane in LANES {
        let mut client = lane.open(&house);
        let answer = client.ask(&Ask::get("/")).status(200);
        let tag = answer.head.field("etag").unwrap().to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let again = Ask::get("/").field("if-none-match", &*tag);
        let same = client.ask(&again).status(304);
        assert_eq!((same.head.field("etag"), same.body.len()), (Some(&*tag), 0), "{}", lane.name());
        assert_eq!(same.head.field("content-type"), None);
        let head = client.ask(&Ask { method: "HEAD", ..again });
        assert_eq!(head.status(304).head.field("etag"), Some(&*tag));
        client.ask(&Ask::get("/").field("if-none-match", "\"x\"")).status(200);
        let own = client.ask(&Ask::get("/own").field("if-none-match", "\"own\"")).status(304);
        assert_eq!(own.head.field("etag"), Some("\"own\""));
    }
}
