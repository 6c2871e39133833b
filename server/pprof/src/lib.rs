//! Profiles of a running server, at the paths and in the form that `go tool pprof` knows (FEATURES W10).
//!
//! [`routes`] has all of them, and `index` lists them. [`cpu`], `heap` and `flame` take what `trilane-profile` samples; `profile` (on
//! `message`) writes it down, and `answer` is how it leaves. [`process`] tells what this process is.
#![forbid(unsafe_code)]

mod answer;
pub mod cpu;
mod flame;
mod heap;
mod index;
mod message;
pub mod process;
mod profile;

use std::rc::Rc;

use trilane_exchange::Request;
use trilane_service::{Router, get};

pub use process::About;

/// The routes, to be put on a listener that not everybody reaches: they tell what runs here, and cost it something.
///
/// ```
/// use trilane_pprof::About;
/// use trilane_service::Router;
/// let about = About::from([("version".to_owned(), "1.2.3".to_owned())]);
/// let router: Router = trilane_pprof::routes(Router::new(), about);
/// # router.build().map(drop).unwrap();
/// ```
#[must_use]
pub fn routes(router: Router, about: About) -> Router {
    let about = Rc::new(about);
    let info = move |request: Request| {
        let about = About::clone(&about);
        async move { process::info(about, &request) }
    };
    router
        .route("/debug/info", get(info))
        .route("/debug/flamegraph", get(flame::flame))
        .route("/debug/pprof/", get(index::index))
        .route("/debug/pprof/allocs", get(heap::allocations))
        .route("/debug/pprof/cmdline", get(process::command_line))
        .route("/debug/pprof/heap", get(heap::in_use).post(heap::switch))
        .route("/debug/pprof/profile", get(cpu::profile))
        .route("/debug/pprof/symbol", get(process::has_symbols).post(process::symbols))
}

#[cfg(test)]
mod tests;
