//! What a file has served, asked without sockets.

use std::path::Path;

use trilane::testing::{TestClient, TestResponse};
use trilane::{Method, default_layers};

use super::Site;
use crate::config::Config;
use crate::layers::Layers;

fn client(text: &str) -> Result<TestClient, String> {
    let config = Config::parse(text, Path::new("t.toml")).map_err(|error| error.to_string())?;
    let site = Site::new(&config)?.ok_or("no site")?;
    let layers = Layers::new(&config)?;
    let router = |shard| layers.around(site.router(&shard)).layer(default_layers(None));
    TestClient::with(router).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(text: &str, words: &[&str]) {
    let error = client(text).err().unwrap_or_else(|| panic!("it is taken: {text}"));
    assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
}

fn field(answer: &TestResponse, name: &str) -> String {
    answer.field(name).unwrap_or_default().to_owned()
}

#[test]
fn the_most_specific_route_answers() {
    let client = client(
        "[[routes]]\nrespond = 'all'\n\
         [[routes]]\nprefix = '/api'\nrespond = 'api'\n\
         [[routes]]\nprefix = '/api/v1/'\nrespond = 'v1'\n\
         [[routes]]\npath = '/api/v1'\nmethods = ['POST']\nrespond = 'posted'\n\
         [[routes]]\npath = '/users/{id}/name'\nrespond = 'name'\n",
    )
    .unwrap();
    for (path, expected) in [
        ("/", "all"),
        ("/x", "all"),
        ("/apix", "all"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/x/y", "api"),
        ("/users/7/name", "name"),
        ("/users/7/names", "all"),
        ("/api/v1", "v1"),
        ("/api/v1/", "v1"),
        ("/api/v1/x", "v1"),
    ] {
        assert_eq!(client.get(path).send().text(), expected, "{path}");
    }
    assert_eq!(client.post("/api/v1").send().text(), "posted");
    assert_eq!(client.request(Method::DELETE, "/none").send().text(), "all");
    assert_eq!(client.get("/a/../b").send().status(), 404);
}

#[test]
fn hosts_have_routes_of_their_own() {
    let named = "[[hosts]]\nnames = ['a.example', '*.a.example']\n[[hosts.routes]]\nrespond = 'a'\n\
                 [[hosts]]\nnames = ['b.example']\n[[hosts.routes]]\npath = '/b'\nrespond = 'b'\n";
    let ask = |client: &TestClient, host: &str, path: &str| {
        let mut answer = client.get(path).field("host", host).send();
        (answer.status(), answer.text())
    };
    let only = client(named).unwrap();
    for host in ["a.example", "A.example:81", "x.a.example"] {
        assert_eq!(ask(&only, host, "/"), (200, "a".to_owned()), "{host}");
    }
    assert_eq!(ask(&only, "b.example", "/b"), (200, "b".to_owned()));
    assert_eq!(ask(&only, "b.example", "/").0, 404);
    // RFC 9110 §15.5.20: nobody has said what is served there.
    for host in ["c.example", "localhost", "127.0.0.1"] {
        assert_eq!(ask(&only, host, "/").0, 421, "{host}");
    }
    let both = client(&format!("{named}[[routes]]\nrespond = 'rest'\n")).unwrap();
    assert_eq!(ask(&both, "c.example", "/"), (200, "rest".to_owned()));
    assert_eq!(ask(&both, "b.example", "/").0, 404);
}

#[test]
fn redirects_keep_what_they_are_told_to() {
    let client = client(
        "[[routes]]\nredirect = 'https://www.example.org{path}{query}'\n\
         [[routes]]\nprefix = '/old'\nredirect = { to = '/new/{rest}{query}', status = 301 }\n\
         [[routes]]\npath = '/u/{id}'\nredirect = { to = '/users?id={id}', status = 302 }\n\
         [[routes]]\nprefix = '/up'\nredirect = '/{rest}'\n",
    )
    .unwrap();
    for (target, status, location) in [
        ("/", 308, "https://www.example.org/"),
        ("/a%20b/?q=1&r", 308, "https://www.example.org/a%20b/?q=1&r"),
        ("//evil.example/", 308, "https://www.example.org//evil.example/"),
        ("/old", 301, "/new/"),
        ("/old/x/y?z", 301, "/new/x/y?z"),
        ("/u/7", 302, "/users?id=7"),
        ("/up/x", 308, "/x"),
        // Nothing that a client makes up is a host.
        ("/up//evil.example", 404, ""),
        ("/up/\\evil.example", 404, ""),
    ] {
        let answer = client.get(target).send();
        assert_eq!((answer.status(), &*field(&answer, "location")), (status, location));
    }
    assert_eq!(client.post("/u/7").send().status(), 302);
}

#[test]
fn fixed_answers() {
    let client = client(
        "[[routes]]\npath = '/text'\nrespond = 'up'\n\
         [[routes]]\npath = '/gone'\nrespond = 410\n\
         [[routes]]\npath = '/page'\nrespond = { status = 503, type = 'text/html', body = '<p>soon' }\n\
         [[routes]]\npath = '/empty'\nrespond = 204\n",
    )
    .unwrap();
    let seen = |path: &str| {
        let mut answer = client.get(path).send();
        (answer.status(), field(&answer, "content-type"), answer.text())
    };
    let text = |status, kind: &str, text: &str| (status, kind.to_owned(), text.to_owned());
    assert_eq!(seen("/text"), text(200, "text/plain; charset=utf-8", "up"));
    assert_eq!(seen("/page"), text(503, "text/html", "<p>soon"));
    assert_eq!(seen("/empty"), text(204, "", ""));
    let (status, kind, body) = seen("/gone");
    assert!(status == 410 && kind == "application/json" && body.contains("\"Gone\""), "{body}");
}

#[test]
fn layers_of_a_route_are_around_it_alone() {
    let client = client(
        "[headers]\nset = { x-all = '1' }\n\
         [[routes]]\nrespond = 'open'\n\
         [[routes]]\nprefix = '/in'\nrespond = 'in'\nauth = { keys = { a = 'k' } }\nlimits = { body = 3 }\n\
         headers = { set = { x-one = '2' }, add = { x-two = '3' }, remove = ['content-type'] }\n",
    )
    .unwrap();
    let open = client.get("/").send();
    assert_eq!([field(&open, "x-all"), field(&open, "x-one")], ["1", ""]);
    let refused = client.get("/in").send();
    assert_eq!((refused.status(), &*field(&refused, "x-one")), (401, "2"));
    let mut inside = client.get("/in/x").field("x-api-key", "k").send();
    assert_eq!(inside.text(), "in");
    for (name, value) in [("x-all", "1"), ("x-one", "2"), ("x-two", "3"), ("content-type", "")] {
        assert_eq!(field(&inside, name), value, "{name}");
    }
}

/// RFC 3986 §2.3: what need not be encoded means the same if it is, to files and to servers behind us; a route does not know it.
#[test]
fn no_spelling_leads_past_a_route() {
    let root = std::env::temp_dir().join(format!("trilane-spelling-{}", std::process::id()));
    std::fs::create_dir_all(root.join("private")).unwrap();
    std::fs::write(root.join("private/a~.txt"), "secret").unwrap();
    let text = format!(
        "[[routes]]\nroot = '{0}'\n\
         [[routes]]\nprefix = '/private'\nroot = '{0}/private'\nauth = {{ keys = {{ a = 'k' }} }}\n",
        root.display()
    );
    let client = client(&text).unwrap();
    let statuses = ["/private/a~.txt", "/%70rivate/a~.txt", "/privat%65/a~.txt"]
        .map(|path| client.get(path).send().status());
    let inside = client.get("/private/a%7E.txt").field("x-api-key", "k").send().status();
    std::fs::remove_dir_all(root).unwrap();
    assert_eq!((statuses, inside), ([401, 400, 400], 200));
}

#[test]
fn what_is_served_is_counted() {
    let client = client(
        "[[routes]]\npath = '/metrics'\nmetrics = true\n\
         [[hosts]]\nnames = ['a.example']\n[[hosts.routes]]\nprefix = '/a'\nrespond = 'a'\n",
    )
    .unwrap();
    assert_eq!(client.get("/a/b").field("host", "a.example").send().text(), "a");
    let text = client.get("/metrics").send().text();
    let line = "http_requests_total{method=\"GET\",path=\"/a/{*rest}\",status=\"200\"} 1";
    assert!(text.contains(line), "{text}");
}

#[test]
fn layers_of_a_host_are_around_all_of_it() {
    let client = client(
        "[[routes]]\nrespond = 'open'\n\
         [[hosts]]\nnames = ['in.example', '*.in.example']\nauth = { keys = { a = 'k' } }\n\
         headers = { set = { x-host = '1' } }\n[[hosts.routes]]\npath = '/'\nrespond = 'in'\n",
    )
    .unwrap();
    let ask = |host: &str, path: &str, key: &str| {
        let ask = client.get(path).field("host", host).field("x-api-key", key);
        let answer = ask.send();
        (answer.status(), field(&answer, "x-host"))
    };
    assert_eq!(ask("other", "/", ""), (200, String::new()));
    for host in ["in.example", "a.in.example"] {
        assert_eq!(ask(host, "/", ""), (401, "1".to_owned()), "{host}");
        assert_eq!(ask(host, "/none", ""), (401, "1".to_owned()), "{host}");
        assert_eq!(ask(host, "/", "k"), (200, "1".to_owned()), "{host}");
        assert_eq!(ask(host, "/none", "k"), (404, "1".to_owned()), "{host}");
    }
}

#[test]
fn mistakes_name_the_line_of_their_route() {
    let second =
        |route: &str| format!("http = []\n\n[[routes]]\nrespond = 'x'\n[[routes]]\n{route}");
    for (route, words) in [
        ("path = '/x'\n", "one of root"),
        ("path = '/x'\nrespond = 'x'\nredirect = '/y'\n", "no more"),
        ("path = '/x'\nprefix = '/y'\nrespond = 'x'\n", "path and prefix"),
        ("prefix = 'x'\nrespond = 'x'\n", "prefix: 'x'"),
        ("path = 'x'\nrespond = 'x'\n", "'x'"),
        ("path = '/{a'\nrespond = 'x'\n", "/{a"),
        ("respond = 'x'\n", "that of line 3"),
        (
            "path = '/{*all}'\nrespond = 'x'\n[[routes]]\nprefix = '/y'\nrespond = 'x'\n",
            "conflicts",
        ),
        ("path = '/x'\nmethods = ['a b']\nrespond = 'x'\n", "'a b'"),
        ("path = '/x'\nroot = '/tmp'\n", "root needs a prefix"),
        ("path = '/x'\nproxy = 'none'\n", "no [upstreams.none]"),
        ("root = '/no/such'\n", "root /no/such: No such"),
        ("root = '/dev/null'\n", "not a directory"),
        ("path = '/x'\nfiles = {}\nrespond = 'x'\n", "files is for"),
        ("path = '/x'\nredirect = '/{id}'\n", "'id'"),
        ("path = '/x'\nrespond = 'x'\nheaders = { set = { 'a b' = 'c' } }\n", "'a b: c'"),
        ("path = '/x'\nrespond = 'x'\nheaders = { remove = ['Host'] }\n", "Host"),
        ("path = '/x'\nrespond = 'x'\nauth = {}\n", "[auth]"),
    ] {
        refused(&second(route), &["line ", words]);
        if !words.contains("conflicts") {
            refused(&second(route), &["line 5"]);
        }
    }
    let file = "[[hosts]]\nnames = ['a']\n[[hosts.routes]]\nrespond = 100\n";
    refused(file, &["line 4", "200 to 599"]);
    refused("[[routes]]\nredirect = { to = '/', status = 200 }\n", &["line 2", "308"]);
    refused(
        "[[routes]]\nproxy = { upstream = 'a b://c' }\n",
        &["line 2", "'a b://c' is no server"],
    );
    refused(
        "[[routes]]\nproxy = { upstream = '127.0.0.1:1', rewrite = 'v' }\n",
        &["line 1", "for a prefix"],
    );
    refused(
        "[[routes]]\nprefix = '/x'\nproxy = { upstream = '127.0.0.1:1', rewrite = 'v' }\n",
        &["line 1", "'v'"],
    );
    let upstream = |text: &str| format!("[[routes]]\nrespond = 'x'\n[upstreams.a]\n{text}\n");
    refused(&upstream("servers = ['127.0.0.1:1', '127.0.0.1:1']"), &["line 3", "there twice"]);
    refused(&upstream("servers = ['127.0.0.1:1']\nprotocol = 'h3'"), &["line 3", "h3"]);
    let roots = "servers = ['https://127.0.0.1']\ntls = { roots = '/no/such' }";
    refused(&upstream(roots), &["line 3", "tls: ", "/no/such"]);
    refused("[[routes]]\nredirect = '//x'\n", &["line 2", "'//x'"]);
    refused("[[routes]]\nrespond = { bdy = 'x' }\n", &["line 2", "`body`"]);
    refused("[[hosts]]\nnames = []\n", &["needs names"]);
    refused("[[hosts]]\nnames = ['x']\nauth = {}\n", &["[[hosts]] x", "[auth]"]);
    refused("[[hosts]]\nnames = ['a b']\n", &["'a b'"]);
    refused("[[hosts]]\nnames = ['a']\n[[hosts]]\nnames = ['A']\n", &["'a'"]);
}
