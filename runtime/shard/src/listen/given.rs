//! Sockets that we were given: by the process before us, or by the service manager. They tell themselves where they listen.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use super::ListenAddress;
use crate::sys;

/// Who has given us sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Giver {
    /// The service manager: they are ours alone, and files of unix sockets its own.
    #[default]
    Manager,
    /// The process before us, which has them still.
    Predecessor {
        /// What its connection ids have as generation.
        generation: u8,
    },
}

/// Sockets that nobody has asked for yet, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Given {
    sockets: Vec<(ListenAddress, OwnedFd)>,
    /// Who has given them.
    pub(crate) giver: Giver,
}

impl Given {
    /// Those of `descriptors` that something can come by. Of the others there is a line each.
    pub(crate) fn new(giver: Giver, descriptors: Vec<OwnedFd>) -> (Self, Vec<String>) {
        let (mut given, mut warnings) = (Self { sockets: Vec::new(), giver }, Vec::new());
        for (at, descriptor) in descriptors.into_iter().enumerate() {
            match name(&descriptor).and_then(|name| Ok((name, usable(&descriptor)?))) {
                Ok((address, ())) => given.sockets.push((address, descriptor)),
                Err(error) => warnings
                    .push(format!("socket {at} of those that we were given is of no use: {error}")),
            }
        }
        (given, warnings)
    }

    /// Whether there is one for what is asked.
    pub(crate) fn has(&self, asked: &ListenAddress) -> bool {
        self.find(asked).is_some()
    }

    /// All of the address that is asked for, and what it is; port 0 asks for the first that is of such a kind and IP address.
    pub(crate) fn take(&mut self, asked: &ListenAddress) -> Option<(ListenAddress, Vec<OwnedFd>)> {
        let found = self.find(asked)?.clone();
        let is_other = |(address, _): &(ListenAddress, OwnedFd)| *address != found;
        let (others, taken) = std::mem::take(&mut self.sockets).into_iter().partition(is_other);
        self.sockets = others;
        let taken: Vec<(ListenAddress, OwnedFd)> = taken;
        Some((found, taken.into_iter().map(|(_, socket)| socket).collect()))
    }

    /// Where those listen that nobody has asked for.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &ListenAddress> {
        self.sockets.iter().map(|(address, _)| address)
    }

    /// Those that nobody has asked for, a line each.
    pub(crate) fn unasked(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (address, _) in &self.sockets {
            let line = format!("we were given a socket of {address}, and do not listen there");
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }

    fn find(&self, asked: &ListenAddress) -> Option<&ListenAddress> {
        self.sockets.iter().map(|(address, _)| address).find(|it| is_for(it, asked))
    }
}

/// Whether a socket there is what was asked for.
fn is_for(address: &ListenAddress, asked: &ListenAddress) -> bool {
    match (address, asked) {
        (ListenAddress::Tcp(address), ListenAddress::Tcp(asked))
        | (ListenAddress::Udp(address), ListenAddress::Udp(asked)) => {
            address.ip() == asked.ip() && (asked.port() == 0 || asked.port() == address.port())
        }
        (ListenAddress::Unix(address), ListenAddress::Unix(asked)) => {
            // The same from here, whichever way they are written.
            std::path::absolute(address).ok() == std::path::absolute(asked).ok()
        }
        _ => false,
    }
}

/// Where a socket listens, or receives.
fn name(descriptor: &OwnedFd) -> io::Result<ListenAddress> {
    let option = |name| sys::getsockopt_int(descriptor, libc::SOL_SOCKET, name);
    let listens = option(libc::SO_ACCEPTCONN)? == 1;
    match (option(libc::SO_TYPE)?, sys::local_address(descriptor)?) {
        (libc::SOCK_STREAM, Some(address)) if listens => Ok(ListenAddress::Tcp(address)),
        (libc::SOCK_DGRAM, Some(address)) => Ok(ListenAddress::Udp(address)),
        (libc::SOCK_STREAM, None) if listens => {
            let address = UnixListener::from(descriptor.try_clone()?).local_addr()?;
            let path = address.as_pathname().ok_or(io::ErrorKind::Unsupported)?;
            Ok(ListenAddress::Unix(path.into()))
        }
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "nothing comes by it")),
    }
}

/// Makes it what ours are: the ring wants it to block.
fn usable(descriptor: &OwnedFd) -> io::Result<()> {
    // The flag is of the socket, whatever its kind; std has no such call without one.
    TcpListener::from(descriptor.try_clone()?).set_nonblocking(false)
}
