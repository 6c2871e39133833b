//! Files from a directory, by their settings: siblings, indices, lists, links, changes on the disk.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use trilane_semantics::Known;

use super::files::{Folder, drain, field, get};
use super::support::{built, request, request_of, seen, send};
use crate::testing::TestClient;
use crate::{App, FilesError, Response, RouteError, Router, ServeDir};

fn app(files: ServeDir) -> App {
    built(Router::new().serve_dir("/", files))
}

/// The answer some milliseconds after that of `get`.
fn get_at(app: &App, now: u64, target: &str, fields: &[(&str, &str)]) -> Response {
    let times = (Duration::from_nanos(now * 1_000_000 + 7), Duration::ZERO);
    send(app, request_of("192.0.2.1", target, fields, times))
}

/// Status and content of what is answered some milliseconds later.
fn later(app: &App, now: u64, target: &str) -> (u16, String) {
    seen(get_at(app, now, target, &[]))
}

#[test]
fn an_edit_shows_after_a_second() {
    let folder = Folder::new();
    let app = app(ServeDir::new(folder.root()));
    let etag = |now| {
        let answer = get_at(&app, now, "/a.txt", &[]);
        field(&answer, Known::ETag).unwrap().to_owned()
    };
    let first = etag(0);
    // As long as before, and perhaps in the same tick of the file system's clock.
    folder.write("a.txt", "9876543210");
    assert_eq!(later(&app, 999, "/a.txt").1, "0123456789");
    assert_eq!(later(&app, 1000, "/a.txt").1, "9876543210");
    let second = etag(1000);
    assert_ne!(first, second);
    folder.write("a.txt", "0123456789");
    assert_eq!(later(&app, 2000, "/a.txt").1, "0123456789");
    assert_eq!(etag(2000), first, "small files have the tag of their content");
    fs::remove_file(folder.root().join("a.txt")).unwrap();
    assert_eq!((later(&app, 2999, "/a.txt").0, later(&app, 3000, "/a.txt").0), (200, 404));
    let at_once = self::app(ServeDir::new(folder.root()).revalidate(Duration::ZERO));
    for content in ["one", "two"] {
        folder.write("x", content);
        assert_eq!(later(&at_once, 0, "/x").1, content);
    }
}

#[test]
fn what_is_not_there_is_remembered_for_a_second() {
    let folder = Folder::new();
    let app = app(ServeDir::new(folder.root()));
    assert_eq!((later(&app, 0, "/new").0, later(&app, 0, "/bare").0), (404, 301));
    folder.write("new", "new");
    fs::remove_dir(folder.root().join("bare")).unwrap();
    assert_eq!((later(&app, 999, "/new").0, later(&app, 999, "/bare").0), (404, 301));
    assert_eq!((later(&app, 1000, "/new").0, later(&app, 1000, "/bare").0), (200, 404));
    let none = self::app(ServeDir::new(folder.root()).cache_entries(0));
    assert_eq!(later(&none, 0, "/newer").0, 404);
    folder.write("newer", "newer");
    assert_eq!(later(&none, 0, "/newer"), (200, "newer".into()));
}

/// RFC 9110 §12.5.3, and §8.8.3.3: each coding has a tag of its own.
#[test]
fn compressed_siblings() {
    let folder = Folder::new();
    for (suffix, content) in [("", "plain"), (".br", "brotli"), (".gz", "gzip!!"), (".zst", "zstd")]
    {
        folder.write(&format!("a.css{suffix}"), content);
    }
    let files = ServeDir::new(folder.root()).cache_control("*.css", "max-age=9");
    let app = app(files.clone());
    let mut tags = Vec::new();
    for (accept, coding, content) in [
        ("", None, "plain"),
        ("gzip", Some("gzip"), "gzip!!"),
        ("gzip, zstd", Some("zstd"), "zstd"),
        ("gzip, deflate, br, zstd", Some("br"), "brotli"),
        ("br;q=0.1, gzip;q=0.2", Some("gzip"), "gzip!!"),
        ("br;q=0, *", Some("zstd"), "zstd"),
        ("deflate", None, "plain"),
        // A layer further out may know more codings.
        ("identity;q=0", None, "plain"),
    ] {
        let accept = ("accept-encoding", accept);
        for _ in 0..2 {
            let whole = get(&app, "/a.css", &[accept]);
            assert_eq!(field(&whole, Known::ContentEncoding), coding, "{accept:?}");
            assert_eq!(field(&whole, Known::ContentType), Some("text/css; charset=utf-8"));
            assert_eq!(field(&whole, Known::Vary), Some("accept-encoding"));
            let etag = field(&whole, Known::ETag).unwrap().to_owned();
            assert_eq!(seen(whole), (200, content.to_owned()), "{accept:?}");
            let same = get(&app, "/a.css", &[accept, ("if-none-match", &etag)]);
            // RFC 9110 §15.4.5, MUST: as the 200 would have them.
            assert_eq!(field(&same, Known::ETag), Some(&*etag));
            assert_eq!(field(&same, Known::Vary), Some("accept-encoding"));
            assert_eq!(field(&same, Known::CacheControl), Some("max-age=9"));
            assert_eq!((same.head.fields.len(), seen(same).0), (3, 304));
            // A range is one of the content as it is coded.
            let part = get(&app, "/a.css", &[accept, ("range", "bytes=1-2"), ("if-range", &etag)]);
            assert_eq!(field(&part, Known::ContentEncoding), coding);
            assert_eq!(field(&part, Known::Vary), Some("accept-encoding"));
            assert_eq!(seen(part), (206, content[1..3].to_owned()));
            let head = send(&app, request("HEAD", "/a.css", &[accept], ""));
            assert_eq!(head.body.length(), Some(content.len() as u64));
            tags.push(etag);
        }
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 4);
    // By itself a sibling is a file, and nothing chooses among others.
    let gzip = get(&app, "/a.css.gz", &[("accept-encoding", "gzip")]);
    assert_eq!(field(&gzip, Known::ContentType), Some("application/gzip"));
    assert_eq!((field(&gzip, Known::ContentEncoding), field(&gzip, Known::Vary)), (None, None));
    let off = self::app(files.without_precompressed());
    let plain = get(&off, "/a.css", &[("accept-encoding", "gzip")]);
    assert_eq!(field(&plain, Known::Vary), None);
    assert_eq!(seen(plain).1, "plain");
}

#[test]
fn siblings_that_do_not_count() {
    let folder = Folder::new();
    let app = app(ServeDir::new(folder.root()));
    folder.write("a.css", "plain");
    folder.write("a.css.br", "old");
    let old = File::options().write(true).open(folder.root().join("a.css.br")).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();
    fs::create_dir(folder.root().join("a.css.zst")).unwrap();
    symlink("../secret.txt", folder.root().join("a.css.gz")).unwrap();
    folder.write("b.css.gz", "alone");
    let all = ("accept-encoding", "gzip, br, zstd");
    let plain = get(&app, "/a.css", &[all]);
    assert_eq!(field(&plain, Known::Vary), None);
    assert_eq!(seen(plain).1, "plain");
    assert_eq!(seen(get(&app, "/b.css", &[all])).0, 404);
    // One that is brought up to date, and goes again.
    old.set_modified(SystemTime::now() + Duration::from_secs(9)).unwrap();
    let ask = |now| seen(get_at(&app, now, "/a.css", &[all])).1;
    assert_eq!((&*ask(999), &*ask(1000)), ("plain", "old"));
    fs::remove_file(folder.root().join("a.css.br")).unwrap();
    assert_eq!(ask(2000), "plain");
}

#[test]
fn hidden_files() {
    let folder = Folder::new();
    fs::create_dir(folder.root().join(".well-known")).unwrap();
    folder.write(".well-known/security.txt", "Contact:");
    folder.write(".well-known/.key", "key");
    let (usual, shown) =
        (ServeDir::new(folder.root()), ServeDir::new(folder.root()).hidden_files());
    let (usual, shown) = (app(usual), app(shown));
    for (path, status) in
        [("/.well-known/security.txt", 200), ("/.hidden", 404), ("/.well-known/.key", 404)]
    {
        assert_eq!(seen(get(&usual, path, &[])).0, status, "{path}");
        assert_eq!(seen(get(&shown, path, &[])).0, 200, "{path}");
    }
    assert_eq!(seen(get(&shown, "/%2e%2e/secret.txt", &[])).0, 404);
}

#[test]
fn what_is_neither_file_nor_directory_is_not_opened() {
    let folder = Folder::new();
    let pipe = folder.root().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(folder.root().join("socket")).unwrap();
    symlink("/dev/zero", folder.root().join("zero")).unwrap();
    symlink("pipe", folder.root().join("to-pipe")).unwrap();
    folder.write("index", "");
    let app = app(ServeDir::new(folder.root()).index(["pipe", "socket"]));
    for path in ["/pipe", "/socket", "/zero", "/to-pipe", "/pipe/", "/"] {
        assert_eq!(seen(get(&app, path, &[])).0, 404, "{path}");
    }
}

#[test]
fn links() {
    let folder = Folder::new();
    let root = folder.root();
    symlink(root.join("a.txt"), root.join("absolute.txt")).unwrap();
    symlink("dir", root.join("to-dir")).unwrap();
    symlink("../a.txt", root.join("dir/back.txt")).unwrap();
    symlink("../../root/a.txt", root.join("dir/around.txt")).unwrap();
    symlink("/proc/self/root/etc/passwd", root.join("magic")).unwrap();
    symlink(&root, folder.0.join("link-to-root")).unwrap();
    let (usual, none) = (ServeDir::new(&root), ServeDir::new(&root).without_symlinks());
    let (usual, none) = (app(usual), app(none));
    for (path, content) in [
        ("/in.txt", "0123456789"),
        ("/absolute.txt", "0123456789"),
        ("/dir/back.txt", "0123456789"),
        ("/dir/around.txt", "0123456789"),
        ("/to-dir/", "<p>index"),
        ("/to-dir/index.html", "<p>index"),
    ] {
        assert_eq!(seen(get(&usual, path, &[])), (200, content.into()), "{path}");
        assert_eq!(seen(get(&none, path, &[])).0, 404, "{path}");
    }
    for path in ["/magic", "/out.txt", "/up/secret.txt", "/up/root/a.txt/x", "/loop"] {
        assert_eq!(seen(get(&usual, path, &[])).0, 404, "{path}");
        assert_eq!(seen(get(&none, path, &[])).0, 404, "{path}");
    }
    assert_eq!(seen(get(&none, "/a.txt", &[])).0, 200);
    // The root itself may be a link, whatever is said of links below it.
    let linked = app(ServeDir::new(folder.0.join("link-to-root")).without_symlinks());
    assert_eq!(seen(get(&linked, "/a.txt", &[])).0, 200);
}

#[test]
fn indices_and_lists() {
    let folder = Folder::new();
    let root = folder.root();
    folder.write("dir/index.htm", "<p>second");
    let app_of = |files: ServeDir| app(files);
    let second = app_of(ServeDir::new(&root).index(["none.html", "index.htm", "index.html"]));
    assert_eq!(seen(get(&second, "/dir/", &[])), (200, "<p>second".into()));
    let none = app_of(ServeDir::new(&root).index([]));
    assert_eq!(seen(get(&none, "/dir/", &[])).0, 404);
    for name in ["bare/z.txt", "bare/<b>&\"x", "bare/.dot"] {
        folder.write(name, "12");
    }
    fs::create_dir(root.join("bare/zoo")).unwrap();
    symlink("../../secret.txt", root.join("bare/out")).unwrap();
    let listed = app_of(ServeDir::new(&root).listing());
    let page = get(&listed, "/bare/", &[]);
    assert_eq!(field(&page, Known::ContentType), Some("text/html; charset=utf-8"));
    let etag = field(&page, Known::ETag).unwrap().to_owned();
    assert_eq!(seen(get(&listed, "/bare/", &[("if-none-match", &etag)])).0, 304);
    let (status, text) = seen(page);
    assert_eq!(status, 200);
    let links: Vec<_> =
        text.split("href=\"").skip(1).filter_map(|it| it.split('"').next()).collect();
    assert_eq!(links, ["../", "./zoo/", "./%3Cb%3E%26%22x", "./z.txt"]);
    assert!(text.contains("&lt;b&gt;&amp;&quot;x</a><td>2<td>2"), "{text}");
    assert!(!text.contains("<b>") && !text.contains("dot") && !text.contains("out"));
    // An index is better than a list, and what is no directory has neither.
    assert_eq!(seen(get(&listed, "/dir/", &[])).1, "<p>index");
    for path in ["/none/", "/a.txt/", "/up/", "/dir/.git/"] {
        assert_eq!(seen(get(&listed, path, &[])).0, 404, "{path}");
    }
    assert!(seen(get(&listed, "/", &[])).1.contains("<h1>Index of /</h1>"));
    folder.write("bare/new", "");
    assert!(!later(&listed, 999, "/bare/").1.contains("new"));
    assert!(later(&listed, 1000, "/bare/").1.contains("new"));
}

#[test]
fn names_without_extension() {
    let folder = Folder::new();
    for (name, content) in [("about.html", "<p>about"), ("about.htm", "second"), ("bare.html", "")]
    {
        folder.write(name, content);
    }
    let of_disk = ServeDir::new(folder.root());
    let of_program = ServeDir::embedded([
        ("a.txt", &b"0123456789"[..]),
        ("about.html", b"<p>about"),
        ("about.htm", b"second"),
        ("bare.html", b""),
        ("bare/x", b""),
    ]);
    for files in [of_disk, of_program] {
        let files = files.extensions(["html", "htm"]).cache_control("*.html", "no-cache");
        let app = app(files);
        for (target, status, text) in [
            ("/about", 200, "<p>about"),
            ("/about.htm", 200, "second"),
            ("/a.txt", 200, "0123456789"),
            ("/about/", 404, ""),
            ("/none", 404, ""),
            // A directory is what it is.
            ("/bare", 301, ""),
        ] {
            assert_eq!(seen(get(&app, target, &[])), (status, text.into()), "{target}");
        }
        let about = get(&app, "/about", &[]);
        assert_eq!(field(&about, Known::ContentType), Some("text/html; charset=utf-8"));
        assert_eq!(field(&about, Known::CacheControl), Some("no-cache"));
    }
}

/// RFC 9110 §8.8.2.1, MUST: never later than the message.
#[test]
fn a_change_that_is_still_to_come() {
    let folder = Folder::new();
    let file = File::options().write(true).open(folder.root().join("a.txt")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(1_000_000)).unwrap();
    let app = app(ServeDir::new(folder.root()));
    let answer = get(&app, "/a.txt", &[]);
    assert_eq!(field(&answer, Known::LastModified), Some("Sat, 21 Nov 2026 22:21:32 GMT"));
}

#[test]
fn what_is_kept_is_counted() {
    let folder = Folder::new();
    for name in ["one", "two"] {
        folder.write(name, vec![b'x'; 100_000]);
    }
    let files = ServeDir::new(folder.root()).cache_bytes(150_000);
    let client = TestClient::new(Router::new().serve_dir("/", files)).unwrap();
    let kept = || client.stats().file_cache.get();
    for path in ["/one", "/two", "/one"] {
        assert_eq!(client.get(path).send().status(), 200);
        assert!((100_000..110_000).contains(&kept()), "{}", kept());
    }
    fs::remove_file(folder.root().join("one")).unwrap();
    client.advance(Duration::from_secs(1));
    assert_eq!((client.get("/one").send().status(), kept()), (404, 0));
}

#[test]
fn fallbacks() {
    let folder = Folder::new();
    let root = folder.root();
    folder.write("404.html", "<p>nothing");
    let page =
        app(ServeDir::new(&root).fallback("dir/index.html").cache_control("/dir/*", "no-cache"));
    for path in ["/some/route", "/other", "/bare/"] {
        let answer = get(&page, path, &[]);
        assert_eq!(field(&answer, Known::CacheControl), Some("no-cache"));
        assert_eq!(seen(answer), (200, "<p>index".into()), "{path}");
    }
    assert_eq!(seen(get(&page, "/some/route", &[("if-none-match", "*")])).0, 304);
    // What can be no file is no route of an application either.
    for path in ["/.git/config", "/a%2fb", "/a//b"] {
        assert_eq!(seen(get(&page, path, &[])).0, 404, "{path}");
    }
    let missing = app(ServeDir::new(&root).not_found("404.html").cache_control("*", "no-cache"));
    // RFC 9110 §13.2.1: without conditions this were no success, so they MUST be ignored. Nor has a 404 ranges.
    for fields in
        [&[][..], &[("if-none-match", "*")], &[("if-match", "\"x\"")], &[("range", "bytes=0-1")]]
    {
        let answer = get(&missing, "/none", fields);
        let kind = field(&answer, Known::ContentType);
        assert_eq!(kind, Some("text/html; charset=utf-8"));
        assert_eq!(field(&answer, Known::CacheControl), Some("no-cache"));
        assert_eq!((field(&answer, Known::ETag), answer.head.fields.len()), (None, 2));
        assert_eq!(seen(answer), (404, "<p>nothing".into()));
    }
    let both = app(ServeDir::new(&root).fallback("a.txt").not_found("404.html"));
    assert_eq!(seen(get(&both, "/x", &[])), (200, "0123456789".into()));
    let both = app(ServeDir::new(&root).fallback("none").not_found("404.html"));
    assert_eq!(seen(get(&both, "/x", &[])), (404, "<p>nothing".into()));
    let none = get(&app(ServeDir::new(&root).not_found("none")), "/x", &[]);
    assert!(none.error.is_some());
}

#[test]
fn fields_by_name() {
    let folder = Folder::new();
    let files = ServeDir::new(folder.root())
        .cache_control("/dir/*", "immutable")
        .cache_control("*.txt", "no-cache")
        .cache_control("/large.*", "max-age=1")
        .media_type("BIN", "application/x-old")
        .media_type("bin", "application/x-bin");
    let app = app(files);
    for (path, cache_control, kind) in [
        ("/dir/", Some("immutable"), "text/html; charset=utf-8"),
        ("/a.txt", Some("no-cache"), "text/plain; charset=utf-8"),
        ("/large.bin", Some("max-age=1"), "application/x-bin"),
        ("/empty", None, "application/octet-stream"),
    ] {
        let answer = get(&app, path, &[]);
        assert_eq!(field(&answer, Known::CacheControl), cache_control, "{path}");
        assert_eq!(field(&answer, Known::ContentType), Some(kind), "{path}");
    }
    let refused = get(&app, "/a.txt", &[("if-match", "\"x\"")]);
    assert_eq!(field(&refused, Known::CacheControl), None, "not on errors");
}

#[test]
fn settings_are_checked_at_the_start() {
    let new = || ServeDir::new("/");
    let value = |text: &str| FilesError::Value(text.into());
    let name = |text: &str| FilesError::Name(text.into());
    for (files, error) in [
        (new().cache_control("*", "a\r\nb"), value("a\r\nb")),
        (new().cache_control("*", ""), value("")),
        (new().cache_control("assets/*", "a"), FilesError::Pattern("assets/*".into())),
        (new().media_type("x", "a\0b"), value("a\0b")),
        (new().fallback("../x"), name("../x")),
        (new().fallback("/index.html"), name("/index.html")),
        (new().not_found(""), name("")),
        (new().index(["ok", "a/"]), name("a/")),
        (new().extensions(["html", ""]), name("")),
        // The first mistake, wherever there are more.
        (new().fallback("").cache_control("x", "\n"), name("")),
    ] {
        let found = Router::new().serve_dir("/files", files.clone()).build().err();
        assert_eq!(found, Some(RouteError::Files { prefix: "/files".into(), error }));
        // Who gives it to a route as it is learns of it there.
        let alone = built(Router::new().route("/{*path}", crate::get(files)));
        assert_eq!(get(&alone, "/a", &[]).head.status.as_u16(), 500);
    }
}

#[test]
fn files_of_the_program_have_all_that() {
    let content = |text: &'static str| text.as_bytes();
    let files = ServeDir::embedded([
        ("index.html", content("<p>")),
        ("a.css", content("plain")),
        ("a.css.br", content("brotli")),
    ]);
    let app = app(files.fallback("index.html").cache_control("*.css", "no-cache"));
    let coded = get(&app, "/a.css", &[("accept-encoding", "br")]);
    assert_eq!(field(&coded, Known::ContentEncoding), Some("br"));
    assert_eq!(field(&coded, Known::CacheControl), Some("no-cache"));
    assert_eq!(seen(coded).1, "brotli");
    assert_eq!(seen(get(&app, "/a.css", &[])).1, "plain");
    assert_eq!(seen(get(&app, "/route", &[])), (200, "<p>".into()));
    // What is part of the program never changes.
    assert_eq!(later(&app, 5000, "/a.css"), (200, "plain".into()));
    let parts = get(&app, "/a.css", &[("range", "bytes=0-0,2-2")]);
    assert_eq!(parts.body.length(), Some(drain(parts).0.len() as u64));
}
