//! What is logged with `tracing` in this process, by all cases together: each looks for lines of its own.

use std::sync::{Arc, Mutex, OnceLock};

use trilane::Format;
use trilane::log::{LevelFilter, install};

type Lines = Arc<Mutex<Vec<serde_json::Value>>>;

/// All lines from now on, as JSON.
pub(super) fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Lines::default();
        let sink = Arc::clone(&lines);
        let keep = move |line: &str| {
            sink.lock().unwrap().push(serde_json::from_str(line).unwrap());
        };
        install(keep, Format::Json, LevelFilter::INFO).unwrap();
        lines
    })
}
