//! Static files: the sample of the demo, a root of one's own, and `trilane serve`.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::house::eventually;
use super::{Ask, House, LANES, Place};
use crate::process::Process;

/// A directory that goes with its test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("trilane-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("docs")).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in the temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_sample_is_served_with_everything_around_it() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        for (target, start, kind) in [
            ("/static/", "<!doctype", "text/html; charset=utf-8"),
            ("/static/style.css", ":root", "text/css; charset=utf-8"),
            ("/static/lanes.svg", "<svg", "image/svg+xml"),
        ] {
            let whole = client.ask(&Ask::get(target)).status(200);
            assert!(whole.text().starts_with(start), "{} {target}", lane.name());
            assert_eq!(whole.head.field("content-type"), Some(kind));
            assert_eq!(whole.head.field("accept-ranges"), Some("bytes"));
            let etag = whole.head.field("etag").unwrap();
            let same = client.ask(&Ask::get(target).field("if-none-match", etag)).status(304);
            assert_eq!((same.body.len(), same.head.field("etag")), (0, Some(etag)));
            let part = client.ask(&Ask::get(target).field("range", "bytes=-4")).status(206);
            assert_eq!(part.body, whole.body[whole.body.len() - 4..]);
            let range = part.head.field("content-range").unwrap();
            assert!(range.ends_with(&format!("/{}", whole.body.len())), "{range}");
            client.ask(&Ask::get(target).field("if-match", "\"x\"")).status(412);
            let beyond = client.ask(&Ask::get(target).field("range", "bytes=99999-")).status(416);
            let length = format!("bytes */{}", whole.body.len());
            assert_eq!(beyond.head.field("content-range"), Some(&*length));
            let several = Ask::get(target).field("range", "bytes=0-0,2-2");
            let parts = client.ask(&several).status(206);
            let kind = parts.head.field("content-type").unwrap();
            assert!(kind.starts_with("multipart/byteranges; boundary="), "{kind}");
            assert_eq!(parts.head.field("content-length"), Some(&*parts.body.len().to_string()));
        }
        let moved = client.ask(&Ask::get("/static?a")).status(301);
        assert_eq!(moved.head.field("location"), Some("/static/?a"));
    }
}

#[test]
fn nothing_else_is_a_file() {
    let folder = Folder::new();
    folder.write(".secret", "secret");
    std::os::unix::fs::symlink("/etc/passwd", folder.0.join("out")).unwrap();
    let process = Process::demo(&["--log", "off", "--root", folder.path()]);
    for lane in LANES {
        let mut client = lane.open(&process);
        for path in [
            "",
            "none",
            ".secret",
            "%2esecret",
            "out",
            "docs/",
            "../etc/passwd",
            "%2e%2e/etc/passwd",
            "..%2fetc/passwd",
            "docs/..%5c..",
            "/etc/passwd",
            "docs//x",
            "index.html",
        ] {
            let answer = client.ask(&Ask::get(format!("/static/{path}"))).status(404);
            assert_eq!(answer.json()["error"]["code"], "NOT_FOUND", "{} {path}", lane.name());
        }
        client.ask(&Ask::get("/static/a%00b")).status(400);
    }
}

#[test]
fn serve_serves_a_directory_and_nothing_else() {
    let folder = Folder::new();
    let large: Vec<u8> = (0..3 << 20).map(|at: u32| (at ^ (at >> 8)) as u8).collect();
    folder.write("index.html", "<p>one");
    folder.write("docs/index.html", "<p>docs");
    folder.write("large.bin", &large);
    let arguments = [
        "serve",
        "--root",
        folder.path(),
        "--http",
        "127.0.0.1:0",
        "--h2c",
        "--shards",
        "1",
        "--log",
        "off",
    ];
    let process = Process::start(&arguments, |_| {}).unwrap();
    for lane in LANES {
        let mut client = lane.open(&process);
        for (target, content) in
            [("/", &b"<p>one"[..]), ("/docs/", b"<p>docs"), ("/large.bin", &large)]
        {
            let answer = client.ask(&Ask::get(target)).status(200);
            assert!(answer.body == content, "{} {target}: {}", lane.name(), answer.body.len());
            assert_eq!(answer.head.field("content-length"), Some(&*content.len().to_string()));
            assert!(answer.head.field("last-modified").is_some());
            let bare = client.ask(&Ask::new("HEAD", target)).status(200);
            assert_eq!(bare.head.field("content-length"), Some(&*content.len().to_string()));
        }
        let part = Ask::get("/large.bin").field("range", "bytes=262000-1048576");
        let answer = client.ask(&part).status(206);
        assert!(answer.body == large[262_000..=1_048_576], "{}", lane.name());
        let moved = client.ask(&Ask::get("/docs")).status(301);
        assert_eq!(moved.head.field("location"), Some("/docs/"));
        client.ask(&Ask::get("/plaintext")).status(404);
        let refused = client.ask(&Ask::new("POST", "/")).status(405);
        assert_eq!(refused.head.field("allow"), Some("GET, HEAD, OPTIONS"));
    }
    edited(&folder, &process);
}

/// A file that is edited is the new one soon, with another tag.
fn edited(folder: &Folder, process: &dyn Place) {
    let mut client = LANES[0].open(process);
    let before = client.ask(&Ask::get("/")).status(200);
    folder.write("index.html", "<p>two");
    eventually("the edit shows", || client.ask(&Ask::get("/")).status(200).text() == "<p>two");
    let stale = before.head.field("etag").unwrap();
    let after = client.ask(&Ask::get("/").field("if-none-match", stale)).status(200);
    assert_ne!(after.head.field("etag"), Some(stale));
    fs::remove_file(folder.0.join("index.html")).unwrap();
    eventually("the end shows", || client.ask(&Ask::get("/")).head.status == 404);
}

#[test]
fn a_root_that_is_none_is_refused_at_the_start() {
    let folder = Folder::new();
    folder.write("file", "");
    let file = format!("{}/file", folder.path());
    let gone = format!("{}/gone", folder.path());
    for arguments in [&["serve"][..], &["serve", "--root", &file], &["--root", &gone]] {
        let refused = Process::start(arguments, |_| {}).err().expect("it starts");
        assert_eq!(refused.code, Some(1), "{arguments:?}");
        assert!(refused.errors.contains("--root"), "{}", refused.errors);
    }
}
