//! Files from a directory and from the program: names, conditions, ranges, streams, changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use trilane_exchange::read::read_now;
use trilane_exchange::{Frame, Outgoing};
use trilane_semantics::{Known, Payload};

use super::support::{built, request, seen, send};
use crate::{App, Response, Router, ServeDir};

/// Past what is kept in memory.
const LARGE: usize = (600 << 10) + 1;

/// A directory that goes with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("trilane-files-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let base = std::env::temp_dir().join(name);
        fs::create_dir_all(base.join("root/dir/.git")).unwrap();
        let folder = Self(base);
        for (name, content) in [
            ("../secret.txt", "secret"),
            (".hidden", "hidden"),
            ("a.txt", "0123456789"),
            ("a b.html", "spaced"),
            ("dir/index.html", "<p>index"),
            ("dir/.git/config", "hidden"),
            ("empty", ""),
        ] {
            folder.write(name, content);
        }
        fs::create_dir(folder.root().join("bare")).unwrap();
        folder.write("large.bin", (0..LARGE).map(|at| at as u8).collect::<Vec<_>>());
        symlink("../secret.txt", folder.root().join("out.txt")).unwrap();
        symlink("..", folder.root().join("up")).unwrap();
        symlink("a.txt", folder.root().join("in.txt")).unwrap();
        symlink("loop", folder.root().join("loop")).unwrap();
        folder
    }

    pub(super) fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.root().join(name), content).unwrap();
    }

    fn app(&self) -> App {
        built(Router::new().serve_dir("/static", ServeDir::new(self.root())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn get(app: &App, target: &str, fields: &[(&str, &str)]) -> Response {
    send(app, request("GET", target, fields, ""))
}

pub(super) fn field(response: &Response, name: Known) -> Option<&str> {
    response.head.fields.get_str(name)
}

/// The content, of memory or read from its file, and whether it is whole.
pub(super) fn drain(response: Response) -> (Vec<u8>, bool) {
    let mut source = match response.body {
        Outgoing::Empty => return (Vec::new(), true),
        Outgoing::Full(payload) => return read(&payload),
        Outgoing::Stream { source, .. } => source,
    };
    let (mut content, mut is_whole) = (Vec::new(), true);
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = source.as_mut().poll_frame(&mut cx) {
        let Ok(Frame::Data(piece)) = frame else { panic!("no content") };
        let (piece, all) = read(&piece);
        content.extend(piece);
        is_whole &= all;
    }
    (content, is_whole)
}

fn read(payload: &Payload) -> (Vec<u8>, bool) {
    let Some((file, at)) = payload.file() else { return (payload.as_ref().to_vec(), true) };
    let content = read_now(&**file, at as u64, payload.len()).unwrap();
    let is_whole = content.len() == payload.len();
    (content, is_whole)
}

#[test]
fn which_names_are_files() {
    let folder = Folder::new();
    let app = folder.app();
    for (path, content, kind) in [
        ("a.txt", "0123456789", "text/plain; charset=utf-8"),
        ("in.txt", "0123456789", "text/plain; charset=utf-8"),
        ("a%20b.html", "spaced", "text/html; charset=utf-8"),
        ("%61.txt", "0123456789", "text/plain; charset=utf-8"),
        ("dir/", "<p>index", "text/html; charset=utf-8"),
        ("dir/index.html", "<p>index", "text/html; charset=utf-8"),
        ("empty", "", "application/octet-stream"),
    ] {
        // From the disk, and from memory.
        for _ in 0..2 {
            let answer = get(&app, &format!("/static/{path}"), &[]);
            assert_eq!(field(&answer, Known::ContentType), Some(kind), "{path}");
            assert_eq!(field(&answer, Known::AcceptRanges), Some("bytes"), "{path}");
            assert!(field(&answer, Known::LastModified).is_some(), "{path}");
            assert_eq!(seen(answer), (200, content.to_owned()), "{path}");
        }
    }
    for path in [
        "",
        "out.txt",
        "up/secret.txt",
        "up/",
        "loop",
        ".hidden",
        "dir/.git/config",
        "none",
        "bare/",
        "a.txt/",
        "a.txt/b",
        "dir//index.html",
        "/etc/passwd",
        "..%2fsecret.txt",
        "dir%2findex.html",
        "%5c",
        "%ff",
        "%2e%2e/secret.txt",
        "a.txt%0a",
    ] {
        assert_eq!(seen(get(&app, &format!("/static/{path}"), &[])).0, 404, "{path}");
    }
    let long = "x".repeat(300);
    assert_eq!(seen(get(&app, &format!("/static/{long}"), &[])).0, 404);
    assert_eq!(seen(get(&app, "/static/a%00", &[])).0, 400);
    let gone = built(Router::new().serve_dir("/", ServeDir::new(folder.root().join("none"))));
    assert_eq!(seen(get(&gone, "/a.txt", &[])).0, 404);
}

#[test]
fn a_directory_is_asked_for_with_a_slash() {
    let folder = Folder::new();
    let app = folder.app();
    for (target, location) in [
        ("/static/dir", "/static/dir/"),
        ("/static/dir?a=b", "/static/dir/?a=b"),
        ("/static", "/static/"),
        ("/static/bare", "/static/bare/"),
    ] {
        let answer = get(&app, target, &[]);
        assert_eq!(field(&answer, Known::Location), Some(location));
        assert_eq!(seen(answer).0, 301, "{target}");
    }
    // Nothing that a browser takes for another host.
    let open = built(Router::new().serve_dir("/{any}", ServeDir::new(folder.root())));
    assert_eq!(seen(get(&open, "/\\a.example", &[])).0, 404);
    assert_eq!(seen(get(&built(root_of(&folder.root())), "//dir", &[])).0, 404);
}

fn root_of(root: &Path) -> Router {
    Router::new().serve_dir("/", ServeDir::new(root))
}

/// RFC 9110 §13.2.2 and §14.
#[test]
fn conditions_and_ranges() {
    let folder = Folder::new();
    let files = ServeDir::new(folder.root()).cache_control("*", "max-age=60");
    let app = built(Router::new().serve_dir("/", files));
    for target in ["/a.txt", "/a.txt"] {
        let whole = get(&app, target, &[]);
        let etag = field(&whole, Known::ETag).unwrap().to_owned();
        let changed = field(&whole, Known::LastModified).unwrap().to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag} is strong");
        for fields in [[("if-none-match", &*etag)], [("if-modified-since", &*changed)]] {
            let answer = get(&app, target, &fields);
            // RFC 9110 §15.4.5: what a 200 would have said.
            assert_eq!(field(&answer, Known::ETag), Some(&*etag));
            assert_eq!(field(&answer, Known::CacheControl), Some("max-age=60"));
            assert_eq!(answer.head.fields.len(), 2, "{answer:?}");
            assert_eq!(seen(answer), (304, String::new()));
        }
        assert_eq!(seen(get(&app, target, &[("if-match", "\"x\"")])).0, 412);
        let part = get(&app, target, &[("range", "bytes=2-4"), ("if-range", &etag)]);
        assert_eq!(field(&part, Known::ContentRange), Some("bytes 2-4/10"));
        assert_eq!(seen(part), (206, "234".into()));
        let stale = get(&app, target, &[("range", "bytes=2-4"), ("if-range", "\"x\"")]);
        assert_eq!(seen(stale), (200, "0123456789".into()));
        let refused = get(&app, target, &[("range", "bytes=10-")]);
        assert_eq!(field(&refused, Known::ContentRange), Some("bytes */10"));
        assert_eq!(seen(refused).0, 416);
        let two = get(&app, target, &[("range", "bytes=-1,0-2,1-3,20-")]);
        let content_type = "multipart/byteranges; boundary=0000000000000001";
        assert_eq!(field(&two, Known::ContentType), Some(content_type));
        // RFC 9110 §15.3.7.2: MUST NOT be there.
        assert_eq!(field(&two, Known::ContentRange), None);
        assert_eq!(field(&two, Known::ETag), Some(&*etag));
        assert_eq!(two.head.status.as_u16(), 206);
        let part = |range: &str, content: &str| {
            let kind = "Content-Type: text/plain; charset=utf-8";
            let range = format!("Content-Range: bytes {range}/10");
            format!("\r\n--0000000000000001\r\n{kind}\r\n{range}\r\n\r\n{content}")
        };
        let end = "\r\n--0000000000000001--\r\n".to_owned();
        let expected = [part("9-9", "9"), part("0-3", "0123"), end].concat();
        assert_eq!(two.body.length(), Some(expected.len() as u64));
        assert_eq!(String::from_utf8(drain(two).0).unwrap(), expected);
        let head = send(&app, request("HEAD", target, &[("range", "bytes=2-4")], ""));
        assert_eq!((head.head.status.as_u16(), head.body.length()), (200, Some(10)));
    }
}

#[test]
fn large_files_are_ranges_of_open_files() {
    let folder = Folder::new();
    let app = folder.app();
    let content: Vec<_> = (0..LARGE).map(|at| at as u8).collect();
    let whole = get(&app, "/static/large.bin", &[]);
    assert_eq!(whole.body.length(), Some(LARGE as u64));
    assert!(drain(whole) == (content.clone(), true));
    let part = get(&app, "/static/large.bin", &[("range", "bytes=262143-262144")]);
    assert_eq!(part.head.status.as_u16(), 206);
    assert_eq!(drain(part), (content[262_143..=262_144].to_vec(), true));
    // Several are pieces of the open file, not of memory.
    let parts = get(&app, "/static/large.bin", &[("range", "bytes=0-299999,-300000")]);
    let length = parts.body.length().unwrap() as usize;
    let (got, is_whole) = drain(parts);
    assert!(is_whole && got.len() == length);
    for part in [&content[..300_000], &content[LARGE - 300_000..]] {
        assert!(got.windows(part.len()).any(|window| window == part));
    }
    // Whoever sends it sees that the file has shrunk.
    let cut = get(&app, "/static/large.bin", &[]);
    folder.write("large.bin", [7; 10]);
    assert_eq!(drain(cut), (vec![7; 10], false));
}

fn is_file(response: &Response) -> bool {
    matches!(&response.body, Outgoing::Full(payload) if payload.file().is_some())
}

#[test]
fn the_bound_of_what_is_kept_in_memory() {
    let folder = Folder::new();
    let app = folder.app();
    for (size, is_open) in [(262_143, false), (262_144, false), (262_145, true)] {
        let name = format!("of-{size}");
        folder.write(&name, vec![0; size]);
        let answer = get(&app, &format!("/static/{name}"), &[]);
        assert_eq!(is_file(&answer), is_open, "{size}");
    }
    let none = ServeDir::new(folder.root()).cache_bytes(0);
    let app = built(Router::new().serve_dir("/", none));
    let before = seen(get(&app, "/a.txt", &[])).1;
    folder.write("a.txt", "changed");
    assert_eq!((before, seen(get(&app, "/a.txt", &[])).1), ("0123456789".into(), "changed".into()));
}

/// The clock of these tests stands still, so what was looked at once stays fresh.
#[test]
fn a_hot_hit_looks_at_nothing() {
    let folder = Folder::new();
    let app = folder.app();
    assert_eq!(seen(get(&app, "/static/dir/", &[])).0, 200);
    assert!(is_file(&get(&app, "/static/large.bin", &[])));
    fs::remove_dir_all(folder.root()).unwrap();
    assert_eq!(seen(get(&app, "/static/dir/", &[])), (200, "<p>index".into()));
    assert!(drain(get(&app, "/static/large.bin", &[])).1, "it is still open");
    assert_eq!(seen(get(&app, "/static/a.txt", &[])).0, 404);
}

#[test]
fn files_of_the_program() {
    let files = [("index.html", &b"<p>"[..]), ("css/a.css", b"p{}")];
    let app = built(Router::new().serve_dir("/", ServeDir::embedded(files)));
    for (target, status, text) in [
        ("/", 200, "<p>"),
        ("/index.html", 200, "<p>"),
        ("/css/a.css", 200, "p{}"),
        ("/css", 301, ""),
        ("/css/", 404, ""),
        ("/cs", 404, ""),
        ("/.index.html", 404, ""),
    ] {
        assert_eq!(seen(get(&app, target, &[])), (status, text.to_owned()), "{target}");
    }
    let etag = |target| field(&get(&app, target, &[]), Known::ETag).unwrap().to_owned();
    assert_eq!(etag("/"), etag("/index.html"));
    assert_ne!(etag("/"), etag("/css/a.css"));
    let answer = get(&app, "/", &[("if-none-match", &etag("/"))]);
    assert_eq!(seen(answer).0, 304);
}
