//! One connection to a Redis. Commands are sent as they come, and answered in that order; a task of the shard connects,
//! reads, and goes when the connection does. After a failure nobody tries again for a while, which doubles each time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::encode::encode_borrowed;
use redis_protocol::resp2::types::BorrowedFrame;
use trilane_exchange::{ByteStream, Remote, Shard};
use trilane_semantics::Instant;

use super::url::Place;
use super::{Frame, Redis, RedisError};

/// Commands that wait for their answers, a connection.
const MOST_WAITING: usize = 4096;
/// The longest answer, in bytes: ours are short, and so the decoder, which is recursive, does not get far into nested ones.
const LONGEST: usize = 512;
/// How long nobody connects after a failure: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A connection, or the lack of one.
pub(super) struct Link {
    redis: Redis,
    shard: Shard,
    state: RefCell<State>,
}

struct State {
    stage: Stage,
    /// Commands that are to be sent.
    out: Vec<u8>,
    /// Those who wait for answers, in the order of their commands.
    waiting: VecDeque<Rc<Waiter>>,
    /// The task that reads and writes.
    task: Option<Waker>,
    back_off: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody tries before that.
    Down(Instant),
    /// The task connects, or has.
    Up,
    /// The task is to end: somebody has waited too long.
    GivenUp,
}

/// Who waits for an answer.
#[derive(Default)]
struct Waiter(RefCell<Waiting>);

#[derive(Default)]
struct Waiting {
    answer: Option<Result<Frame, RedisError>>,
    waker: Option<Waker>,
}

impl Waiter {
    fn give(&self, answer: Result<Frame, RedisError>) {
        let mut slot = self.0.borrow_mut();
        slot.answer = Some(answer);
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Frame, RedisError>> {
        let mut slot = self.0.borrow_mut();
        match slot.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Link {
    pub(super) fn new(redis: Redis, shard: Shard) -> Self {
        let state = State {
            stage: Stage::Down(Instant::default()),
            out: Vec::new(),
            waiting: VecDeque::new(),
            task: None,
            back_off: BACK_OFF.0,
        };
        Self { redis, shard, state: RefCell::new(state) }
    }

    /// How many wait for answers.
    pub(super) fn waiting(&self) -> usize {
        self.state.borrow().waiting.len()
    }

    /// Sends a command; the future is its answer.
    pub(super) fn begin(
        self: &Rc<Self>,
        command: &[&[u8]],
    ) -> Result<impl Future<Output = Result<Frame, RedisError>> + use<>, RedisError> {
        let mut state = self.state.borrow_mut();
        if state.waiting.len() >= MOST_WAITING {
            return Err(RedisError::Busy);
        }
        match state.stage {
            Stage::Down(until) if self.shard.now() < until => {
                return Err(RedisError::Lost("it failed a moment ago".into()));
            }
            Stage::GivenUp => return Err(RedisError::Lost("it is being given up".into())),
            Stage::Down(_) => {
                state.stage = Stage::Up;
                let link = Rc::clone(self);
                // It ends by itself, or with the shard.
                drop(self.shard.spawn(async move { link.run().await }));
            }
            Stage::Up => {}
        }
        encode(&mut state.out, command)?;
        let waiter = Rc::<Waiter>::default();
        state.waiting.push_back(Rc::clone(&waiter));
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        Ok(poll_fn(move |cx| waiter.poll(cx)))
    }

    /// An answer is late: those who wait get none, and the next connection is another.
    pub(super) fn give_up(&self) {
        let mut state = self.state.borrow_mut();
        if state.stage == Stage::Up {
            state.stage = Stage::GivenUp;
            if let Some(task) = state.task.take() {
                task.wake();
            }
        }
    }

    /// The task: from connecting to the end of the connection.
    async fn run(&self) {
        let error = match self.shard.timeout(self.redis.connect_timeout, self.connect()).await {
            Some(Ok(stream)) => self.serve(stream).await,
            Some(Err(error)) => error,
            None => RedisError::Lost("connecting takes too long".into()),
        };
        let mut state = self.state.borrow_mut();
        // A part of it is random, so that shards do not come back all at once.
        let share = self.shard.random() % 256;
        let pause = state.back_off * (256 + share as u32) / 512;
        state.stage = Stage::Down(self.shard.now() + pause);
        state.back_off = (state.back_off * 2).min(BACK_OFF.1);
        state.out.clear();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.iter().for_each(|waiter| waiter.give(Err(error.clone())));
    }

    async fn connect(&self) -> Result<ByteStream, RedisError> {
        let lost = |error: std::io::Error| RedisError::Lost(error.to_string());
        let url = &self.redis.url;
        let remote = match &url.place {
            Place::Unix(path) => Remote::Unix(path.clone()),
            Place::Host(host, port) => Remote::Ip(self.resolve(host, *port).await?),
        };
        let mut stream = self.shard.connect(&remote).await.map_err(lost)?;
        let (mut greeting, mut count) = (Vec::new(), 0);
        if let Some(password) = &url.password {
            let user = url.user.as_ref().map(String::as_bytes);
            let words: Vec<&[u8]> = [Some(&b"AUTH"[..]), user, Some(password.as_bytes())]
                .into_iter()
                .flatten()
                .collect();
            encode(&mut greeting, &words)?;
            count += 1;
        }
        if url.database != 0 {
            encode(&mut greeting, &[b"SELECT", url.database.to_string().as_bytes()])?;
            count += 1;
        }
        stream.write(&mut greeting).await.map_err(lost)?;
        let (mut answers, mut piece) = (Vec::new(), Vec::new());
        while count > 0 {
            if let Some((answer, len)) = next(&answers)? {
                if let Frame::Error(text) = answer {
                    return Err(RedisError::Refused(text));
                }
                answers.drain(..len);
                count -= 1;
            } else if stream.read(&mut piece).await.map_err(lost)? == 0 {
                return Err(RedisError::Lost("it was closed".into()));
            } else {
                answers.extend_from_slice(&piece);
            }
        }
        Ok(stream)
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr, RedisError> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok((ip, port).into());
        }
        let name = host.to_owned();
        let found = self
            .shard
            .blocking(move || (name, port).to_socket_addrs().map(|mut addresses| addresses.next()));
        match found.await {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err(RedisError::Lost(format!("{host} has no address"))),
            Err(error) => Err(RedisError::Lost(error.to_string())),
        }
    }

    /// Sends commands and takes answers until the connection is over; why it is.
    async fn serve(&self, mut stream: ByteStream) -> RedisError {
        let (mut answers, mut piece, mut out) = (Vec::new(), Vec::new(), Vec::new());
        poll_fn(|cx| {
            loop {
                let mut state = self.state.borrow_mut();
                if state.stage == Stage::GivenUp {
                    return Poll::Ready(RedisError::Slow);
                }
                if out.is_empty() {
                    std::mem::swap(&mut out, &mut state.out);
                }
                state.task = Some(cx.waker().clone());
                drop(state);
                if !out.is_empty()
                    && let Poll::Ready(Err(error)) = stream.poll_write(&mut out, cx)
                {
                    return Poll::Ready(RedisError::Lost(error.to_string()));
                }
                match stream.poll_read(&mut piece, cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => {
                        return Poll::Ready(RedisError::Lost("it was closed".into()));
                    }
                    Poll::Ready(Ok(_)) => answers.extend_from_slice(&piece),
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(RedisError::Lost(error.to_string()));
                    }
                }
                if let Err(error) = self.take(&mut answers) {
                    return Poll::Ready(error);
                }
            }
        })
        .await
    }

    /// Gives what has come to those who wait for it.
    fn take(&self, answers: &mut Vec<u8>) -> Result<(), RedisError> {
        let mut taken = 0;
        while let Some((answer, len)) = next(&answers[taken..])? {
            taken += len;
            let mut state = self.state.borrow_mut();
            state.back_off = BACK_OFF.0;
            let waiter = state.waiting.pop_front();
            drop(state);
            let waiter = waiter.ok_or_else(|| RedisError::Refused("it answers nobody".into()))?;
            waiter.give(Ok(answer));
        }
        answers.drain(..taken);
        Ok(())
    }
}

/// The first answer of what has come, if it is whole, and its length.
fn next(answers: &[u8]) -> Result<Option<(Frame, usize)>, RedisError> {
    let refused = |text: String| RedisError::Refused(text);
    if answers.is_empty() {
        return Ok(None);
    }
    let start = &answers[..answers.len().min(LONGEST)];
    match decode(start).map_err(|error| refused(error.to_string()))? {
        Some((frame, len)) => Ok(Some((frame, len.clamp(1, start.len())))),
        None if start.len() == LONGEST => Err(refused("an answer is too long".into())),
        None => Ok(None),
    }
}

/// Appends a command.
fn encode(out: &mut Vec<u8>, words: &[&[u8]]) -> Result<(), RedisError> {
    let words: Vec<_> = words.iter().map(|word| BorrowedFrame::BulkString(word)).collect();
    let frame = BorrowedFrame::Array(&words);
    let start = out.len();
    out.resize(start + frame.encode_len(false), 0);
    let encoded = encode_borrowed(&mut out[start..], &frame, false);
    encoded.map(drop).map_err(|error| RedisError::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_as_redis_has_them() {
        let mut out = b"x".to_vec();
        encode(&mut out, &[b"GET", b"", b"k"]).unwrap();
        assert_eq!(out, b"x*3\r\n$3\r\nGET\r\n$0\r\n\r\n$1\r\nk\r\n");
        let all = b"+OK\r\n:7\r\n-ERR no\r\n*2\r\n:1\r\n$2\r\nab\r\n$-1\r\n";
        for cut in 0..all.len() {
            let (mut at, mut seen) = (0, Vec::new());
            for part in [&all[..cut], &all[..]] {
                while let Some((frame, len)) = next(&part[at..]).unwrap() {
                    at += len;
                    seen.push(frame);
                }
            }
            assert_eq!(at, all.len());
            let array = vec![Frame::Integer(1), Frame::BulkString(b"ab".to_vec())];
            let expected = [
                Frame::SimpleString(b"OK".to_vec()),
                Frame::Integer(7),
                Frame::Error("ERR no".to_owned()),
                Frame::Array(array),
                Frame::Null,
            ];
            assert_eq!(seen, expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_makes_no_sense_or_never_ends_is_an_error() {
        assert!(next(b"HTTP/1.1 400\r\n").is_err());
        assert!(next(&[b"$100000\r\n", &[b'a'; LONGEST][..]].concat()).is_err());
        // Nested as deep as fits.
        assert!(next(&b"*1\r\n".repeat(LONGEST)).is_err());
    }
}
