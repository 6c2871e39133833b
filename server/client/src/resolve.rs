//! Which addresses a name has: asked on another thread, once for all who want to know, and remembered for a while.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use trilane_exchange::{DialError, Shard};
use trilane_semantics::Instant;

/// Finds the addresses of a name, best first. It may block.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// Names remembered; of more, the one that was looked up first is forgotten.
const NAMES: usize = 1024;
/// Addresses of a name that are tried.
const ADDRESSES: usize = 16;
/// A name without addresses is asked for again after that.
const NEGATIVE: Duration = Duration::from_secs(1);
/// If a name cannot be looked up, what it had before is believed for so long.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Who has not answered for so long never will: it is asked again.
const SLOW: Duration = Duration::from_secs(10);

/// The addresses of names, for all shards of a process.
pub(crate) struct Resolver {
    lookup: Lookup,
    fixed: HashMap<Box<str>, Vec<SocketAddr>>,
    remember: Duration,
    names: Mutex<HashMap<Box<str>, Name>>,
}

#[derive(Default)]
struct Name {
    /// What was found at last, and when.
    found: Option<(Arc<[IpAddr]>, Instant)>,
    /// Why nothing was found since, and when.
    failed: Option<(Box<str>, Instant)>,
    /// Since when it is being looked up.
    asked: Option<Instant>,
    waiting: Vec<Waker>,
}

impl Name {
    /// What is known of it without a look.
    fn known(&self, now: Instant, remember: Duration) -> Option<Result<Arc<[IpAddr]>, Box<str>>> {
        let found = |most: Duration| {
            let found = self.found.as_ref().filter(|(_, at)| now.since(*at) < most);
            found.map(|(addresses, _)| Ok(Arc::clone(addresses)))
        };
        let failed = self.failed.as_ref().filter(|(_, at)| now.since(*at) < NEGATIVE);
        let failed = failed.map(|(why, _)| found(STALE).unwrap_or_else(|| Err(why.clone())));
        found(remember).or(failed)
    }
}

impl Resolver {
    pub(crate) fn new(
        lookup: Lookup,
        fixed: HashMap<Box<str>, Vec<SocketAddr>>,
        remember: Duration,
    ) -> Self {
        Self { lookup, fixed, remember, names: Mutex::default() }
    }

    /// What the system knows, in its order (RFC 6724).
    pub(crate) fn system() -> Lookup {
        Arc::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }

    /// Where to connect to, in the order in which it should be tried (RFC 8305 §4). An address is its own.
    ///
    /// # Errors
    /// It has no address.
    pub(crate) async fn resolve(
        self: Arc<Self>,
        shard: Shard,
        name: Box<str>,
        port: u16,
    ) -> Result<Vec<SocketAddr>, DialError> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        if let Some(fixed) = self.fixed.get(&name) {
            let with_port = |mut it: SocketAddr| {
                it.set_port(if it.port() == 0 { port } else { it.port() });
                it
            };
            return Ok(fixed.iter().copied().map(with_port).take(ADDRESSES).collect());
        }
        let found = poll_fn(|cx| self.poll(&shard, &name, cx)).await;
        let found = found.map_err(DialError::Name)?;
        Ok(interleaved(&found).map(|ip| SocketAddr::new(ip, port)).take(ADDRESSES).collect())
    }

    fn poll(
        self: &Arc<Self>,
        shard: &Shard,
        name: &str,
        cx: &Context<'_>,
    ) -> Poll<Result<Arc<[IpAddr]>, Box<str>>> {
        let now = shard.now();
        let mut names = self.lock();
        if !names.contains_key(name) && names.len() >= NAMES {
            forget_oldest(&mut names);
        }
        let entry = names.entry(name.into()).or_default();
        if let Some(known) = entry.known(now, self.remember) {
            return Poll::Ready(known);
        }
        if !entry.waiting.iter().any(|known| known.will_wake(cx.waker())) {
            entry.waiting.push(cx.waker().clone());
        }
        if entry.asked.is_none_or(|at| now.since(at) >= SLOW) {
            entry.asked = Some(now);
            drop(names);
            // A task of its own: who asks first may go, and others wait for the same.
            shard.spawn(Arc::clone(self).look_up(shard.clone(), name.into()));
        }
        Poll::Pending
    }

    async fn look_up(self: Arc<Self>, shard: Shard, name: Box<str>) {
        let (lookup, asked) = (Arc::clone(&self.lookup), name.clone());
        let found = shard.blocking(move || lookup(&asked)).await;
        let now = shard.now();
        let waiting = {
            let mut names = self.lock();
            let entry = names.entry(name).or_default();
            entry.asked = None;
            match found {
                Ok(addresses) if !addresses.is_empty() => {
                    (entry.found, entry.failed) = (Some((addresses.into(), now)), None);
                }
                Ok(_) => entry.failed = Some(("the name has no address".into(), now)),
                Err(error) => entry.failed = Some((error.to_string().into(), now)),
            }
            std::mem::take(&mut entry.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// A panic while it was held leaves the table whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_oldest(names: &mut HashMap<Box<str>, Name>) {
    let age = |name: &Name| {
        let [found, failed] =
            [name.found.as_ref().map(|(_, at)| *at), name.failed.as_ref().map(|(_, at)| *at)];
        found.max(failed)
    };
    let idle = names.iter().filter(|(_, name)| name.asked.is_none());
    let oldest = idle.min_by_key(|(_, name)| age(name)).map(|(name, _)| name.clone());
    if let Some(oldest) = oldest {
        names.remove(&oldest);
    }
}

/// Both families in turn, the better one first (RFC 8305 §4).
pub(crate) fn interleaved(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let is_first = |ip: &&IpAddr| addresses.first().is_some_and(|it| it.is_ipv6() == ip.is_ipv6());
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|ip| is_first(ip));
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut is_second = true;
    std::iter::from_fn(move || {
        is_second = !is_second;
        if is_second {
            second.next().or_else(|| first.next())
        } else {
            first.next().or_else(|| second.next())
        }
    })
}

#[cfg(test)]
#[path = "tests/resolve.rs"]
mod tests;
