//! Profiles of a running server, at the paths and in the form that `go tool pprof` knows (FEATURES W10).
//!
//! [`of_process`] and [`of_shards`] have all of them, and `index` lists them. [`cpu`], `heap` and `flame` take what `trilane-profile` samples;
//! `profile` (on `message`) writes it down, and `answer` is how it leaves. [`process`] tells what this process is. `shards` and `trace` ask
//! the shards of a server what they are at.
#![forbid(unsafe_code)]

mod answer;
pub mod cpu;
mod flame;
mod heap;
mod index;
mod message;
pub mod process;
mod profile;
mod shards;
mod trace;

use std::rc::Rc;

use trilane_exchange::Request;
use trilane_service::{Router, get};
use trilane_shard::Inspector;

pub use process::About;

/// The routes about the process, to be put on a listener that not everybody reaches: they tell what runs here, and cost it something.
///
/// ```
/// use trilane_pprof::About;
/// use trilane_service::Router;
/// let about = About::from([("version".to_owned(), "1.2.3".to_owned())]);
/// let router: Router = trilane_pprof::of_process(about);
/// # router.build().map(drop).unwrap();
/// ```
#[must_use]
pub fn of_process(about: About) -> Router {
    let about = Rc::new(about);
    let info = move |request: Request| {
        let about = Rc::clone(&about);
        async move { process::info(About::clone(&about), &request) }
    };
    Router::new()
        .route("/debug/info", get(info))
        .route("/debug/flamegraph", get(flame::flame))
        .route("/debug/pprof", get(index::index))
        .route("/debug/pprof/", get(index::index))
        .route("/debug/pprof/allocs", get(heap::allocations))
        .route("/debug/pprof/cmdline", get(process::command_line))
        .route("/debug/pprof/heap", get(heap::in_use).post(heap::switch))
        .route("/debug/pprof/profile", get(cpu::profile))
        .route("/debug/pprof/symbol", get(process::has_symbols).post(process::symbols))
}

/// The routes about the shards of a server, to be put there too.
#[must_use]
pub fn of_shards(inspector: &Inspector) -> Router {
    let tasks = inspector.clone();
    let tasks = get(move |query, request| shards::tasks(tasks.clone(), query, request));
    let stalls = || {
        let inspector = inspector.clone();
        get(move |query, request| shards::stalls(inspector.clone(), query, request))
    };
    let steps = inspector.clone();
    let trace = get(move |query, request| trace::trace(steps.clone(), query, request));
    Router::new()
        .route("/debug/pprof/block", stalls())
        .route("/debug/pprof/goroutine", tasks)
        .route("/debug/pprof/mutex", stalls())
        .route("/debug/pprof/trace", trace)
}

#[cfg(test)]
mod tests;
