//! What a key is in the end, and who says so: a flag, the environment, the file, or nobody.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::args::Serve;
use crate::config::{Config, ConfigError};
use crate::environment::Environment;
use crate::line::Line;
use crate::schema::{Key, keys};

/// Who says what a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody.
    Default,
    /// The file, in that line.
    File(PathBuf, Line),
    /// A variable of the environment.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "{name} in the environment"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// All that says something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    flags: Serve,
    environment: Environment,
    /// The file as it is written, and what it says.
    text: String,
    file: Table,
    /// All of it together.
    pub(crate) config: Config,
}

impl Said {
    /// What flags, the environment of this process and the file say now.
    ///
    /// # Errors
    /// As [`Config::read`] and [`Environment::put_into`].
    pub(crate) fn now(flags: &Serve) -> Result<Self, ConfigError> {
        let text = flags.config.as_deref().map_or_else(|| Ok(String::new()), Config::text)?;
        Self::of(flags, text, Environment::of_process()?)
    }

    /// What these say.
    pub(crate) fn of(
        flags: &Serve,
        text: String,
        environment: Environment,
    ) -> Result<Self, ConfigError> {
        let path = flags.config.as_deref().unwrap_or(Path::new(""));
        let mut config = Config::parse(&text, path)?;
        environment.put_into(&mut config)?;
        // It has been parsed once already.
        let file = toml::from_str(&text).unwrap_or_default();
        Ok(Self { flags: flags.clone(), environment, text, file, config })
    }

    /// What the key at `path` is, and who says so; nothing if nobody does and there is no default. `path` is the key's, with names
    /// for its stars.
    pub(crate) fn value(&self, key: &Key, path: &str) -> Option<(Value, Source)> {
        if let Some((value, flag)) = flag(key.path, &self.flags) {
            return Some((value, Source::Flag(flag)));
        }
        if let Some(text) = self.environment.get(key) {
            let value = key.kind.value(text).ok()?;
            return Some((value, Source::Variable(key.variable()?)));
        }
        if let Some(value) = self.in_file(path) {
            let file = self.flags.config.clone().unwrap_or_default();
            return Some((value.clone(), Source::File(file, self.line(path, None))));
        }
        Some(((key.default)(&self.config)?, Source::Default))
    }

    /// What the file says at a path.
    pub(crate) fn in_file(&self, path: &str) -> Option<&Value> {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let rest = rest.split('.').filter(|name| !name.is_empty());
        rest.fold(self.file.get(first), |value, name| value?.get(name))
    }

    /// Whether anybody says anything of a section.
    pub(crate) fn has_section(&self, section: &str) -> bool {
        let is_in = |key: &Key| key.section() == section && self.environment.get(key).is_some();
        self.in_file(section).is_some() || keys().iter().any(is_in)
    }

    /// In which line the file says something of a path, or has that one of a list.
    pub(crate) fn line(&self, path: &str, entry: Option<usize>) -> Line {
        let place = || {
            let table = DeTable::parse(&self.text).ok()?.into_inner();
            let mut names = path.split('.');
            let (mut key, mut value) = table.get_key_value(names.next()?)?;
            for name in names {
                let DeValue::Table(inner) = value.get_ref() else { return None };
                (key, value) = inner.get_key_value(name)?;
            }
            match (entry, value.get_ref()) {
                (Some(at), DeValue::Array(list)) => Some(list.get(at)?.span().start),
                _ => Some(key.span().start),
            }
        };
        Line::of(&self.text, place().unwrap_or_default())
    }

    /// What cannot change while the process runs: by key.
    pub(crate) fn fixed(&self) -> Vec<(&'static str, Option<Value>)> {
        let fixed = keys().into_iter().filter(|key| key.when == crate::schema::When::Start);
        fixed.map(|key| (key.path, self.value(&key, key.path).map(|(value, _)| value))).collect()
    }
}

/// What a flag says of a key, and its name.
fn flag(path: &str, flags: &Serve) -> Option<(Value, &'static str)> {
    let list = |list: &[String], name| {
        let values = list.iter().cloned().map(Value::String).collect();
        (!list.is_empty()).then_some((Value::Array(values), name))
    };
    let text = |text: Option<String>, name| Some((Value::String(text?), name));
    let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    match path {
        "http" => list(&flags.http, "--http"),
        "https" => list(&flags.https, "--https"),
        "http3" => list(&flags.http3, "--http3"),
        "admin.listen" => list(&flags.admin, "--admin"),
        "redirect.listen" => list(&flags.redirect, "--redirect"),
        "h2c" => flags.h2c.then_some((Value::Boolean(true), "--h2c")),
        "shards" => {
            let shards = i64::try_from(flags.shards?.get()).ok()?;
            Some((Value::Integer(shards), "--shards"))
        }
        "cpus" => text(flags.cpus.clone(), "--cpus"),
        "root" => text(file(&flags.root), "--root"),
        "log" => {
            let format = flags.log?.to_possible_value()?;
            text(Some(format.get_name().to_owned()), "--log")
        }
        "access_log.file" => text(file(&flags.log_file), "--log-file"),
        "tls.alpn" => {
            let name = |alpn: &crate::args::Alpn| String::from_utf8_lossy(alpn.name()).into_owned();
            list(&flags.alpn.iter().map(name).collect::<Vec<_>>(), "--alpn")
        }
        "tls.certificates" => {
            let named = [("certificate", file(&flags.cert)), ("key", file(&flags.key))];
            let named = named
                .into_iter()
                .filter_map(|(name, path)| path.map(|path| (name.to_owned(), Value::String(path))));
            let table: Table = named.collect();
            let is_said = flags.cert.is_some();
            is_said.then(|| (Value::Array(vec![Value::Table(table)]), "--cert"))
        }
        _ => None,
    }
}
