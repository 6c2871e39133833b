//! The page for people: files that are part of the program. It loads nothing from elsewhere, and runs no script but its own.

use trilane_service::{Csp, Html, Router, SecurityHeaders, ServeDir, get};

const PAGE: &str = include_str!("page/index.html");
const ASSETS: [(&str, &[u8]); 4] = [
    ("charts.js", include_bytes!("page/charts.js")),
    ("dashboard.css", include_bytes!("page/dashboard.css")),
    ("dashboard.js", include_bytes!("page/dashboard.js")),
    ("icon.svg", include_bytes!("page/icon.svg")),
];

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .serve_dir("/page", ServeDir::embedded(ASSETS))
}

/// What browsers are told to refuse. Nothing of HSTS: that would be for all ports of the host.
pub(crate) fn headers() -> SecurityHeaders {
    let policy = ["script-src", "style-src", "connect-src", "img-src"]
        .into_iter()
        .fold(Csp::none().directive("default-src", "'none'"), |policy, name| {
            policy.directive(name, "'self'")
        })
        .directive("base-uri", "'none'")
        .directive("form-action", "'none'")
        .directive("frame-ancestors", "'none'");
    with(policy)
}

/// The same for profiles: a flame graph is one file, with its script and its style in it.
pub(crate) fn headers_of_profiles() -> SecurityHeaders {
    let policy = ["script-src", "style-src"]
        .into_iter()
        .fold(Csp::none().directive("default-src", "'none'"), |policy, name| {
            policy.directive(name, "'unsafe-inline'")
        })
        .directive("frame-ancestors", "'none'");
    with(policy)
}

fn with(policy: Csp) -> SecurityHeaders {
    SecurityHeaders::new()
        .without("strict-transport-security")
        .set("referrer-policy", "no-referrer")
        .content_security_policy(policy)
}
