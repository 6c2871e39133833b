//! The UDP sockets of one shard: trains of datagrams in and out, by its ring. What is in a datagram is nobody's concern here.
//!
//! `listen::udp` opens the sockets, `steer` is how the kernel knows whose a datagram is, and `forward` what becomes of those that
//! it gives to the wrong shard. Received trains lie in buffers of a group of their own, which is small: it is used first in, first
//! out, and goes through all its memory. Nothing that goes wrong with a datagram or a send ends a socket: it is counted, and
//! whoever speaks over it finds out by what does not arrive. No timers here: what is given is sent.

mod control;
mod forward;
mod receive;
mod sends;
pub(crate) mod steer;
mod train;

use std::io;

use trilane_exchange::Stats;

pub(crate) use self::forward::{Forwarded, Forwards, Mail};
use self::receive::Head;
pub(crate) use self::receive::Received;
use self::sends::{Sending, Sends};
pub(crate) use self::train::{Path, Train};
use crate::buffers::Buffers;
use crate::listen::UdpSocket;
use crate::ring::{Completion, Ring, Submission};
use crate::slots::Key;
use crate::token::{Op, Token};

/// The group of buffers that UDP receives into.
const GROUP: u16 = 1;
/// Buffers at first.
const FIRST: u16 = 16;
/// The most buffers.
const COUNT: u16 = 64;
/// Bytes of a buffer: the longest train that the kernel makes, with what it writes before it, in whole pages.
const SIZE: u32 = 68 << 10;

/// The UDP sockets of one shard.
pub(crate) struct Udp {
    ports: Vec<Port>,
    buffers: Buffers,
    sends: Sends,
    /// The most datagrams of a train: 1 once it has turned out that the kernel cannot take them apart here.
    most: usize,
    closing: bool,
}

struct Port {
    socket: UdpSocket,
    /// A receive is under way.
    receives: bool,
    /// What the kernel said last of how many datagrams were lost.
    lost: u32,
}

impl Udp {
    /// With these sockets, which receive from the first [`Udp::receive`] on.
    ///
    /// # Errors
    /// The kernel takes no buffers.
    pub(crate) fn new(ring: &mut Ring, sockets: Vec<UdpSocket>) -> io::Result<Self> {
        Self::with_buffers(ring, sockets, COUNT, SIZE)
    }

    fn with_buffers(
        ring: &mut Ring,
        sockets: Vec<UdpSocket>,
        count: u16,
        size: u32,
    ) -> io::Result<Self> {
        let port = |socket| Port { socket, receives: false, lost: 0 };
        Ok(Self {
            ports: sockets.into_iter().map(port).collect(),
            buffers: Buffers::starting_with(FIRST, ring, GROUP, count, size)?,
            sends: Sends::default(),
            most: usize::MAX,
            closing: false,
        })
    }

    /// Has the kernel receive on each socket, where it does not.
    pub(crate) fn receive(&mut self, ring: &mut Ring) {
        (0..self.ports.len()).for_each(|number| self.arm(number, ring));
    }

    /// One socket more, which receives from now on.
    pub(crate) fn add(&mut self, socket: UdpSocket, ring: &mut Ring) {
        self.ports.push(Port { socket, receives: false, lost: 0 });
        if !self.closing {
            self.arm(self.ports.len() - 1, ring);
        }
    }

    fn arm(&mut self, number: usize, ring: &mut Ring) {
        let Some(port) = self.ports.get_mut(number).filter(|port| !port.receives) else { return };
        port.receives = true;
        // What was given back counts from now on, or the receive would fail for want of it at once.
        self.buffers.publish();
        ring.push(Submission::receive_datagrams(&port.socket, GROUP, token(number, Op::Datagrams)));
    }

    /// What a receive has brought ([`Op::Datagrams`]). It goes on by itself, unless it was cancelled.
    pub(crate) fn received(
        &mut self,
        completion: &mut Completion,
        ring: &mut Ring,
        stats: &Stats,
    ) -> Option<Received> {
        let number = completion.token()?.key.index as usize;
        let buffer = self.buffers.take(completion);
        let port = self.ports.get_mut(number)?;
        if !completion.more() {
            port.receives = false;
        }
        let received = buffer.and_then(|buffer| {
            let Some(head) = Head::parse(&buffer, port.socket.address()) else {
                stats.datagrams_cut.add(1);
                return None;
            };
            if let Some(lost) = head.lost {
                stats.datagrams_lost.add(lost.wrapping_sub(port.lost).into());
                port.lost = lost;
            }
            Some(Received::new(buffer, &head))
        });
        if let Some(received) = &received {
            stats.trains_received.add(1);
            stats.datagrams_received.add(received.count() as u64);
        }
        match completion.result() {
            error if error == -libc::ECANCELED => {}
            error => {
                if error == -libc::ENOBUFS {
                    stats.starved.add(1);
                    self.buffers.grow();
                }
                if !self.closing {
                    self.arm(number, ring);
                }
            }
        }
        received
    }

    /// Shows the kernel the buffers that were given back; once a turn, and before sleeping.
    pub(crate) fn publish(&self) {
        self.buffers.publish();
    }

    /// Whether another train can be sent now; if not, after the next [`Udp::sent`].
    pub(crate) fn has_room(&self) -> bool {
        self.sends.has_room()
    }

    /// Sends what `fill` puts into a train, which is empty before. Whether `fill` said that there is something, and there
    /// was room: call it again then.
    pub(crate) fn send(
        &mut self,
        ring: &mut Ring,
        stats: &Stats,
        fill: impl FnOnce(&mut Train) -> bool,
    ) -> bool {
        let Some(mut sending) = self.sends.take() else { return false };
        sending.train.clear(self.most);
        let is_filled = fill(&mut sending.train);
        let from = sending.train.path().map(|path| self.from(path));
        match from.filter(|_| is_filled) {
            Some(Some(port)) => {
                (sending.port, sending.singly) = (port, None);
                self.start(sending, ring);
            }
            other => {
                // A path that none of our sockets is on.
                stats.trains_failed.add(u64::from(other.is_some()));
                self.sends.give(sending);
            }
        }
        is_filled
    }

    /// The socket that sends from the local end of that path.
    fn from(&self, path: Path) -> Option<usize> {
        self.ports.iter().position(|port| port.socket.serves(path.local))
    }

    fn start(&mut self, sending: Box<Sending>, ring: &mut Ring) {
        let (port, path) = (self.ports.get(sending.port), sending.train.path());
        let (Some(port), Some(path)) = (port, path) else { return self.sends.give(sending) };
        let by_name = port.socket.is_wildcard();
        ring.push(self.sends.start(sending, &port.socket, path, by_name));
    }

    /// What became of a send ([`Op::Train`]).
    pub(crate) fn sent(&mut self, completion: &Completion, ring: &mut Ring, stats: &Stats) {
        let Some(mut sending) = self.sends.finish(completion) else { return };
        let (result, all) = (completion.result(), sending.train.bytes().len());
        match sending.singly {
            None if result >= 0 => {
                stats.trains_sent.add(1);
                stats.datagrams_sent.add(sending.train.count() as u64);
            }
            // Either the kernel or the device cannot take trains apart, or the datagrams are too long for the path: one
            // by one it will show.
            None if is_refused(result) && sending.train.count() > 1 => {
                sending.singly = Some(0);
                return self.start(sending, ring);
            }
            None => stats.trains_failed.add(1),
            Some(done) if result >= 0 => {
                self.most = 1;
                stats.datagrams_sent.add(1);
                let done = done + sending.next().len();
                if done < all {
                    sending.singly = Some(done);
                    return self.start(sending, ring);
                }
            }
            Some(_) => stats.trains_failed.add(1),
        }
        self.sends.give(sending);
    }

    /// Ends receiving. Sockets stay open, and sends go on.
    pub(crate) fn close(&mut self, ring: &mut Ring) {
        self.closing = true;
        for number in (0..self.ports.len()).filter(|number| self.ports[*number].receives) {
            let (target, ours) = (token(number, Op::Datagrams), token(number, Op::CancelDatagrams));
            ring.push(Submission::cancel(target, ours));
        }
    }

    /// Whether the kernel has nothing of ours: neither receives nor sends.
    pub(crate) fn is_idle(&self) -> bool {
        self.sends.is_empty() && self.ports.iter().all(|port| !port.receives)
    }
}

/// Whether a train was refused because it was one.
fn is_refused(result: i32) -> bool {
    matches!(-result, libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP)
}

fn token(number: usize, op: Op) -> Token {
    // Invariant: there are far fewer sockets.
    Token { key: Key { index: number as u32, generation: 0 }, op }
}

#[cfg(test)]
#[path = "tests/udp.rs"]
mod tests;
