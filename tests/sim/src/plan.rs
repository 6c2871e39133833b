//! What a client does on one connection: the kinds of behaviour, good and bad, and how each is judged.

use std::time::Duration;

use crate::answer::Parser;
use crate::ask::{Ask, Check, Framing, TOO_SLOW};
use crate::bad;
use crate::pipe::Cuts;
use crate::rng::Rng;
use crate::strange::LAZY;

/// One step of a client.
#[derive(Clone, Debug)]
pub enum Op {
    /// Write these bytes.
    Send(Vec<u8>),
    /// Wait for that many complete answers, or for the end.
    Await(usize),
    /// Wait for an interim answer, or for a final one, or for the end; then send these bytes, if it was
    /// an interim one.
    SendIfContinued(Vec<u8>),
    /// Wait until that many bytes have come, or for the end.
    AwaitBytes(usize),
    /// Wait until the server has closed.
    AwaitEnd,
    /// Do nothing but read.
    Pause(Duration),
    /// Read nothing any more, or again.
    Read(Reading),
    /// Close the sending half.
    HalfClose,
    /// Close, reading nothing more.
    Leave,
    /// Abort.
    Reset,
}

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All that comes.
    Eagerly,
    /// One piece, then a pause.
    Slowly(Duration),
    /// Nothing.
    Never,
}

/// What must be true at the end of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every request has its right answer, and no other came.
    All,
    /// The first requests have their right answers, then one of that status came and the server closed.
    Refused(u16),
    /// The last answer began and was cut by the server.
    Cut,
    /// What came is right, as far as it came: the client did not wait.
    Partly,
    /// Nothing came but the end.
    Silence,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $id:ident,)*) => {
        /// What a client is like on one connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $id,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$id,)*];
        }
    };
}

kinds! {
    /// Sends what a server must refuse.
    BadBytes,
    /// Says `connection: close`.
    CloseAsked,
    /// Waits for 100 (Continue).
    Expecting,
    /// Waits for 100 (Continue) and gets a final answer.
    ExpectingInVain,
    /// Sends many requests for much, and reads nothing for a while.
    Greedy,
    /// Closes its half after the request, and reads on.
    HalfClosing,
    /// Speaks HTTP/1.0.
    Http10,
    /// Speaks HTTP/1.0 and asks to keep the connection.
    Http10KeepAlive,
    /// One request after the other.
    KeepAlive,
    /// Asks for what panics after its head.
    LatePanic,
    /// Sends the rest of its content only when the handler has been too slow with what came.
    LateRest,
    /// Leaves while its answer comes.
    LeavingInAnswer,
    /// Leaves in the middle of its content.
    LeavingInBody,
    /// Leaves in the middle of a head.
    LeavingInHead,
    /// Leaves without a word.
    LeavingUnheard,
    /// Leaves while the handler works.
    LeavingWhileWaiting,
    /// Sends several requests at once.
    Pipelining,
    /// Aborts in the middle of its content.
    ResettingInBody,
    /// Aborts between two requests.
    ResettingIdle,
    /// Aborts while its answer comes.
    ResettingInAnswer,
    /// Reads a piece now and then.
    SlowReading,
    /// Waits for a handler that takes too long.
    SlowHandler,
    /// Never says a word.
    StallingAtFirst,
    /// Stops in the middle of its content.
    StallingInBody,
    /// Stops in the middle of a head.
    StallingInHead,
    /// Stops reading.
    StallingReader,
    /// Never says a second word.
    StallingSecond,
    /// Promises more than the route takes.
    TooMuch,
    /// Opens a tunnel.
    Tunnelling,
    /// Asks for an upgrade that nobody offers.
    UpgradingInVain,
}

/// All that a client will do on one connection.
#[derive(Debug)]
pub struct Plan {
    /// What it is like.
    pub kind: Kind,
    /// The requests, in order.
    pub asks: Vec<Ask>,
    /// The steps, in order.
    pub ops: Vec<Op>,
    /// What must be true in the end.
    pub verdict: Verdict,
    /// How its bytes are cut.
    pub cuts: Cuts,
}

impl Plan {
    /// A plan of that kind.
    #[must_use]
    pub fn new(kind: Kind, rng: &mut Rng) -> Self {
        let cuts = rng.pick(&[Cuts::Bytes, Cuts::Pieces, Cuts::Pieces, Cuts::Whole]);
        let mut plan =
            Self { kind, asks: Vec::new(), ops: Vec::new(), verdict: Verdict::All, cuts };
        match kind {
            Kind::KeepAlive | Kind::Pipelining | Kind::Greedy | Kind::SlowReading => plan.good(rng),
            Kind::CloseAsked | Kind::HalfClosing | Kind::Http10 | Kind::Http10KeepAlive => {
                plan.last_word(rng);
            }
            Kind::Expecting | Kind::ExpectingInVain => plan.expecting(rng),
            Kind::LateRest => plan.late_rest(rng),
            Kind::Tunnelling | Kind::UpgradingInVain => plan.tunnel(rng),
            Kind::BadBytes | Kind::TooMuch | Kind::SlowHandler | Kind::LatePanic => {
                plan.refused(rng);
            }
            Kind::StallingAtFirst
            | Kind::StallingInBody
            | Kind::StallingInHead
            | Kind::StallingReader
            | Kind::StallingSecond => plan.stalling(rng),
            _ => plan.leaving(rng),
        }
        plan
    }

    /// For each request whether it is HEAD.
    #[must_use]
    pub fn heads(&self) -> Vec<bool> {
        self.asks.iter().map(|ask| ask.is_head).collect()
    }

    fn ask(&mut self, ask: Ask) {
        self.ops.push(Op::Send(ask.wire()));
        self.asks.push(ask);
    }

    fn answered(&mut self) {
        self.ops.push(Op::Await(self.asks.len()));
    }

    fn good(&mut self, rng: &mut Rng) {
        let n = rng.range(1, 7);
        match self.kind {
            Kind::Greedy => {
                self.ops.push(Op::Read(Reading::Never));
                (0..16).for_each(|_| self.ask(Ask::sized(65_536)));
                self.ops.push(Op::Pause(Duration::from_secs(5)));
                self.ops.push(Op::Read(Reading::Eagerly));
            }
            Kind::SlowReading => {
                // The slower one takes more than the time in which something must be taken.
                let (pause, n) = rng.pick(&[(150, 1_000), (150, 200_000), (1_000, LONG)]);
                self.ops.push(Op::Read(Reading::Slowly(Duration::from_millis(pause))));
                self.ask(Ask::sized(n));
                self.ask(Ask::echo(rng, "/echo/stream"));
            }
            Kind::Pipelining => (0..n).for_each(|_| self.ask(Ask::any(rng))),
            _ => {
                for _ in 0..n {
                    self.ask(Ask::any(rng));
                    self.answered();
                    self.ops.push(Op::Pause(Duration::from_millis(rng.range(0, 20))));
                }
            }
        }
        self.answered();
    }

    fn last_word(&mut self, rng: &mut Rng) {
        let (version, fields) = match self.kind {
            Kind::CloseAsked => ("HTTP/1.1", "connection: close\r\n"),
            Kind::Http10 => ("HTTP/1.0", ""),
            Kind::Http10KeepAlive => ("HTTP/1.0", "connection: keep-alive\r\n"),
            _ => ("HTTP/1.1", ""),
        };
        let (target, check) = match rng.range(0, 3) {
            0 => ("/plaintext", Check::Exact(b"Hello, World!".to_vec())),
            1 => ("/bytes/200000", Check::Exact(vec![b'x'; 200_000])),
            _ => ("/stream/4", Check::AtLeast(4)),
        };
        let ask = Ask::new("GET", target, version, fields).expecting(200, check);
        if self.kind == Kind::Http10KeepAlive && target != "/stream/4" {
            self.ask(ask.clone());
            self.answered();
        }
        self.ask(ask);
        if self.kind == Kind::HalfClosing {
            self.ops.push(Op::HalfClose);
        }
        self.answered();
        if self.kind == Kind::CloseAsked && rng.per_mille(500) {
            // RFC 9112 §9.6: a server MUST NOT process requests after the one that said close.
            self.ops.push(Op::Send(Ask::sized(1).wire()));
        }
        if self.kind != Kind::Http10KeepAlive {
            self.ops.push(Op::AwaitEnd);
        }
    }

    fn expecting(&mut self, rng: &mut Rng) {
        let is_vain = self.kind == Kind::ExpectingInVain;
        let content = rng.bytes(5000);
        let targets = ["/echo", "/echo/stream", "/sim/fidget", "/upload"];
        let target = if is_vain { "/nothing" } else { rng.pick(&targets) };
        let fields = "expect: 100-continue\r\n";
        let framing = rng.pick(&[Framing::Length, Framing::Chunked]);
        let ask = Ask::post(rng, target, fields, &content, framing);
        let ask = match target {
            "/nothing" => ask.expecting(404, Check::Any),
            "/upload" => ask.expecting(200, Check::Exact(b"{\"bytes\":5000}".to_vec())),
            _ => ask.expecting(200, Check::Exact(content)),
        };
        self.ops.push(Op::Send(ask.head.clone()));
        self.ops.push(Op::SendIfContinued(ask.body.clone()));
        self.asks.push(ask);
        self.answered();
    }

    fn late_rest(&mut self, rng: &mut Rng) {
        // Whole, all of it would be taken before the last rest.
        self.cuts = Cuts::Pieces;
        let content = rng.bytes(LAZY);
        let ask = Ask::post(rng, "/sim/lazy", "", &content, Framing::Length);
        let wire = ask.wire();
        let (front, rest) = wire.split_at(wire.len() - rng.range(1, 100) as usize);
        self.ops.push(Op::Send(front.to_vec()));
        self.asks.push(ask.expecting(504, Check::Any));
        self.answered();
        self.ops.push(Op::Send(rest.to_vec()));
        self.ask(Ask::sized(10));
        self.answered();
    }

    fn tunnel(&mut self, rng: &mut Rng) {
        let fields = "connection: upgrade\r\nupgrade: sim\r\n";
        if self.kind == Kind::UpgradingInVain {
            let check = Check::Exact(b"Hello, World!".to_vec());
            self.ask(Ask::new("GET", "/plaintext", "HTTP/1.1", fields).expecting(200, check));
            self.answered();
            self.ask(Ask::sized(10));
            self.answered();
            return;
        }
        let n = rng.range(1, 200_000) as usize;
        let content = rng.bytes(n);
        let check = Check::Exact(content.clone());
        self.ask(Ask::new("GET", "/tunnel", "HTTP/1.1", fields).expecting(101, check));
        if rng.per_mille(500) {
            self.ops.push(Op::AwaitBytes(1));
        }
        self.ops.push(Op::Send(content));
        self.ops.push(Op::Pause(Duration::from_millis(rng.range(0, 50))));
        self.ops.push(Op::HalfClose);
        self.ops.push(Op::AwaitEnd);
    }

    fn refused(&mut self, rng: &mut Rng) {
        if rng.per_mille(300) {
            self.ask(Ask::sized(10));
        }
        match self.kind {
            Kind::BadBytes => {
                let all = bad::all();
                let (bytes, reason) = &all[rng.range(0, all.len() as u64) as usize];
                self.ops.push(Op::Send(bytes.clone()));
                self.ops.push(Op::AwaitEnd);
                self.verdict = Verdict::Refused(reason.status().as_u16());
            }
            Kind::TooMuch => {
                // The head alone: a server must not wait for content that it will refuse.
                let line = "content-length: 33554433\r\n";
                let ask = Ask::new("POST", "/echo", "HTTP/1.1", line).expecting(413, Check::Any);
                self.ask(ask);
                self.answered();
            }
            Kind::SlowHandler => {
                let target = format!("/slow/{}", TOO_SLOW.as_millis());
                self.ask(Ask::get(&target, 504, Check::Any));
                self.answered();
                self.ask(Ask::sized(10));
                self.answered();
            }
            _ => {
                self.ask(Ask::get("/panic/late", 200, Check::Any));
                self.ops.push(Op::AwaitEnd);
                self.verdict = Verdict::Cut;
            }
        }
    }

    fn stalling(&mut self, rng: &mut Rng) {
        match self.kind {
            Kind::StallingAtFirst => self.verdict = Verdict::Silence,
            Kind::StallingSecond => {
                self.ask(Ask::any(rng));
            }
            Kind::StallingReader => {
                self.ops.push(Op::Read(Reading::Never));
                self.ask(Ask::sized(LONG));
                self.ops.push(Op::Pause(Duration::from_secs(60)));
                self.ops.push(Op::Read(Reading::Eagerly));
                self.verdict = Verdict::Partly;
            }
            Kind::StallingInHead => {
                self.ops.push(Op::Send(b"GET /plaintext HT".to_vec()));
                self.verdict = Verdict::Refused(408);
            }
            _ => {
                let target = rng.pick(&["/echo", "/upload"]);
                let mut wire = Ask::new("POST", target, "HTTP/1.1", "content-length: 9\r\n").wire();
                wire.extend_from_slice(rng.pick(&[&b"abc"[..], b""]));
                self.ops.push(Op::Send(wire));
                self.verdict = Verdict::Refused(408);
            }
        }
        self.ops.push(Op::AwaitEnd);
    }

    fn leaving(&mut self, rng: &mut Rng) {
        self.verdict = Verdict::Partly;
        let part = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc".to_vec();
        let leave = match self.kind {
            Kind::ResettingIdle | Kind::ResettingInAnswer | Kind::ResettingInBody => Op::Reset,
            _ => Op::Leave,
        };
        match self.kind {
            Kind::LeavingInHead => self.ops.push(Op::Send(part[..20].to_vec())),
            Kind::LeavingInBody | Kind::ResettingInBody => self.ops.push(Op::Send(part)),
            Kind::LeavingWhileWaiting => self.ask(Ask::get("/slow/3000", 200, Check::Any)),
            Kind::ResettingIdle => {
                self.ask(Ask::sized(10));
                self.answered();
            }
            Kind::LeavingInAnswer | Kind::ResettingInAnswer => {
                self.ask(match rng.range(0, 3) {
                    0 => Ask::sized(LONG),
                    1 => Ask::get("/stream/200", 200, Check::Any),
                    _ => Ask::post(rng, "/echo/stream", "", &[b'e'; 100_000], Framing::Length),
                });
                self.ops.push(Op::AwaitBytes(200));
            }
            _ => (),
        }
        self.ops.push(Op::Pause(Duration::from_micros(rng.range(0, 30_000))));
        self.ops.push(leave);
    }

    /// What is wrong in the end, if anything. `excused` when the server said that it drains: then the last
    /// requests may have no answer.
    #[must_use]
    pub fn wrong(&self, parser: &Parser, end: End, excused: bool) -> Option<String> {
        if let Some(error) = &parser.error {
            return Some(format!("malformed: {error}"));
        }
        // RFC 9110 §10.1.1: 100 (Continue) is sent once, to who waits for it; our handlers send no other.
        let waiting = self.asks.iter().filter(|ask| ask.expects()).count();
        if parser.interims.len() > waiting {
            return Some(format!("interim answers {:?} to {waiting}", parser.interims));
        }
        for (ask, answer) in self.asks.iter().zip(&parser.answers) {
            if let Some(wrong) = ask.wrong(answer) {
                return Some(wrong);
            }
        }
        if excused {
            return None;
        }
        let (complete, asked) = (parser.complete(), self.asks.len());
        let is_fin = end == End::Fin;
        let last = parser.answers.last();
        let is_right = match &self.verdict {
            Verdict::All => complete == asked && parser.answers.len() == asked,
            Verdict::Refused(status) => {
                complete == asked + 1 && is_fin && last.is_some_and(|last| last.status == *status)
            }
            Verdict::Cut => complete + 1 == asked && parser.answers.len() == asked && is_fin,
            Verdict::Partly => parser.answers.len() <= asked + 1,
            Verdict::Silence => parser.answers.is_empty() && is_fin,
        };
        let statuses: Vec<_> = parser.answers.iter().map(|answer| answer.status).collect();
        let verdict = &self.verdict;
        (!is_right).then(|| format!("{verdict:?} of {asked}: {complete} in {statuses:?}, {end:?}"))
    }
}

/// More than the network holds, and less than what may be asked for.
const LONG: usize = 310_000;

/// How a connection ended, as the client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client was done first.
    Ours,
    /// The server closed.
    Fin,
    /// It failed.
    Reset,
}
