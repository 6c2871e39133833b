//! A place in a distributed trace: W3C Trace Context, read and written.

use std::fmt;

use trilane_semantics::field::trim_ows;
use trilane_semantics::{Fields, Known};

use crate::shard::Shard;

/// What is known of a request as a part of a trace: whose part it is, and whether others record it. It is copied, and takes no
/// memory of its own. The `tracestate` that came with it stays in the request's head.
///
/// ```
/// use trilane_exchange::TraceContext;
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace = TraceContext::parse(text.as_bytes()).unwrap();
/// assert_eq!(trace.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!((trace.is_sampled(), trace.to_string().as_str()), (true, text));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    parent: Option<u64>,
    is_sampled: bool,
}

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;

impl TraceContext {
    /// Reads a `traceparent` (W3C Trace Context §3.2): its span is the caller's. `None` for what is not to be believed: another form
    /// than that of version 00, version ff, ids of zeros alone. What later versions have after it is left aside (§3.2.4).
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split(|&byte| byte == b'-');
        let version = hex(parts.next()?, 2)?;
        let (trace_id, span_id) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        let flags = hex(parts.next()?, 2)?;
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => matches!(rest, [] | [b'-', ..]),
        };
        let is_said = trace_id != 0 && span_id != 0;
        // Sixteen digits.
        let span_id = span_id as u64;
        (parts.next().is_none() && is_whole && is_said).then_some(Self {
            trace_id,
            span_id,
            parent: None,
            is_sampled: flags & 1 == 1,
        })
    }

    /// What came with a request: its only `traceparent`, if that is to be believed (§3.2, §4.1).
    #[must_use]
    pub fn of(fields: &Fields) -> Option<Self> {
        let text = fields.get(Known::Traceparent)?;
        if fields.is_repeated(Known::Traceparent) { None } else { Self::parse(text) }
    }

    /// The beginning of a trace with that id, which must not be 0; a random one without.
    #[must_use]
    pub fn begin(shard: &Shard, trace_id: Option<u128>, is_sampled: bool) -> Self {
        let random = || u128::from(shard.random()) << 64 | u128::from(shard.random());
        let trace_id = trace_id.filter(|id| *id != 0).unwrap_or_else(random).max(1);
        Self { trace_id, span_id: span(shard), parent: None, is_sampled }
    }

    /// The same, recorded or not.
    #[must_use]
    pub const fn sampled(self, is_sampled: bool) -> Self {
        Self { is_sampled, ..self }
    }

    /// A span within this one: the same trace, an id of its own.
    #[must_use]
    pub fn child(&self, shard: &Shard) -> Self {
        Self { span_id: span(shard), parent: Some(self.span_id), ..*self }
    }

    /// The id of the whole trace: 32 hexadecimal digits, when written.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        TraceId(self.trace_id)
    }

    /// The id of this part: 16 hexadecimal digits, when written.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        SpanId(self.span_id)
    }

    /// The part that this one belongs to.
    #[must_use]
    pub fn parent(&self) -> Option<SpanId> {
        self.parent.map(SpanId)
    }

    /// Whether the caller may have recorded it (§3.2.2.5.1); it is passed on as it came.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.is_sampled
    }
}

/// As a `traceparent` of version 00, with this span as the parent of whoever gets it.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id(), self.span_id(), u8::from(self.is_sampled))
    }
}

/// What vendors have added to a trace (§3.3), as one list, to be sent on with a `traceparent` of it. `None` where there is nothing, and
/// where no [`TraceContext`] came with it (§4.1), or any member of it is malformed: then nothing of it may be sent on (§4.3).
#[must_use]
pub fn trace_state(fields: &Fields) -> Option<String> {
    TraceContext::of(fields)?;
    let (mut state, mut keys) = (String::new(), Vec::new());
    for line in fields.all("tracestate") {
        // A comma separates members, and cannot be a part of one.
        for member in line.split(|byte| *byte == b',').map(trim_ows) {
            if member.is_empty() {
                continue;
            }
            let (key, _) = key_and_value(member)?;
            if keys.len() == MEMBERS || keys.contains(&key) {
                return None;
            }
            keys.push(key);
            if !state.is_empty() {
                state.push(',');
            }
            state.push_str(std::str::from_utf8(member).ok()?);
        }
    }
    (!state.is_empty()).then_some(state)
}

/// Members of a `tracestate` at most (§3.3.1.1).
const MEMBERS: usize = 32;

/// A member of a `tracestate` (§3.3.1.3).
fn key_and_value(member: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, value) = member.split_at(member.iter().position(|byte| *byte == b'=')?);
    let value = &value[1..];
    let is_key =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte);
    let is_key = matches!(key, [b'a'..=b'z' | b'0'..=b'9', ..])
        && key.len() <= 256
        && key.iter().all(is_key);
    let is_value = (1..=256).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'=');
    (is_key && is_value).then_some((key, value))
}

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The id of a part of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A random span id, which is never 0 (§3.2.2.4).
fn span(shard: &Shard) -> u64 {
    shard.random().max(1)
}

/// A number of exactly that many digits, small letters only (§3.2.2).
fn hex(digits: &[u8], count: usize) -> Option<u128> {
    if digits.len() != count {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn good_ones() {
        let later = GOOD.replacen("00", "cc", 1);
        for (text, is_sampled) in [
            (GOOD.to_owned(), false),
            (GOOD.replace("-00", "-01"), true),
            (GOOD.replace("-00", "-ff"), true),
            (GOOD.replace("-00", "-02"), false),
            (later.clone(), false),
            (format!("{later}-what-the-future-will-be-like"), false),
        ] {
            let trace = TraceContext::parse(text.as_bytes()).unwrap();
            assert_eq!(trace.is_sampled(), is_sampled, "{text}");
            assert_eq!(trace.to_string()[..52], GOOD[..52]);
        }
    }

    #[test]
    fn bad_ones() {
        let zero = "0".repeat(32);
        for text in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &zero),
            GOOD.replace("b7ad6b7169203331", &zero[..16]),
            GOOD.replace("-b7", "_b7"),
            GOOD.replace("0af", "0ag"),
            GOOD.replace("-00", "-0"),
            format!("{GOOD}-"),
            format!("{GOOD}0"),
            format!("{GOOD}-00"),
            format!("{}.x", GOOD.replacen("00", "cc", 1)),
            GOOD.replacen("00-0a", "000-a", 1),
            "-".repeat(55),
        ] {
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text}");
        }
        for end in 0..GOOD.len() {
            assert_eq!(TraceContext::parse(&GOOD.as_bytes()[..end]), None);
        }
    }

    #[test]
    fn state_goes_on_only_if_all_of_it_is_good() {
        let state = |parents: &[&str], states: &[&str]| {
            let mut fields = Fields::new();
            parents.iter().for_each(|it| fields.append(Known::Traceparent, it).unwrap());
            states.iter().for_each(|it| fields.append("tracestate", it).unwrap());
            trace_state(&fields)
        };
        let good = |states: &[&str]| state(&[GOOD], states);
        assert_eq!(good(&["a=1, b@c=2 3 ,,", "d=4"]).as_deref(), Some("a=1,b@c=2 3,d=4"));
        assert_eq!(state(&[], &["a=1"]), None);
        assert_eq!(state(&[GOOD, GOOD], &["a=1"]), None);
        let long = format!("a={}", "x".repeat(257));
        for bad in ["a", "=1", "A=1", "a=1,a=2", "a=1=2", "a=", "a=\u{e9}", "-a=1", &long, ""] {
            assert_eq!(good(&[bad]), None, "{bad}");
        }
        let many =
            |count: usize| (0..count).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join(",");
        assert!(good(&[&many(32)]).is_some());
        assert_eq!(good(&[&many(33)]), None);
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let shard = crate::tests::shard();
        let first = TraceContext::begin(&shard, None, true);
        assert_eq!(TraceContext::parse(first.to_string().as_bytes()), Some(first));
        let child = first.child(&shard);
        assert_eq!((child.trace_id(), child.parent()), (first.trace_id(), Some(first.span_id())));
        assert!(child.is_sampled());
        let named = TraceContext::begin(&shard, Some(0x12), false);
        assert_eq!(named.trace_id().to_string(), format!("{:032x}", 0x12));
    }
}
