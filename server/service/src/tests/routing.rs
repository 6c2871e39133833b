//! Which route a request takes, and what the router answers itself.

use std::rc::Rc;

use trilane_exchange::{Address, ConnectionInfo, Exchange, Request, Service};
use trilane_semantics::Known;

use super::support::{ask, built, request, seen, send};
use crate::{MethodRouter, Path, RouteError, Router, any, get, on, post};

type Ok200 = &'static str;

fn says(text: Ok200) -> MethodRouter {
    get(move || async move { text })
}

fn allow(app: &crate::App, method: &str, target: &str) -> (u16, Option<String>) {
    let response = send(app, request(method, target, &[], ""));
    let allow = response.head.fields.get_str(Known::Allow).map(ToOwned::to_owned);
    (response.head.status.as_u16(), allow)
}

#[test]
fn the_table_of_routes() {
    let app = built(
        Router::new()
            .route("/", says("root"))
            .route("/users", says("users"))
            .route("/users/me", says("me"))
            .route("/users/{id}", get(|Path(id): Path<String>| async move { format!("user {id}") }))
            .route("/users/{id}/", says("slash"))
            .route("/static/{*path}", get(|Path(path): Path<String>| async move { path })),
    );
    for (target, status, text) in [
        ("/", 200, "root"),
        ("/?q", 200, "root"),
        ("http://example.org", 200, "root"),
        ("/users", 200, "users"),
        ("/users/", 404, ""),
        ("/users/me", 200, "me"),
        ("/users/7", 200, "user 7"),
        ("/users/7/", 200, "slash"),
        ("/users/7/x", 404, ""),
        ("/users/a%2Fb%252F", 200, "user a/b%2F"),
        ("/static/a/b.css", 200, "a/b.css"),
        ("/static/", 404, ""),
        ("/static/../users", 404, ""),
        ("/static/%2e%2e/users", 404, ""),
        ("/static/..%2fusers", 404, ""),
        ("/static/a%00", 400, ""),
        ("/static/a%0", 400, ""),
        ("/static/%ff", 400, ""),
        ("/%75sers", 404, ""),
        ("//users", 404, ""),
    ] {
        assert_eq!(ask(&app, "GET", target), (status, text.to_owned()), "{target}");
    }
}

/// RFC 9110 §15.5.6: a 405 MUST have Allow; §9.3.7: OPTIONS; §9.3.2: HEAD.
/// RFC 3986 §6.2.2: who writes a path in another way gets no other route by that.
#[test]
fn no_spelling_leads_around_a_route() {
    let rest = || get(|Path(path): Path<String>| async move { path });
    let nested = Router::new().route("/here", says("here")).fallback(|| async { "nobody inside" });
    let app = built(
        Router::new()
            .route("/admin", says("admin"))
            .route("/users/{id}/posts", says("posts"))
            .route("/caf%C3%A9", says("coffee"))
            .route("/[x]", says("in brackets"))
            .route("/files/{*rest}", rest())
            .route("/files/private/{*rest}", says("private"))
            .nest("/in", nested)
            .fallback(|request: Request| async move { request.path().to_owned() }),
    );
    for (target, status, text) in [
        ("/admin", 200, "admin"),
        ("/%61dmin", 400, ""),
        ("/admi%6E", 400, ""),
        ("/users/%61b/posts", 200, "posts"),
        ("/%75sers/ab/posts", 400, ""),
        ("/users/ab%2Fposts", 200, "/users/ab%2Fposts"),
        ("/files/%70rivate/a", 400, ""),
        ("/files/private/%61", 200, "private"),
        ("/files/%61b", 200, "ab"),
        ("/caf%C3%A9", 200, "coffee"),
        ("/caf%c3%a9", 400, ""),
        ("/[x]", 200, "in brackets"),
        ("/%5Bx%5D", 400, ""),
        ("/%61dministration", 200, "/%61dministration"),
        ("/a%20b", 200, "/a%20b"),
        ("/in/there", 200, "nobody inside"),
        ("/%69n/there", 400, ""),
    ] {
        let (got, body) = ask(&app, "GET", target);
        assert_eq!(got, status, "{target}");
        assert!(status != 200 || body == text, "{target}: {body}");
    }
}

#[test]
fn methods_that_nobody_registered() {
    let app = built(
        Router::new()
            .route("/a", get(|| async { "got" }).post(|| async { "posted" }))
            .route("/b", any(|| async { "any" }))
            .route("/c", on(crate::Method::from_bytes(b"PURGE").unwrap(), || async { "purged" })),
    );
    let list = |text: &str| Some(text.to_owned());
    assert_eq!(ask(&app, "HEAD", "/a"), (200, "got".into()));
    assert_eq!(allow(&app, "OPTIONS", "/a"), (204, list("GET, HEAD, POST, OPTIONS")));
    assert_eq!(allow(&app, "DELETE", "/a"), (405, list("GET, HEAD, POST, OPTIONS")));
    assert_eq!(allow(&app, "TRACE", "/a"), (405, list("GET, HEAD, POST, OPTIONS")));
    let any_of = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";
    assert_eq!(ask(&app, "HEAD", "/b"), (200, "any".into()));
    assert_eq!(ask(&app, "BREW", "/b"), (200, "any".into()));
    assert_eq!(allow(&app, "TRACE", "/b"), (405, list(any_of)));
    assert_eq!(ask(&app, "PURGE", "/c"), (200, "purged".into()));
    assert_eq!(allow(&app, "PURGE", "/a"), (405, list("GET, HEAD, POST, OPTIONS")));
    assert_eq!(allow(&app, "BREW", "/a"), (501, None));
    assert_eq!(allow(&app, "BREW", "/nowhere"), (404, None));
    let server = "GET, HEAD, POST, PUT, DELETE, PATCH, PURGE, OPTIONS";
    assert_eq!(allow(&app, "OPTIONS", "*"), (204, list(server)));
    assert_eq!(allow(&app, "CONNECT", "example.org:443"), (501, None));
    let error = send(&app, request("PUT", "/a", &[], "")).error.unwrap();
    assert_eq!(error.code(), "METHOD_NOT_ALLOWED");
    assert_eq!(error.details()[0].0, "allowed_methods");
    assert_eq!(error.details()[0].1, ["GET", "HEAD", "POST", "OPTIONS"]);
}

#[test]
fn nesting_merging_and_fallbacks() {
    let inner = Router::new()
        .route("/", says("inner root"))
        .route("/{id}", get(|Path(ids): Path<(String, u8)>| async move { format!("{ids:?}") }))
        .fallback(|| async { "inner fallback" });
    let app = built(
        Router::new()
            .nest("/orgs/{org}", inner)
            .merge(Router::new().route("/merged", says("merged")))
            .nest("/deep", Router::new().nest("/er", Router::new().route("/x", says("x"))))
            .fallback(|| async { "outer fallback" }),
    );
    for (target, text) in [
        ("/orgs/a", "inner root"),
        ("/orgs/a/7", "(\"a\", 7)"),
        ("/orgs/a/", "inner fallback"),
        ("/orgs/a/7/8", "inner fallback"),
        ("/orgs", "outer fallback"),
        ("/merged", "merged"),
        ("/deep/er/x", "x"),
        ("/deep/er", "outer fallback"),
    ] {
        assert_eq!(ask(&app, "GET", target), (200, text.to_owned()), "{target}");
    }
    // What no handler may see, no fallback sees either.
    assert_eq!(ask(&app, "GET", "/orgs/../x").0, 404);
}

#[test]
fn the_route_is_noted() {
    let app = built(Router::new().nest(
        "/a/{x}",
        Router::new().route(
            "/b/{y}",
            get(|exchange: Rc<Exchange>| async move {
                format!(
                    "{:?} {:?} {:?}",
                    exchange.params().template(),
                    exchange.param(0),
                    exchange.param(1)
                )
            }),
        ),
    ));
    let noted = "Some(\"/a/{x}/b/{y}\") Some((\"x\", \"1%20\")) Some((\"y\", \"2\"))";
    assert_eq!(ask(&app, "GET", "http://h/a/1%20/b/2?z"), (200, noted.into()));
}

#[test]
fn what_cannot_be_put_together() {
    let conflict = || Router::new().route("/a/{x}", says("")).route("/a/{y}", says(""));
    let path = |path: &str| RouteError::Path { path: path.into() };
    let parameter = |path: &str| RouteError::Parameter { path: path.into() };
    let prefix = |prefix: &str| RouteError::Prefix { prefix: prefix.into() };
    let duplicate =
        |method: &str| RouteError::Duplicate { path: "/a".into(), method: method.into() };
    let fall = || Router::new().fallback(|| async {});
    let one = |path: &str| Router::new().route(path, says(""));
    let nested = |prefix: &str| Router::new().nest(prefix, one("/x"));
    for (router, error) in [
        (conflict(), RouteError::Conflict { path: "/a/{y}".into(), with: "/a/{x}".into() }),
        (
            conflict().route("b", says("")),
            RouteError::Conflict { path: "/a/{y}".into(), with: "/a/{x}".into() },
        ),
        (one("/a").route("/a", says("")), duplicate("GET")),
        (Router::new().route("/a", any(|| async {}).any(|| async {})), duplicate("*")),
        (one("a"), path("a")),
        (one(""), path("")),
        (one("/\u{e9}"), path("/\u{e9}")),
        (one("/a?b"), path("/a?b")),
        (one("/a/../b"), path("/a/../b")),
        (one("/a%2"), path("/a%2")),
        (one("/{}"), parameter("/{}")),
        (one("/{x"), parameter("/{x")),
        (one("/{*x}/y"), parameter("/{*x}/y")),
        (one("/{x}/{x}"), parameter("/{x}/{x}")),
        (one("/{x{a}}}"), parameter("/{x{a}}}")),
        (one("/{x}}"), parameter("/{x}}")),
        (one("/x}"), parameter("/x}")),
        (nested(""), prefix("")),
        (nested("/"), prefix("/")),
        (nested("/a/"), prefix("/a/")),
        (nested("a"), prefix("a")),
        (nested("/{*a}"), prefix("/{*a}")),
        (Router::new().nest("/{x}", one("/{x}")), parameter("/{x}/{x}")),
        (fall().merge(fall()), RouteError::Fallback { prefix: String::new() }),
        (
            Router::new().nest("/a", fall()).nest("/a", fall()),
            RouteError::Fallback { prefix: "/a".into() },
        ),
    ] {
        assert_eq!(router.build().unwrap_err(), error);
        assert!(!error.to_string().is_empty());
    }
    assert!(Router::new().try_route("/a", says("")).unwrap().try_route("/a", says("")).is_err());
    assert!(Router::new().try_nest("/", one("/a")).is_err());
    assert!(one("/a").try_merge(one("/a")).is_err());
    assert!(one("/{{x}}/{x}").build().is_ok());
}

#[test]
fn methods_of_one_path_may_be_added_apart() {
    let app = built(Router::new().route("/", says("got")).route("/", post(|| async { "posted" })));
    assert_eq!(ask(&app, "GET", "/"), (200, "got".into()));
    assert_eq!(ask(&app, "POST", "/"), (200, "posted".into()));
    assert_eq!(seen(send(&app, request("PUT", "/", &[], ""))).0, 405);
}

/// RFC 8470 §4: whoever does no harm twice says so, for its own methods alone.
#[test]
fn early_data_is_for_handlers_that_say_so() {
    let app = built(
        Router::new()
            .route("/plain", post(|| async {}))
            .route("/marked", post(|| async {}).early_data().put(|| async {}))
            .route("/any/{id}", any(|| async {}).early_data().post(|| async {})),
    );
    let takes =
        |method: &str, target: &str| app.takes_early(request(method, target, &[], "").head());
    for (method, target, expected) in [
        ("POST", "/plain", false),
        ("POST", "/marked", true),
        ("PUT", "/marked", false),
        ("DELETE", "/marked", false),
        ("DELETE", "/any/1", true),
        ("POST", "/any/1", false),
        ("POST", "/any/../marked", false),
        ("POST", "/nothing", false),
    ] {
        assert_eq!(takes(method, target), expected, "{method} {target}");
    }
}

#[test]
fn who_moves_is_told() {
    let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
    let note = Rc::clone(&seen);
    let inner = Router::new().on_migration(|_, _| panic!("the outer one counts"));
    let router = Router::new().on_migration(move |old, new| {
        note.borrow_mut().push((old.peer.to_string(), new.peer.to_string()));
    });
    let app = built(router.merge(inner).route("/", says("root")));
    let at = |port| ConnectionInfo::new(Address::Unix, Address::Ip(([127, 0, 0, 1], port).into()));
    app.moved(&at(1), &at(2));
    assert_eq!(*seen.borrow(), [("127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned())]);
    built(Router::new()).moved(&at(1), &at(2));
}
