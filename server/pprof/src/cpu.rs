//! `/debug/pprof/profile`: what the threads of the process ran, for some seconds.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use trilane_exchange::{Error, Outgoing, Request, Response, Shard};
use trilane_profile::{CpuError, CpuProfile, CpuSampler};
use trilane_semantics::{Instant, StatusCode};
use trilane_service::Query;

use crate::answer::{download, within};
use crate::profile::{Place, Profile, Symbols};

/// How long a profile is taken for, where nobody says.
pub const SECONDS: u64 = 30;
/// The longest.
pub const MOST_SECONDS: u64 = 300;
/// Samples a second of each thread that runs: not 100, so that what is done a hundred times a second is not met each time, or never.
pub const HZ: u32 = 99;

/// How often samples are taken out.
const COLLECT: Duration = Duration::from_millis(100);

/// What is asked for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    seconds: Option<u64>,
    hz: Option<u32>,
}

/// Takes a profile. The head of the answer goes at once, as whoever waits for one may not wait for so long.
pub(crate) async fn profile(
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, Error> {
    let (shard, taking) = (request.shard().clone(), Taking::start(request.shard(), &wanted)?);
    Ok(download(
        "profile",
        Outgoing::write(|writer| async move {
            let at = shard.wall();
            let (found, took) = taking.finish(&shard).await;
            writer.send(shard.blocking(move || encode(found, at, took)).await).await;
            Ok(())
        }),
    ))
}

fn encode(found: CpuProfile, at: SystemTime, took: Duration) -> Vec<u8> {
    let mut profile = Profile::new(&[("samples", "count"), ("cpu", "nanoseconds")]);
    profile.taken(at, took);
    let period = 1_000_000_000 / u64::from(found.hz);
    profile.period(("cpu", "nanoseconds"), period);
    if found.lost > 0 {
        profile.comment(&format!("{} samples were lost", found.lost));
    }
    let symbols = Symbols::of(found.stacks.keys().map(|stack| &*stack.frames));
    for (stack, count) in found.stacks {
        let places = stack.frames.iter().map(|frame| Place::Code(*frame));
        let labels = [("thread", &*stack.thread)];
        profile.sample(places, &[count, count * period], &labels, &symbols);
    }
    profile.into_bytes()
}

/// A profile that is being taken. Who leaves ends it.
pub(crate) struct Taking {
    sampler: CpuSampler,
    began: Instant,
    by: Instant,
}

impl Taking {
    /// Begins with what is wanted.
    pub(crate) fn start(shard: &Shard, wanted: &Wanted) -> Result<Self, Error> {
        let seconds = within("seconds", wanted.seconds.unwrap_or(SECONDS), MOST_SECONDS)?;
        let sampler = CpuSampler::start(wanted.hz.unwrap_or(HZ)).map_err(refused)?;
        let began = shard.now();
        Ok(Self { sampler, began, by: began + Duration::from_secs(seconds) })
    }

    /// Goes on for as long as was wanted, or until the shard drains. How long that was is told, too.
    pub(crate) async fn finish(mut self, shard: &Shard) -> (CpuProfile, Duration) {
        while shard.now() < self.by && !shard.is_draining() {
            shard.sleep(COLLECT.min(self.by.since(shard.now()))).await;
            self.sampler.collect();
        }
        (self.sampler.finish(), shard.now().since(self.began))
    }
}

fn refused(error: CpuError) -> Error {
    let status = match error {
        CpuError::Busy => StatusCode::CONFLICT,
        CpuError::Hz(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Error::new(status).message(error.to_string())
}
