//! `/debug/pprof/`: what there is, for people and their tools.

use std::fmt::Write;

use trilane_exchange::{Request, Response};
use trilane_semantics::Known;
use trilane_service::{Html, IntoResponse};

/// Each with what it is.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("/debug/info", "the process: version, build, kernel, limits"),
    ("/debug/pprof/profile", "CPU time by stacks: seconds=30, hz=99"),
    ("/debug/flamegraph", "the same, as a picture"),
    ("/debug/pprof/heap", "memory in use by stacks; POST begins it: every=524288, 0 ends it"),
    ("/debug/pprof/allocs", "the same, and all that was allocated"),
    ("/debug/pprof/goroutine", "exchanges and tasks by shard; debug=1 and debug=2 are text"),
    ("/debug/pprof/block", "stalls of shards: turns that took 10 ms and more; debug=1 is text"),
    ("/debug/pprof/mutex", "the same"),
    ("/debug/pprof/trace", "every step of all shards, for Perfetto: seconds=1"),
    ("/debug/pprof/cmdline", "the command line"),
    ("/debug/pprof/symbol", "functions at addresses"),
];

/// Lists it, as HTML to who takes that.
pub(crate) async fn index(request: Request) -> Response {
    let accepted = request.head().fields.get(Known::Accept).unwrap_or_default();
    if String::from_utf8_lossy(accepted).contains("text/html") {
        Html(html()).into_response()
    } else {
        ALL.iter()
            .map(|(path, what)| format!("{path:<24}{what}\n"))
            .collect::<String>()
            .into_response()
    }
}

fn html() -> String {
    let mut page =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Profiles</title>\
                    <meta name=\"viewport\" content=\"width=device-width\"><h1>Profiles</h1><dl>\n"
            .to_owned();
    for (path, what) in ALL {
        // Writing to a string does not fail.
        let _ = writeln!(page, "<dt><a href=\"{path}\">{path}</a><dd>{what}");
    }
    page + "</dl>\n"
}
