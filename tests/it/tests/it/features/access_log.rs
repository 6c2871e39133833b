//! The access log in a file (FEATURES W7): a line of each request over every protocol, put aside by size, opened anew when asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use trilane::{Log, LogWriter, Rotation, Router, Server, Trace, get};

use super::super::parity::{Ask, House, LANES, eventually};

/// A folder of this test's own, gone with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trilane-it-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a handler takes of its shard in one step: the time of the turn does not show it.
const BUSY: Duration = Duration::from_millis(30);

fn house(writer: &LogWriter) -> House {
    let app = |_| {
        Router::new()
            .route("/x/{id}", get(|| async { "four" }))
            .route("/busy", get(|| async { std::thread::sleep(BUSY) }))
            .route("/health", get(|| async { "OK" }))
            .route("/health/detailed", get(|| async { "OK" }))
            .layer(Trace::new())
    };
    let server = Server::new(app).h2c().log(Log::Json).log_to(writer.clone());
    House::of(server.log_exclude("/health"))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_of_each_request_and_none_of_what_is_left_out() {
    let folder = Folder::new("lines");
    let path = folder.0.join("access.log");
    let writer = LogWriter::to_file(&path, Rotation::default()).unwrap();
    let house = house(&writer);
    for (round, lane) in (1..).zip(LANES) {
        let ask = |target: &str| lane.open(&house).ask(&Ask::get(target).field("user-agent", "it"));
        ask("/health").status(200);
        ask("/health/detailed").status(200);
        ask("/x/1?a=b").status(200);
        ask("/nowhere").status(404);
        ask("/busy").status(200);
        eventually(lane.name(), || lines(&path).len() == 3 * round);
        let lines = lines(&path);
        let line = &lines[3 * round - 3];
        for (name, value) in [
            ("method", "GET"),
            ("path", "/x/1"),
            ("query", "a=b"),
            ("user_agent", "it"),
            ("protocol", lane.protocol()),
            ("outcome", "complete"),
        ] {
            assert_eq!(line[name], value, "{line}");
        }
        assert_eq!(
            (&line["status"], &line["bytes_out"], &line["bytes_in"]),
            (&200.into(), &4.into(), &0.into())
        );
        assert_eq!((&line["client"], &line["user"]), (&line["remote"], &Value::Null));
        assert_eq!(line["trace_id"].as_str().map(str::len), Some(32), "{line}");
        assert!(line["request_id"].is_string() && line["closed"].is_null(), "{line}");
        assert_eq!(lines[3 * round - 2]["status"], 404);
        let took = lines[3 * round - 1]["duration_us"].as_u64().unwrap_or(0);
        assert!(u128::from(took) >= BUSY.as_micros(), "{}: {took} us", lane.name());
    }
}

/// The client leaves while its handler works: the connection has closed by then, and the line says why.
#[test]
fn a_line_says_why_its_connection_closed() {
    let folder = Folder::new("closed");
    let path = folder.0.join("access.log");
    let writer = LogWriter::to_file(&path, Rotation::default()).unwrap();
    let app =
        |_| Router::new().route("/never", get(|| async { std::future::pending::<()>().await }));
    let house = House::of(Server::new(app).h2c().log(Log::Json).log_to(writer));
    for (round, lane) in (1..).zip(LANES) {
        let mut client = lane.open(&house);
        client.begin(&Ask::get("/never"));
        eventually("it is begun", || house.sum(|stats| stats.requests.get()) == round as u64);
        client.leave();
        eventually(lane.name(), || lines(&path).len() == round);
        let line = lines(&path).pop().unwrap();
        assert_eq!((&line["outcome"], &line["status"]), (&"peer_left".into(), &Value::Null));
        assert!(line["closed"].is_string(), "{}: {line}", lane.name());
    }
}

#[test]
fn files_are_put_aside_and_opened_anew() {
    let folder = Folder::new("aside");
    let path = folder.0.join("access.log");
    let rotation = Rotation { size: 2_000, keep: 2, ..Rotation::default() };
    let writer = LogWriter::to_file(&path, rotation).unwrap();
    let house = house(&writer);
    let mut client = LANES[0].open(&house);
    for _ in 0..50 {
        client.ask(&Ask::get("/x/1"));
    }
    client.ask(&Ask::get("/x/last"));
    // After it the file is left alone: while it is put aside there is none by its name.
    eventually("all are written", || lines(&path).iter().any(|line| line["path"] == "/x/last"));
    let length = |name: &str| fs::metadata(folder.0.join(name)).map_or(0, |file| file.len());
    assert!(length("access.log.2") > 0);
    assert!(length("access.log.1") <= 2_000 && length("access.log.2") <= 2_000);
    assert_eq!(length("access.log.3"), 0);
    fs::rename(&path, folder.0.join("moved")).unwrap();
    writer.reopen();
    client.ask(&Ask::get("/x/2"));
    // Lines that were queued before may come first.
    eventually("there is another", || lines(&path).iter().any(|line| line["path"] == "/x/2"));
}
