//! What stands for `quic` in a build without HTTP/3: something that there never is.

use std::io::{self, Write};
use std::time::Duration;

use trilane_connection::{Description, Host, Traffic};
use trilane_exchange::Wake;
use trilane_semantics::{Cause, Instant};
use trilane_tls::Acceptor;

use crate::core::Core;
use crate::dial::Call;
use crate::handover::hello::Hello;
use crate::listen::{ListenAddress, UdpConfig, UdpSocket};
use crate::preflight::StartError;
use crate::ring::{Completion, Ring};
use crate::server::Config;

/// QUIC on one shard: there is none.
pub(crate) enum Quic {}

/// What the shards of a process would share.
#[derive(Clone)]
pub(crate) struct Common(Option<Acceptor>);

impl Common {
    pub(crate) fn new(config: &Config, _: Option<&Hello>) -> Result<Self, StartError> {
        Ok(Self(config.secure.as_ref().map(|secure| secure.acceptor.clone())))
    }

    pub(crate) fn hello(&self) -> Hello {
        let tickets = self.0.as_ref().map(Acceptor::random_keys).unwrap_or_default();
        Hello { tickets, ..Hello::default() }
    }
}

impl Config {
    pub(crate) fn udp_listen(&self) -> Vec<ListenAddress> {
        Vec::new()
    }

    pub(crate) fn udp(&self) -> UdpConfig {
        UdpConfig::default()
    }
}

impl Quic {
    pub(crate) fn open(
        _: &Config,
        _: &Common,
        _: (usize, usize),
        _: Vec<UdpSocket>,
        _: &Core,
        _: &mut Ring,
    ) -> Result<Option<Self>, StartError> {
        Ok(None)
    }

    /// Who asks for HTTP/3 is told that this build has none.
    pub(crate) fn dialing(_: &Core, _: &mut Ring) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn dial(&mut self, _: &Host, _: Instant, _: Call, _: &mut Ring) {
        match *self {}
    }

    pub(crate) fn calls(&self) -> usize {
        match *self {}
    }

    pub(crate) fn receive(&mut self, _: &mut Ring) {
        match *self {}
    }

    pub(crate) fn completed(&mut self, _: &Host, _: Instant, _: &mut Completion, _: &mut Ring) {
        match *self {}
    }

    pub(crate) fn wake(&mut self, _: &Host, _: Instant, _: &Wake) -> bool {
        match *self {}
    }

    pub(crate) fn timer(&mut self, _: &Host, _: Instant) {
        match *self {}
    }

    pub(crate) fn run(&mut self, _: &Host, _: Instant, _: &Core, _: &mut Ring) {
        match *self {}
    }

    pub(crate) fn drain(&mut self, _: &Host, _: Instant, _: Duration, _: bool) {
        match *self {}
    }

    pub(crate) fn shut(&mut self, _: &Host, _: Instant, _: Cause) {
        match *self {}
    }

    pub(crate) fn close(&mut self, _: &mut Ring) {
        match *self {}
    }

    pub(crate) fn len(&self) -> usize {
        match *self {}
    }

    pub(crate) fn is_key(&self, _: u64) -> bool {
        match *self {}
    }

    pub(crate) fn look(
        &self,
        _: usize,
        _: usize,
        _: impl FnMut(u64, bool, Description, Traffic),
    ) -> bool {
        match *self {}
    }

    pub(crate) fn log(&mut self, _: u64, _: Box<dyn Write + Send + Sync>) -> bool {
        match *self {}
    }

    pub(crate) fn cut(&mut self, _: &Host, _: Instant, _: u64) -> bool {
        match *self {}
    }

    pub(crate) fn is_empty(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_idle(&self) -> bool {
        match *self {}
    }
}
