//! Streams between QUIC and HTTP/3: what came goes up as far as it is wanted, what is to be sent goes down as far as there is
//! room; the rest waits, in QUIC where it can.

use std::collections::VecDeque;

use trilane_quic::{Read, Session};
use trilane_semantics::{Command, Instant, Machine, Part, Payload};

use crate::connection::{Connection, Received};
use crate::host::Host;

/// The streams that a server begins (RFC 9114 §6.2): control, and those of QPACK.
const OF_SERVER: [u64; 3] = [3, 7, 11];
/// Those that a client begins.
const OF_CLIENT: [u64; 3] = [2, 6, 10];

/// The most that small pieces are joined to, in bytes.
const JOINED: usize = 4 << 10;

/// What waits between the two.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Streams that have something to read that is not wanted yet. No more than there are streams.
    held: Vec<u64>,
    /// What QUIC had no room for, by stream: framing mostly, for content waits above.
    waiting: Vec<Waiting>,
    /// Bytes of it.
    waiting_bytes: usize,
    /// Streams that content was written to, and that go on. Used within a call.
    unfinished: Vec<u64>,
    /// How many streams the peer had stopped when that was last asked.
    stopped: u64,
    /// The connection is to be closed with this code, once everything before it is sent.
    pub(super) close: Option<u64>,
}

/// What waits to be sent on a stream, in order.
#[derive(Debug)]
struct Waiting {
    stream: u64,
    pieces: VecDeque<Payload>,
    fin: bool,
}

impl Flow {
    /// Moves everything that can be moved.
    pub(super) fn run(
        &mut self,
        host: &Host,
        now: Instant,
        session: &mut Session,
        connection: &mut Connection<impl Machine<Stream = u64>>,
        scratch: &mut [u8],
    ) {
        self.look_for_stopped(host, now, session, connection);
        // Each round has moved something: the bytes that came, or the room that there is, are its bound.
        loop {
            let mut has_moved = false;
            for stream in std::mem::take(&mut self.held) {
                // Nothing of it was wanted; but that it was given up, or has only ended, is.
                has_moved |= match session.read(stream, &mut []) {
                    Read::Bytes(_, false) => {
                        self.read(host, now, session, connection, stream, scratch)
                    }
                    Read::Bytes(_, true) => {
                        connection.receive(host, now, stream, Received::copied(&[]), true);
                        true
                    }
                    Read::Reset(code) => {
                        connection.receive_reset(host, now, stream, code);
                        true
                    }
                    Read::Nothing => false,
                };
            }
            while let Some(stream) = session.next_readable() {
                has_moved |= self.read(host, now, session, connection, stream, scratch);
            }
            // Before anything is asked to be written: what is answered already takes no part in that.
            has_moved |= self.put_out(host, now, session, connection);
            while let Some(stream) = session.next_writable() {
                has_moved |= self.writable(host, now, session, connection, stream);
            }
            // All that was asked has its stream by now: what is left is for requests to come.
            if !has_moved && !connection.set_streams(session.streams_left()) {
                return;
            }
            connection.attend(host, now);
        }
    }

    /// Tells of streams that the peer wants nothing more of. quiche names only those that could not be written to before: of others,
    /// whose answer is still being made, one has to ask.
    fn look_for_stopped(
        &mut self,
        host: &Host,
        now: Instant,
        session: &mut Session,
        connection: &mut Connection<impl Machine<Stream = u64>>,
    ) {
        let stopped = session.stopped();
        if std::mem::replace(&mut self.stopped, stopped) == stopped || connection.cause().is_some()
        {
            return;
        }
        self.unfinished.extend(if session.is_dialed() { OF_CLIENT } else { OF_SERVER });
        self.unfinished.extend(connection.exchanges().map(|id| id.0));
        for stream in self.unfinished.drain(..) {
            if let Err(stopped) = session.room(stream) {
                connection.receive_stop(host, now, stream, stopped.0);
            }
        }
    }

    /// Reads a stream as far as it is wanted. Whether there was anything.
    fn read(
        &mut self,
        host: &Host,
        now: Instant,
        session: &mut Session,
        connection: &mut Connection<impl Machine<Stream = u64>>,
        stream: u64,
        scratch: &mut [u8],
    ) -> bool {
        let mut has_read = false;
        loop {
            let most = connection.wanted(host, stream).min(scratch.len());
            if most == 0 {
                if !self.held.contains(&stream) {
                    self.held.push(stream);
                }
                return has_read;
            }
            match session.read(stream, &mut scratch[..most]) {
                Read::Bytes(len, fin) => {
                    has_read = true;
                    if is_bidirectional(stream)
                        && let Ok(room) = session.room(stream)
                    {
                        connection.set_room(stream, room);
                    }
                    let received = Received::copied(&scratch[..len]);
                    connection.receive(host, now, stream, received, fin);
                    if fin {
                        return true;
                    }
                }
                Read::Nothing => return has_read,
                Read::Reset(code) => {
                    connection.receive_reset(host, now, stream, code);
                    return true;
                }
            }
        }
    }

    /// A stream takes something again, or its peer wants nothing more. Whether that has moved anything.
    fn writable(
        &mut self,
        host: &Host,
        now: Instant,
        session: &mut Session,
        connection: &mut Connection<impl Machine<Stream = u64>>,
        stream: u64,
    ) -> bool {
        let has_sent = self.write_waiting(session, stream);
        let room = session.room(stream);
        match room {
            Ok(room) => connection.set_room(stream, room),
            Err(_) => self.forget(stream),
        }
        if has_sent || room.is_err() {
            connection.passed_on(host, now, self.waiting_bytes);
        }
        match room {
            Ok(0) => return has_sent,
            Ok(_) => {}
            Err(stopped) => {
                connection.receive_stop(host, now, stream, stopped.0);
                return true;
            }
        }
        // Whether somebody waited for that room, only the machine knows.
        connection.look(host, now) || has_sent
    }

    /// Gives QUIC what the connection has to send. Whether there was anything.
    pub(super) fn put_out(
        &mut self,
        host: &Host,
        now: Instant,
        session: &mut Session,
        connection: &mut Connection<impl Machine<Stream = u64>>,
    ) -> bool {
        let mut has_sent = false;
        while let Some(mut out) = connection.take_output(host, now) {
            has_sent = true;
            let mut parts = out.drain().peekable();
            while let Some((stream, part)) = parts.next() {
                // The end of a stream goes with the last bytes before it: a packet less, perhaps.
                let is_end = |next: &(u64, Part<'_>)| {
                    next.0 == stream && next.1 == Part::Command(Command::Fin)
                };
                match part {
                    Part::Framing(bytes) => {
                        let fin = parts.next_if(is_end).is_some();
                        self.write(session, stream, bytes, fin);
                        self.note(stream, fin);
                    }
                    Part::Payload(payload) => {
                        let fin = parts.next_if(is_end).is_some();
                        self.pass(session, stream, payload, fin);
                        self.note(stream, fin);
                    }
                    // Nobody waits for those; what does not go now is lost.
                    Part::Datagram(bytes) => drop(session.send_datagram(bytes)),
                    Part::Command(command) => self.obey(session, stream, command),
                }
            }
            drop(parts);
            connection.take_back(out);
            for stream in self.unfinished.drain(..) {
                if let Ok(room) = session.room(stream) {
                    connection.set_room(stream, room);
                }
            }
            connection.passed_on(host, now, self.waiting_bytes);
        }
        has_sent
    }

    /// A request stream that goes on is asked afterwards how much it takes.
    fn note(&mut self, stream: u64, fin: bool) {
        if !fin && is_bidirectional(stream) && self.unfinished.last() != Some(&stream) {
            self.unfinished.push(stream);
        }
    }

    fn obey(&mut self, session: &mut Session, stream: u64, command: Command) {
        match command {
            Command::Fin => self.write(session, stream, b"", true),
            Command::Reset(code) => {
                self.forget(stream);
                session.reset(stream, code);
            }
            Command::StopSending(code) => session.stop(stream, code),
            Command::Prioritize(priority) => session.prioritize(stream, priority),
            Command::Close(code) => self.close = Some(code),
            _ => {}
        }
    }

    /// Writes bytes, or what of them does not go now behind what waits.
    fn write(&mut self, session: &mut Session, stream: u64, bytes: &[u8], fin: bool) {
        let mut taken = 0;
        if !self.waits(stream) {
            match session.write(stream, bytes, fin) {
                Ok(all) if all == bytes.len() => return,
                Ok(some) => taken = some,
                // It is told when the stream is next found writable.
                Err(_) => return,
            }
        }
        // The peer may not let us open it at all: nobody waits for that.
        if taken == 0 && is_spare(stream) {
            return;
        }
        self.keep(stream, bytes[taken..].to_vec().into(), fin);
    }

    /// The same for content, which is moved.
    fn pass(&mut self, session: &mut Session, stream: u64, mut content: Payload, fin: bool) {
        if !self.waits(stream) {
            match session.write_payload(stream, &mut content, fin) {
                Ok(true) => return,
                Ok(false) if content.is_empty() && !fin => return,
                Ok(false) => {}
                Err(_) => return,
            }
        }
        self.keep(stream, content, fin);
    }

    /// Whether something waits on a stream.
    fn waits(&self, stream: u64) -> bool {
        // Or, as a mistake on purpose (`make planted`), on any.
        let any = cfg!(planted = "h3_waits");
        self.waiting.iter().any(|waiting| any || waiting.stream == stream)
    }

    fn keep(&mut self, stream: u64, piece: Payload, fin: bool) {
        self.waiting_bytes += piece.len();
        let at = self.waiting.iter().position(|waiting| waiting.stream == stream);
        let at = at.unwrap_or_else(|| {
            self.waiting.push(Waiting { stream, pieces: VecDeque::new(), fin: false });
            self.waiting.len() - 1
        });
        let waiting = &mut self.waiting[at];
        waiting.fin |= fin;
        if piece.is_empty() {
            return;
        }
        // A piece takes more memory than its bytes: small ones become one, or a peer that takes nothing would have many.
        match waiting.pieces.back_mut() {
            Some(last) if last.len() + piece.len() <= JOINED => {
                *last = [last.as_ref(), piece.as_ref()].concat().into();
            }
            _ => waiting.pieces.push_back(piece),
        }
    }

    /// Writes what waits on a stream. Whether anything went.
    fn write_waiting(&mut self, session: &mut Session, stream: u64) -> bool {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.stream == stream) else {
            return false;
        };
        let waiting = &mut self.waiting[at];
        let mut has_sent = false;
        loop {
            let fin = waiting.fin && waiting.pieces.len() <= 1;
            let mut piece = waiting.pieces.pop_front().unwrap_or_default();
            let before = piece.len();
            let written = session.write_payload(stream, &mut piece, fin);
            has_sent |= piece.len() < before || written == Ok(true);
            self.waiting_bytes -= before - piece.len();
            match written {
                Ok(is_done) => {
                    let is_whole = piece.is_empty() && (!fin || is_done);
                    if !piece.is_empty() {
                        waiting.pieces.push_front(piece);
                    }
                    if !is_whole {
                        return has_sent;
                    }
                    if waiting.pieces.is_empty() {
                        self.waiting.swap_remove(at);
                        return has_sent;
                    }
                }
                Err(_) => {
                    self.waiting_bytes -= piece.len();
                    self.forget(stream);
                    return true;
                }
            }
        }
    }

    /// Throws away what waits on a stream.
    fn forget(&mut self, stream: u64) {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.stream == stream) {
            let gone = self.waiting.swap_remove(at);
            self.waiting_bytes -= gone.pieces.iter().map(Payload::len).sum::<usize>();
        }
    }
}

/// RFC 9000 §2.1.
const fn is_bidirectional(stream: u64) -> bool {
    stream & 2 == 0
}

/// Whether it is one that nobody needs: three of ours are sure to be allowed (RFC 9114 §6.2), and others only pretend to be
/// something (§6.2.3).
const fn is_spare(stream: u64) -> bool {
    !is_bidirectional(stream) && stream >> 2 >= 3
}
