//! The network: datagrams that are lost, late, doubled, overtaken, too large, or from somewhere else than they were.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use trilane_semantics::Instant;
use trilane_sim::rng::Rng;

/// How bad it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// How many of a thousand are lost.
    pub(crate) loss: u64,
    /// How many of a thousand come twice.
    pub(crate) twice: u64,
    /// How many of a thousand are late, so that others overtake them.
    pub(crate) late: u64,
    /// How long one way takes.
    pub(crate) delay: Duration,
    /// The largest datagram that gets through, in bytes.
    pub(crate) mtu: usize,
}

impl Weather {
    /// Nothing bad.
    pub(crate) const FAIR: Self =
        Self { loss: 0, twice: 0, late: 0, delay: Duration::from_millis(5), mtu: 65_535 };

    /// So many of a thousand are lost, and as many late or doubled.
    pub(crate) const fn bad(per_mille: u64) -> Self {
        Self { loss: per_mille, twice: per_mille, late: per_mille, ..Self::FAIR }
    }
}

/// A datagram.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) bytes: Vec<u8>,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
}

/// Whether a datagram gets through.
pub(crate) type Filter = Box<dyn FnMut(&Datagram) -> bool>;

/// The network of a world.
pub(crate) struct Net {
    rng: Rng,
    pub(crate) weather: Weather,
    /// What gets through, on top of the weather.
    pub(crate) filter: Option<Filter>,
    /// Addresses inside, and what they are outside: the last one of each.
    nat: Vec<(SocketAddr, SocketAddr)>,
    /// What they were outside before leads nowhere.
    forgets: bool,
    air: BTreeMap<(Instant, u64), Datagram>,
    count: u64,
    /// Datagrams that were lost.
    pub(crate) lost: u64,
}

impl Net {
    pub(crate) const fn new(rng: Rng, weather: Weather) -> Self {
        let air = BTreeMap::new();
        Self { rng, weather, filter: None, nat: Vec::new(), forgets: false, air, count: 0, lost: 0 }
    }

    /// From now on `inside` is `outside` for all others. What is sent to where it was before gets through, or no more.
    pub(crate) fn rebind(&mut self, inside: SocketAddr, outside: SocketAddr, forgets: bool) {
        self.nat.push((inside, outside));
        self.forgets = forgets;
    }

    /// Somebody sends.
    pub(crate) fn send(&mut self, now: Instant, mut datagram: Datagram) {
        datagram.from = self.outside(datagram.from);
        let passes = self.filter.as_mut().is_none_or(|filter| filter(&datagram));
        let Weather { loss, twice, mtu, .. } = self.weather;
        if !passes || datagram.bytes.len() > mtu || self.rng.per_mille(loss) {
            self.lost += 1;
            return;
        }
        if self.rng.per_mille(twice) {
            self.fly(now, datagram.clone());
        }
        self.fly(now, datagram);
    }

    fn fly(&mut self, now: Instant, datagram: Datagram) {
        let mut at = now + self.weather.delay;
        if self.rng.per_mille(self.weather.late) {
            at = at + Duration::from_micros(self.rng.range(100, 20_000));
        }
        self.count += 1;
        self.air.insert((at, self.count), datagram);
    }

    /// When something comes next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.air.keys().next().map(|(at, _)| *at)
    }

    /// What comes now.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<Datagram> {
        self.next().filter(|at| *at <= now)?;
        let (_, mut datagram) = self.air.pop_first()?;
        let found = self.nat.iter().find(|(_, outside)| *outside == datagram.to);
        let inside = found.map_or(datagram.to, |(inside, _)| *inside);
        if self.forgets && self.outside(inside) != datagram.to {
            self.lost += 1;
            return self.receive(now);
        }
        datagram.to = inside;
        Some(datagram)
    }

    fn outside(&self, address: SocketAddr) -> SocketAddr {
        let found = self.nat.iter().rev().find(|(inside, _)| *inside == address);
        found.map_or(address, |(_, outside)| *outside)
    }
}
