//! What goes into a socket: memory by the ring, files and pipes by calls that never wait.

use std::io;

use trilane_connection::Host;
use trilane_semantics::{Cause, Instant};

use super::{Socket, Turn, Waits, is_later};
use crate::ring::{Ring, Submission};
use crate::sending::{Next, Reader, Reads, Sending, Sendings, Wanted};
use crate::slots::Key;
use crate::sys;
use crate::token::{Op, Token};

/// Bytes of a file that are read at once when they are not in memory.
const READ: usize = 256 << 10;

/// Bytes of a pipe that are sent at once: more cost more each (measured).
const PIECE: usize = 256 << 10;
/// How often a socket may send of pipes in a turn, so that others have theirs.
const PIECES: usize = 4;

impl Socket {
    /// A send is over.
    pub(crate) fn sent(
        &mut self,
        host: &Host,
        now: Instant,
        result: i32,
        mut sending: Box<Sending>,
    ) {
        self.waits = Waits::No;
        match usize::try_from(result) {
            Ok(n) => self.advance(host, now, n, sending),
            Err(_) if sending.falls_back(result) => self.sending = Some(sending),
            Err(_) => {
                self.ended = true;
                self.conversation.failed(host, now);
            }
        }
    }

    /// `n` bytes more of `sending` were sent.
    fn advance(&mut self, host: &Host, now: Instant, n: usize, mut sending: Box<Sending>) {
        host.stats().sent.add(n as u64);
        self.traffic.send(now, n as u64);
        sending.advance(n);
        if n > 0 && !matches!(sending.next(), Next::Done) {
            self.conversation.progress(host, now);
        }
        self.sending = Some(sending);
    }

    /// A send is over but for the memory, which the kernel still reads: it outlives the socket, if need be.
    pub(crate) const fn is_held(&mut self) {
        self.under_way -= 1;
        self.waits = Waits::Notice;
    }

    /// There may be room to send again.
    pub(crate) const fn writable(&mut self) {
        self.under_way -= 1;
        self.waits = Waits::No;
    }

    /// Bytes of a file were read that had not been in memory.
    pub(crate) fn filled(&mut self, host: &Host, now: Instant, result: io::Result<Vec<u8>>) {
        self.under_way -= 1;
        self.waits = Waits::No;
        match result {
            Ok(bytes) if !bytes.is_empty() => {
                self.conversation.progress(host, now);
                if let Some(sending) = &mut self.sending {
                    sending.fill(bytes);
                }
            }
            // It was promised, and is not there any more.
            Ok(_) | Err(_) => {
                // Nothing more of it is read or sent.
                self.sending = None;
                self.conversation.shut(host, now, Cause::Aborted);
            }
        }
    }

    /// Tells the conversation if the peer has taken something since the last time: the kernel finishes a send by
    /// itself, and says nothing before.
    pub(crate) fn note_progress(&mut self, host: &Host, now: Instant) {
        match self.waits {
            Waits::No => return,
            Waits::Connect => return,
            // It is the disk that takes its time.
            Waits::Read => return self.conversation.progress(host, now),
            Waits::Notice | Waits::Room | Waits::Send => {}
        }
        // The kernel's count only grows, and not by 4 GiB to the byte between two looks.
        let acknowledged = sys::bytes_acknowledged(&self.descriptor).unwrap_or(0) as u32;
        if acknowledged != self.acknowledged {
            self.acknowledged = acknowledged;
            self.conversation.progress(host, now);
        }
    }

    pub(super) fn drive_send(
        &mut self,
        host: &Host,
        now: Instant,
        key: Key,
        ring: &mut Ring,
        sendings: &mut Sendings,
        reads: &mut Reads,
    ) {
        let (mut files, mut pieces) = (Turn::Fresh, 0);
        while self.waits == Waits::No {
            let sending = match self.sending.take() {
                // The rest: the kernel took only a part.
                Some(sending) => Some(sending),
                None => {
                    let outbox = self.conversation.take_output(host, now);
                    outbox.map(|outbox| sendings.take(outbox))
                }
            };
            let Some(sending) = sending else { return };
            match sending.next() {
                Next::Bytes => {
                    sendings.start(sending, &self.descriptor, key, self.extent, ring);
                    self.waits = Waits::Send;
                    self.under_way += 1;
                }
                Next::Done => {
                    let ends = sending.ends();
                    host.give_outbox(sendings.give(sending));
                    if ends {
                        self.shut_write();
                    }
                    self.conversation.sent(host, now);
                }
                Next::File(..) | Next::Pipe(..) if files == Turn::Over => {
                    self.sending = Some(sending);
                    self.wait_for_room(key, ring);
                }
                Next::File(file, at, len) if sys::is_resident(&file, at, len) => {
                    files = Turn::Over;
                    let sent = sys::send_file(&self.descriptor, &file, at, len);
                    host.stats().file_sent.add(sent.as_ref().map_or(0, |&n| n as u64));
                    self.moved(host, now, sending, sent);
                }
                Next::Pipe(pipe, len, followed) => {
                    let (piece, followed) = (len.min(PIECE), followed || len > PIECE);
                    let sent = sys::splice::to_socket(&pipe, &self.descriptor, piece, followed);
                    let n = sent.as_ref().map_or(0, |&n| n);
                    host.stats().piped.add(n as u64);
                    pieces += 1;
                    if pieces == PIECES || n < piece {
                        files = Turn::Over;
                    }
                    self.moved(host, now, sending, sent);
                }
                Next::File(file, at, len) => {
                    self.sending = Some(sending);
                    let (most, reader) = (len.min(READ), Reader::Socket(key));
                    reads.start(Wanted { file, at, most, reader }, ring);
                    self.waits = Waits::Read;
                    self.under_way += 1;
                }
            }
        }
    }

    /// What became of a range of a file, or of a pipe's content: the next try, if one is needed, is for another turn.
    fn moved(
        &mut self,
        host: &Host,
        now: Instant,
        sending: Box<Sending>,
        result: io::Result<usize>,
    ) {
        match result {
            // It has become shorter than was promised.
            Ok(0) => self.conversation.shut(host, now, Cause::Aborted),
            Ok(n) => self.advance(host, now, n, sending),
            Err(error) if is_later(&error) => self.sending = Some(sending),
            Err(_) => {
                self.ended = true;
                self.conversation.failed(host, now);
            }
        }
    }

    /// Goes on when the peer has taken something, in another turn at the earliest.
    fn wait_for_room(&mut self, key: Key, ring: &mut Ring) {
        ring.push(Submission::writable(&self.descriptor, Token { key, op: Op::Writable }));
        self.waits = Waits::Room;
        self.under_way += 1;
    }
}
