//! Sites that a file describes (FEATURES O1): each example of `server/cli/examples`, served by the binary, over every protocol.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use trilane::ws::Message;

use super::super::parity::{Answer, Ask, Folder, House, LANES, Lane, Length, Over, eventually};
use super::super::process::Process;
use super::ws::{Talk, lanes};

/// An example that is served, with names and places that there are here.
struct Served {
    process: Process,
    file: PathBuf,
}

impl Served {
    #[track_caller]
    fn new(example: &str, folder: &Folder, changes: &[(&str, &str)], flags: &[&str]) -> Self {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../server/cli/examples");
        let mut text = fs::read_to_string(examples.join(example)).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{example} has no {from}");
            text = text.replace(from, to);
        }
        Self::of(folder, &text, flags)
    }

    #[track_caller]
    fn of(folder: &Folder, text: &str, flags: &[&str]) -> Self {
        let file = folder.0.join("site.toml");
        fs::write(&file, text).unwrap();
        let path = file.to_str().unwrap();
        let fixed = ["serve", "--config", path, "--http", "127.0.0.1:0", "--h2c", "--shards", "2"];
        let process = Process::start(&[&fixed[..], flags].concat(), |_| {});
        Self { process: process.unwrap_or_else(|refusal| panic!("{refusal:?}")), file }
    }

    fn get(&self, lane: &dyn Lane, target: &str) -> Answer {
        self.ask(lane, &Ask::get(target))
    }

    fn ask(&self, lane: &dyn Lane, ask: &Ask) -> Answer {
        lane.open(&self.process).ask(ask)
    }

    #[track_caller]
    fn is_good(&self, words: &str) {
        let (is_good, said) = check(&self.file);
        assert!(is_good && said.contains(words), "{said}");
    }
}

fn check(file: &Path) -> (bool, String) {
    Process::said(&["check", "--config", file.to_str().unwrap()])
}

/// A site with a file of each kind, and where it lies.
fn site() -> (Folder, String) {
    let folder = Folder::new();
    fs::create_dir_all(folder.0.join("assets")).unwrap();
    for (name, content) in [
        ("index.html", "<p>home"),
        ("about.html", "<p>about"),
        ("404.html", "<p>nothing"),
        ("assets/a.js", "let a;"),
    ] {
        folder.write(name, content);
    }
    let root = folder.0.to_str().unwrap().to_owned();
    (folder, root)
}

#[test]
fn a_static_site() {
    let (folder, root) = site();
    // Clients of the suite ask for `it`, and trust one certificate, which the flags name.
    let (certificate, key) = super::super::parity::secure::files();
    let certificate = format!("{}\"\nkey = \"{}", certificate.display(), key.display());
    let changes = [
        ("/srv/www", &*root),
        ("www.example.org", "www.it"),
        ("\"example.org\"", "\"it\""),
        ("/etc/trilane/example.org.pem", &*certificate),
    ];
    let served = Served::new("static-site.toml", &folder, &changes, &["--redirect", "off"]);
    served.is_good("ok, 3 routes, 2 hosts");
    for lane in LANES {
        let name = lane.name();
        let home = served.get(*lane, "/").status(200);
        assert_eq!(home.text(), "<p>home", "{name}");
        assert_eq!(home.head.field("x-content-type-options"), Some("nosniff"), "{name}");
        assert_eq!(served.get(*lane, "/about").status(200).text(), "<p>about", "{name}");
        assert_eq!(served.get(*lane, "/none").status(404).text(), "<p>nothing", "{name}");
        let asset = served.get(*lane, "/assets/a.js").status(200);
        let lasting = asset.head.field("cache-control").unwrap_or_default().to_owned();
        assert!(lasting.contains("immutable"), "{name} {lasting}");
        let moved = served.get(*lane, "/old-page").status(308);
        assert_eq!(moved.head.field("location"), Some("/about"), "{name}");
        served.ask(*lane, &Ask::new("POST", "/")).status(405);
        if *lane.protocol() == *"HTTP/1.1" {
            let there = |host: &str| served.get(*lane, &format!("http://{host}/x?y=1"));
            let moved = there("www.it").status(308);
            assert_eq!(moved.head.field("location"), Some("https://example.org/x?y=1"), "{name}");
            let other = there("other.example").status(421);
            assert_eq!(other.json()["error"]["code"], "MISDIRECTED_REQUEST", "{name}");
        }
    }
}

#[test]
fn an_application_of_one_page() {
    let (folder, root) = site();
    let back = House::shared().at(Over::Tcp).to_string();
    let changes = [("/srv/app", &*root), ("127.0.0.1:3000", &back), ("\"/api\"", "\"/users\"")];
    let served = Served::new("spa.toml", &folder, &changes, &[]);
    served.is_good("ok, 3 routes, 0 hosts");
    for lane in LANES {
        let name = lane.name();
        for path in ["/", "/some/view"] {
            let page = served.get(*lane, path).status(200);
            assert_eq!(page.text(), "<p>home", "{name} {path}");
            assert_eq!(page.head.field("cache-control"), Some("no-cache"), "{name}");
        }
        assert_eq!(served.get(*lane, "/assets/a.js").status(200).text(), "let a;", "{name}");
        served.get(*lane, "/assets/none.js").status(404);
        assert_eq!(served.get(*lane, "/users/7").status(200).text(), "7", "{name}");
    }
}

#[test]
fn a_gateway() {
    let folder = Folder::new();
    let back = House::shared().at(Over::Tcp).to_string();
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let changes = [
        ("127.0.0.1:3001", &*back),
        ("127.0.0.1:3011", &*gone),
        ("127.0.0.1:3002", &back),
        ("\"/users\"", "\"/headers\""),
        ("burst = 50", "burst = 500"),
    ];
    let served = Served::new("api-gateway.toml", &folder, &changes, &[]);
    served.is_good("ok, 4 routes, 0 hosts");
    for lane in LANES {
        let name = lane.name();
        assert_eq!(served.get(*lane, "/health").status(200).text(), "ok", "{name}");
        served.get(*lane, "/").status(404);
        served.get(*lane, "/headers").status(401);
        let with_key =
            |ask: Ask| ask.field("x-api-key", "change me").field("x-forwarded-for", "9.9.9.9");
        let told = served.ask(*lane, &with_key(Ask::get("/headers"))).status(200).json();
        let fields = told["fields"].to_string();
        assert!(fields.contains("[\"x-real-ip\",\"127.0.0.1\"]"), "{name} {fields}");
        assert!(fields.contains("[\"x-forwarded-for\",\"127.0.0.1\"]"), "{name} {fields}");
        assert!(fields.contains("traceparent") && fields.contains("trilane-"), "{name} {fields}");
        assert!(!fields.contains("change me") && !fields.contains("9.9.9.9"), "{name} {fields}");
        // The prefix is taken out, and what comes is stored as the server has it.
        let path = format!("/catalog/cached/{}?cc=max-age%3D60", name.replace('.', "-"));
        let (_, stored) = (served.get(*lane, &path), served.get(*lane, &path).status(200));
        // The demo has a cache of its own, which says so too, further up.
        let said = stored.head.fields.iter().rfind(|(field, _)| field == "cache-status");
        assert!(said.unwrap().1.starts_with("trilane; hit"), "{name} {said:?}");
        let page = Ask::get("/catalog/plaintext").field("origin", "https://shop.example.org");
        let page = served.ask(*lane, &page).status(200);
        let origin = page.head.field("access-control-allow-origin");
        assert_eq!(origin, Some("https://shop.example.org"), "{name}");
        let large = with_key(Ask::post("/headers", Length::Exact(65_537)));
        served.ask(*lane, &large.field("expect", "100-continue")).status(413);
    }
    eventually("it is told", || served.process.errors().contains("a server is asked no longer"));
    let told = served.process.errors();
    assert_eq!(told.matches(&*gone).count(), 1, "{told}");
    let counted = served.get(LANES[0], "/metrics").status(200).text();
    assert!(counted.contains("path=\"/catalog/{*rest}\""), "{counted}");
}

#[test]
fn an_application_with_websockets() {
    let folder = Folder::new();
    let back = House::shared().at(Over::Tcp).to_string();
    let served = Served::new("websocket-app.toml", &folder, &[("127.0.0.1:3000", &back)], &[]);
    served.is_good("ok, 2 routes, 0 hosts");
    for lane in lanes() {
        let mut talk = Talk::open(lane, &served.process, &Ask::websocket("/ws"));
        for text in ["one", "two"] {
            talk.send(Message::Text(text.into()));
            assert_eq!(talk.next(), Some(Message::Text(text.into())), "{}", lane.name());
        }
        assert_eq!(served.get(lane, "/plaintext").status(200).text(), "Hello, World!");
    }
}

#[test]
fn tls_in_front_of_an_application() {
    let folder = Folder::new();
    let back = House::shared().at(Over::Tcp).to_string();
    let (certificate, key) = super::super::parity::secure::files();
    let changes = [
        ("127.0.0.1:3000", &*back),
        ("/etc/trilane/app.pem", certificate.to_str().unwrap()),
        ("/etc/trilane/app.key", key.to_str().unwrap()),
    ];
    let flags = ["--redirect", "127.0.0.1:0", "--https", "127.0.0.1:0"];
    let served = Served::new("tls-terminator.toml", &folder, &changes, &flags);
    served.is_good("ok, 1 routes, 0 hosts");
    for lane in LANES {
        let name = lane.name();
        let told = served.get(*lane, "/headers").status(200);
        assert_eq!(
            told.head.field("strict-transport-security"),
            Some("max-age=31536000"),
            "{name}"
        );
        let told = told.json();
        assert_eq!(told["protocol"], "HTTP/1.1", "{name}");
        let scheme = if ["h1", "h1.0", "h2c"].contains(&name) { "http" } else { "https" };
        let fields = told["fields"].to_string();
        assert!(
            fields.contains(&format!("[\"x-forwarded-proto\",\"{scheme}\"]")),
            "{name} {fields}"
        );
        assert!(fields.contains(&format!("proto={scheme}")), "{name} {fields}");
        let content = "x".repeat(100_000);
        let ask = Ask::post("/echo", Length::Exact(content.len() as u64));
        let back = lane.open(&served.process).ask_with(&ask, content.as_bytes());
        assert_eq!(back.whole().status(200).text(), content, "{name}");
    }
}

#[test]
fn servers_over_tls() {
    let folder = Folder::new();
    let back = House::shared().at(Over::Tls).to_string();
    let quic = House::shared().at(Over::Quic);
    let (roots, _) = super::super::parity::secure::files();
    let roots = roots.to_str().unwrap();
    let text = format!(
        "[upstreams.one]\nservers = ['https://{back}']\nprotocol = 'h1'\ntls = {{ roots = '{roots}', name = 'localhost' }}\n\
         [upstreams.two]\nservers = ['https://{back}']\nprotocol = 'h2'\ntls = {{ roots = '{roots}' }}\n\
         [upstreams.three]\nservers = ['https://{quic}']\nprotocol = 'h3'\ntls = {{ roots = '{roots}' }}\n\
         [upstreams.auto]\nservers = ['https://{back}']\ntls = {{ roots = '{roots}' }}\n\
         [upstreams.any]\nservers = ['https://{back}']\ntls = {{ verify = false, name = 'x' }}\n\
         [upstreams.other]\nservers = ['https://{back}']\ntls = {{ roots = '{roots}', name = 'x' }}\n\
         [[routes]]\nprefix = '/one'\nproxy = {{ upstream = 'one', strip_prefix = true, host = 'server' }}\n\
         [[routes]]\nprefix = '/two'\nproxy = {{ upstream = 'two', rewrite = '/' }}\n\
         [[routes]]\nprefix = '/three'\nproxy = {{ upstream = 'three', strip_prefix = true }}\n\
         [[routes]]\nprefix = '/auto'\nproxy = {{ upstream = 'auto', strip_prefix = true }}\n\
         [[routes]]\nprefix = '/any'\nproxy = {{ upstream = 'any', strip_prefix = true }}\n\
         [[routes]]\nprefix = '/other'\nproxy = {{ upstream = 'other', strip_prefix = true }}\n"
    );
    let served = Served::of(&folder, &text, &[]);
    for lane in LANES {
        let told = |path: &str| served.get(*lane, path).status(200).json();
        let name = lane.name();
        let one = told("/one/headers");
        assert_eq!((&one["protocol"], &one["authority"]), (&"HTTP/1.1".into(), &(&*back).into()));
        assert_eq!(told("/two/headers")["protocol"], "HTTP/2", "{name}");
        assert_eq!(told("/three/headers")["protocol"], "HTTP/3", "{name}");
        let content = "c".repeat(300_000);
        let ask = Ask::post("/three/echo", Length::Exact(content.len() as u64));
        let back = lane.open(&served.process).ask_with(&ask, content.as_bytes());
        assert_eq!(back.whole().status(200).text(), content, "{name}");
        assert_eq!(told("/auto/headers")["protocol"], "HTTP/2", "{name}");
        assert_eq!(told("/any/headers")["authority"], "it", "{name}");
        served.get(*lane, "/other/headers").status(502);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let folder = Folder::new();
    let file = folder.0.join("bad.toml");
    for (text, words) in [
        ("[[routes]]\nrespnd = 'x'\n", &["line 2", "did you mean `respond`?"][..]),
        ("http = []\n[[routes]]\nproxy = 'none'\n", &["line 2", "[upstreams.none]"]),
        ("[[routes]]\nroot = '/no/such'\n", &["line 1", "/no/such"]),
        ("[[hosts]]\nnames = ['a']\ncertificate = '/no/such'\n", &["/no/such"]),
        ("", &["serve needs"]),
    ] {
        fs::write(&file, text).unwrap();
        let (is_good, said) = check(&file);
        assert!(!is_good && words.iter().all(|word| said.contains(word)), "{text} {said}");
    }
}
