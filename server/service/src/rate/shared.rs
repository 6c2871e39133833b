//! Budgets that processes and machines share, in a Redis: one script a request, in one round trip, by the clock of the Redis.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sha1::{Digest, Sha1};
use trilane_exchange::{Error, Request, Response, Shard};
use trilane_semantics::{Fields, Known, StatusCode};

use super::key::Key;
use super::limiter::{Charge, is_usable, refusal};
use super::load::Load;
use super::quota::{Account, Decision};
use super::{Policy, RateLimit, RateStats};
use crate::chain::Chain;
use crate::layer::{Layer, Next, from_fn};
use crate::redis::{Frame, Pool, Redis, RedisError};

/// KEYS: the budget. ARGV: 1 for a bucket, what is allowed at once, microseconds (of a window, or for one unit to flow in),
/// what to take; less than nothing is given back. Answers: whether it is allowed, what was used of a window, microseconds until
/// all is there again, and until this would be allowed. Microseconds count from 2023-11-14, so that doubles hold fractions of them.
const SCRIPT: &str = r"
local bucket, most, time, cost = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if bucket then
  local clock = redis.call('TIME')
  local now = (tonumber(clock[1]) - 1700000000) * 1000000 + tonumber(clock[2])
  local missing = math.max(known - now, 0)
  local after = math.max(missing + cost * time, 0)
  local wait = after - most * time
  local allowed = wait < 0.5 or cost <= 0
  if allowed then
    missing = after
    redis.call('SET', KEYS[1], string.format('%.3f', now + missing), 'PX', math.ceil(missing / 1000) + 1)
  end
  return {allowed and 1 or 0, 0, math.ceil(missing), math.max(math.ceil(wait), 0)}
end
local rest = redis.call('PTTL', KEYS[1])
local fresh = rest <= 0
if fresh then
  known = 0
  rest = math.ceil(time / 1000)
end
local allowed = known + cost <= most or cost <= 0
if allowed then
  known = math.max(known + cost, 0)
  redis.call('SET', KEYS[1], string.format('%d', known), 'PX', rest)
end
return {allowed and 1 or 0, known, rest * 1000, rest * 1000}
";

/// A [`RateLimit`] whose budgets are in a Redis: [`RateLimit::shared`].
#[derive(Clone, Debug)]
pub struct SharedLimit {
    limit: RateLimit,
    redis: Redis,
    is_closed: bool,
    unavailable: Arc<AtomicU64>,
}

impl RateLimit {
    /// With budgets that all who use the same Redis and the same [`prefix`](Redis::prefix) share. While there is no answer of it,
    /// requests are let through: see [`SharedLimit::fail_closed`].
    #[must_use]
    pub fn shared(self, redis: Redis) -> SharedLimit {
        SharedLimit { limit: self, redis, is_closed: false, unavailable: Arc::default() }
    }
}

impl SharedLimit {
    /// Refuses requests with 503 while there is no answer of the Redis, instead of letting them through.
    #[must_use]
    pub const fn fail_closed(mut self) -> Self {
        self.is_closed = true;
        self
    }

    /// What it has done so far in this process.
    #[must_use]
    pub fn stats(&self) -> RateStats {
        RateStats { unavailable: self.unavailable.load(Relaxed), ..self.limit.stats() }
    }
}

impl Layer for SharedLimit {
    fn add_to(self, chain: &mut Chain) {
        if !is_usable(&self.limit.0, chain) {
            return;
        }
        let (tally, usual) = (self.limit.0.tally(), self.limit.0.usual());
        let (pool, load) = (Pool::new(self.redis.clone()), Load::default());
        let here =
            Rc::new(Here { shared: self, tally, usual, pool, load, script: OnceCell::new() });
        let layer = from_fn(move |request, next| {
            let here = Rc::clone(&here);
            async move { here.run(request, next).await }
        });
        layer.add_to(chain);
    }
}

/// The limit on one shard.
struct Here {
    shared: SharedLimit,
    tally: Arc<super::Tally>,
    usual: Box<[Fields]>,
    pool: Pool,
    load: Load,
    /// The name of the script.
    script: OnceCell<String>,
}

impl Here {
    async fn run(self: Rc<Self>, request: Request, next: Next) -> Response {
        let policy: &Policy = &self.shared.limit.0;
        let mut key = Key::default();
        let Some(charge) = policy.charge(&request, &self.load, &mut key) else {
            return next.run(request).await;
        };
        let (shard, cost) = (request.shard().clone(), charge.cost as i64);
        let name = self.shared.redis.prefixed(&hex(&Sha1::digest(key.bytes())));
        let hash = policy.table().hash(key.bytes());
        let decision = match self.known(&shard, hash, &charge) {
            Some(decision) => decision,
            None => match self.take(&shard, &name, &charge, cost).await {
                Ok(decision) => decision,
                Err(_) => {
                    self.shared.unavailable.fetch_add(1, Relaxed);
                    return match self.shared.is_closed {
                        true => unavailable(),
                        false => next.run(request).await,
                    };
                }
            },
        };
        self.tally.count(&decision);
        if !decision.is_allowed {
            self.remember(&shard, hash, &charge, &decision);
            let mut response = refusal();
            policy.tell(&mut response, charge.class, &self.usual, &decision);
            return response;
        }
        let (mut response, mut decision) = (next.run(request).await, decision);
        if policy.counts.as_ref().is_some_and(|counts| !counts(&response)) {
            decision.left = (decision.left + charge.cost).min(decision.most);
            let (here, its) = (Rc::clone(&self), shard.clone());
            // The answer need not wait for it.
            drop(shard.spawn(async move { drop(here.take(&its, &name, &charge, -cost).await) }));
        }
        policy.tell(&mut response, charge.class, &self.usual, &decision);
        response
    }

    /// What is known of a budget without asking: as much was refused, and the time that it takes has not passed. So a flood does
    /// not reach the Redis.
    fn known(&self, shard: &Shard, hash: u64, charge: &Charge) -> Option<Decision> {
        let now = shard.now();
        let table = self.shared.limit.0.table();
        let wait = table.peek(hash, |account| account.refused(now, charge.cost))?;
        Some(charge.quota.refused(wait))
    }

    fn remember(&self, shard: &Shard, hash: u64, charge: &Charge, decision: &Decision) {
        let until = shard.now() + Duration::from_nanos(decision.retry);
        let refused = Account::refusing(until, charge.cost);
        self.shared.limit.0.table().with(hash, shard.now(), |account| *account = refused);
    }

    /// Takes from a budget, or gives back.
    async fn take(
        &self,
        shard: &Shard,
        key: &str,
        charge: &Charge,
        cost: i64,
    ) -> Result<Decision, RedisError> {
        let (is_bucket, most, nanos) = charge.quota.parts();
        let micros = format!("{}.{:03}", nanos / 1000, nanos % 1000);
        let (most, cost) = (most.to_string(), cost.to_string());
        let kind: &[u8] = if is_bucket { b"1" } else { b"0" };
        let script = self.script.get_or_init(|| hex(&Sha1::digest(SCRIPT)));
        let mut command = [
            &b"EVALSHA"[..],
            script.as_bytes(),
            b"1",
            key.as_bytes(),
            kind,
            most.as_bytes(),
            micros.as_bytes(),
            cost.as_bytes(),
        ];
        let mut answer = self.pool.ask(shard, &command).await;
        if matches!(&answer, Err(RedisError::Refused(text)) if text.starts_with("NOSCRIPT")) {
            // It is new there, or was started again.
            (command[0], command[1]) = (b"EVAL", SCRIPT.as_bytes());
            answer = self.pool.ask(shard, &command).await;
        }
        let Frame::Array(numbers) = answer? else { return Err(senseless()) };
        let [allowed, used, rest, wait] = numbers.as_slice() else { return Err(senseless()) };
        let number = |frame: &Frame| match frame {
            Frame::Integer(number) => u64::try_from(*number).map_err(|_| senseless()),
            _ => Err(senseless()),
        };
        let nanos = |frame: &Frame| number(frame).map(|micros| micros.saturating_mul(1000));
        Ok(charge.quota.counted(number(allowed)? == 1, number(used)?, nanos(rest)?, nanos(wait)?))
    }
}

fn senseless() -> RedisError {
    RedisError::Refused("its answer makes no sense".into())
}

fn unavailable() -> Response {
    let error =
        Error::new(StatusCode::SERVICE_UNAVAILABLE).message("the limits cannot be asked for");
    let response: Response = error.internal("rate limit without Redis").into();
    response.field(Known::RetryAfter, Duration::from_secs(1).as_secs().to_string())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text
}
