//! Static files (FEATURES R3) row by row: conditions as RFC 9110 has them, siblings, settings, and names that are none. Of
//! small files, which are kept in memory, and of large ones, which are kept open.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use trilane::{Router, ServeDir};
use trilane_cli::config::Config;

use crate::parity::{Answer, Ask, Client, Folder, House, LANES, eventually, secure};

/// What both files hold, and the large one many times.
pub(super) const CONTENT: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
pub(super) const BEFORE: &str = "Tue, 31 Dec 2019 23:59:59 GMT";
pub(super) const CHANGED: &str = "Wed, 01 Jan 2020 00:00:00 GMT";
pub(super) const AFTER: &str = "Wed, 01 Jan 2020 00:00:01 GMT";

/// A file with that time of change.
pub(super) fn write_at(folder: &Folder, name: &str, content: impl AsRef<[u8]>) {
    folder.write(name, content);
    let file = File::options().write(true).open(folder.0.join(name)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800)).unwrap();
}

pub(super) fn serving(
    folder: &Folder,
    set: impl Fn(ServeDir) -> ServeDir + Send + Sync + 'static,
) -> House {
    let root = folder.0.clone();
    House::serving(move |_| Router::new().serve_dir("/", set(ServeDir::new(&root))))
}

/// A request for `target` with those fields, where `{etag}` stands for its entity tag.
pub(super) fn ask(
    client: &mut dyn Client,
    method: &'static str,
    target: &str,
    etag: &str,
    fields: &[(&'static str, &str)],
) -> Answer {
    let ask = fields.iter().fold(Ask::new(method, target), |ask, (name, value)| {
        ask.field(name, value.replace("{etag}", etag))
    });
    client.ask(&ask)
}

/// Fields of a GET, and the status that is right for it.
type Row = (&'static [(&'static str, &'static str)], u16);

const CONDITIONS: &[Row] = &[
    (&[], 200),
    (&[("if-match", "*")], 200),
    (&[("if-match", "{etag}")], 200),
    (&[("if-match", "\"x\", {etag}")], 200),
    (&[("if-match", "\"x\""), ("if-match", "{etag}")], 200),
    (&[("if-match", "W/{etag}")], 412),
    (&[("if-match", "\"x\"")], 412),
    (&[("if-match", "{etag}"), ("if-unmodified-since", BEFORE)], 200),
    (&[("if-match", "\"x\""), ("if-unmodified-since", AFTER)], 412),
    (&[("if-unmodified-since", BEFORE)], 412),
    (&[("if-unmodified-since", CHANGED)], 200),
    (&[("if-unmodified-since", AFTER)], 200),
    (&[("if-unmodified-since", "soon")], 200),
    (&[("if-none-match", "*")], 304),
    (&[("if-none-match", "{etag}")], 304),
    (&[("if-none-match", "W/{etag}")], 304),
    (&[("if-none-match", "\"x\" ,\t{etag}")], 304),
    (&[("if-none-match", "\"x\""), ("if-none-match", "{etag}")], 304),
    (&[("if-none-match", "x, {etag}")], 304),
    (&[("if-none-match", "\"x\"")], 200),
    (&[("if-none-match", "x")], 200),
    (&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], 200),
    (&[("if-none-match", "{etag}"), ("if-modified-since", BEFORE)], 304),
    (&[("if-modified-since", BEFORE)], 200),
    (&[("if-modified-since", CHANGED)], 304),
    (&[("if-modified-since", AFTER)], 304),
    (&[("if-modified-since", "Wednesday, 01-Jan-20 00:00:00 GMT")], 304),
    (&[("if-modified-since", "Wed Jan  1 00:00:00 2020")], 304),
    (&[("if-modified-since", "2020-01-01T00:00:00Z")], 200),
    (&[("if-match", "\"x\""), ("if-none-match", "{etag}")], 412),
    (&[("if-match", "{etag}"), ("if-none-match", "{etag}")], 304),
    (&[("if-none-match", "{etag}"), ("range", "bytes=0-0")], 304),
    (&[("if-match", "\"x\""), ("range", "bytes=0-0")], 412),
];

#[test]
fn conditions_row_by_row() {
    let folder = Folder::new();
    write_at(&folder, "small.txt", CONTENT);
    write_at(&folder, "large.txt", CONTENT.repeat(10_000));
    let house = serving(&folder, |files| files.cache_control("*", "max-age=60"));
    for lane in LANES {
        let mut client = lane.open(&house);
        for target in ["/small.txt", "/large.txt"] {
            let whole = client.ask(&Ask::get(target)).status(200);
            let etag = whole.head.field("etag").unwrap();
            assert!(etag.starts_with('"'), "{etag}");
            assert_eq!(whole.head.field("last-modified"), Some(CHANGED));
            for (fields, status) in CONDITIONS.iter().copied() {
                for method in ["GET", "HEAD"] {
                    let answer = ask(&mut *client, method, target, etag, fields);
                    let context = format!("{} {method} {target} {fields:?}", lane.name());
                    // RFC 9110 §14.2: a HEAD has no ranges.
                    assert_eq!(answer.head.status, status, "{context}");
                    let field = |name| answer.head.field(name);
                    match status {
                        304 => {
                            assert_eq!(field("etag"), Some(etag), "{context}");
                            assert_eq!(field("cache-control"), Some("max-age=60"));
                            assert_eq!(
                                (field("content-type"), field("last-modified")),
                                (None, None)
                            );
                            assert_eq!(field("content-length"), None, "{context}");
                            assert!(field("date").is_some() && answer.body.is_empty());
                        }
                        412 => assert_eq!(field("cache-control"), Some("no-store"), "{context}"),
                        _ => {
                            let length = whole.body.len().to_string();
                            assert_eq!(field("content-length"), Some(&*length), "{context}");
                            let content = if method == "GET" { &whole.body[..] } else { &[] };
                            assert!(answer.body == content, "{context}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn compressed_siblings_and_settings() {
    let folder = Folder::new();
    for (name, content) in [
        ("app.js", "plain"),
        ("app.js.gz", "gzip"),
        ("app.js.br", "brotli"),
        ("index.html", "<p>app"),
        ("docs/a&b.txt", "a"),
    ] {
        folder.write(name, content);
    }
    let house = serving(&folder, |files| {
        files.cache_control("*.js", "max-age=31536000, immutable").listing().fallback("index.html")
    });
    for lane in LANES {
        let mut client = lane.open(&house);
        let mut tags = Vec::new();
        for (accept, coding, content) in [
            ("identity", None, "plain"),
            ("gzip, deflate", Some("gzip"), "gzip"),
            ("gzip, br", Some("br"), "brotli"),
            ("br;q=0.3, gzip;q=0.5, identity;q=0.1", Some("gzip"), "gzip"),
            ("br;q=0, gzip;q=0", None, "plain"),
        ] {
            let ask = Ask::get("/app.js").field("accept-encoding", accept);
            let answer = client.ask(&ask).status(200);
            assert_eq!(answer.head.field("content-encoding"), coding, "{} {accept}", lane.name());
            assert_eq!(answer.head.field("vary"), Some("accept-encoding"));
            assert_eq!(answer.head.field("content-type"), Some("text/javascript; charset=utf-8"));
            assert_eq!(answer.head.field("cache-control"), Some("max-age=31536000, immutable"));
            assert_eq!(answer.text(), content);
            let etag = answer.head.field("etag").unwrap().to_owned();
            let same = client.ask(&ask.clone().field("if-none-match", &*etag)).status(304);
            assert_eq!(same.head.field("vary"), Some("accept-encoding"));
            let part =
                client.ask(&ask.field("range", "bytes=-2").field("if-range", &*etag)).status(206);
            assert_eq!(part.head.field("content-encoding"), coding);
            assert_eq!(part.text(), content[content.len() - 2..]);
            tags.push(etag);
        }
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), 3);
        let list = client.ask(&Ask::get("/docs/")).status(200);
        assert!(list.text().contains("<a href=\"./a%26b.txt\">a&amp;b.txt</a>"), "{}", list.text());
        let page = client.ask(&Ask::get("/some/route")).status(200);
        assert_eq!((page.text(), page.head.field("vary")), ("<p>app".into(), None));
        client.ask(&Ask::get("/.env")).status(404);
    }
}

/// `[files]` of a configuration file, every key of it.
#[test]
fn settings_of_a_file() {
    const FILE: &str = "
[files]
index = ['start.html']
listing = true
extensions = ['html']
fallback = 'start.html'
not_found = 'start.html'
hidden_files = true
symlinks = false
precompressed = false
cache_bytes = 1000000
cache_entries = 100
open_files = 2
revalidate_ms = 10
media_types = { weird = 'x/weird' }
[[files.cache_control]]
path = '/docs/*'
value = 'immutable'
[[files.cache_control]]
path = '*'
value = 'no-cache'
";
    let folder = Folder::new();
    for name in ["start.html", "about.html", ".hidden", "docs/a.weird", "a.css", "a.css.gz"] {
        folder.write(name, name);
    }
    symlink("a.css", folder.0.join("link.css")).unwrap();
    let config = Config::parse(FILE, Path::new("t.toml")).unwrap();
    let (root, section) = (folder.0.clone(), config.files.clone());
    let house = House::serving(move |_| Router::new().serve_dir("/", section.serve(&root)));
    for lane in LANES {
        let mut client = lane.open(&house);
        for (target, content, cache_control) in [
            ("/", "start.html", "no-cache"),
            ("/about", "about.html", "no-cache"),
            ("/.hidden", ".hidden", "no-cache"),
            ("/docs/a.weird", "docs/a.weird", "immutable"),
            ("/a.css", "a.css", "no-cache"),
            ("/link.css", "start.html", "no-cache"),
            ("/route", "start.html", "no-cache"),
        ] {
            let ask = Ask::get(target).field("accept-encoding", "gzip");
            let answer = client.ask(&ask).status(200);
            let name = lane.name();
            assert_eq!(answer.text(), content, "{name} {target}");
            assert_eq!(answer.head.field("cache-control"), Some(cache_control), "{name} {target}");
            let kind = if target == "/docs/a.weird" { Some("x/weird") } else { None };
            assert!(kind.is_none_or(|kind| answer.head.field("content-type") == Some(kind)));
        }
        assert!(client.ask(&Ask::get("/docs/")).status(200).text().contains("a.weird"));
    }
    for (text, expected) in
        [("[files]\nfallback = '../x'\n", "'../x'"), ("[files]\nmedia_types = { a = '' }\n", "''")]
    {
        let files = Config::parse(text, Path::new("t.toml")).unwrap().files.serve("/");
        let error = Router::new().serve_dir("/", files).build().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn nothing_leads_out() {
    let folder = Folder::new();
    folder.write("in.txt", "in");
    fs::create_dir(folder.0.join(".well-known")).unwrap();
    folder.write(".well-known/security.txt", "Contact:");
    folder.write(".env", "secret");
    let made = Command::new("mkfifo").arg(folder.0.join("pipe")).status().unwrap();
    assert!(made.success());
    for (target, link) in [
        ("in.txt", "link"),
        ("/etc/passwd", "far"),
        ("../../../../../../etc/passwd", "near"),
        ("/proc/self/root/etc/passwd", "magic"),
        ("pipe", "to-pipe"),
        ("..", "docs/up"),
    ] {
        symlink(target, folder.0.join(link)).unwrap();
    }
    let house = serving(&folder, |files| files);
    for lane in LANES {
        let mut client = lane.open(&house);
        assert_eq!(client.ask(&Ask::get("/link")).status(200).text(), "in");
        assert_eq!(client.ask(&Ask::get("/docs/up/in.txt")).status(200).text(), "in");
        client.ask(&Ask::get("/.well-known/security.txt")).status(200);
        for path in [
            "far",
            "near",
            "magic",
            "pipe",
            "to-pipe",
            ".env",
            "%2eenv",
            "..",
            "%2e%2e/x",
            "..%2fx",
            "docs/%2e%2e/in.txt",
            "docs/up/up/../in.txt",
            "/in.txt",
            "docs//up",
            "in.txt/",
            "in.txt%5c",
            "docs%2fup",
        ] {
            let answer = client.ask(&Ask::get(format!("/{path}"))).status(404);
            assert_eq!(answer.json()["error"]["code"], "NOT_FOUND", "{} {path}", lane.name());
        }
        client.ask(&Ask::get("/in.txt%00")).status(400);
    }
}

#[test]
fn an_edit_has_another_tag_on_every_shard() {
    let folder = Folder::new();
    let house = serving(&folder, |files| files.revalidate(Duration::from_millis(1)));
    for lane in LANES {
        folder.write("a.txt", "one");
        let seen = |content: &str| {
            // Each connection may be another shard's.
            let answer = lane.open(&house).ask(&Ask::get("/a.txt"));
            let etag = answer.head.fields.iter().find(|(name, _)| name == "etag").cloned();
            (answer.text() == content).then_some(etag)
        };
        eventually("the file is there", || seen("one").is_some());
        let first = seen("one").flatten();
        // As long as before, and at once.
        folder.write("a.txt", "two");
        let mut second = None;
        eventually("the edit shows", || {
            // Both shards, most likely: each looks for itself.
            second = (0..8).fold(None, |_, _| seen("two").flatten());
            second.is_some()
        });
        assert_ne!(first, second, "{}", lane.name());
        fs::remove_file(folder.0.join("a.txt")).unwrap();
        eventually("its end shows", || {
            lane.open(&house).ask(&Ask::get("/a.txt")).head.status == 404
        });
    }
}

/// curl, the client that we did not write: parts, what is left of a download, and what has not changed.
#[test]
fn curl_asks_for_parts() {
    let folder = Folder::new();
    write_at(&folder, "a.txt", CONTENT);
    let house = serving(&folder, |files| files);
    let place = std::env::temp_dir().join(format!("trilane-curl-{}", std::process::id()));
    fs::create_dir_all(&place).unwrap();
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "-o", "out", "-w", "%{http_code}", "--max-time", "20"])
            .args(arguments);
        let Ok(output) = command.current_dir(&place).output() else { return None };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "curl {arguments:?}: {errors}");
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let out = || fs::read_to_string(place.join("out")).unwrap();
    let certificate = secure::files().0.to_str().unwrap().to_owned();
    let (clear, secure) = (house.address(), house.at(crate::parity::Over::Tls));
    let over = [
        (format!("http://{clear}/a.txt"), "--http1.1"),
        (format!("http://{clear}/a.txt"), "--http2-prior-knowledge"),
        (format!("https://{secure}/a.txt"), "--http2"),
    ];
    for (url, protocol) in &over {
        let curl = |arguments: &[&str]| {
            curl(&[arguments, &["--cacert", &certificate, protocol, url]].concat())
        };
        let Some(status) = curl(&["-r", "10-12"]) else {
            let text = b"\nskipped: there is no curl on this machine\n\n";
            std::io::stderr().write_all(text).unwrap();
            return;
        };
        assert_eq!((&*status, &*out()), ("206", "abc"));
        assert_eq!(curl(&["-r", "0-1,-2"]).unwrap(), "206");
        assert!(
            out().contains("\r\n\r\n01\r\n--") && out().contains("\r\n\r\nyz\r\n--"),
            "{}",
            out()
        );
        fs::write(place.join("out"), &CONTENT[..20]).unwrap();
        assert_eq!((curl(&["-C", "-"]).unwrap(), out()), ("206".into(), CONTENT.into()));
        let _ = fs::remove_file(place.join("tag"));
        assert_eq!(curl(&["--etag-save", "tag"]).unwrap(), "200");
        assert_eq!(curl(&["--etag-compare", "tag"]).unwrap(), "304");
        assert_eq!(curl(&["-z", CHANGED]).unwrap(), "304");
        assert_eq!(curl(&["-z", BEFORE]).unwrap(), "200");
    }
    fs::remove_dir_all(place).unwrap();
}
