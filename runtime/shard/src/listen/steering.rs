//! The programs by which the kernel gives datagrams to shards, of all groups of a server: at its start, and while it takes over from
//! another process.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys;
use crate::udp::steer::{Before, ConnectionIds, Members, program};

/// Who can tell the kernel.
#[derive(Debug)]
pub(crate) struct Steering {
    /// None: the kernel goes by addresses.
    ids: Option<ConnectionIds>,
    shards: u8,
    seed: u32,
    groups: Mutex<Vec<Group>>,
}

/// A group of UDP sockets.
#[derive(Debug)]
struct Group {
    /// Any socket of ours speaks for all.
    member: OwnedFd,
    /// The sockets of the process before us, in the order of their indices: while we have them, no index changes, whatever
    /// becomes of that process.
    before: Vec<OwnedFd>,
    /// What the ids of that process have as generation.
    generation: u8,
}

impl Steering {
    pub(crate) fn new(ids: Option<ConnectionIds>, shards: usize) -> Self {
        // Keyed by the system's randomness: a hash of anything is a number nobody can guess.
        let seed = RandomState::new().hash_one(()) as u32;
        let shards = u8::try_from(shards).unwrap_or(u8::MAX);
        Self { ids, shards, seed, groups: Mutex::default() }
    }

    /// Steers the group of a socket, or the one that will be. The error is a warning.
    pub(super) fn attach(&self, socket: impl AsFd, before: Option<Before>) -> Result<(), String> {
        let Some(ids) = self.ids else { return Ok(()) };
        let members = Members { before, shards: self.shards };
        sys::attach_reuseport(socket, &program(ids, members, self.seed)).map_err(|error| {
            format!(
                "the kernel does not give datagrams to the shard whose they are ({error}): shards pass on what is not \
                 theirs, which costs time"
            )
        })
    }

    /// Takes charge of a group: a socket of ours, and those of the process before us, of that generation.
    pub(super) fn add(
        &self,
        member: impl AsFd,
        before: Vec<OwnedFd>,
        generation: u8,
    ) -> io::Result<()> {
        let member = member.as_fd().try_clone_to_owned()?;
        self.lock().push(Group { member, before, generation });
        Ok(())
    }

    /// All but what is of the process before us comes to us from now on. What the kernel refuses is a warning.
    pub(crate) fn relieve(&self) -> Vec<String> {
        let warning = |group: &Group| {
            // Sockets are as many as shards, which are 255 at most.
            let shards = u8::try_from(group.before.len()).ok().filter(|shards| *shards > 0)?;
            if self.ids.is_none() {
                let what = "connections over QUIC of the process before us are lost";
                return Some(format!("the kernel does not know whose datagrams are: {what}"));
            }
            let before = Before { generation: group.generation, shards };
            self.attach(&group.member, Some(before)).err()
        };
        self.lock().iter().filter_map(warning).collect()
    }

    /// The process before us is gone: all that comes is for us.
    pub(crate) fn settle(&self) {
        for group in self.lock().iter_mut() {
            // From the last one: that is how `Members::place` counts.
            while group.before.pop().is_some() {}
            // It was attached before, and differs by numbers only.
            let _ = self.attach(&group.member, None);
        }
    }

    /// Nobody has taken over from us.
    pub(crate) fn restore(&self) {
        for group in self.lock().iter() {
            // As it was.
            let _ = self.attach(&group.member, None);
        }
    }

    /// A panic while it was held leaves the list whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
