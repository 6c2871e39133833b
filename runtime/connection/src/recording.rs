//! Which machines are recorded: asked when a connection begins, so that one that is not recorded has its machine as it is.

use std::time::SystemTime;

use trilane_exchange::{Address, ConnectionInfo};
use trilane_record::{Beginning, Begun};
use trilane_semantics::{Instant, Limits, Protocol};

use crate::host::Host;

/// What begins.
#[derive(Clone, Copy)]
pub(crate) struct What<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) is_client: bool,
    pub(crate) limits: &'a Limits,
    pub(crate) has_datagrams: bool,
}

impl<'a> What<'a> {
    /// In the server role.
    pub(crate) fn served(host: &'a Host, protocol: Protocol) -> Self {
        Self { protocol, is_client: false, limits: host.limits(), has_datagrams: false }
    }

    /// In the client role.
    pub(crate) const fn asked(protocol: Protocol, limits: &'a Limits) -> Self {
        Self { protocol, is_client: true, limits, has_datagrams: false }
    }
}

impl Host {
    /// What is to be recorded of a connection that begins, if it is.
    pub(crate) fn record(
        &self,
        now: Instant,
        what: What<'_>,
        info: &ConnectionInfo,
    ) -> Option<Begun> {
        let recorder = self.recorder()?;
        let What { protocol, is_client, limits, has_datagrams } = what;
        let peer = match info.peer {
            Address::Ip(address) => Some(address),
            Address::Unix => None,
        };
        let since_epoch = self.shard().wall().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since_epoch.unwrap_or_default().as_millis();
        let when = u64::try_from(millis).unwrap_or(u64::MAX);
        let chance = if recorder.draws() { self.shard().random() } else { 0 };
        recorder.begin(&Beginning {
            protocol,
            is_client,
            limits,
            has_datagrams,
            peer,
            when,
            now,
            chance,
        })
    }
}
