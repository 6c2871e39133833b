//! Our client role of HTTP/2 over a socket: against nginx and h2o, against a hostile scripted server, and against ourselves.
//!
//! `real` starts programs of others, `nginx` and `h2o` ask them; `hostile` is a server that does all it should not; `push` is
//! a connection of ours that makes promises. `smuggling` is our proxy in front of servers that read as they like (`lenient`), with
//! rows of `proxied`.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant as Clock};

use trilane_http2::Http2;
use trilane_semantics::{
    Cause, Content, Effect, Event, ExchangeId, Input, Instant, Limits, Machine as _, Method,
    Misuse, Next, Outbox, Payload, Piece, Reason, RequestHead, Scope,
};

mod h2o;
mod hostile;
mod lenient;
mod nginx;
mod proxied;
mod push;
pub(crate) mod real;
mod smuggling;

/// What anything waits for at most.
const SOON: Duration = Duration::from_secs(10);

/// What came of an exchange.
#[derive(Debug, Default)]
struct Reply {
    status: Option<u16>,
    interim: Vec<u16>,
    content: Vec<u8>,
    has_trailers: bool,
    end: Option<Ending>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Complete,
    /// The peer gave it up, with this code.
    Reset(u64, Effect),
    /// The peer broke the rules, or a limit.
    Fault(Reason),
}

/// A client that waits for what it asks for.
struct Client {
    machine: Http2,
    socket: TcpStream,
    input: Vec<u8>,
    fin: bool,
    /// Content is released as it comes.
    releases: bool,
    began: Clock,
    replies: BTreeMap<u64, Reply>,
    /// Content that waits for its turn, and whether it ends then.
    waiting: BTreeMap<u64, Payload>,
    promises: Vec<(u64, String)>,
    /// Why the connection ended.
    cause: Option<Cause>,
    /// The most that was ever kept of what came, in bytes.
    most: usize,
}

impl Client {
    fn open(address: SocketAddr, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        socket.set_write_timeout(Some(SOON)).unwrap();
        Self {
            machine: Http2::client(Rc::new(limits.usable()), Instant::default()),
            socket,
            input: Vec::new(),
            fin: false,
            releases: true,
            began: Clock::now(),
            replies: BTreeMap::new(),
            waiting: BTreeMap::new(),
            promises: Vec::new(),
            cause: None,
            most: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::default() + self.began.elapsed()
    }

    /// Begins a request; its content follows as the windows allow.
    fn ask(
        &mut self,
        method: Method,
        target: &str,
        content: Option<Vec<u8>>,
    ) -> Result<u64, Misuse> {
        let head = RequestHead::new(method, target).unwrap();
        let follows = content.as_ref().map_or(Content::None, |it| Content::Exact(it.len() as u64));
        let mut out = Outbox::new();
        let id = self.machine.request(&head, follows, &mut out)?;
        self.replies.insert(id.0, Reply::default());
        if let Some(content) = content {
            self.waiting.insert(id.0, Payload::from(content));
            self.go_on(id, &mut out);
        }
        self.put(out);
        Ok(id.0)
    }

    fn get(&mut self, target: &str) -> u64 {
        self.ask(Method::GET, target, None).unwrap()
    }

    /// Sends more of a request's content.
    fn go_on(&mut self, id: ExchangeId, out: &mut Outbox) {
        let Some(payload) = self.waiting.get_mut(&id.0) else { return };
        assert_eq!(self.machine.send_body(id, payload, usize::MAX, out), Ok(()));
        if payload.is_empty() {
            self.waiting.remove(&id.0);
        }
    }

    /// One turn: what has come, what it says, what that brings about.
    fn turn(&mut self) {
        let mut buffer = [0; 64 << 10];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.fin = true,
            Ok(n) => self.input.extend_from_slice(&buffer[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => (),
            Err(_) => self.fin = true,
        }
        let (bytes, mut out) = (std::mem::take(&mut self.input), Outbox::new());
        let mut input = Input::new((), &bytes, self.fin);
        let now = self.now();
        if let Err(fault) = self.machine.handle_timeout(now) {
            self.note_fault(fault);
        }
        loop {
            match self.machine.poll_event(now, &mut input) {
                Ok(Next::Event(event)) => self.note(event, &mut out),
                Ok(Next::NeedInput) => break,
                Ok(Next::Closed(closed)) => {
                    self.cause.get_or_insert(closed.cause);
                    break;
                }
                Ok(Next::Paused(why)) => panic!("never pauses: {why:?}"),
                Err(fault) => self.note_fault(fault),
            }
        }
        self.input = input.bytes().to_vec();
        if self.cause.is_none() {
            self.most = self.most.max(self.input.len());
        }
        self.machine.flush(now, &mut out);
        self.put(out);
    }

    fn note_fault(&mut self, fault: trilane_semantics::Fault) {
        if let Scope::Exchange(id) = fault.scope {
            self.reply(id).end = Some(Ending::Fault(fault.reason));
            self.waiting.remove(&id.0);
        }
    }

    fn reply(&mut self, id: ExchangeId) -> &mut Reply {
        self.replies.get_mut(&id.0).expect("nobody asked for that")
    }

    fn note(&mut self, event: Event<'_>, out: &mut Outbox) {
        match event {
            Event::Response { id, head, content } => {
                let reply = self.reply(id);
                assert_eq!(reply.status.replace(head.status.as_u16()), None);
                if content == Content::None {
                    reply.end = Some(Ending::Complete);
                }
            }
            Event::Interim { id, head } => self.reply(id).interim.push(head.status.as_u16()),
            Event::Promise { promised, head, .. } => {
                self.promises.push((promised.0, head.target().to_owned()));
                self.replies.insert(promised.0, Reply::default());
            }
            Event::Body { id, data } => {
                self.reply(id).content.extend_from_slice(data);
                if self.releases {
                    self.machine.release(id, data.len());
                }
            }
            Event::Trailers { id, .. } => self.reply(id).has_trailers = true,
            Event::End { id } => {
                assert_eq!(self.reply(id).end.replace(Ending::Complete), None);
            }
            Event::Reset { id, code, effect } => {
                self.waiting.remove(&id.0);
                // It may come after the end: what we were still sending is not wanted.
                if let Some(reply) = self.replies.get_mut(&id.0) {
                    reply.end.get_or_insert(Ending::Reset(code, effect));
                }
            }
            Event::Writable { id } => self.go_on(id, out),
            other => panic!("{other:?}"),
        }
    }

    fn put(&mut self, out: Outbox) {
        for piece in out.pieces() {
            let Piece::Bytes(bytes) = piece else { panic!("not bytes: {piece:?}") };
            // Who has closed does not read, and what it said last may be on its way still.
            let _ = self.socket.write_all(bytes);
        }
    }

    /// Takes turns until it is so.
    #[track_caller]
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let end = Clock::now() + SOON;
        while !is_so(self) {
            assert!(Clock::now() < end, "never: {what}: {:?}", self.cause);
            self.turn();
        }
    }

    /// Waits for the end of an exchange.
    #[track_caller]
    fn reply_to(&mut self, id: u64) -> Reply {
        self.until("an answer", |it| it.replies[&id].end.is_some() || it.cause.is_some());
        self.replies.remove(&id).unwrap()
    }

    /// Waits for the end of the connection.
    #[track_caller]
    fn end(&mut self) -> Cause {
        self.until("the end", |it| it.cause.is_some());
        self.cause.unwrap()
    }
}
