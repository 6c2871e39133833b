//! `/hints`: a page that takes its time, and says before what it will need: its style sheet.

use std::time::Duration;

use trilane::{Html, IntoResponse, Known, Link, Request, Response};

/// How long the page takes.
const WORK: Duration = Duration::from_millis(50);
const STYLE: &str = "/static/style.css";
const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Hints</title>\n\
                    <link rel=\"stylesheet\" href=\"/static/style.css\">\n\
                    <p>The style of this page was on its way before the page was.\n";

pub(super) async fn page(request: Request) -> Response {
    let style = Link::preload(STYLE).as_("style");
    let link = style.to_string();
    // One link, and of a known form: it is never refused.
    let _ = request.exchange().hint([style]);
    request.shard().sleep(WORK).await;
    Html(PAGE).into_response().field(Known::Link, link)
}
