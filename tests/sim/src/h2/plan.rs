//! What a client does on one HTTP/2 connection: the kinds of behaviour, good and bad, and what must become of each stream.

use std::time::Duration;

use crate::ask::{Check, TOO_SLOW};
use crate::h2::ask::{Length, Request};
use crate::h2::bad::{self, Bad};
use crate::h2::wire::{self, setting};
use crate::pipe::Cuts;
use crate::plan::Reading;
use crate::rng::Rng;
use crate::strange::LAZY;

/// What a client does with one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its answer comes, whole.
    Answered,
    /// Its answer comes, and then the server resets the stream, with that code; content is not sent past so many bytes.
    Refused(u32, usize),
    /// Its answer begins, and the server resets the stream, with that code.
    Cut(u32),
    /// We reset it when so much of its content was sent.
    GivenUpAfter(usize),
    /// We reset it when so much of its answer came.
    GivenUpInAnswer(usize),
    /// We reset it some time after its beginning.
    GivenUpLater(Duration),
    /// Whatever may come of it: what came is right as far as it goes.
    Any,
}

/// When a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long after the connection.
    At(Duration),
    /// When so many streams are over.
    After(usize),
}

/// A stream that is to be.
#[derive(Clone, Debug)]
pub struct Job {
    /// The request.
    pub request: Request,
    /// When it is made.
    pub when: When,
    /// What must become of it.
    pub fate: Fate,
}

/// How much a client lets the server send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grants {
    /// Windows are filled up again when half of them is used.
    Freely,
    /// So many bytes when a stream has none left, the connection freely.
    ByStream(u32),
    /// So many bytes when the connection has none left, streams freely.
    ByConnection(u32),
    /// The connection freely, streams nothing.
    Never,
}

/// What a client does when all its streams are over, or as soon as its patience ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It waits for the server to close.
    AwaitEnd,
    /// It says GOAWAY and waits for the server to close.
    GoAway,
    /// It closes its half and waits for the server to close.
    HalfClose,
    /// It closes.
    Leave,
    /// It aborts.
    Reset,
}

/// What must be true of the connection in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was wrong: no GOAWAY but that of a drain, all SETTINGS and PINGs were answered, all credit came back.
    Good,
    /// The server ended it, with this code.
    Closed(u32),
    /// Nothing but an end, and perhaps words in another protocol.
    Silence,
    /// The client did not wait: what came is right.
    Partly,
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
    /// Sends what ends the connection.
    BadFrames,
    /// Sends requests that are none, among good ones.
    BadRequests,
    /// Gives up some of its requests.
    Cancelling,
    /// Many requests at once.
    Crowd,
    /// Waits for 100 (Continue).
    Expecting,
    /// Says GOAWAY and waits for what is under way.
    GoingAway,
    /// Closes its half while answers come.
    HalfClosing,
    /// Asks for what panics after its head.
    LatePanic,
    /// Leaves while answers come.
    LeavingInAnswer,
    /// Leaves while handlers work.
    LeavingWhileWaiting,
    /// Its windows are small, and open a little at a time.
    Narrow,
    /// One request after the other.
    OneByOne,
    /// Aborts while answers come.
    ResettingInAnswer,
    /// Changes the windows of streams under way.
    Resizing,
    /// Waits for a handler that takes too long.
    SlowHandler,
    /// Reads a piece now and then.
    SlowReading,
    /// Stops in the middle of a header section.
    StallingInBlock,
    /// Stops in the middle of its content.
    StallingInBody,
    /// Stops in the middle of a frame.
    StallingInFrame,
    /// Stops in the middle of the preface.
    StallingInPreface,
    /// Never begins a stream.
    StallingIdle,
    /// Stops reading.
    StallingReader,
    /// Never opens a window.
    StallingWindow,
    /// Promises more than the route takes.
    TooMuch,
    /// Opens a tunnel (RFC 8441).
    Tunnelling,
    /// Uploads several at once.
    Uploading,
    /// Has a request that is not urgent among many that are.
    Urgent,
    /// Sends much that nobody reads, gives it up, and uploads once more.
    Wasteful,
}

/// All that a client will do on one connection.
#[derive(Debug)]
pub struct Plan {
    /// What it is like.
    pub kind: Kind,
    /// Its streams, in order.
    pub jobs: Vec<Job>,
    /// Its settings.
    pub settings: Vec<(u16, u32)>,
    /// Settings that it says later, and when.
    pub later: Option<(Duration, Vec<(u16, u32)>)>,
    /// What it grants.
    pub grants: Grants,
    /// How it reads.
    pub reading: Reading,
    /// What it sends when its streams are over, before its end.
    pub raw: Raw,
    /// After which time, or how many bytes, it does not wait for its streams any more.
    pub patience: Option<(Duration, usize)>,
    /// How it ends.
    pub ending: Ending,
    /// What must be true in the end.
    pub verdict: Verdict,
    /// How its bytes are cut.
    pub cuts: Cuts,
}

/// Bytes that are no part of a stream.
#[derive(Clone, Debug)]
pub enum Raw {
    /// None.
    Nothing,
    /// Instead of a preface.
    First(Vec<u8>),
    /// One of the bad ones, or a piece of something good; the number chooses.
    Bad(usize),
    /// The front of a header section that never goes on.
    HalfBlock,
    /// The front of a frame that never goes on.
    HalfFrame,
}

/// More than a window holds that nobody has opened.
const LONG: usize = 290_000;
/// What the one that is not urgent asks for, in bytes.
pub(super) const LATE: usize = 50_000;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Plan {
    /// A plan of that kind.
    #[must_use]
    pub fn new(kind: Kind, rng: &mut Rng) -> Self {
        // Content that comes byte by byte for as long as it lasts is a flood.
        let cuts = rng.pick(&[Cuts::First, Cuts::Pieces, Cuts::Pieces, Cuts::Whole]);
        let mut plan = Self {
            kind,
            jobs: Vec::new(),
            settings: Vec::new(),
            later: None,
            grants: Grants::Freely,
            reading: Reading::Eagerly,
            raw: Raw::Nothing,
            patience: None,
            ending: Ending::Leave,
            verdict: Verdict::Good,
            cuts,
        };
        if rng.per_mille(300) {
            plan.settings.push((setting::HEADER_TABLE_SIZE, rng.pick(&[0, 90, 200, 5000])));
        }
        if rng.per_mille(300) {
            plan.settings.push((setting::ENABLE_PUSH, 0));
        }
        match kind {
            Kind::BadFrames
            | Kind::BadRequests
            | Kind::LatePanic
            | Kind::SlowHandler
            | Kind::TooMuch => plan.refused(rng),
            Kind::GoingAway
            | Kind::HalfClosing
            | Kind::LeavingInAnswer
            | Kind::LeavingWhileWaiting
            | Kind::ResettingInAnswer => plan.leaving(rng),
            Kind::Narrow | Kind::Resizing | Kind::SlowReading | Kind::Urgent => plan.windows(rng),
            Kind::StallingInBlock
            | Kind::StallingInBody
            | Kind::StallingInFrame
            | Kind::StallingInPreface
            | Kind::StallingIdle
            | Kind::StallingReader
            | Kind::StallingWindow => plan.stalling(rng),
            _ => plan.good(rng),
        }
        plan
    }

    fn job(&mut self, request: Request, when: When, fate: Fate) {
        self.jobs.push(Job { request, when, fate });
    }

    /// Another stream, begun soon.
    fn soon(&mut self, rng: &mut Rng, request: Request) {
        let when = When::At(ms(rng.range(0, 40)));
        self.job(request, when, Fate::Answered);
    }

    fn crowd(&mut self, rng: &mut Rng, least: u64, most: u64) {
        for _ in 0..rng.range(least, most) {
            let request = Request::any(rng);
            self.soon(rng, request);
        }
    }

    fn good(&mut self, rng: &mut Rng) {
        match self.kind {
            Kind::Cancelling => {
                self.crowd(rng, 5, 30);
                for job in &mut self.jobs {
                    job.fate = match rng.range(0, 5) {
                        0 => Fate::GivenUpAfter(rng.pick(&[0, 1, 5000, 50_000])),
                        1 => Fate::GivenUpInAnswer(rng.pick(&[0, 1, 5000, 50_000])),
                        2 => Fate::GivenUpLater(ms(rng.range(0, 30))),
                        _ => Fate::Answered,
                    };
                }
            }
            Kind::Expecting => self.expecting(rng),
            Kind::OneByOne => {
                for n in 0..rng.range(1, 9) as usize {
                    self.job(Request::any(rng), When::After(n), Fate::Answered);
                }
            }
            Kind::Tunnelling => {
                let n = rng.range(1, 200_000) as usize;
                let content = rng.bytes(n);
                let tunnel = Request::post("/tunnel", content.clone(), Length::Unsaid)
                    .expecting(200, Check::Exact(content))
                    .with(":protocol", "sim");
                self.soon(rng, Request { lines: connect(tunnel.lines), expects: true, ..tunnel });
                self.crowd(rng, 1, 5);
            }
            Kind::Uploading => {
                for _ in 0..rng.range(2, 9) {
                    let echo = rng.pick(&["/echo", "/echo/stream"]);
                    let request = match rng.range(0, 2) {
                        0 => Request::upload(rng),
                        _ => Request::echo(rng, echo),
                    };
                    self.soon(rng, request);
                }
            }
            Kind::Wasteful => {
                for n in 0..10 {
                    let content = rng.bytes(LAZY + 140_000);
                    let request = Request::post("/sim/lazy", content, Length::Said);
                    self.job(request, When::After(n), Fate::GivenUpAfter(LAZY + 140_000));
                }
                self.job(Request::upload(rng), When::After(10), Fate::Answered);
            }
            _ => self.crowd(rng, 10, 60),
        }
    }

    fn expecting(&mut self, rng: &mut Rng) {
        for target in ["/echo", "/echo/stream", "/sim/fidget", "/upload", "/nothing"] {
            let content = rng.bytes(5000);
            let length = rng.pick(&[Length::Said, Length::Unsaid]);
            let request = Request::post(target, content.clone(), length).waiting();
            let request = match target {
                // It is answered before anything was sent, and the rest is not wanted.
                "/nothing" => request.expecting(404, Check::Any),
                "/upload" => request.expecting(200, Check::Exact(b"{\"bytes\":5000}".to_vec())),
                _ => request.expecting(200, Check::Exact(content)),
            };
            self.soon(rng, request);
        }
    }

    fn windows(&mut self, rng: &mut Rng) {
        match self.kind {
            Kind::Narrow => {
                let window = rng.pick(&[1, 100, 5000, 16_384]);
                self.settings.push((setting::INITIAL_WINDOW_SIZE, window));
                self.grants = Grants::ByStream(window.max(700));
                self.crowd(rng, 3, 12);
            }
            Kind::Resizing => {
                let mut size = || rng.pick(&[3000, 20_000, 65_535, 1 << 20]);
                let (mut first, mut then) = (size(), size());
                if rng.per_mille(500) {
                    // Nothing else opens the windows of streams.
                    (first, then) = (rng.pick(&[0, 3000]), 1 << 20);
                    self.grants = Grants::Never;
                }
                self.settings.push((setting::INITIAL_WINDOW_SIZE, first));
                let later = vec![(setting::INITIAL_WINDOW_SIZE, then)];
                self.later = Some((ms(rng.range(0, 60)), later));
                self.crowd(rng, 5, 20);
            }
            Kind::SlowReading => {
                self.reading = Reading::Slowly(ms(rng.pick(&[150, 400])));
                self.job(Request::sized(LONG), When::At(ms(0)), Fate::Answered);
                let request = Request::echo(rng, "/echo/stream");
                self.soon(rng, request);
            }
            _ => {
                self.settings.push((setting::INITIAL_WINDOW_SIZE, 1 << 20));
                self.grants = Grants::ByConnection(8192);
                // The first ones use what the connection has, so that all others wait.
                let urgent = || Request::sized(60_000).with("priority", "u=0");
                for n in 0..40usize {
                    self.job(urgent(), When::After(n.saturating_sub(3)), Fate::Answered);
                }
                let late = Request::sized(LATE).with("priority", "u=7");
                self.jobs
                    .insert(4, Job { request: late, when: When::After(1), fate: Fate::Answered });
            }
        }
    }

    fn refused(&mut self, rng: &mut Rng) {
        self.crowd(rng, 1, 6);
        let said = |fate, request| Job { request, when: When::At(ms(20)), fate };
        match self.kind {
            Kind::BadFrames => {
                (self.raw, self.ending) =
                    (Raw::Bad(rng.range(0, 1 << 20) as usize), Ending::AwaitEnd);
                if rng.per_mille(100) {
                    let beginnings = bad::beginnings();
                    let at = rng.range(0, beginnings.len() as u64) as usize;
                    self.jobs.clear();
                    self.settings.clear();
                    self.raw = Raw::First(beginnings[at].bytes.clone());
                    self.verdict = Verdict::Closed(beginnings[at].code);
                }
            }
            Kind::BadRequests => {
                let all = bad::requests();
                for _ in 0..rng.range(1, 6) {
                    let (lines, content, reason, code) =
                        &all[rng.range(0, all.len() as u64) as usize];
                    let status = reason.status().as_u16();
                    let mut request = Request::get("/", status, Check::Any);
                    let owned = |line: &(&str, &str)| (line.0.to_owned(), line.1.to_owned());
                    request.lines = lines.iter().map(owned).collect();
                    (request.content, request.is_open) = (content.to_vec(), !content.is_empty());
                    self.jobs.push(said(Fate::Refused(*code, usize::MAX), request));
                }
            }
            Kind::LatePanic => {
                let request = Request::get("/panic/late", 200, Check::Exact(b"so far...".to_vec()));
                self.jobs.push(said(Fate::Cut(2), request));
            }
            Kind::SlowHandler => {
                let target = format!("/slow/{}", TOO_SLOW.as_millis());
                let request = Request::get(&target, 504, Check::Any);
                self.jobs.push(said(Fate::Answered, request));
            }
            _ => {
                let request = Request::post("/echo", vec![0; 200], Length::Unsaid);
                let request = request.with("content-length", "33554433");
                let request = request.expecting(413, Check::Any);
                self.jobs.push(said(Fate::Refused(0, 100), request));
            }
        }
    }

    fn stalling(&mut self, rng: &mut Rng) {
        if !matches!(self.kind, Kind::StallingIdle | Kind::StallingInPreface) {
            self.crowd(rng, 0, 5);
        }
        self.ending = Ending::AwaitEnd;
        self.verdict = Verdict::Closed(0);
        match self.kind {
            Kind::StallingInBlock => self.raw = Raw::HalfBlock,
            Kind::StallingInFrame => self.raw = Raw::HalfFrame,
            Kind::StallingInPreface => {
                let n = rng.range(1, wire::PREFACE.len() as u64) as usize;
                self.settings.clear();
                self.raw = Raw::First(wire::PREFACE[..n].to_vec());
                self.verdict = Verdict::Silence;
            }
            Kind::StallingInBody => {
                let request = Request::post("/echo", vec![b'x'; 90_000], Length::Said);
                let (request, n) = (request.expecting(408, Check::Any), rng.pick(&[0, 3, 80_000]));
                self.job(request, When::At(ms(20)), Fate::Refused(0, n));
                (self.ending, self.verdict) = (Ending::Leave, Verdict::Good);
            }
            Kind::StallingReader => {
                self.jobs.clear();
                self.reading = Reading::Never;
                self.settings.push((setting::INITIAL_WINDOW_SIZE, 1 << 20));
                for _ in 0..3 {
                    self.job(Request::sized(LONG), When::At(ms(0)), Fate::Any);
                }
                self.patience = Some((Duration::from_secs(60), usize::MAX));
                self.verdict = Verdict::Partly;
            }
            Kind::StallingWindow => {
                let window = rng.pick(&[0, 1, 10_000]);
                self.jobs.clear();
                self.settings.push((setting::INITIAL_WINDOW_SIZE, window));
                self.grants = Grants::Never;
                self.job(Request::sized(40_000), When::At(ms(5)), Fate::Cut(8));
                let request = Request::new("HEAD", "/bytes/70000", 200, Check::Exact(Vec::new()));
                self.soon(rng, request);
                (self.ending, self.verdict) = (Ending::Leave, Verdict::Good);
            }
            _ => (),
        }
    }

    fn leaving(&mut self, rng: &mut Rng) {
        self.verdict = Verdict::Partly;
        let (patience, bytes) = (ms(rng.range(1, 60)), rng.range(1, 100_000) as usize);
        self.patience = Some((patience, bytes));
        if self.kind == Kind::LeavingWhileWaiting {
            self.job(Request::get("/slow/3000", 200, Check::Any), When::At(ms(0)), Fate::Any);
        }
        self.crowd(rng, 3, 20);
        let fate = if self.kind == Kind::GoingAway { Fate::Answered } else { Fate::Any };
        self.jobs.iter_mut().for_each(|job| job.fate = fate);
        (self.ending, self.verdict) = match self.kind {
            Kind::GoingAway => (Ending::GoAway, Verdict::Good),
            Kind::HalfClosing => (Ending::HalfClose, Verdict::Partly),
            Kind::ResettingInAnswer => (Ending::Reset, Verdict::Partly),
            _ => (Ending::Leave, Verdict::Partly),
        };
    }

    /// The bytes of [`Raw::Bad`], on a connection whose next stream is `next`.
    #[must_use]
    pub fn bad(choice: usize, next: u32) -> Bad {
        let mut all = bad::connection(next);
        let at = choice % all.len();
        all.swap_remove(at)
    }
}

/// RFC 8441 §4: the same as extended CONNECT, whose pseudo-fields come first.
fn connect(mut lines: Vec<(String, String)>) -> Vec<(String, String)> {
    let is_method = |line: &&mut (String, String)| line.0 == ":method";
    if let Some(method) = lines.iter_mut().find(is_method) {
        "CONNECT".clone_into(&mut method.1);
    }
    lines.sort_by_key(|line| !line.0.starts_with(':'));
    lines
}
