//! What stands before the steps in a file: lines of text, so that `head` shows what a recording is of.

use std::fmt::Write;
use std::time::Duration;

use trilane_semantics::{Limits, Protocol};

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The protocol: HTTP/1.1 stands for HTTP/1.0 too.
    pub protocol: Protocol,
    /// Whether we were the client.
    pub is_client: bool,
    /// When its first step was, in milliseconds since 1970.
    pub when: u64,
    /// The peer, as logs name it.
    pub peer: String,
    /// Why the connection closed: a label of [`Cause`](trilane_semantics::Cause).
    pub cause: String,
    /// The connection went on after the first steps: there was no room for all.
    pub is_truncated: bool,
    /// How many bytes of the steps are the last ones of such a connection, which nothing leads to.
    pub tail: usize,
    /// Whether values of fields that say who somebody is were left out.
    pub is_redacted: bool,
    /// Whether what came of content is there, and not only how much it was.
    pub has_content: bool,
    /// Whether datagrams were there (HTTP/3).
    pub has_datagrams: bool,
    /// The clock at the first step, in nanoseconds since its start.
    pub began: u64,
    /// Exchanges that were over by then.
    pub exchanges: u64,
    /// The limits that the machine was made with.
    pub limits: Limits,
}

/// Why bytes are no recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// They do not begin as one does.
    Kind,
    /// It is of another version.
    Version(String),
    /// It is cut, or some of it was changed.
    Sum,
    /// This line of what it says first cannot be.
    Line(String),
    /// This step cannot be.
    Step(usize),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind => f.write_str("not a recording"),
            Self::Version(version) => {
                write!(f, "a recording of version {version}, which this one cannot read")
            }
            Self::Sum => f.write_str("the recording is cut, or was changed"),
            Self::Line(line) => write!(f, "the recording says `{line}`, which cannot be"),
            Self::Step(at) => write!(f, "step {at} of the recording cannot be"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// How a file begins, before its version.
const KIND: &str = "trilane recording ";
/// The version of what follows.
const VERSION: &str = "1";

const PROTOCOLS: [Protocol; 3] = [Protocol::Http11, Protocol::Http2, Protocol::Http3];

/// Calls `each` with every limit: its name, and a place for its value as a number.
macro_rules! limits {
    ($limits:expr, $each:expr; $($name:ident)*) => { $($each(stringify!($name), Place::place(&mut $limits.$name));)* };
}

fn each_limit(limits: &mut Limits, mut each: impl FnMut(&str, &mut dyn Place)) {
    limits!(limits, each; target head field_lines body chunk_line discard receive_queue receive_budget send_queue
        file_queue events_a_turn streams pushes stream_window connection_window heads early_any table blocked
        continuations pings abuse abuse_rate handshake_timeout head_timeout body_timeout body_rate body_grace idle_timeout
        handler_timeout bandwidth write_timeout tunnel_timeout linger_timeout goaway_timeout);
}

/// A limit as a number: times in nanoseconds.
trait Place {
    fn number(&self) -> u64;
    fn set(&mut self, number: u64) -> Option<()>;
    fn place(&mut self) -> &mut dyn Place;
}

macro_rules! place {
    ($($kind:ty: $number:expr, $value:expr;)*) => { $(
        impl Place for $kind {
            fn number(&self) -> u64 {
                let number: fn(&Self) -> u64 = $number;
                number(self)
            }

            fn set(&mut self, number: u64) -> Option<()> {
                let value: fn(u64) -> Option<Self> = $value;
                *self = value(number)?;
                Some(())
            }

            fn place(&mut self) -> &mut dyn Place {
                self
            }
        }
    )* };
}

place! {
    u64: |value| *value, Some;
    u32: |value| (*value).into(), |number| number.try_into().ok();
    usize: |value| *value as u64, |number| number.try_into().ok();
    bool: |value| (*value).into(), |number| (number < 2).then_some(number == 1);
    Duration: |value| value.as_nanos().try_into().unwrap_or(u64::MAX), |number| Some(Self::from_nanos(number));
}

impl Header {
    /// Its lines, and an empty one.
    pub(crate) fn put(&self, into: &mut Vec<u8>) {
        let mut text = format!("{KIND}{VERSION}\n");
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            // A peer's name may come from elsewhere. Writing to a string cannot fail.
            let value = value.to_string().replace(['\r', '\n'], " ");
            let _ = writeln!(text, "{name} {value}");
        };
        line("protocol", &self.protocol);
        line("role", &if self.is_client { "client" } else { "server" });
        line("when", &self.when);
        line("peer", &self.peer);
        line("cause", &self.cause);
        line("truncated", &u8::from(self.is_truncated));
        line("tail", &self.tail);
        line("redacted", &u8::from(self.is_redacted));
        line("content", &u8::from(self.has_content));
        line("datagrams", &u8::from(self.has_datagrams));
        line("began", &self.began);
        line("exchanges", &self.exchanges);
        each_limit(&mut self.limits.clone(), |name, place| {
            line(&format!("limits.{name}"), &place.number());
        });
        text.push('\n');
        into.extend_from_slice(text.as_bytes());
    }

    /// Reads its lines. Also what follows them.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Unreadable> {
        let rest = bytes.strip_prefix(KIND.as_bytes()).ok_or(Unreadable::Kind)?;
        let end = rest.windows(2).position(|two| two == b"\n\n").ok_or(Unreadable::Kind)?;
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| Unreadable::Kind)?;
        let mut lines = text.lines();
        let version = lines.next().unwrap_or_default();
        if version != VERSION {
            return Err(Unreadable::Version(version.to_owned()));
        }
        let mut header = Self::new(Protocol::Http11, Limits::default());
        for line in lines {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            header.set(name, value).ok_or_else(|| Unreadable::Line(line.to_owned()))?;
        }
        Ok((header, &rest[end + 2..]))
    }

    /// What is known at the beginning.
    pub(crate) const fn new(protocol: Protocol, limits: Limits) -> Self {
        Self {
            protocol,
            is_client: false,
            when: 0,
            peer: String::new(),
            cause: String::new(),
            is_truncated: false,
            tail: 0,
            is_redacted: false,
            has_content: false,
            has_datagrams: false,
            began: 0,
            exchanges: 0,
            limits,
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let number = || value.parse::<u64>().ok();
        let flag = || number().filter(|&number| number < 2).map(|number| number == 1);
        match name {
            "protocol" => {
                self.protocol = *PROTOCOLS.iter().find(|protocol| protocol.as_str() == value)?;
            }
            "role" => {
                self.is_client = value == "client";
                (self.is_client || value == "server").then_some(())?;
            }
            "when" => self.when = number()?,
            "peer" => value.clone_into(&mut self.peer),
            "cause" => value.clone_into(&mut self.cause),
            "truncated" => self.is_truncated = flag()?,
            "tail" => self.tail = value.parse().ok()?,
            "redacted" => self.is_redacted = flag()?,
            "content" => self.has_content = flag()?,
            "datagrams" => self.has_datagrams = flag()?,
            "began" => self.began = number()?,
            "exchanges" => self.exchanges = number()?,
            _ => {
                let (wanted, number) = (name.strip_prefix("limits.")?, number()?);
                let mut is_set = None;
                each_limit(&mut self.limits, |name, place| {
                    if name == wanted {
                        is_set = place.set(number);
                    }
                });
                is_set?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_it_says_comes_back() {
        let mut limits = Limits::default();
        let mut next = 2;
        let mut names = Vec::new();
        each_limit(&mut limits, |name, place| {
            next += 1;
            // A flag holds no such number.
            let _ = place.set(next).or_else(|| place.set(1));
            names.push(name.to_owned());
        });
        let said = format!("{limits:?}");
        let known = names.iter().filter(|name| said.contains(&format!(" {name}: "))).count();
        assert_eq!(
            (known, said.matches(": ").count()),
            (names.len(), names.len()),
            "each limit is there"
        );
        let header = Header {
            is_client: true,
            when: 1_000,
            peer: "127.0.0.1:5 a".to_owned(),
            cause: "bare_lf Yes".to_owned(),
            is_truncated: true,
            tail: 70,
            is_redacted: true,
            has_content: true,
            has_datagrams: true,
            began: 5,
            exchanges: u64::MAX,
            ..Header::new(Protocol::Http3, limits)
        };
        let mut bytes = Vec::new();
        header.put(&mut bytes);
        bytes.extend_from_slice(b"rest");
        assert_eq!(Header::read(&bytes), Ok((header, &b"rest"[..])));
        for end in 0..bytes.len() - 4 {
            assert!(Header::read(&bytes[..end]).is_err(), "cut at {end}");
        }
        let other = b"trilane recording 2\nwhatever\n\n";
        assert_eq!(Header::read(other).err(), Some(Unreadable::Version("2".to_owned())));
        let line = b"trilane recording 1\nlimits.none 3\n\n";
        assert_eq!(Header::read(line).err(), Some(Unreadable::Line("limits.none 3".to_owned())));
    }
}
