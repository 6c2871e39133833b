//! A client that carries out one plan after the other over HTTP/2: it begins streams, sends content as windows allow, grants
//! windows, and judges what came.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use trilane_semantics::{Instant, Limits};

use crate::client::SECURE;
use crate::h2::judge::{self, Drain};
use crate::h2::pack::{Packer, plain};
use crate::h2::peer::{Peer, Stream};
use crate::h2::plan::{Ending, Fate, Grants, Job, Kind, Plan, Raw, Verdict, When};
use crate::h2::wire::{self, PREFACE, flag, frame, kind, number};
use crate::pipe::{Arrival, Link};
use crate::plan::{End, Reading};
use crate::recorder::Tally;
use crate::rng::Rng;
use crate::server::Server;
use crate::trace::Trace;
use crate::world::Caller;

/// What is written ahead of the network, in bytes.
const AHEAD: usize = 40_000;
/// What a connection may be used up before it is filled again.
const HALF: i64 = 32_768;

/// One client.
#[derive(Debug)]
pub struct Client {
    rng: Rng,
    todo: usize,
    call: Option<Call>,
    connects: Instant,
    kinds: Vec<Kind>,
    tally: Tally,
    answered: u64,
}

/// One connection.
#[derive(Debug)]
struct Call {
    key: u64,
    link: Rc<RefCell<Link>>,
    plan: Plan,
    peer: Peer,
    packer: Packer,
    rng: Rng,
    began: Instant,
    /// For each job of the plan, the stream that it has become.
    begun: Vec<Option<Begun>>,
    next: u32,
    out: Vec<u8>,
    read_at: Instant,
    /// When something is to be done, whatever comes; it was looked up when something had changed.
    due: Option<Instant>,
    /// PINGs that were sent, in all.
    pinged: usize,
    is_ending: bool,
    end: Option<End>,
}

/// A stream that was begun.
#[derive(Clone, Copy, Debug)]
struct Begun {
    id: u32,
    at: Instant,
    sent: usize,
    is_sent: bool,
}

impl Client {
    /// A client that will make about `todo` requests, on connections of these kinds in turn, then of any.
    #[must_use]
    pub fn new(mut rng: Rng, todo: usize, kinds: Vec<Kind>) -> Self {
        let connects = Instant::from_nanos(rng.range(1, 2_000_000_000));
        Self { rng, todo, call: None, connects, kinds, tally: Tally::default(), answered: 0 }
    }

    fn connect(&mut self, now: Instant, server: &mut Server, trace: &Trace) -> bool {
        if self.todo == 0 || self.connects > now {
            return false;
        }
        let kind = self.kinds.pop().unwrap_or_else(|| match self.rng.per_mille(500) {
            true => {
                self.rng.pick(&[Kind::OneByOne, Kind::Crowd, Kind::Cancelling, Kind::Uploading])
            }
            false => self.rng.pick(Kind::ALL),
        });
        let plan = Plan::new(kind, &mut self.rng);
        self.todo = self.todo.saturating_sub(plan.jobs.len().max(1));
        let mut link = Link::new(plan.cuts, &mut self.rng);
        // Over TLS it is no question what is spoken.
        if plan.verdict != Verdict::Silence && self.rng.per_mille(SECURE) {
            link = link.secure("h2");
        }
        let link = Rc::new(RefCell::new(link));
        let Some(key) = server.accept(Rc::clone(&link)) else {
            self.todo = 0;
            return true;
        };
        trace.note(now, key, format!("h2 {kind:?} {:?}", plan.cuts));
        self.call = Some(Call::new(key, link, plan, self.rng.fork(), now));
        true
    }

    /// Judges a connection, and closes it.
    fn conclude(&mut self, now: Instant, server: &Server, trace: &Trace) {
        let Some(call) = self.call.take() else { return };
        call.link.borrow_mut().client_leaves(now);
        let kind = call.plan.kind;
        let drain = match (server.is_draining(), server.is_cut()) {
            (false, _) => Drain::No,
            (true, false) => Drain::Running,
            (true, true) => Drain::Cut,
        };
        let ids: Vec<_> = call.begun.iter().map(|begun| begun.map(|begun| begun.id)).collect();
        let end = (call.end.unwrap_or(End::Ours), drain);
        match judge::wrong((&call.plan, &ids), &call.peer, call.pinged, end) {
            Some(wrong) => trace.fail(now, call.key, format!("h2 {kind:?}: {wrong}")),
            None => trace.note(now, call.key, format!("h2 {kind:?} done, {:?}", call.end)),
        }
        *self.tally.entry(format!("h2 client {kind:?}")).or_default() += 1;
        for stream in call.peer.streams.values().filter(|stream| stream.has_head) {
            *self.tally.entry(format!("h2 status {}", stream.answer.status)).or_default() += 1;
        }
        for (_, code) in &call.peer.goaways {
            *self.tally.entry(format!("h2 goaway {code}")).or_default() += 1;
        }
        self.answered += call.peer.done.len() as u64;
        self.connects = now + Duration::from_millis(self.rng.range(0, 300));
    }
}

impl Caller for Client {
    fn is_done(&self) -> bool {
        self.todo == 0 && self.call.is_none()
    }

    fn next(&self) -> Option<Instant> {
        match &self.call {
            None => (self.todo > 0).then_some(self.connects),
            Some(call) => call.next(),
        }
    }

    fn step(&mut self, now: Instant, server: &mut Server, trace: &Trace) -> bool {
        let Some(call) = &mut self.call else { return self.connect(now, server, trace) };
        let mut is_busy = call.link.borrow_mut().client_shakes(now);
        is_busy |= call.read(now);
        let is_due = call.due.is_some_and(|due| due <= now);
        if is_busy || is_due || !call.out.is_empty() {
            while call.end.is_none() && call.act(now) {
                is_busy = true;
            }
            call.due = call.next_of_ours();
        }
        if call.end.is_some() {
            self.conclude(now, server, trace);
            return true;
        }
        is_busy
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}

impl Call {
    fn new(key: u64, link: Rc<RefCell<Link>>, plan: Plan, mut rng: Rng, now: Instant) -> Self {
        let limits = Limits::default();
        let mut peer = Peer::new((limits.connection_window, limits.stream_window));
        let out = match &plan.raw {
            Raw::First(bytes) => bytes.clone(),
            _ => {
                peer.say(&plan.settings);
                [PREFACE, &wire::settings(&plan.settings)].concat()
            }
        };
        Self {
            key,
            link,
            peer,
            packer: Packer::new(rng.fork()),
            rng,
            began: now,
            begun: vec![None; plan.jobs.len()],
            plan,
            next: 1,
            out,
            read_at: now,
            due: Some(now),
            pinged: 0,
            is_ending: false,
            end: None,
        }
    }

    /// When it wants to act next.
    fn next(&self) -> Option<Instant> {
        let arrival = match self.plan.reading {
            Reading::Never => None,
            _ => self.link.borrow().client_next().map(|due| due.max(self.read_at)),
        };
        let arrival = Instant::earliest(self.link.borrow().client_shakes_next(), arrival);
        Instant::earliest(arrival, self.due)
    }

    /// The same, but for what comes.
    fn next_of_ours(&self) -> Option<Instant> {
        let mut next = None;
        // What is due waits for the network, if that takes nothing.
        if self.is_ending || self.out.len() > AHEAD {
            return next;
        }
        let later = self.plan.later.as_ref().map(|(after, _)| self.began + *after);
        let patience = self.plan.patience.map(|(after, _)| self.began + after);
        next = Instant::earliest(next, Instant::earliest(later, patience));
        for (job, begun) in self.plan.jobs.iter().zip(&self.begun) {
            let at = match (begun, job.when, job.fate) {
                (None, When::At(after), _) if self.may_begin() => Some(self.began + after),
                (Some(begun), _, Fate::GivenUpLater(after)) if !self.is_over(begun.id) => {
                    Some(begun.at + after)
                }
                _ => None,
            };
            next = Instant::earliest(next, at);
        }
        next
    }

    /// Reads what has come. Whether anything had.
    fn read(&mut self, now: Instant) -> bool {
        let mut is_busy = false;
        while self.end.is_none() && self.plan.reading != Reading::Never && self.read_at <= now {
            let arrival = self.link.borrow_mut().client_reads(now);
            match arrival {
                None => break,
                // In another protocol, perhaps.
                Some(Arrival::Bytes(_)) if self.plan.verdict == Verdict::Silence => (),
                Some(Arrival::Bytes(bytes)) => self.peer.feed(&bytes),
                Some(Arrival::Fin) => self.end = Some(End::Fin),
                Some(Arrival::Reset) => self.end = Some(End::Reset),
            }
            is_busy = true;
            if self.peer.error.is_some() {
                self.end = Some(End::Ours);
            }
            if let Reading::Slowly(pause) = self.plan.reading {
                self.read_at = now + pause;
            }
        }
        is_busy
    }

    /// Does the next thing. Whether there was one.
    fn act(&mut self, now: Instant) -> bool {
        if !self.out.is_empty() {
            let taken = self.link.borrow_mut().client_writes(now, &self.out);
            self.out.drain(..taken);
            if self.out.len() > AHEAD {
                return taken > 0;
            }
        }
        let before = self.out.len();
        if !self.is_ending || self.plan.ending == Ending::GoAway {
            self.resize(now);
            for at in 0..self.plan.jobs.len() {
                self.advance(now, at);
            }
        }
        let is_stuck = matches!(self.plan.raw, Raw::HalfBlock | Raw::HalfFrame);
        if !(self.is_ending && is_stuck) {
            self.acknowledge();
            self.grant();
        }
        if self.out.len() > before {
            return true;
        }
        self.finish(now)
    }

    /// Says what every client must say.
    fn acknowledge(&mut self) {
        for _ in 0..std::mem::take(&mut self.peer.unacked) {
            self.out.extend(frame(kind::SETTINGS, flag::ACK, 0, &[]));
        }
        for payload in std::mem::take(&mut self.peer.pings) {
            self.out.extend(frame(kind::PING, flag::ACK, 0, &payload));
        }
    }

    fn resize(&mut self, now: Instant) {
        let began = self.began;
        if let Some((_, settings)) = self.plan.later.take_if(|later| began + later.0 <= now) {
            self.peer.say(&settings);
            self.out.extend(wire::settings(&settings));
        }
    }

    fn is_over(&self, id: u32) -> bool {
        self.peer.streams.get(&id).is_some_and(Stream::is_over)
    }

    fn over(&self) -> usize {
        self.peer.streams.values().filter(|stream| stream.is_over()).count()
    }

    /// RFC 9113 §6.8: after GOAWAY, nothing more is begun.
    const fn may_begin(&self) -> bool {
        self.peer.goaways.is_empty()
    }

    /// Goes on with a job, by one frame at most.
    fn advance(&mut self, now: Instant, at: usize) {
        let Some(mut begun) = self.begun[at] else { return self.begin(now, at) };
        let (job, id) = (&self.plan.jobs[at], begun.id);
        let Some(stream) = self.peer.streams.get_mut(&id) else { return };
        if stream.is_over() {
            return;
        }
        let gives_up = match job.fate {
            Fate::GivenUpAfter(n) => begun.sent >= n.min(job.request.content.len()),
            Fate::GivenUpInAnswer(n) => stream.has_head && stream.answer.body.len() >= n,
            Fate::GivenUpLater(after) => begun.at + after <= now,
            _ => false,
        };
        if gives_up {
            stream.is_given_up = true;
            let code = self.rng.pick(&[0, 2, 8]);
            self.out.extend(number(kind::RST_STREAM, id, code));
            return;
        }
        let waits = job.request.expects && stream.interims.is_empty() && !stream.has_head;
        if begun.is_sent || waits {
            return;
        }
        let most = if let Fate::Refused(_, most) = job.fate { most } else { usize::MAX };
        let left = job.request.content.len().min(most) - begun.sent;
        let window = stream.outflow.min(self.peer.outflow).max(0) as usize;
        let padding = if self.rng.per_mille(100) { self.rng.range(0, 256) as usize } else { 0 };
        let piece = left.min(self.rng.pick(&[1000, 5000, 16_000]));
        let piece = piece.min(window.saturating_sub(padding + 1));
        let is_last = begun.sent + piece == job.request.content.len();
        if piece == 0 && !(is_last && left == 0) {
            return;
        }
        let content = &job.request.content[begun.sent..begun.sent + piece];
        let has_trailers = !job.request.trailers.is_empty();
        let ends = if is_last && !has_trailers { flag::END_STREAM } else { 0 };
        let bytes = match padding {
            0 => frame(kind::DATA, ends, id, content),
            n => {
                let payload = [&[n as u8][..], content, &vec![0; n]].concat();
                frame(kind::DATA, ends | flag::PADDED, id, &payload)
            }
        };
        let cost = bytes.len() as i64 - 9;
        // RFC 9113 §6.9.1: an empty one that ends a stream may always go.
        if piece > 0 || (ends > 0 && cost as usize <= window) {
            self.out.extend(bytes);
            (stream.outflow, self.peer.outflow) = (stream.outflow - cost, self.peer.outflow - cost);
        } else if ends > 0 {
            self.out.extend(frame(kind::DATA, ends, id, &[]));
        }
        begun.sent += piece;
        begun.is_sent = is_last;
        if is_last && has_trailers {
            let trailers = self.plan.jobs[at].request.trailers.clone();
            let block = self.packer.block(&trailers);
            self.section(id, flag::END_STREAM, &block);
        }
        self.begun[at] = Some(begun);
    }

    fn begin(&mut self, now: Instant, at: usize) {
        let Job { request, when, .. } = &self.plan.jobs[at];
        let may = match when {
            When::At(after) => self.began + *after <= now,
            When::After(n) => self.over() >= *n,
        };
        if !may || !self.may_begin() || self.is_ending {
            return;
        }
        let id = self.next;
        self.next += 2;
        self.peer.begin(id, request.ask.is_head);
        let (is_open, lines) = (request.is_open, request.lines.clone());
        self.begun[at] = Some(Begun { id, at: now, sent: 0, is_sent: !is_open });
        let block = self.packer.block(&lines);
        self.section(id, if is_open { 0 } else { flag::END_STREAM }, &block);
        if self.rng.per_mille(100) {
            self.pinged += 1;
            self.out.extend(frame(kind::PING, 0, 0, &self.rng.bytes(8)));
        }
        if self.rng.per_mille(100) {
            let payload = [&id.to_be_bytes()[..], b"u=1, i"].concat();
            self.out.extend(frame(kind::PRIORITY_UPDATE, 0, 0, &payload));
        }
    }

    /// Writes a header section: in one frame or in several, padded or not, with a priority or without.
    fn section(&mut self, id: u32, ends: u8, block: &[u8]) {
        let cut = match self.rng.per_mille(200) {
            true => self.rng.range(0, block.len() as u64 + 1) as usize,
            false => block.len(),
        };
        let (front, rest) = block.split_at(cut);
        let (mut payload, mut flags) = (Vec::new(), ends);
        let padding = if self.rng.per_mille(100) { self.rng.range(0, 256) as usize } else { 0 };
        if padding > 0 {
            flags |= flag::PADDED;
            payload.push(padding as u8);
        }
        if self.rng.per_mille(100) {
            flags |= flag::PRIORITY;
            payload.extend_from_slice(&[0, 0, 0, 0, 15]);
        }
        payload.extend_from_slice(front);
        payload.resize(payload.len() + padding, 0);
        if rest.is_empty() {
            flags |= flag::END_HEADERS;
        }
        self.out.extend(frame(kind::HEADERS, flags, id, &payload));
        if !rest.is_empty() {
            self.out.extend(frame(kind::CONTINUATION, flag::END_HEADERS, id, rest));
        }
    }

    /// Opens windows again.
    fn grant(&mut self) {
        let (grants, peer) = (self.plan.grants, &mut self.peer);
        let by = match grants {
            Grants::ByConnection(n) => (peer.inflow <= 0).then_some(i64::from(n)),
            _ => (peer.inflow < HALF).then(|| 65_535 - peer.inflow),
        };
        if let Some(by) = by {
            peer.inflow += by;
            self.out.extend(number(kind::WINDOW_UPDATE, 0, by as u32));
        }
        for (&id, stream) in peer.streams.iter_mut().filter(|(_, stream)| !stream.is_over()) {
            let by = match grants {
                Grants::ByStream(n) => (stream.inflow <= 0).then(|| i64::from(n) - stream.inflow),
                Grants::Never => None,
                _ => (stream.inflow < HALF).then(|| 65_535 - stream.inflow),
            };
            if let Some(by) = by {
                stream.inflow += by;
                self.out.extend(number(kind::WINDOW_UPDATE, id, by as u32));
            }
        }
    }

    /// Nothing is to be done for a stream: is it time for the end? Whether something was done.
    fn finish(&mut self, now: Instant) -> bool {
        let is_patient = self
            .plan
            .patience
            .is_none_or(|(after, bytes)| now < self.began + after && self.peer.received < bytes);
        let all = self.begun.iter().all(|begun| match begun {
            None => !self.may_begin(),
            Some(begun) => self.is_over(begun.id),
        });
        if self.is_ending || (is_patient && !all) {
            return false;
        }
        let is_settled = self.peer.unheard() == 0 && self.peer.pongs == self.pinged;
        let is_preface = matches!(self.plan.raw, Raw::First(_));
        if is_patient && !is_preface && !is_settled {
            return false;
        }
        self.is_ending = true;
        self.raw();
        match self.plan.ending {
            Ending::AwaitEnd => self.plan.reading = Reading::Eagerly,
            Ending::GoAway => self.out.extend(wire::goaway(0, 0)),
            Ending::HalfClose => self.link.borrow_mut().client_ends(now),
            Ending::Leave => self.end = Some(End::Ours),
            Ending::Reset => {
                self.link.borrow_mut().client_resets(now);
                self.end = Some(End::Ours);
            }
        }
        true
    }

    fn raw(&mut self) {
        let lines = [(":method", "GET"), (":scheme", "http"), (":path", "/nothing")];
        match self.plan.raw {
            Raw::Nothing | Raw::First(_) => (),
            Raw::HalfBlock => self.out.extend(frame(kind::HEADERS, 1, self.next, &plain(&lines))),
            Raw::HalfFrame => self.out.extend(&frame(kind::PING, 0, 0, &[0; 8])[..12]),
            Raw::Bad(choice) => {
                let bad = Plan::bad(choice, self.next);
                self.plan.verdict = Verdict::Closed(bad.code);
                self.out.extend(bad.bytes);
            }
        }
        if !matches!(self.plan.raw, Raw::Nothing | Raw::First(_)) {
            // What is answered there is not looked at, but it must be well-formed.
            (0..400).for_each(|n| self.peer.begin(self.next + 2 * n, false));
        }
    }
}
