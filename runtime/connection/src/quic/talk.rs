//! One connection over QUIC: the handshake, the conversation in HTTP/3, and what is left after it.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use trilane_exchange::{Address, ConnectionInfo, DialError};
use trilane_http3::{Http3, NO_ERROR as H3_NO_ERROR};
use trilane_quic::{Ended, Path, Session, Transmit};
use trilane_semantics::{Cause, ExchangeId, Instant, Machine, Protocol};

use super::calls::Call;
use super::flow::Flow;
use super::spoken::{Spoken, with};
use crate::connection::Connection;
use crate::describe::Description;
use crate::ending::Goal;
use crate::guests::{Crowded, Guest};
use crate::host::Host;
use crate::recent::Traffic;
use crate::recording::What;

/// RFC 9000 §20.1.
const NO_ERROR: u64 = 0;
/// RFC 9114 §8.1.
const H3_INTERNAL_ERROR: u64 = 0x102;

/// Without anything in flight for so long, nothing waits to be sent either.
const SILENCE: Duration = Duration::from_millis(100);

/// One connection.
pub(super) struct Talk {
    pub(super) session: Session,
    /// The place of its client.
    guest: Option<Box<Guest>>,
    /// Whether one was taken; where places are not counted there is no guest.
    has_place: bool,
    /// Whom the connection was begun with.
    peer: IpAddr,
    stage: Stage,
    pub(super) traffic: Traffic,
    flow: Flow,
    key: u64,
    /// It is in the list of those that are to be run.
    pub(super) is_touched: bool,
    /// It is in the list of those that may have something to send.
    pub(super) is_ready: bool,
    /// When it is looked at next, by the lane's list.
    pub(super) armed: Option<Instant>,
    /// Nothing is sent before: the pace that QUIC has set.
    pub(super) paced: Option<Instant>,
    /// Its last answers are with QUIC: when to look whether they have arrived, and when that must be enough.
    linger: Option<(Instant, Instant)>,
    /// What the peer had acknowledged then.
    taken: u64,
    /// It leads to a server.
    call: Option<Call>,
}

enum Stage {
    /// Nobody speaks yet.
    Handshake { since: Instant, path: Path, drain: Option<Duration> },
    /// HTTP/3.
    Open(Spoken),
    /// QUIC tells the peer, or nobody.
    Over(Cause, Box<Description>),
}

impl Talk {
    pub(super) fn new(session: Session, key: u64, path: Path, now: Instant) -> Self {
        Self {
            session,
            guest: None,
            has_place: false,
            peer: path.peer.ip(),
            stage: Stage::Handshake { since: now, path, drain: None },
            traffic: Traffic::new(now),
            flow: Flow::default(),
            key,
            is_touched: false,
            is_ready: false,
            armed: None,
            paced: None,
            linger: None,
            taken: 0,
            call: None,
        }
    }

    /// The same in the client role.
    pub(super) fn calling(mut self, call: Call) -> Self {
        // It takes no place of any client's.
        self.has_place = true;
        self.call = Some(call);
        self
    }

    /// Does everything that can be done now.
    pub(super) fn run(&mut self, host: &Host, now: Instant, scratch: &mut [u8]) {
        self.begin(host, now);
        self.take_place(host, now);
        while let Some((_, new)) = self.session.moved() {
            host.stats().migrations.add(1);
            self.moved(host, new);
        }
        if let Stage::Open(spoken) = &mut self.stage {
            let (session, flow) = (&mut self.session, &mut self.flow);
            with!(spoken, connection => move_all(host, now, session, flow, connection, scratch));
        }
        self.end(host, now);
    }

    /// Takes a place of the client once its address is validated, which it is after the handshake: early data comes before that.
    fn take_place(&mut self, host: &Host, now: Instant) {
        let Stage::Open(spoken) = &mut self.stage else { return };
        if self.has_place || !self.session.is_established() {
            return;
        }
        self.has_place = true;
        match host.admit(Some(self.peer)) {
            Ok(guest) => self.guest = guest,
            Err(Crowded) => {
                with!(spoken, connection => connection.shut(host, now, Cause::Overload));
                self.session.refuse();
                self.over(Cause::Overload);
            }
        }
    }

    /// Begins to speak HTTP/3 once QUIC lets it: after the handshake, or in early data.
    fn begin(&mut self, host: &Host, now: Instant) {
        let Stage::Handshake { since, path, drain } = &self.stage else { return };
        if !self.session.is_established() && !self.session.is_early() {
            let wanted = self.call.as_ref().and_then(|call| call.desk.wanted());
            let is_late = *since + self.handshake_timeout(host) <= now;
            if let Some(cause) = wanted.or(is_late.then_some(Cause::HandshakeTimeout)) {
                self.session.close(H3_NO_ERROR);
                self.over(cause);
            }
            return;
        }
        let mut info = ConnectionInfo::new(Address::Ip(path.local), Address::Ip(path.peer));
        info.tls = Some(Rc::new(self.session.tls_info()));
        let mut machine = match &self.call {
            None => Http3::server(Rc::clone(host.limits()), now),
            Some(call) => Http3::client(Rc::clone(&call.limits), now),
        };
        if self.session.datagram_room().is_some() {
            machine = machine.with_datagrams();
        }
        let mut what = match &self.call {
            None => What::served(host, Protocol::Http3),
            Some(call) => What::asked(Protocol::Http3, &call.limits),
        };
        what.has_datagrams = self.session.datagram_room().is_some();
        let (begun, drain, info) = (host.record(now, what, &info), *drain, Rc::new(info));
        self.stage = Stage::Open(match begun {
            None => Spoken::Plain(self.open(host, now, machine, info, drain)),
            Some(begun) => {
                Spoken::Recorded(self.open(host, now, begun.around(machine), info, drain))
            }
        });
    }

    /// The connection that speaks through `machine`.
    fn open<M: Machine<Stream = u64>>(
        &self,
        host: &Host,
        now: Instant,
        machine: M,
        info: Rc<ConnectionInfo>,
        drain: Option<Duration>,
    ) -> Box<Connection<M>> {
        let mut connection = Connection::new(machine, self.key, info);
        if let Some(grace) = drain {
            connection.drain(host, now, grace);
        }
        if let Some(Call { desk, .. }) = &self.call {
            desk.connected();
            let what = (Protocol::Http3, Vec::new());
            connection = connection.asking(host, what, Rc::clone(desk));
            connection.set_streams(self.session.streams_left());
            connection.look(host, now);
        }
        Box::new(connection)
    }

    /// How long a handshake may take.
    fn handshake_timeout(&self, host: &Host) -> Duration {
        let limits = self.call.as_ref().map_or(host.limits(), |call| &call.limits);
        limits.handshake_timeout
    }

    /// Nobody speaks any more, for that reason. Who asks is told; the first reason stays.
    fn over(&mut self, cause: Cause) {
        if let Some(Call { desk, .. }) = &self.call {
            desk.end(match self.session.broken() {
                Some(broken) if !self.session.is_established() => {
                    DialError::Tls(broken.to_string().into())
                }
                _ => DialError::Closed(cause),
            });
        }
        self.stage = Stage::Over(cause, Box::new(self.describe()));
    }

    /// The peer is somewhere else: requests to come are told.
    fn moved(&mut self, host: &Host, path: Path) {
        match &mut self.stage {
            Stage::Handshake { path: known, .. } => *known = path,
            Stage::Open(spoken) => {
                let (local, peer) = (Address::Ip(path.local), Address::Ip(path.peer));
                with!(spoken, connection => connection.moved(host, local, peer));
            }
            Stage::Over(..) => {}
        }
    }

    /// Ends what one of the two has ended for the other.
    fn end(&mut self, host: &Host, now: Instant) {
        if let (Stage::Handshake { .. }, Some(_)) = (&self.stage, &self.call)
            && let Some(ended) = self.session.ended()
        {
            return self.over(cause(ended));
        }
        let Stage::Open(spoken) = &mut self.stage else { return };
        if let Some(ended) = self.session.ended() {
            let cause = with!(spoken, connection => {
                connection.shut(host, now, cause(ended));
                connection.cause().unwrap_or(cause(ended))
            });
            return self.over(cause);
        }
        let (goal, cause) = with!(spoken, connection => (connection.goal(), connection.cause()));
        let code = match goal {
            Goal::Open => return,
            // All was given to QUIC, which forgets it when it closes: the peer gets time to take it, and more for as long as it does. When
            // all that is in flight was acknowledged, what waits goes out: only then may it be silence.
            Goal::HalfClose | Goal::Close
                if self.flow.close.is_none_or(|code| code == H3_NO_ERROR) =>
            {
                let (taken, limit) = (self.session.acknowledged(), host.limits().linger_timeout);
                let is_taken = taken != std::mem::replace(&mut self.taken, taken);
                let (look, until) = match self.linger {
                    Some(known) if !is_taken => known,
                    _ => (now + SILENCE.min(limit), now + limit),
                };
                if now < look || now < until && self.session.is_sending() {
                    self.linger = Some((if now < look { look } else { until }, until));
                    return;
                }
                H3_NO_ERROR
            }
            Goal::HalfClose | Goal::Close => self.flow.close.unwrap_or(H3_NO_ERROR),
            Goal::Reset => self.flow.close.unwrap_or(H3_INTERNAL_ERROR),
        };
        self.session.close(code);
        self.over(cause.unwrap_or(Cause::Transport));
    }

    /// Something of that exchange was woken.
    pub(super) fn wake(&mut self, host: &Host, now: Instant, id: ExchangeId) {
        if let Stage::Open(spoken) = &mut self.stage {
            with!(spoken, connection => connection.wake(host, now, id));
        }
    }

    pub(super) fn drain(&mut self, host: &Host, now: Instant, grace: Duration) {
        match &mut self.stage {
            Stage::Handshake { drain, .. } => *drain = Some(grace),
            Stage::Open(spoken) => with!(spoken, connection => connection.drain(host, now, grace)),
            Stage::Over(..) => {}
        }
    }

    /// Ends it at once.
    pub(super) fn shut(&mut self, host: &Host, now: Instant, cause: Cause) {
        if let Stage::Open(spoken) = &mut self.stage {
            with!(spoken, connection => connection.shut(host, now, cause));
        }
        let cause = self.known_cause().unwrap_or(cause);
        self.session.close(H3_NO_ERROR);
        self.over(cause);
    }

    /// Its time has come, or something else's: early calls do no harm. `clock` is the same moment, as QUIC has it.
    pub(super) fn timeout(&mut self, host: &Host, now: Instant, clock: std::time::Instant) {
        if self.session.timeout().is_some_and(|at| at <= clock) {
            self.session.on_timeout();
        }
        if let Stage::Open(spoken) = &mut self.stage {
            with!(spoken, connection => {
                if connection.poll_timeout().is_some_and(|at| at <= now) {
                    connection.timeout(host, now);
                }
            });
        }
    }

    /// When [`timeout`](Self::timeout) wants to be called, besides QUIC's own time.
    pub(super) fn poll_timeout(&self, host: &Host) -> Option<Instant> {
        let own = match &self.stage {
            Stage::Handshake { since, .. } => Some(*since + self.handshake_timeout(host)),
            Stage::Open(spoken) => {
                let timeout = with!(spoken, connection => connection.poll_timeout());
                Instant::earliest(timeout, self.linger.map(|(look, _)| look))
            }
            Stage::Over(..) => None,
        };
        Instant::earliest(own, self.paced)
    }

    /// The next datagram to send.
    pub(super) fn transmit(&mut self, into: &mut [u8]) -> Option<Transmit> {
        self.session.transmit(into)
    }

    /// Why it has ended, once it has; until then, that its handshake never did.
    pub(super) fn cause(&self) -> Cause {
        let of_session = || self.session.ended().map(cause);
        self.known_cause().or_else(of_session).unwrap_or(Cause::Handshake)
    }

    fn known_cause(&self) -> Option<Cause> {
        match &self.stage {
            Stage::Handshake { .. } => None,
            Stage::Open(spoken) => with!(spoken, connection => connection.cause()),
            Stage::Over(cause, _) => Some(*cause),
        }
    }

    /// What it does.
    pub(super) fn describe(&self) -> Description {
        match &self.stage {
            Stage::Handshake { path, .. } => {
                let info = ConnectionInfo::new(Address::Ip(path.local), Address::Ip(path.peer));
                Description::of_handshake(Rc::new(info), None)
            }
            Stage::Open(spoken) => with!(spoken, connection => connection.describe()),
            Stage::Over(_, before) => before.as_ref().clone().over(None),
        }
    }

    /// Whether nobody speaks any more, and QUIC has nothing to tell.
    pub(super) fn is_gone(&self) -> bool {
        self.session.is_closed()
    }
}

impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Handshake { .. } => "handshake",
            Stage::Open(_) => "open",
            Stage::Over(..) => "over",
        };
        write!(f, "Talk({stage})")
    }
}

/// Moves what can be moved between the two.
fn move_all(
    host: &Host,
    now: Instant,
    session: &mut Session,
    flow: &mut Flow,
    connection: &mut Connection<impl Machine<Stream = u64>>,
    scratch: &mut [u8],
) {
    connection.set_early(session.is_early());
    connection.set_datagram_room(session.datagram_room());
    flow.run(host, now, session, connection, scratch);
    let mut has_come = false;
    while let Some(len) = session.datagram(scratch) {
        connection.receive_datagram(host, now, &scratch[..len]);
        has_come = true;
    }
    if has_come {
        // One may have been the end of the connection, which is to be said.
        flow.put_out(host, now, session, connection);
    }
}

/// Why the peer, or QUIC, has ended it.
fn cause(ended: Ended) -> Cause {
    match ended {
        // The other is the transport's (RFC 9000 §20.1).
        Ended::Peer(H3_NO_ERROR) | Ended::PeerTransport(NO_ERROR) => Cause::Peer,
        Ended::Peer(_) => Cause::PeerLeft,
        Ended::Idle => Cause::IdleTimeout,
        Ended::HandshakeTimeout => Cause::HandshakeTimeout,
        _ => Cause::Transport,
    }
}
