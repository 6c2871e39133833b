//! What the configuration says about heads on their way through.

use std::fmt;

use trilane_semantics::field::{is_token, is_value};
use trilane_semantics::target::is_authority;
use trilane_semantics::{Fields, Known, NameRef, Protocol};

use crate::rewrite::hops::Set;

/// Which Host the servers are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Host {
    /// That which the client asks for.
    #[default]
    Keep,
    /// The server's own authority.
    Server,
    /// Always this one.
    Fixed(Box<str>),
}

/// How heads are rewritten. One a route, made at the start and shared by all its requests.
///
/// ```
/// use trilane_proxy::rewrite::{Host, Policy};
/// let policy = Policy::new("trilane-7f3a").unwrap().path("/api", "/").host(Host::Server).x_real_ip(true);
/// assert!(policy.check().is_ok());
/// assert!(Policy::new("not a token").is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) pseudonym: Box<str>,
    /// What is added to Via, for each protocol that a message may have come over.
    vias: [Box<str>; 4],
    pub(crate) host: Host,
    /// The prefix of paths in front, and what stands for it behind; neither ends with a slash.
    pub(crate) prefix: Option<(Box<str>, Box<str>)>,
    pub(crate) x_forwarded: bool,
    pub(crate) x_forwarded_port: bool,
    pub(crate) x_real_ip: bool,
    pub(crate) forwarded: bool,
    pub(crate) is_hidden: bool,
    pub(crate) has_underscores: bool,
    pub(crate) websocket: bool,
    pub(crate) response_via: bool,
    pub(crate) keeps_server: bool,
    pub(crate) removed: Names,
    pub(crate) set: Fields,
    pub(crate) response_removed: Names,
    pub(crate) response_set: Fields,
    wrong: Option<BadPolicy>,
}

/// A policy that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPolicy(String);

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadPolicy {}

/// Names of fields: the well-known ones a bit each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) known: Set,
    pub(crate) others: Vec<Box<[u8]>>,
}

impl Names {
    fn add(&mut self, name: &str) {
        match NameRef::new(name.as_bytes()) {
            NameRef::Known(known) => self.known = self.known.and(known),
            NameRef::Other(name) => self.others.push(name.to_ascii_lowercase().into()),
        }
    }

    #[inline]
    pub(crate) fn has_other(&self, name: &[u8]) -> bool {
        self.others.iter().any(|other| **other == *name)
    }
}

impl Policy {
    /// That of a proxy with this name in Via (RFC 9110 §7.6.3), a token. It is also how we find our own requests that come back, so a
    /// part of it should be random and the same in all of the process.
    ///
    /// What is not said otherwise: Host and path are kept, `X-Forwarded-For`, `-Proto` and `-Host` are written, WebSockets are let through.
    ///
    /// # Errors
    /// It is no token.
    pub fn new(pseudonym: &str) -> Result<Self, BadPolicy> {
        if !is_token(pseudonym.as_bytes()) {
            return Err(BadPolicy(format!("'{pseudonym}' is no name for Via: it must be a token")));
        }
        let via = |version: &str| format!("{version} {pseudonym}").into_boxed_str();
        Ok(Self {
            pseudonym: pseudonym.into(),
            vias: [via("1.0"), via("1.1"), via("2"), via("3")],
            host: Host::Keep,
            prefix: None,
            x_forwarded: true,
            x_forwarded_port: false,
            x_real_ip: false,
            forwarded: false,
            is_hidden: false,
            has_underscores: false,
            websocket: true,
            response_via: true,
            keeps_server: true,
            removed: Names::default(),
            set: Fields::new(),
            response_removed: Names::default(),
            response_set: Fields::new(),
            wrong: None,
        })
    }

    /// Which Host the servers are asked for. Default [`Host::Keep`].
    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        if let Host::Fixed(authority) = &host
            && !is_authority(authority.as_bytes())
        {
            self.refuse(format!("'{authority}' is no host"));
        }
        self.host = host;
        self
    }

    /// Paths below `front` are asked for below `back`: `/api` and `/` make `/users` of `/api/users`. Paths that lie not below it are
    /// kept. The query is never changed. `Location`, `Content-Location` and the paths of cookies go the way back.
    #[must_use]
    pub fn path(mut self, front: &str, back: &str) -> Self {
        for path in [front, back] {
            let is_path = path.starts_with('/')
                && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#;,\"".contains(&byte));
            if !is_path {
                self.refuse(format!("'{path}' is no path"));
            }
        }
        let [front, back] = [front, back].map(|path| path.trim_end_matches('/').into());
        self.prefix = (front != back).then_some((front, back));
        self
    }

    /// Whether `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` are written. Default yes.
    #[must_use]
    pub const fn x_forwarded(mut self, is_written: bool) -> Self {
        self.x_forwarded = is_written;
        self
    }

    /// Whether `X-Forwarded-Port` is written. Default no.
    #[must_use]
    pub const fn x_forwarded_port(mut self, is_written: bool) -> Self {
        self.x_forwarded_port = is_written;
        self
    }

    /// Whether `X-Real-IP` is written. Default no.
    #[must_use]
    pub const fn x_real_ip(mut self, is_written: bool) -> Self {
        self.x_real_ip = is_written;
        self
    }

    /// Whether `Forwarded` is written (RFC 7239). Default no.
    #[must_use]
    pub const fn forwarded(mut self, is_written: bool) -> Self {
        self.forwarded = is_written;
        self
    }

    /// Whether no address of a client is told: `Forwarded` has `for=_hidden` then (RFC 7239 §6.3), and the other fields are left out.
    /// Default no.
    #[must_use]
    pub const fn hide_client(mut self, is_hidden: bool) -> Self {
        self.is_hidden = is_hidden;
        self
    }

    /// Whether fields are passed on whose names have an underscore. CGI, and what is like it, cannot tell `X_Real_IP` from `X-Real-IP`,
    /// so that a client could write what only we may. Default no.
    #[must_use]
    pub const fn underscores(mut self, are_passed: bool) -> Self {
        self.has_underscores = are_passed;
        self
    }

    /// Whether WebSockets are let through. Default yes.
    #[must_use]
    pub const fn websocket(mut self, are_passed: bool) -> Self {
        self.websocket = are_passed;
        self
    }

    /// Whether answers have a Via as well, which a gateway may add (RFC 9110 §7.6.3). Default yes.
    #[must_use]
    pub const fn response_via(mut self, is_written: bool) -> Self {
        self.response_via = is_written;
        self
    }

    /// Whether the Server of answers is passed on, and not ours. Default yes.
    #[must_use]
    pub const fn keep_server(mut self, is_kept: bool) -> Self {
        self.keeps_server = is_kept;
        self
    }

    /// Requests have this field, and no other line of that name.
    #[must_use]
    pub fn set_field(mut self, name: &str, value: &str) -> Self {
        if self.may_say(name, value) && self.set.append(name, value).is_ok() {
            self.removed.add(name);
        }
        self
    }

    /// Requests do not have this field.
    #[must_use]
    pub fn remove_field(mut self, name: &str) -> Self {
        if self.may_say(name, "") {
            self.removed.add(name);
        }
        self
    }

    /// Answers have this field, and no other line of that name.
    #[must_use]
    pub fn set_response_field(mut self, name: &str, value: &str) -> Self {
        if self.may_say(name, value) && self.response_set.append(name, value).is_ok() {
            self.response_removed.add(name);
        }
        self
    }

    /// Answers do not have this field.
    #[must_use]
    pub fn remove_response_field(mut self, name: &str) -> Self {
        if self.may_say(name, "") {
            self.response_removed.add(name);
        }
        self
    }

    /// Whether all that was said can be.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), BadPolicy> {
        self.wrong.clone().map_or(Ok(()), Err)
    }

    /// What is added to Via for a message that came over that protocol.
    #[inline]
    pub(crate) fn via(&self, protocol: Protocol) -> &str {
        let [http10, http11, http2, http3] = &self.vias;
        match protocol {
            Protocol::Http10 => http10,
            Protocol::Http11 => http11,
            Protocol::Http2 => http2,
            Protocol::Http3 => http3,
        }
    }

    /// What is about connections, framing or the Host is not the configuration's to say as a field.
    fn may_say(&mut self, name: &str, value: &str) -> bool {
        let is_ours = Known::from_name(name.as_bytes()).is_some_and(|known| {
            Set::CONNECTION.has(known) || matches!(known, Known::Host | Known::ContentLength)
        });
        let is_good = is_token(name.as_bytes()) && is_value(value.as_bytes());
        if is_ours || !is_good {
            self.refuse(format!("the field '{name}' cannot be set or removed"));
        }
        !is_ours && is_good
    }

    fn refuse(&mut self, reason: String) {
        self.wrong.get_or_insert(BadPolicy(reason));
    }
}
