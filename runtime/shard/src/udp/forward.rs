//! Datagrams that came to another shard than their connection's: into its mailbox, which has a bound, as all that a network can
//! fill. What does not fit is lost, as datagrams may be.
//!
//! The kernel steers nearly all of them; this is for the others: where it cannot, and for one packet that the kernel put
//! into a train with those of another shard's connection. A shard that is sent to has to be woken once, until it has looked.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::train::Path;

/// Datagrams that wait for a shard, at most.
const DATAGRAMS: usize = 1 << 10;
/// Their bytes, at most.
const BYTES: usize = 1 << 20;

/// The mailboxes of all shards.
#[derive(Debug)]
pub(crate) struct Forwards {
    places: Box<[Place]>,
}

#[derive(Debug)]
struct Place {
    /// The shard's ring, or -1 while it has none.
    ring: AtomicI32,
    /// There is something, or was a moment ago.
    waits: AtomicBool,
    mailbox: Mutex<Mailbox>,
}

#[derive(Debug, Default)]
struct Mailbox {
    mail: Mail,
    closed: bool,
}

/// Datagrams for one shard, in the order of their coming.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    bytes: Vec<u8>,
    /// Where each of them ends, and its path.
    ends: Vec<(usize, Path)>,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// It is the first in the mailbox: wake the shard by this ring of its.
    First(RawFd),
    /// It is there, and the shard was woken for others.
    Behind,
    /// It is lost: there is no such shard (any more), or its mailbox is full.
    Lost,
}

impl Place {
    /// A panic while it was held leaves the lists as they were, or with one datagram less.
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forwards {
    /// Of so many shards.
    pub(crate) fn new(shards: usize) -> Self {
        let place = |_| Place {
            ring: AtomicI32::new(-1),
            waits: AtomicBool::new(false),
            mailbox: Mutex::default(),
        };
        Self { places: (0..shards).map(place).collect() }
    }

    /// Shard `me` can be woken by its ring from now on.
    pub(crate) fn enlist(&self, me: usize, ring: RawFd) {
        if let Some(place) = self.places.get(me) {
            place.ring.store(ring, Ordering::Release);
        }
    }

    /// Puts a datagram into the mailbox of shard `to`.
    pub(crate) fn send(&self, to: usize, datagram: &[u8], path: Path) -> Forwarded {
        let Some(place) = self.places.get(to) else { return Forwarded::Lost };
        let ring = place.ring.load(Ordering::Acquire);
        let mut mailbox = place.lock();
        if ring < 0 || mailbox.closed || !mailbox.mail.push(datagram, path) {
            return Forwarded::Lost;
        }
        // Under the lock, and taken back under it: who finds it set comes before the look of who was woken.
        match place.waits.swap(true, Ordering::Release) {
            true => Forwarded::Behind,
            false => Forwarded::First(ring),
        }
    }

    /// Takes what is in the mailbox of shard `me`, and leaves the memory of `mail` for what comes next. Whether there is
    /// something; one load when there is nothing.
    pub(crate) fn collect(&self, me: usize, mail: &mut Mail) -> bool {
        mail.clear();
        let Some(place) = self.places.get(me).filter(|it| it.waits.load(Ordering::Acquire)) else {
            return false;
        };
        let mut mailbox = place.lock();
        std::mem::swap(&mut mailbox.mail, mail);
        place.waits.store(false, Ordering::Relaxed);
        true
    }

    /// Shard `me` takes no more; what there is for it is lost.
    pub(crate) fn close(&self, me: usize) {
        let Some(place) = self.places.get(me) else { return };
        place.ring.store(-1, Ordering::Release);
        *place.lock() = Mailbox { mail: Mail::default(), closed: true };
    }
}

impl Mail {
    /// Whether it fits.
    fn push(&mut self, datagram: &[u8], path: Path) -> bool {
        if self.ends.len() >= DATAGRAMS || datagram.len() > BYTES - self.bytes.len() {
            return false;
        }
        self.bytes.extend_from_slice(datagram);
        self.ends.push((self.bytes.len(), path));
        true
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Each datagram and its path.
    pub(crate) fn datagrams(&mut self) -> impl Iterator<Item = (&mut [u8], Path)> {
        let (mut rest, mut start) = (self.bytes.as_mut_slice(), 0);
        self.ends.iter().map_while(move |&(end, path)| {
            let (datagram, after) = std::mem::take(&mut rest).split_at_mut_checked(end - start)?;
            (rest, start) = (after, end);
            Some((datagram, path))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All rings are number 5.
    fn forwards(shards: usize) -> Forwards {
        let forwards = Forwards::new(shards);
        (0..shards).for_each(|shard| forwards.enlist(shard, 5));
        forwards
    }

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 443).into(), peer: ([127, 0, 0, 1], port).into() }
    }

    fn all(mail: &mut Mail) -> Vec<(Vec<u8>, u16)> {
        mail.datagrams().map(|(bytes, path)| (bytes.to_vec(), path.peer.port())).collect()
    }

    #[test]
    fn mail_comes_in_order_and_wakes_once() {
        let (forwards, mut mail) = (forwards(2), Mail::default());
        assert!(!forwards.collect(1, &mut mail) && mail.datagrams().next().is_none());
        for round in 0..3 {
            assert_eq!(forwards.send(1, b"one", path(1)), Forwarded::First(5));
            assert_eq!(forwards.send(1, b"", path(2)), Forwarded::Behind);
            assert_eq!(forwards.send(1, b"three", path(3)), Forwarded::Behind);
            assert!(!forwards.collect(0, &mut mail), "{round}");
            assert!(forwards.collect(1, &mut mail));
            let expected = [(b"one".to_vec(), 1), (Vec::new(), 2), (b"three".to_vec(), 3)];
            assert_eq!(all(&mut mail), expected);
            assert!(!forwards.collect(1, &mut mail) && all(&mut mail).is_empty());
        }
    }

    #[test]
    fn a_mailbox_is_full_in_bytes_or_in_datagrams() {
        for (size, most) in [(0, DATAGRAMS), (1, DATAGRAMS), (BYTES / 4, 4), (BYTES / 4 + 1, 3)] {
            let (forwards, mut mail) = (forwards(1), Mail::default());
            let datagram = vec![7; size];
            let sent = |forwards: &Forwards| {
                let is_lost = |_: &i32| forwards.send(0, &datagram, path(1)) != Forwarded::Lost;
                (0..2000).take_while(is_lost).count()
            };
            assert_eq!(sent(&forwards), most, "{size}");
            assert!(forwards.collect(0, &mut mail));
            assert_eq!(all(&mut mail).len(), most);
            assert_eq!(sent(&forwards), most, "again, when it was emptied");
        }
        let whole = vec![7; BYTES + 1];
        assert_eq!(forwards(1).send(0, &whole, path(1)), Forwarded::Lost);
    }

    #[test]
    fn who_is_gone_takes_nothing() {
        let unborn = Forwards::new(1);
        assert_eq!(unborn.send(0, b"early", path(1)), Forwarded::Lost);
        let (forwards, mut mail) = (forwards(2), Mail::default());
        forwards.send(1, b"late", path(1));
        forwards.close(1);
        assert_eq!(forwards.send(1, b"later", path(1)), Forwarded::Lost);
        assert_eq!(forwards.send(2, b"nowhere", path(1)), Forwarded::Lost);
        forwards.collect(1, &mut mail);
        assert!(all(&mut mail).is_empty());
        forwards.close(7);
    }

    #[test]
    fn nothing_is_slept_through() {
        let forwards = forwards(1);
        let (wake, woken) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for thread in 0..2u8 {
                let (wake, forwards) = (wake.clone(), &forwards);
                scope.spawn(move || {
                    let mut sent = 0;
                    while sent < 10_000 {
                        match forwards.send(0, &[thread], path(1)) {
                            Forwarded::First(_) => wake.send(()).unwrap(),
                            Forwarded::Behind => {}
                            Forwarded::Lost => continue,
                        }
                        sent += 1;
                    }
                });
            }
            let (mut got, mut mail) = (0, Mail::default());
            // One that was not woken would wait here for ever.
            while got < 20_000 {
                woken.recv().unwrap();
                assert!(forwards.collect(0, &mut mail));
                got += mail.datagrams().count();
            }
        });
    }
}
