//! `redirect`: a Location made of what a route says, and of what was asked for (RFC 9110 §10.2.2, §15.4).

use serde::Deserialize;
use trilane::{Error, Known, Request, Response, StatusCode};

use crate::words::{Words, or_table};

/// `redirect`, which is a target, or a table with more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectAction {
    target: Vec<Part>,
    status: StatusCode,
}

/// `redirect = {..}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// Where to.
    to: String,
    /// 301, 302, 303, 307 or 308. Default 308, which keeps method and content.
    status: Option<u16>,
}

/// A piece of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The path that was asked for.
    Path,
    /// The query with its question mark, if there is one.
    Query,
    /// A parameter of the route, as it was sent.
    Parameter(String),
}

impl RedirectAction {
    /// To `to`, in which `{path}`, `{query}` and the names of parameters stand for what was asked for.
    fn new(to: &str, status: u16) -> Result<Self, String> {
        let target = parts(to).ok_or_else(|| format!("redirect: '{to}' has a brace too many"))?;
        let begins = match target.first() {
            Some(Part::Text(text)) => text,
            Some(Part::Path) => "/",
            _ => "",
        };
        // What a client has sent must not become a part of the host (RFC 3986 §3.2), which ends where one of these begins.
        let is_safe = match begins.split_once("://") {
            None => begins.starts_with('/') && !begins.starts_with("//"),
            Some((_, rest)) => {
                rest.contains(['/', '?', '#']) || matches!(&target[..], [_] | [_, Part::Path, ..])
            }
        };
        let bad = to.bytes().any(|byte| byte.is_ascii_control() || byte == b' ' || byte == b'\\');
        if !is_safe || bad {
            return Err(format!(
                "redirect: '{to}' is neither a path nor a URL whose host is all its own"
            ));
        }
        let known = StatusCode::from_u16(status).ok();
        let known = known.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308));
        let other = || format!("redirect: status {status} is none of 301, 302, 303, 307, 308");
        Ok(Self { target, status: known.ok_or_else(other)? })
    }

    /// The parameters that the route's path must have.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.target.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(&**name),
            Part::Text(_) | Part::Path | Part::Query => None,
        })
    }

    /// The redirect for a request.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let (head, exchange) = (request.head(), request.exchange());
        let mut location = String::new();
        for part in &self.target {
            match part {
                Part::Text(text) => location.push_str(text),
                Part::Path if head.path().is_empty() => location.push('/'),
                Part::Path => location.push_str(head.path()),
                Part::Query => {
                    if let Some(query) = head.query() {
                        location.push('?');
                        location.push_str(query);
                    }
                }
                Part::Parameter(name) => {
                    let mut all = (0..).map_while(|at| exchange.param(at));
                    let found = all.find(|(known, _)| known == name);
                    location.push_str(found.map_or("", |(_, value)| value));
                }
            }
        }
        // What begins so names another host, for browsers also with a backslash.
        if matches!(location.as_bytes(), [b'/', b'/' | b'\\', ..]) {
            return Error::new(StatusCode::NOT_FOUND).into();
        }
        Response::new(self.status).field(Known::Location, location)
    }
}

/// The pieces of a target; `None` when its braces do not match.
fn parts(to: &str) -> Option<Vec<Part>> {
    let (mut all, mut rest) = (Vec::new(), to);
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        if !text.is_empty() {
            all.push(Part::Text(text.to_owned()));
        }
        all.push(match name {
            "path" => Part::Path,
            "query" => Part::Query,
            _ => Part::Parameter(name.to_owned()),
        });
        rest = after;
    }
    if !rest.is_empty() {
        all.push(Part::Text(rest.to_owned()));
    }
    let is_plain = |part: &Part| match part {
        Part::Text(text) | Part::Parameter(text) => !text.contains(['{', '}']),
        Part::Path | Part::Query => true,
    };
    all.iter().all(is_plain).then_some(all)
}

impl Words for RedirectAction {
    type Table = Table;
    const EXPECTED: &'static str = "a target, or { to = TARGET, status = 308 }";

    fn of_text(to: &str) -> Result<Self, String> {
        Self::new(to, 308)
    }

    fn of_table(table: Table) -> Result<Self, String> {
        Self::new(&table.to, table.status.unwrap_or(308))
    }
}

or_table!(RedirectAction);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_keeps_its_host() {
        for good in [
            "https://a.example",
            "https://a.example{path}{query}",
            "https://a.example/{rest}",
            "https://a.example?{rest}",
            "/new",
            "/new/{rest}{query}",
            "{path}/",
            "/{rest}",
        ] {
            assert!(RedirectAction::new(good, 308).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example",
            "//a.example/",
            "{rest}",
            "{query}",
            "https://{rest}",
            "https://a.example{rest}",
            "https://a.example{query}",
            "https://a{rest}.example/",
            "{path",
            "/a}",
            "/{a{b}}",
            "/a b",
            "/a\r\nx: y",
            "/\\a",
        ] {
            assert!(RedirectAction::new(bad, 308).is_err(), "{bad}");
        }
        for (status, is_one) in
            [(301, true), (304, false), (200, false), (307, true), (1000, false)]
        {
            assert_eq!(RedirectAction::new("/", status).is_ok(), is_one, "{status}");
        }
    }
}
