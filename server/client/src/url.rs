//! Where a request goes: a URL of `http` or `https` (RFC 9110 §4.2), taken apart once; and what a reference means that is found there
//! (RFC 3986 §5.2).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use trilane_semantics::Target;
use trilane_semantics::target::is_authority;

/// Why a text is no URL that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// It has no scheme, or neither `http` nor `https`.
    Scheme,
    /// It has no host, one with letters beyond ASCII (those have a form that begins with `xn--`), or a port that is none.
    Authority,
    /// What is before the `@` is not UTF-8 in percent-encoding, or there are two of them.
    UserInfo,
    /// It is too long, or has no target.
    Target,
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a URL must begin with http:// or https://",
            Self::Authority => "the URL has no host, or a malformed host or port",
            Self::UserInfo => "the URL has a malformed name or password",
            Self::Target => "the URL is too long",
        })
    }
}

impl std::error::Error for InvalidUrl {}

/// Who answers for a URL (RFC 9110 §4.3.1): connections are kept for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether it is `https`.
    pub is_secure: bool,
    /// A name in lower case, or an address; IPv6 without its brackets.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
}

impl Origin {
    /// The port that the scheme has by itself (RFC 9110 §4.2.1, §4.2.2).
    const fn usual_port(is_secure: bool) -> u16 {
        if is_secure { 443 } else { 80 }
    }

    /// The address that stands in the place of a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// As Host has it: without the port that goes without saying (RFC 9110 §4.2.3).
    #[must_use]
    pub fn authority(&self) -> String {
        let is_usual = self.port == Self::usual_port(self.is_secure);
        match (self.host.contains(':'), is_usual) {
            (false, true) => self.host.to_string(),
            (false, false) => format!("{}:{}", self.host, self.port),
            (true, true) => format!("[{}]", self.host),
            (true, false) => format!("[{}]:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// A URL of `http` or `https`, without its fragment. A name and a password in it become Basic credentials, and are never shown.
///
/// What a URI cannot have in a path or a query is percent-encoded: spaces, letters beyond ASCII. Else it is sent as it is given.
///
/// ```
/// use trilane_client::Url;
/// let url: Url = "HTTP://Example.org:80/a b?q=ä#here".parse()?;
/// assert_eq!(url.to_string(), "http://example.org/a%20b?q=%C3%A4");
/// assert_eq!((url.path(), url.query()), ("/a%20b", Some("q=%C3%A4")));
/// assert_eq!(url.join("../c")?.to_string(), "http://example.org/c");
/// # Ok::<(), trilane_client::InvalidUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    origin: Origin,
    /// Path and query.
    target: String,
    user: Option<Box<(String, String)>>,
}

impl Url {
    /// Who answers for it.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its path and its query, as they are sent.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Its path, percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// Its query without the `?`, percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Adds to the query, which must be encoded.
    pub(crate) fn add_query(&mut self, more: &str) {
        if more.is_empty() {
            return;
        }
        let is_first = match self.query() {
            None => {
                self.target.push('?');
                true
            }
            Some(query) => query.is_empty(),
        };
        if !is_first {
            self.target.push('&');
        }
        encode(more, &mut self.target);
    }

    /// Takes out the name and the password.
    pub(crate) fn take_user(&mut self) -> Option<(String, String)> {
        self.user.take().map(|user| *user)
    }

    /// What `reference` means where it is found in what is at this URL (RFC 3986 §5.2), such as in a Location (RFC 9110 §10.2.2).
    ///
    /// # Errors
    /// It leads to what is no URL of `http` or `https`.
    pub fn join(&self, reference: &str) -> Result<Self, InvalidUrl> {
        let reference = reference.split_once('#').map_or(reference, |(before, _)| before);
        if let Some(rest) = reference.strip_prefix("//") {
            let scheme = if self.origin.is_secure { "https" } else { "http" };
            return format!("{scheme}://{rest}").parse();
        }
        let first = reference.split(['/', '?']).next().unwrap_or_default();
        if first.contains(':') {
            return reference.parse();
        }
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let mut target = match path {
            "" => self.path().to_owned(),
            _ if path.starts_with('/') => without_dots(path),
            _ => {
                let folder = self.path().rfind('/').map_or("/", |at| &self.path()[..=at]);
                without_dots(&format!("{folder}{path}"))
            }
        };
        let query = if path.is_empty() { query.or_else(|| self.query()) } else { query };
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        Self::new(self.origin.clone(), &target, None)
    }

    fn new(
        origin: Origin,
        raw: &str,
        user: Option<Box<(String, String)>>,
    ) -> Result<Self, InvalidUrl> {
        let mut target = String::with_capacity(raw.len() + 1);
        if !raw.starts_with('/') {
            target.push('/');
        }
        encode(raw, &mut target);
        // Never a fragment, a space or a control character: it fits on a request line (RFC 9112 §3.2.1).
        Target::parse(target.as_bytes()).ok_or(InvalidUrl::Target)?;
        Ok(Self { origin, target, user })
    }
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let is_secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ => return Err(InvalidUrl::Scheme),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, place) = match authority.split_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let user = user.map(credentials).transpose()?;
        Self::new(origin(is_secure, place)?, target, user)
    }
}

/// `host [ ":" port ]` (RFC 3986 §3.2).
fn origin(is_secure: bool, place: &str) -> Result<Origin, InvalidUrl> {
    if !is_authority(place.as_bytes()) || place.contains('%') {
        return Err(InvalidUrl::Authority);
    }
    let literal = place.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match literal {
        Some((literal, port)) => {
            let address: Ipv6Addr = literal.parse().map_err(|_| InvalidUrl::Authority)?;
            (address.to_string(), port.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
            None => (place.to_ascii_lowercase(), None),
        },
    };
    let port = match port.unwrap_or_default() {
        "" => Origin::usual_port(is_secure),
        digits => digits.parse().map_err(|_| InvalidUrl::Authority)?,
    };
    Ok(Origin { is_secure, host: host.into(), port })
}

/// `user [ ":" password ]`, decoded.
fn credentials(text: &str) -> Result<Box<(String, String)>, InvalidUrl> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decoded = |part: &str| decode(part).ok_or(InvalidUrl::UserInfo);
    Ok(Box::new((decoded(user)?, decoded(password)?)))
}

/// Percent-decoding (RFC 3986 §2.1), of UTF-8.
fn decode(text: &str) -> Option<String> {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            decoded.push(first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        decoded.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
        rest = tail;
    }
    String::from_utf8(decoded).ok()
}

/// Appends `raw`, with what a path and a query cannot have in percent-encoding (RFC 3986 §2, §3.3, §3.4).
fn encode(raw: &str, out: &mut String) {
    for byte in raw.bytes() {
        if byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
            let (high, low) = (digit(byte >> 4), digit(byte & 15));
            out.extend(['%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
        }
    }
}

/// A path without `.` and `..` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.target)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// What can be asked for: a [`Url`], or text that is one.
pub trait IntoUrl {
    /// The URL.
    ///
    /// # Errors
    /// It is none.
    fn into_url(self) -> Result<Url, InvalidUrl>;
}

impl IntoUrl for Url {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        Ok(self)
    }
}

impl IntoUrl for &Url {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        Ok(self.clone())
    }
}

impl IntoUrl for &str {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        self.parse()
    }
}

impl IntoUrl for String {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        self.parse()
    }
}

impl IntoUrl for &String {
    fn into_url(self) -> Result<Url, InvalidUrl> {
        self.parse()
    }
}

#[cfg(test)]
#[path = "tests/url.rs"]
mod tests;
