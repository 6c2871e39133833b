//! `/debug/pprof/heap` and `/debug/pprof/allocs`: who has allocated what, and what of it is still there.

use serde::Deserialize;
use trilane_exchange::{Error, Outgoing, Request, Response};
use trilane_profile::{HeapStack, heap};
use trilane_semantics::StatusCode;
use trilane_service::Query;

use crate::answer::download;
use crate::profile::{Place, Profile, Symbols};

/// Frames between those who allocate and the sample, at most: a build without optimization has some.
const MOST_MACHINERY: usize = 24;

/// How often samples are to be taken.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    every: Option<usize>,
}

/// What is in use.
pub(crate) async fn in_use(request: Request) -> Result<Response, Error> {
    answer(&request, "heap", "inuse_space")
}

/// All that was allocated.
pub(crate) async fn allocations(request: Request) -> Result<Response, Error> {
    answer(&request, "allocs", "alloc_space")
}

/// Begins to take samples, one in so many bytes on average, or ends that if it is 0.
pub(crate) async fn switch(Query(wanted): Query<Wanted>) -> Result<String, Error> {
    let every = wanted.every.unwrap_or(heap::EVERY);
    if every != 0 && !heap::RANGE.contains(&every) {
        let (least, most) = heap::RANGE.into_inner();
        let text = format!("every is {least} to {most}, or 0 for off");
        return Err(Error::new(StatusCode::BAD_REQUEST).message(text));
    }
    heap::sample_every(every);
    Ok(match every {
        0 => "no samples of the heap are taken\n".to_owned(),
        every => format!("a sample of the heap is taken once in {every} bytes\n"),
    })
}

fn answer(request: &Request, name: &str, kind: &'static str) -> Result<Response, Error> {
    let every = heap::sampled_every();
    if every == 0 {
        let text =
            "no samples of the heap are taken: `heap_profile` of `[admin]` begins it, or POST here";
        return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE).message(text));
    }
    let (shard, at) = (request.shard().clone(), request.shard().wall());
    let body = Outgoing::write(move |writer| async move {
        let encoded = shard.blocking(move || {
            let mut profile = Profile::new(&[
                ("alloc_objects", "count"),
                ("alloc_space", "bytes"),
                ("inuse_objects", "count"),
                ("inuse_space", "bytes"),
            ]);
            profile.taken(at, std::time::Duration::ZERO);
            profile.period(("space", "bytes"), every as u64);
            profile.default_kind(kind);
            let stacks = heap::stacks();
            let symbols =
                Symbols::of(stacks.iter().map(|stack| &*stack.frames)).without_machinery();
            stacks.iter().for_each(|stack| add(&mut profile, stack, &symbols));
            profile.into_bytes()
        });
        writer.send(encoded.await).await;
        Ok(())
    });
    Ok(download(name, body))
}

/// Adds what a stack has allocated, but for the frames between it and its memory.
fn add(profile: &mut Profile, stack: &HeapStack, symbols: &Symbols) {
    let inner = stack.frames.iter().take(MOST_MACHINERY);
    let inner: Vec<_> = inner.map(|frame| symbols.is_machinery(*frame)).collect();
    let machinery = inner.iter().rposition(|is| *is).map_or(0, |last| last + 1);
    let frames = stack.frames.iter().skip(machinery);
    let mut places: Vec<_> = frames.map(|frame| Place::Code(*frame)).collect();
    if places.is_empty() {
        places.push(Place::Named("other stacks".to_owned()));
    }
    // Casting saturates, and what is below 0 by rounding is 0.
    let values = [
        stack.allocated.objects.round() as u64,
        stack.allocated.bytes.round() as u64,
        stack.in_use.objects.round() as u64,
        stack.in_use.bytes.round() as u64,
    ];
    profile.sample(places, &values, &[], symbols);
}
