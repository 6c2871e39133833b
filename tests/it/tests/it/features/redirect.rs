//! From HTTP to HTTPS (FEATURES P14): by a listener of its own, by a layer, and by the binary.

use std::net::SocketAddr;
use std::process::Command;

use trilane::{HttpsRedirect, Request, Router, Server, get};

use super::super::parity::{Ask, House, LANES, Lane, Over, Place, secure};
use crate::process::Process;

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "here" }))
        .route("/a", get(|request: Request| async move { request.head().target().to_owned() }))
        .route("/.well-known/acme-challenge/{token}", get(|| async { "proof" }))
}

/// Where clients of the suite ask for `it`.
struct At(SocketAddr);

impl Place for At {
    fn address(&self, _: Over) -> SocketAddr {
        self.0
    }
}

fn in_clear() -> impl Iterator<Item = &'static &'static dyn Lane> {
    LANES.iter().filter(|lane| ["h1", "h1.0", "h2c"].contains(&lane.name()))
}

fn house(redirect: HttpsRedirect) -> House {
    House::of(Server::new(|_| app()).h2c().redirect(["127.0.0.1:0"], redirect))
}

#[test]
fn a_listener_redirects_and_the_others_do_not() {
    let redirect = HttpsRedirect::new(["it"]).unwrap().except("/.well-known/acme-challenge/");
    let house = house(redirect);
    let (clear, port) = (At(house.redirect()), house.at(Over::Tls).port());
    for lane in in_clear() {
        for target in ["/a?b=c%20d", "/nothing", "/", "/.well-known/"] {
            let answer = lane.open(&clear).ask(&Ask::get(target)).status(308);
            let location = format!("https://it:{port}{target}");
            assert_eq!(answer.head.field("location"), Some(&*location), "{}", lane.name());
            assert!(answer.head.field("x-request-id").is_some(), "the other layers see it");
        }
        let post = Ask::new("POST", "/a");
        lane.open(&clear).ask(&post).status(308);
        let proof = lane.open(&clear).ask(&Ask::get("/.well-known/acme-challenge/x")).status(200);
        assert_eq!(proof.text(), "proof", "{}", lane.name());
    }
    for lane in LANES {
        let answer = lane.open(&house).ask(&Ask::get("/a?b=c")).status(200);
        assert_eq!(answer.text(), "/a?b=c", "{}", lane.name());
    }
}

#[test]
fn who_asks_for_another_host_is_misdirected() {
    let house = house(HttpsRedirect::new(["other.example"]).unwrap());
    for lane in in_clear() {
        let answer = lane.open(&At(house.redirect())).ask(&Ask::get("/a")).status(421);
        assert_eq!(answer.head.field("location"), None, "{}", lane.name());
        assert_eq!(answer.json()["error"]["code"], "MISDIRECTED_REQUEST", "{}", lane.name());
    }
}

#[test]
fn a_layer_redirects_what_is_in_clear() {
    let redirect = HttpsRedirect::new(["it"]).unwrap().port(8443).moved_permanently();
    let house = House::serving(move |_| app().layer(redirect.clone()));
    for lane in LANES {
        let answer = lane.open(&house).ask(&Ask::get("/a?b"));
        let is_clear = in_clear().any(|other| other.name() == lane.name());
        assert_eq!(answer.head.status, if is_clear { 301 } else { 200 }, "{}", lane.name());
        let location = answer.head.field("location");
        let expected = is_clear.then_some("https://it:8443/a?b");
        assert_eq!(location, expected, "{}", lane.name());
    }
}

#[test]
fn curl_follows() {
    let house = house(HttpsRedirect::new(["localhost"]).unwrap());
    let url = format!("http://localhost:{}/a?b=c", house.redirect().port());
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut command = Command::new("curl");
        command.args(["-sS", "-L", "--max-time", "20", version]).arg("--cacert");
        let Ok(output) = command.arg(&secure::files().0).arg(&url).output() else {
            eprintln!("skipped: no curl on this machine");
            return;
        };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "/a?b=c", "{version}: {errors}");
    }
}

#[test]
fn without_https_there_is_nowhere_to_go() {
    let redirect = HttpsRedirect::new(["it"]).unwrap();
    let server = Server::new(|_| app()).redirect(["127.0.0.1:0"], redirect.clone());
    let error = server.start().unwrap_err().to_string();
    assert_eq!(error, "there is no HTTPS to redirect to");
    let server = Server::new(|_| app()).redirect(["127.0.0.1:0"], redirect.port(443));
    assert_eq!(server.start().unwrap().redirect_addresses().len(), 1);
}

/// The binary redirects whoever asks for a name in its certificate.
#[test]
fn the_binary_redirects() {
    let process = Process::demo(&["--log", "off", "--redirect", "127.0.0.1:0"]);
    let address = process.ready.split_once(" redirect=").unwrap().1.split(' ').next().unwrap();
    let port = process.addresses().address(Over::Tls).port();
    for (host, expected) in [
        ("localhost", format!("308 https://localhost:{port}/plaintext?a")),
        ("evil.example", "421 ".to_owned()),
    ] {
        let mut command = Command::new("curl");
        command.args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"]);
        command.args(["-H", &format!("Host: {host}"), &format!("http://{address}/plaintext?a")]);
        let Ok(output) = command.output() else {
            eprintln!("skipped: no curl on this machine");
            return;
        };
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}
