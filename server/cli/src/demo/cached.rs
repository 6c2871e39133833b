//! `/cached/{key}`: an answer as the query wants it, behind the cache; it tells how often its handler ran.
//!
//! For looking at the cache from outside. The same target with any other method but OPTIONS changes nothing and is answered 204, or
//! as `unsafe` and `location` say, so that the cache forgets. Conditions count for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use trilane::conditional::{Validators, Verdict, evaluate};
use trilane::{
    Cache, CacheConfig, Error, Known, Path, Query, Request, Response, Router, State, StatusCode,
    any,
};

/// Keys whose calls are counted, at most.
const MOST_KEYS: usize = 10_000;
/// The longest an answer may be asked to take.
const MOST_DELAY: u64 = 10_000;
/// The most content, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// What all shards share.
#[derive(Clone)]
pub(super) struct Cached {
    cache: Cache,
    calls: Arc<Mutex<HashMap<String, u64>>>,
}

impl Default for Cached {
    fn default() -> Self {
        let config = CacheConfig::new().heuristic(10, Duration::from_secs(86_400));
        Self { cache: Cache::new(config.targeted("cdn-cache-control")), calls: Arc::default() }
    }
}

impl Cached {
    /// Counts a call; all keys past the bound are one.
    fn count(&self, key: &str) -> u64 {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if calls.len() < MOST_KEYS || calls.contains_key(key) { key } else { "" };
        let count = calls.entry(key.to_owned()).or_default();
        *count += 1;
        *count
    }
}

/// What the answer shall be. Dates are seconds from now.
#[derive(Deserialize)]
struct Wish {
    /// Cache-Control.
    cc: Option<String>,
    /// CDN-Cache-Control.
    cdn: Option<String>,
    /// With `{n}` for the number of the call.
    etag: Option<String>,
    vary: Option<String>,
    age: Option<String>,
    /// Set-Cookie.
    cookie: Option<String>,
    /// Expires; what is no number is sent as it is.
    expires: Option<String>,
    /// Last-Modified.
    lm: Option<i64>,
    date: Option<i64>,
    status: Option<u16>,
    delay_ms: Option<u64>,
    /// The status for methods that are not safe.
    r#unsafe: Option<u16>,
    location: Option<String>,
    /// From that call on it is 503.
    fail_from: Option<u64>,
    /// So many bytes of content, instead of the count.
    size: Option<usize>,
}

pub(super) fn routes(cached: Cached) -> Router {
    let cache = cached.cache.clone();
    let route = any(answer).layer(cache);
    Router::new().route("/cached/{key}", route).with_state(cached)
}

/// The answer that the query wishes for, with the number of calls in `X-Calls`, and as content.
async fn answer(
    State(cached): State<Cached>,
    Path(key): Path<String>,
    Query(wish): Query<Wish>,
    request: Request,
) -> Result<Response, Error> {
    let shard = request.shard().clone();
    let is_read = matches!(request.method().as_str(), "GET" | "HEAD");
    let bad = |what| Error::new(StatusCode::BAD_REQUEST).message(what);
    let (delay, size) = (wish.delay_ms.unwrap_or(0), wish.size.unwrap_or(0));
    if delay > MOST_DELAY || size > MOST_BYTES {
        return Err(bad("more than /cached waits or sends"));
    }
    let status = if is_read { wish.status.unwrap_or(200) } else { wish.r#unsafe.unwrap_or(204) };
    let status = StatusCode::from_u16(status).ok();
    let status = status.filter(|status| !status.is_informational() && status.as_u16() < 600);
    let status = status.ok_or_else(|| bad("not the status of an answer"))?;
    let count = if is_read { cached.count(&key) } else { 0 };
    shard.sleep(Duration::from_millis(delay)).await;
    if wish.fail_from.is_some_and(|first| count >= first) {
        return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE).message("as was wished for"));
    }
    let now = shard.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Past the year 9999 there are no dates; clocks that show it are wrong.
    let at = |seconds: i64| {
        let at = now.saturating_add_signed(seconds).min(253_402_300_799);
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at))
    };
    let expires = wish.expires.map(|text| text.parse().map_or(text, at));
    let modified = wish.lm.map(at);
    let etag = wish.etag.map(|etag| etag.replace("{n}", &count.to_string()));
    let validators = Validators {
        etag: etag.as_deref().map(str::as_bytes),
        modified: modified.as_deref().and_then(|text| httpdate::parse_http_date(text).ok()),
    };
    let head = request.head();
    let verdict = evaluate(&head.method, &head.fields, Some(validators));
    // RFC 9110 §13.2.1: only where the answer would be a success.
    if status.is_success() && verdict == Verdict::PreconditionFailed {
        return Err(Error::new(StatusCode::PRECONDITION_FAILED));
    }
    let is_unchanged = status == StatusCode::OK && verdict == Verdict::NotModified;
    let mut response = Response::new(if is_unchanged { StatusCode::NOT_MODIFIED } else { status });
    let lines = [
        ("cache-control", wish.cc),
        ("cdn-cache-control", wish.cdn),
        ("etag", etag),
        ("vary", wish.vary),
        ("age", wish.age),
        ("set-cookie", wish.cookie),
        ("location", wish.location),
        ("expires", expires),
        ("last-modified", modified),
        ("date", wish.date.map(at)),
        ("x-calls", (count > 0).then(|| count.to_string())),
    ];
    for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        response.head.fields.append(name, value).map_err(|_| bad("not the value of a field"))?;
    }
    if is_unchanged || !is_read || matches!(status.as_u16(), 204 | 205 | 304) {
        return Ok(response);
    }
    let content = match size {
        0 => format!("call {count}\n"),
        size => "0123456789".chars().cycle().take(size).collect(),
    };
    Ok(response.field(Known::ContentType, "text/plain; charset=utf-8").body(content))
}
