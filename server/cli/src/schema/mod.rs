//! All keys of the configuration file in one table: what each is, by default and on each protocol, and when a change of it counts.
//!
//! `explain` prints it, the environment is read by it, and a reload tells by it what it could not do. A test asks the schema itself for its
//! keys and compares.

mod layers;
mod limits;
mod outside;
mod quic;
mod server;
#[cfg(test)]
mod tests;
mod upstreams;

use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::Value;

use crate::config::Config;

/// One key of the file.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its sections and its name: `limits.body`. A star stands for any name.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// When a change of it counts that was read again.
    pub when: When,
    /// What it is if nobody says anything; none if it is nothing then.
    pub default: fn(&Config) -> Option<Value>,
    /// What it means.
    pub doc: &'static str,
    /// What it means on HTTP/1.1, HTTP/2 and HTTP/3, where that differs.
    pub on: Option<[&'static str; 3]>,
    /// Its section may not be there, and then nothing of what it does.
    pub is_optional: bool,
    put: Option<Put>,
}

type Put = fn(&mut Config, Value) -> Result<(), String>;

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Number,
    /// Any number.
    Fraction,
    /// Text.
    Text,
    /// Several texts.
    List,
    /// More than the environment can say.
    Table,
}

/// When a change counts that was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// From the next request on, also on connections that there are.
    Now,
    /// For connections that begin after it.
    Connections,
    /// Only if the process is started again.
    Start,
}

impl When {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Now => "reload: from the next request on",
            Self::Connections => "reload: for new connections",
            Self::Start => "needs an upgrade",
        }
    }
}

impl Key {
    /// The same, which means that on HTTP/1.1, HTTP/2 and HTTP/3.
    const fn on(mut self, h1: &'static str, h2: &'static str, h3: &'static str) -> Self {
        self.on = Some([h1, h2, h3]);
        self
    }

    /// The same, of a section that may not be there.
    const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// The section that it is in; empty if it is in none.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Whether the file has a header of its own for each of its tables.
    pub(crate) fn is_list_of_tables(&self) -> bool {
        matches!(self.path, "hosts" | "routes")
    }

    /// What it is called in the environment; none if that cannot say it.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        self.put.map(|_| format!("TRILANE_{}", self.path.replace('.', "_").to_ascii_uppercase()))
    }

    /// Sets it to what a text says.
    ///
    /// # Errors
    /// It cannot be that, in words.
    pub fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        let value = self.kind.value(text)?;
        self.put.map_or(Ok(()), |put| put(config, value))
    }
}

impl Kind {
    /// What a text says, as the file has it.
    ///
    /// # Errors
    /// It cannot be that, in words.
    pub fn value(self, text: &str) -> Result<Value, String> {
        let pieces = || text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
        Ok(match self {
            Self::Switch => match text {
                "true" => Value::Boolean(true),
                "false" => Value::Boolean(false),
                _ => return Err("it is true or false".to_owned()),
            },
            Self::Number => match text.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => return Err("it is a whole number".to_owned()),
            },
            Self::Fraction => match text.parse() {
                Ok(number) => Value::Float(number),
                Err(_) => return Err("it is a number".to_owned()),
            },
            Self::Text => Value::String(text.to_owned()),
            Self::List => Value::Array(pieces().map(|piece| piece.into()).collect()),
            Self::Table => return Err("it is for the file".to_owned()),
        })
    }
}

/// All keys, in the order of the README.
#[must_use]
pub fn keys() -> Vec<Key> {
    let mut keys = server::keys();
    keys.extend(limits::keys());
    keys.extend(quic::keys());
    keys.extend(layers::keys());
    keys.extend(upstreams::keys());
    keys.extend(outside::keys());
    keys
}

/// A key by its place in [`Config`]: of a section that is always there, or, with a question mark, of one that may not be.
macro_rules! key {
    ($first:ident $(. $rest:ident)*, $kind:ident, $when:ident, $default:expr, $doc:literal) => {
        crate::schema::Key {
            path: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            kind: crate::schema::Kind::$kind,
            when: crate::schema::When::$when,
            default: |_| crate::schema::Shown::shown($default),
            doc: $doc,
            on: None,
            is_optional: false,
            put: Some(|config, value| crate::schema::put(&mut config.$first $(. $rest)*, value)),
        }
    };
    ($section:ident ? $($rest:ident).+, $kind:ident, $when:ident, $default:expr, $doc:literal) => {
        crate::schema::Key {
            path: concat!(stringify!($section) $(, ".", stringify!($rest))+),
            kind: crate::schema::Kind::$kind,
            when: crate::schema::When::$when,
            default: |_| crate::schema::Shown::shown($default),
            doc: $doc,
            on: None,
            is_optional: true,
            put: Some(|config, value| {
                crate::schema::put(&mut config.$section.get_or_insert_default().$($rest).+, value)
            }),
        }
    };
    // One that is for the file alone.
    ($path:literal, $kind:ident, $when:ident, $default:expr, $doc:literal) => {
        crate::schema::Key {
            path: $path,
            kind: crate::schema::Kind::$kind,
            when: crate::schema::When::$when,
            default: |_| crate::schema::Shown::shown($default),
            doc: $doc,
            on: None,
            is_optional: false,
            put: None,
        }
    };
}
use key;

fn put<T: DeserializeOwned>(place: &mut T, value: Value) -> Result<(), String> {
    *place = T::deserialize(value).map_err(|error| error.message().to_owned())?;
    Ok(())
}

/// What a default can be made of.
trait Shown {
    fn shown(self) -> Option<Value>;
}

/// There is no default.
struct Nothing;

impl Shown for Nothing {
    fn shown(self) -> Option<Value> {
        None
    }
}

impl Shown for bool {
    fn shown(self) -> Option<Value> {
        Some(Value::Boolean(self))
    }
}

impl Shown for &str {
    fn shown(self) -> Option<Value> {
        Some(Value::String(self.to_owned()))
    }
}

/// As the file has it: in seconds.
impl Shown for Duration {
    fn shown(self) -> Option<Value> {
        self.as_secs().shown()
    }
}

impl<const N: usize> Shown for [&str; N] {
    fn shown(self) -> Option<Value> {
        Some(Value::Array(self.into_iter().map(Value::from).collect()))
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Shown for $number {
            fn shown(self) -> Option<Value> {
                i64::try_from(self).ok().map(Value::Integer)
            }
        })*
    };
}
numbers!(i32 u8 u16 u32 u64 usize);
