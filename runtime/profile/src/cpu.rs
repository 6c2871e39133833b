//! What the threads of this process run: each gets a clock, and its stack is noted whenever that has gone on by a period.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{error, fmt, fs, io};

use crate::sys::{self, SAMPLES, Timer};

/// Samples of a thread and second, at most. The kernel looks at its clocks some 100 to 1000 times a second: where more are wanted, one
/// stands for several.
pub const MOST_HZ: u32 = 1000;
/// Threads that are looked at, at most.
const MOST_THREADS: usize = 1024;
/// Different stacks that are told apart, at most; samples of others are lost.
const MOST_STACKS: usize = 1 << 16;

/// There is one handler of the signal in a process.
static IS_BUSY: AtomicBool = AtomicBool::new(false);

/// Why there is no profile.
#[derive(Debug)]
#[non_exhaustive]
pub enum CpuError {
    /// Somebody else takes one: there is one at a time.
    Busy,
    /// None a second, or more than [`MOST_HZ`].
    Hz(u32),
    /// What the system says.
    System(io::Error),
}

impl fmt::Display for CpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("another CPU profile is being taken"),
            Self::Hz(hz) => write!(f, "{hz} samples a second: it is 1 to {MOST_HZ}"),
            Self::System(error) => write!(f, "no clock for threads: {error}"),
        }
    }
}

impl error::Error for CpuError {}

/// Takes a CPU profile of the whole process, from [`CpuSampler::start`] to [`CpuSampler::finish`]. Dropping it ends it, too.
///
/// A thread that does not run is not interrupted: the clocks are of what threads run. Those that begin later are found by
/// [`CpuSampler::collect`].
///
/// ```
/// let mut sampler = trilane_profile::CpuSampler::start(99)?;
/// // Every tenth of a second, as long as it goes on:
/// sampler.collect();
/// let profile = sampler.finish();
/// assert_eq!(profile.hz, 99);
/// # Ok::<(), trilane_profile::CpuError>(())
/// ```
pub struct CpuSampler {
    hz: u32,
    threads: HashMap<i32, Thread>,
    stacks: HashMap<CpuStack, u64>,
    lost: u64,
}

struct Thread {
    _timer: Timer,
    /// Asked for with its first sample: by then it has given itself one.
    name: Option<Arc<str>>,
}

/// A stack of a thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CpuStack {
    /// The thread's name.
    pub thread: Arc<str>,
    /// Innermost first: the addresses behind each call, as [`resolve`](crate::resolve) takes them.
    pub frames: Box<[usize]>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct CpuProfile {
    /// Samples a second of each thread that runs.
    pub hz: u32,
    /// How often each stack was seen.
    pub stacks: HashMap<CpuStack, u64>,
    /// Samples that were not kept: too many at once, or too many different stacks.
    pub lost: u64,
}

impl CpuSampler {
    /// Begins, with `hz` samples a second of each thread that runs.
    ///
    /// # Errors
    /// There is another one, or the system has no such clocks.
    pub fn start(hz: u32) -> Result<Self, CpuError> {
        if hz == 0 || hz > MOST_HZ {
            return Err(CpuError::Hz(hz));
        }
        if IS_BUSY.swap(true, Ordering::Acquire) {
            return Err(CpuError::Busy);
        }
        // From here on dropping it lets the next one begin.
        let mut sampler = Self { hz, threads: HashMap::new(), stacks: HashMap::new(), lost: 0 };
        sys::install().map_err(CpuError::System)?;
        SAMPLES.switch(true);
        sampler.enlist().map_err(CpuError::System)?;
        Ok(sampler)
    }

    /// Takes in what was noted since, and finds threads that are new. To be called some times a second, as places for samples are few.
    pub fn collect(&mut self) {
        self.take();
        // Those that are known go on; new ones are tried again the next time.
        let _ = self.enlist();
    }

    /// Ends it.
    #[must_use]
    pub fn finish(mut self) -> CpuProfile {
        self.take();
        let lost = self.lost + SAMPLES.lost();
        CpuProfile { hz: self.hz, stacks: std::mem::take(&mut self.stacks), lost }
    }

    fn take(&mut self) {
        let (threads, stacks, lost) = (&mut self.threads, &mut self.stacks, &mut self.lost);
        SAMPLES.take(|number, weight, frames| {
            let weight = u64::from(weight);
            let Some(thread) = threads.get_mut(&number) else {
                *lost += weight;
                return;
            };
            let name = thread.name.get_or_insert_with(|| name(number));
            let stack = CpuStack { thread: Arc::clone(name), frames: frames.into() };
            let has_room = stacks.len() < MOST_STACKS;
            match stacks.entry(stack) {
                Entry::Occupied(mut count) => *count.get_mut() += weight,
                Entry::Vacant(place) if has_room => drop(place.insert(weight)),
                Entry::Vacant(_) => *lost += weight,
            }
        });
    }

    /// Gives each thread a clock that has none yet, and takes back those of threads that are gone.
    fn enlist(&mut self) -> io::Result<()> {
        let period = Duration::from_secs(1) / self.hz;
        let mut failed = None;
        let mut known = std::mem::take(&mut self.threads);
        for entry in fs::read_dir("/proc/self/task")?.take(MOST_THREADS) {
            let Some(thread) = entry?.file_name().to_str().and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let begun = match known.remove(&thread) {
                Some(known) => Ok(known),
                None => Timer::new(thread, period).map(|_timer| Thread { _timer, name: None }),
            };
            match begun {
                Ok(begun) => drop(self.threads.insert(thread, begun)),
                // It may have ended meanwhile.
                Err(error) => failed = Some(error),
            }
        }
        failed.filter(|_| self.threads.is_empty()).map_or(Ok(()), Err)
    }
}

/// The name of a thread.
fn name(thread: i32) -> Arc<str> {
    let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
    name.as_deref().map_or("?", str::trim_end).into()
}

impl Drop for CpuSampler {
    fn drop(&mut self) {
        self.threads.clear();
        SAMPLES.switch(false);
        IS_BUSY.store(false, Ordering::Release);
    }
}

impl fmt::Debug for CpuSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuSampler({} Hz, {} threads)", self.hz, self.threads.len())
    }
}

#[cfg(test)]
#[path = "tests/cpu.rs"]
mod tests;
