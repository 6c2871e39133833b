//! Where a Redis is, and who we are to it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::path::decode;

/// The port that Redis has unless said otherwise.
const PORT: u16 = 6379;

/// A parsed URL. Its password is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) place: Place,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A name or an address, and a port.
    Host(String, u16),
    Unix(PathBuf),
}

/// Text that is no URL of a Redis, or of one that cannot be reached from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUrl(&'static str);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the URL of a Redis: {}", self.0)
    }
}

impl std::error::Error for InvalidUrl {}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({:?}, database {})", self.place, self.database)
    }
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl("it has no scheme"))?;
        let is_unix = match scheme {
            "redis" | "valkey" => false,
            "unix" | "redis+unix" => true,
            "rediss" | "valkeys" => return Err(InvalidUrl("TLS to a Redis is not supported")),
            _ => return Err(InvalidUrl("its scheme is neither redis nor unix")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A path may have an `@`, what is before the first slash is who we are.
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (who, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, password),
            None => (who, ""),
        };
        let part = |text: &str| match decode(text) {
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(InvalidUrl("it is badly encoded")),
        };
        let database = match (is_unix, query, path) {
            (true, "", _) => "0",
            (true, query, _) => {
                query.strip_prefix("db=").ok_or(InvalidUrl("all it asks is db="))?
            }
            (false, "", "" | "/") => "0",
            (false, "", path) => path.trim_start_matches('/'),
            (false, ..) => return Err(InvalidUrl("it has a query")),
        };
        let place = match is_unix {
            true if path.is_empty() || !host.is_empty() => {
                return Err(InvalidUrl("it has no absolute path"));
            }
            true => Place::Unix(part(path)?.unwrap_or_default().into()),
            false => host_and_port(host)?,
        };
        let database = database.parse().map_err(|_| InvalidUrl("its database is no number"))?;
        Ok(Self { place, user: part(user)?, password: part(password)?, database })
    }
}

/// `name`, `name:port`, `[::1]:port`.
fn host_and_port(text: &str) -> Result<Place, InvalidUrl> {
    let bad = InvalidUrl("its host or port makes no sense");
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(None) => return Err(bad),
        Some(Some((host, ""))) => (host, None),
        Some(Some((host, port))) => (host, Some(port.strip_prefix(':').ok_or(bad)?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Ok(PORT), |port| port.parse().map_err(|_| bad))?;
    if host.is_empty() { Err(bad) } else { Ok(Place::Host(host.to_owned(), port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_every_form() {
        let host = |name: &str, port| Place::Host(name.into(), port);
        let unix = |path: &str| Place::Unix(path.into());
        for (text, place, user, password, database) in [
            ("redis://localhost", host("localhost", 6379), None, None, 0),
            ("redis://10.0.0.1:7000/", host("10.0.0.1", 7000), None, None, 0),
            ("valkey://:p%40ss@h/3", host("h", 6379), None, Some("p@ss"), 3),
            ("redis://u:p@[::1]:7/0", host("::1", 7), Some("u"), Some("p"), 0),
            ("redis://[::1]", host("::1", 6379), None, None, 0),
            ("unix:///run/redis.sock", unix("/run/redis.sock"), None, None, 0),
            ("redis+unix://:p@/r@x?db=2", unix("/r@x"), None, Some("p"), 2),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.place, url.database), (place, database), "{text}");
            assert_eq!((url.user.as_deref(), url.password.as_deref()), (user, password), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "redis:",
            "localhost:6379",
            "http://a",
            "rediss://a",
            "redis://",
            "redis://:1",
            "redis://a:x",
            "redis://a:70000",
            "redis://a/b",
            "redis://[::1",
            "redis://[::1]7",
            "redis://a?db=1",
            "unix://",
            "unix://path",
            "unix:///p?x=1",
            "unix:///p?db=x",
            "redis://:%zz@a",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url: Url = "redis://:secret@a".parse().unwrap();
        assert!(!format!("{url:?}").contains("secret"));
    }
}
