//! What a process finds when it starts: sockets of the process before it, or of the service manager.

use std::env;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::hello::Hello;
use super::link::{self, Link, Message};
use super::{HandoverError, MOST_SOCKETS, STDIN, VARIABLE};
use crate::listen::ListenAddress;
use crate::listen::given::{Given, Giver};
use crate::sys;

/// The first byte of messages.
pub(super) const SOCKETS: &[u8] = b"S";
pub(super) const READY: &[u8] = b"R";
pub(super) const GO: &[u8] = b"G";
pub(super) const SERVES: &[u8] = b"A";

/// For each message of the process before us, which has all of it at hand.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sockets, and more, that this process was given: [`Server::start_with`](crate::Server::start_with).
#[derive(Debug, Default)]
pub struct Inherited {
    pub(crate) given: Given,
    pub(crate) warnings: Vec<String>,
    /// What the process before us has said of itself.
    pub(crate) hello: Option<Hello>,
    pub(crate) predecessor: Option<Predecessor>,
    /// Of the other servers of the process before us.
    pub(crate) beside: Given,
}

impl Inherited {
    /// What the environment says there is, if anything: of the process before us ([`VARIABLE`]), or of the service manager
    /// (`LISTEN_FDS`, `sd_listen_fds(3)`). Once a process: after that there is nothing.
    ///
    /// # Errors
    /// It cannot be taken. Then it is better not to start.
    pub fn of_process() -> Result<Option<Self>, HandoverError> {
        match env::var(VARIABLE) {
            Ok(place) if place == STDIN => {
                Self::receive(io::stdin().as_fd().try_clone_to_owned()?).map(Some)
            }
            Ok(place) => Err(HandoverError::Environment(format!("{VARIABLE}={place}"))),
            Err(_) => Ok(activated()?.map(|sockets| Self::new(Giver::Manager, sockets))),
        }
    }

    /// By that line, from the process at its other end.
    pub(super) fn receive(line: OwnedFd) -> Result<Self, HandoverError> {
        let link = Link::of(line)?;
        let gone = HandoverError::Malformed("the process before is gone");
        let Some(first) = link.receive(Some(PATIENCE))? else { return Err(gone) };
        let hello = Hello::decode(&first.bytes)?;
        let mut sockets = Vec::with_capacity(hello.sockets + hello.beside);
        while sockets.len() < hello.sockets + hello.beside {
            let Some(Message { bytes, descriptors }) = link.receive(Some(PATIENCE))? else {
                return Err(gone);
            };
            if bytes != SOCKETS || descriptors.is_empty() {
                return Err(HandoverError::Malformed("sockets are missing"));
            }
            sockets.extend(descriptors);
        }
        let beside = sockets.split_off(hello.sockets.min(sockets.len()));
        let giver = Giver::Predecessor { generation: hello.generation };
        let inherited = Self::new(giver, sockets);
        let predecessor = Some(Predecessor(link));
        Ok(Self {
            hello: Some(hello),
            predecessor,
            beside: Given::new(giver, beside).0,
            ..inherited
        })
    }

    fn new(giver: Giver, sockets: Vec<OwnedFd>) -> Self {
        let (given, warnings) = Given::new(giver, sockets);
        Self { given, warnings, ..Self::default() }
    }

    /// What the other servers of the process before us had ([`Upgrader::beside`](crate::Upgrader::beside)): for those of this one, which take over
    /// at once when they start.
    #[must_use]
    pub fn beside(&mut self) -> Self {
        Self { given: std::mem::take(&mut self.beside), ..Self::default() }
    }

    /// The random keys of tickets of the process before us, for `Acceptor::inheriting`; `None` where it has none.
    #[must_use]
    pub fn ticket_keys(&self) -> Option<&[u8]> {
        self.hello.as_ref().map(|hello| &hello.tickets[..]).filter(|keys| !keys.is_empty())
    }

    /// Whether they come from a process before us, which is still there.
    #[must_use]
    pub const fn is_handover(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Whether there is a socket for that address.
    #[must_use]
    pub fn has(&self, address: &ListenAddress) -> bool {
        self.given.has(address)
    }
}

/// The line to the process before us.
#[derive(Debug)]
pub(crate) struct Predecessor(Link);

/// Between the addresses that follow the word that we serve: no path has it.
const NUL: char = '\0';

/// The word that we serve, and where we do not: as many addresses as a message holds. Of the others the queues are lost.
fn serves(unasked: &[String]) -> Vec<u8> {
    let mut word = SERVES.to_vec();
    for address in unasked {
        if word.len() + address.len() < link::LONGEST {
            word.extend_from_slice(address.as_bytes());
            word.push(NUL as u8);
        }
    }
    word
}

/// The addresses that follow that word.
pub(super) fn unasked(word: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(word.strip_prefix(SERVES).unwrap_or_default()).into_owned();
    text.split_terminator(NUL).map(str::to_owned).collect()
}

impl Predecessor {
    /// Says that we are ready, and waits until we may serve. We may as well if the process is gone: it ends nobody whom it has
    /// started without a signal, so it has crashed.
    ///
    /// # Errors
    /// It is there, and does not hear us or does not want us: two of us must not serve without knowing of each other.
    pub(crate) fn relieve(&self) -> Result<(), HandoverError> {
        match self.0.send(READY, &[]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            result => result?,
        }
        match self.0.receive(Some(PATIENCE))? {
            Some(message) if message.bytes != GO => {
                Err(HandoverError::Malformed("the process before says something else than go"))
            }
            _ => Ok(()),
        }
    }

    /// Says that we serve, and that not there.
    pub(crate) fn serves(&self, not: &[String]) {
        // Who is gone needs not be told.
        let _ = self.0.send(&serves(not), &[]);
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&self) {
        while let Ok(Some(_)) = self.0.receive(None) {}
    }
}

/// The sockets of the service manager, if they are for us.
fn activated() -> Result<Option<Vec<OwnedFd>>, HandoverError> {
    let Ok(count) = env::var("LISTEN_FDS") else { return Ok(None) };
    let is_ours = |text: String| text.parse() == Ok(std::process::id());
    if !env::var("LISTEN_PID").is_ok_and(is_ours) {
        return Ok(None);
    }
    let unknown = || HandoverError::Environment(format!("LISTEN_FDS={count}"));
    let many = count.parse().map_err(|_| unknown())?;
    if many > MOST_SOCKETS {
        return Err(HandoverError::TooMany(many));
    }
    Ok(Some(sys::given_descriptors(many)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predecessor() -> (Link, Predecessor) {
        let (here, there) = Link::pair().unwrap();
        (here, Predecessor(Link::of(there).unwrap()))
    }

    #[test]
    fn who_may_serve_does_and_says_so() {
        let (line, before) = predecessor();
        line.send(GO, &[]).unwrap();
        before.relieve().unwrap();
        let addresses = ["127.0.0.1:1".to_owned(), "unix:/x".to_owned()];
        before.serves(&addresses);
        assert_eq!(line.receive(None).unwrap().unwrap().bytes, READY);
        assert_eq!(unasked(&line.receive(None).unwrap().unwrap().bytes), addresses);
        assert_eq!(serves(&[]), SERVES);
        assert_eq!(unasked(SERVES), [""; 0]);
        let many = vec!["x".repeat(99); 100];
        assert!(serves(&many).len() <= link::LONGEST);
        assert_eq!(unasked(&serves(&many)), many[..40]);
    }

    #[test]
    fn who_is_alone_serves_and_who_is_not_wanted_does_not() {
        let (line, before) = predecessor();
        drop(line);
        before.relieve().unwrap();
        before.serves(&[]);
        let (line, before) = predecessor();
        line.send(b"x", &[]).unwrap();
        assert!(matches!(before.relieve(), Err(HandoverError::Malformed(_))));
    }
}
