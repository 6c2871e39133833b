//! How many connections each client has (FEATURES R8), all shards and all protocols of a process together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trilane_exchange::Network;

/// Locks, so that shards seldom meet at one.
const STRIPES: usize = 64;

/// The clients of a process, and how many connections they have. As many entries as there are connections, at most.
pub struct Guests {
    /// Connections of one client.
    most: usize,
    hasher: RandomState,
    stripes: Box<[Mutex<HashMap<Network, usize>>]>,
}

/// One connection of a client; dropping it is its end.
pub struct Guest {
    guests: Arc<Guests>,
    network: Network,
}

/// A client has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

impl Guests {
    /// At most that many connections of one client: of an IPv4 address, or of the /64 of an IPv6 one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Self { most, hasher: RandomState::new(), stripes }
    }

    /// One connection more of that address.
    ///
    /// # Errors
    /// It has too many.
    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Guest, Crowded> {
        let network = Network::of(ip);
        let mut stripe = self.stripe(network);
        let count = stripe.get(&network).copied().unwrap_or(0);
        if count >= self.most {
            return Err(Crowded);
        }
        stripe.insert(network, count + 1);
        drop(stripe);
        Ok(Guest { guests: Arc::clone(self), network })
    }

    fn stripe(&self, network: Network) -> MutexGuard<'_, HashMap<Network, usize>> {
        let at = self.hasher.hash_one(network) as usize % STRIPES;
        self.stripes[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut stripe = self.guests.stripe(self.network);
        if let Entry::Occupied(mut entry) = stripe.entry(self.network) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guests(at most {} each)", self.most)
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guest({:?})", self.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_places_and_gives_them_back() {
        let guests = Arc::new(Guests::new(2));
        let admit = |ip: &str| guests.admit(ip.parse().unwrap());
        let held = [admit("192.0.2.1").unwrap(), admit("::ffff:192.0.2.1").unwrap()];
        assert_eq!(admit("192.0.2.1").unwrap_err(), Crowded);
        let others = [admit("192.0.2.2").unwrap(), admit("2001:db8::1").unwrap()];
        let _same = admit("2001:db8::2").unwrap();
        assert!(admit("2001:db8::3").is_err());
        drop(held);
        let again = [admit("192.0.2.1").unwrap(), admit("192.0.2.1").unwrap()];
        assert!(admit("192.0.2.1").is_err());
        drop((again, others, _same));
        let left: usize = guests.stripes.iter().map(|it| it.lock().unwrap().len()).sum();
        assert_eq!(left, 0, "nobody is remembered who is gone");
    }
}
