//! Connections that we begin: what the ring does for each, and the memory that the kernel works with meanwhile.
//!
//! A wire has two ends. The handle is its user's, and only writes down what is wanted; the loop looks at it once a turn. The
//! other end is here, with the descriptor and the buffers, out of everybody's reach while the kernel has them: a handle
//! may go at any time, and its wire goes after the last completion.
#![allow(unsafe_code)]

mod handle;

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use trilane_exchange::{Pipe, Remote};

pub(crate) use self::handle::Calls;
use self::handle::{Half, Handle, Shared};
use crate::dial::Connecting;
use crate::ring::{Completion, Extent, Manner, Ring, Submission};
use crate::slots::{Key, Slots};
use crate::sys::{self, SocketName};
use crate::token::{Op, Token};

/// Connections that a shard may have begun and not ended, at most.
const MOST: usize = 1 << 14;
/// Room for what is received at once, in bytes.
const PIECE: usize = 16 << 10;

/// The wires of one shard.
pub(crate) struct Wires {
    slots: Slots<Wire>,
    calls: Rc<Calls>,
}

/// Our end of one.
struct Wire {
    shared: Rc<Shared>,
    descriptor: OwnedFd,
    /// Where it is being connected to.
    connecting: Option<Box<SocketName>>,
    receiving: Option<Vec<u8>>,
    /// And how much of it is sent.
    sending: Option<(Vec<u8>, usize)>,
    /// Cancellations whose completion has not come.
    cancels: u8,
    closing: bool,
}

/// A connection is wanted.
///
/// # Errors
/// There can be none.
pub(crate) fn connect(calls: &Rc<Calls>, to: &Remote) -> io::Result<Box<dyn Pipe>> {
    let (descriptor, name) = open(to)?;
    Ok(Box::new(Handle::new(Rc::clone(calls), descriptor, name)))
}

/// A socket to be connected, and where to.
///
/// # Errors
/// There can be none.
pub(crate) fn open(to: &Remote) -> io::Result<(OwnedFd, SocketName)> {
    let (family, name) = match to {
        Remote::Ip(address) if address.is_ipv4() => (libc::AF_INET, SocketName::inet(*address)),
        Remote::Ip(address) => (libc::AF_INET6, SocketName::inet(*address)),
        Remote::Unix(path) => (libc::AF_UNIX, SocketName::unix(path)?),
    };
    let descriptor = sys::stream_socket(family, 0)?;
    if family != libc::AF_UNIX {
        sys::setsockopt_int(&descriptor, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
    }
    Ok((descriptor, name))
}

/// Begins to connect a socket that is to be one of the shard's.
pub(crate) fn begin(descriptor: &OwnedFd, connecting: &Connecting, key: Key, ring: &mut Ring) {
    let (start, len) = connecting.name.as_raw();
    let token = Token { key, op: Op::Connect };
    // SAFETY: the name is boxed, and stays with its socket, which nobody frees before the completion; if that never comes, the ring
    // is closed before the sockets go.
    ring.push(unsafe { Submission::connect(descriptor, start, len, token) });
}

impl Wires {
    /// None, and where handles call.
    pub(crate) const fn new(calls: Rc<Calls>) -> Self {
        Self { slots: Slots::new(), calls }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Does what handles have asked for since the last turn.
    pub(crate) fn serve(&mut self, ring: &mut Ring) {
        while let Some(shared) = self.calls.next() {
            match shared.key.get() {
                Some(key) => self.drive(key, ring),
                None => self.begin(shared, ring),
            }
        }
    }

    /// Ends all of them: nobody is left who could use them.
    pub(crate) fn close(&mut self, ring: &mut Ring) {
        self.calls.end();
        let keys: Vec<Key> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.drive(key, ring);
        }
    }

    fn begin(&mut self, shared: Rc<Shared>, ring: &mut Ring) {
        let Some((descriptor, name)) = shared.take_fresh() else { return };
        if self.slots.len() >= MOST {
            let text = "too many connections to other servers";
            return shared.connected(Err(io::Error::new(io::ErrorKind::QuotaExceeded, text)));
        }
        let (name, its) = (Box::new(name), Rc::clone(&shared));
        let key = self.slots.insert_with(|_| Wire {
            shared: its,
            descriptor,
            connecting: None,
            receiving: None,
            sending: None,
            cancels: 0,
            closing: false,
        });
        shared.key.set(Some(key));
        let Some(wire) = self.slots.get_mut(key) else { return };
        let name = wire.connecting.insert(name);
        let (start, len) = name.as_raw();
        let token = Token { key, op: Op::WireConnect };
        // SAFETY: the name is boxed, and stays in its slot, which nobody frees before the completion; if that never comes
        // it is leaked.
        ring.push(unsafe { Submission::connect(&wire.descriptor, start, len, token) });
    }

    /// An operation of a wire has completed.
    pub(crate) fn completed(&mut self, completion: &Completion, ring: &mut Ring) {
        let Some(Token { key, op }) = completion.token() else { return };
        let Some(wire) = self.slots.get_mut(key) else { return };
        let count = usize::try_from(completion.result());
        let result =
            count.map_err(|_| io::Error::from_raw_os_error(completion.result().saturating_neg()));
        match op {
            Op::WireConnect => {
                wire.connecting = None;
                wire.shared.connected(result.map(drop));
            }
            Op::WireReceive => {
                let Some(mut buffer) = wire.receiving.take() else { return };
                let result = result.map(|n| {
                    // SAFETY: the kernel has filled the first `n` bytes, which are no more than it was given room for.
                    unsafe { buffer.set_len(n.min(buffer.capacity())) };
                    buffer
                });
                wire.shared.received(result);
            }
            Op::WireSend => {
                let Some((buffer, sent)) = wire.sending.take() else { return };
                match result {
                    Ok(n) if n > 0 && sent + n < buffer.len() => {
                        wire.sending = Some((buffer, sent + n));
                        if !wire.closing {
                            wire.send(key, ring);
                        } else {
                            wire.sending = None;
                        }
                    }
                    Ok(_) => wire.shared.sent(Ok(buffer)),
                    Err(error) => wire.shared.sent(Err(error)),
                }
            }
            _ => wire.cancels = wire.cancels.saturating_sub(1),
        }
        self.drive(key, ring);
    }

    /// Does what is wanted of a wire, as far as it can be done now.
    fn drive(&mut self, key: Key, ring: &mut Ring) {
        let Some(wire) = self.slots.get_mut(key) else { return };
        if wire.shared.is_gone() || self.calls.is_over() {
            wire.cancel(key, ring);
            if !wire.is_under_way()
                && let Some(wire) = self.slots.remove(key)
            {
                ring.push(Submission::close(wire.descriptor, Token { key, op: Op::Close }));
            }
            return;
        }
        if wire.connecting.is_some() {
            return;
        }
        if wire.receiving.is_none()
            && let Some(buffer) = wire.shared.wants_piece(PIECE)
        {
            wire.receive(buffer, key, ring);
        }
        if wire.sending.is_none() {
            match wire.shared.outgoing() {
                Half::Bytes(bytes) => {
                    wire.sending = Some((bytes, 0));
                    wire.send(key, ring);
                }
                Half::End => {
                    // It fails only when there is no connection any more; then receiving says so.
                    let _ = sys::shutdown(&wire.descriptor, Shutdown::Write);
                }
                Half::Nothing => {}
            }
        }
    }
}

impl Wire {
    fn receive(&mut self, buffer: Vec<u8>, key: Key, ring: &mut Ring) {
        let buffer = self.receiving.insert(buffer);
        let len = u32::try_from(buffer.capacity()).unwrap_or(u32::MAX);
        let token = Token { key, op: Op::WireReceive };
        // SAFETY: the buffer has room for `len` bytes on the heap, and nobody touches it until this operation's completion;
        // if that never comes it is leaked.
        ring.push(unsafe {
            Submission::receive_into(&self.descriptor, buffer.as_mut_ptr(), len, token)
        });
    }

    /// Sends what is left.
    fn send(&mut self, key: Key, ring: &mut Ring) {
        let Some((buffer, sent)) = &self.sending else { return };
        let rest = buffer.get(*sent..).unwrap_or_default();
        let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let manner = Manner { extent: Extent::All, followed: false, zero_copy: false };
        let token = Token { key, op: Op::WireSend };
        // SAFETY: the bytes lie on the heap, and nobody touches their buffer until this operation's completion; if that never
        // comes it is leaked.
        ring.push(unsafe { Submission::send(&self.descriptor, rest.as_ptr(), len, manner, token) });
    }

    /// Ends what the kernel does for it.
    fn cancel(&mut self, key: Key, ring: &mut Ring) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        let under_way = [
            (self.connecting.is_some(), Op::WireConnect),
            (self.receiving.is_some(), Op::WireReceive),
            (self.sending.is_some(), Op::WireSend),
        ];
        for (_, op) in under_way.into_iter().filter(|(is_under_way, _)| *is_under_way) {
            let token = Token { key, op: Op::WireCancel };
            ring.push(Submission::cancel(Token { key, op }, token));
            self.cancels += 1;
        }
    }

    const fn is_under_way(&self) -> bool {
        self.connecting.is_some()
            || self.receiving.is_some()
            || self.sending.is_some()
            || self.cancels > 0
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.calls.end();
        // The shard was torn down: nobody can say any more when the kernel is done with these.
        std::mem::forget(std::mem::replace(&mut self.slots, Slots::new()));
    }
}

#[cfg(test)]
#[path = "tests/wires.rs"]
mod tests;
