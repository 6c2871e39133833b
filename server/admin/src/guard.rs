//! Who may ask: who has the token; without one, programs and browsers that ask for a loopback name.

use std::net::IpAddr;

use trilane_semantics::{Fields, Method, RequestHead, StatusCode};
use trilane_service::{
    Auth, BasicCredentials, BearerToken, Chain, Denied, Error, Grant, Header, Hook, Layer, Phases,
    Request, Response, Verify,
};

use crate::token::Token;

/// Knows the token, as a bearer token (RFC 6750) or as a password (RFC 7617): browsers and `go tool pprof` send the latter.
pub(crate) struct TokenGuard(Token);

impl TokenGuard {
    pub(crate) fn layer(token: &Token) -> Auth<Self> {
        Auth::new(Self(token.clone())).realm("trilane")
    }
}

impl Verify for TokenGuard {
    type User = ();
    // What a browser can ask for.
    const SCHEME: &'static str = "Basic";
    const PARAMETERS: &'static str = ", charset=\"UTF-8\"";
    const IS_HIDDEN: bool = false;

    fn verify(&self, request: &Request) -> Result<Grant<()>, Denied> {
        let fields = &request.head().fields;
        let given = match (BearerToken::parse(fields), BasicCredentials::parse(fields)) {
            (Some(BearerToken(token)), _) => token,
            (None, Some(credentials)) => credentials.password,
            (None, None) => return Err(Denied::Missing),
        };
        match self.0.is(&given) {
            true => Ok(Grant::new("operator", ())),
            false => Err(Denied::Invalid("unknown token")),
        }
    }
}

/// Refuses who asks for a name that is not this machine's own, and what other pages ask for. A page whose name somebody has made to lead here
/// (DNS rebinding) is of the same origin as what it reads, and nothing but the name gives it away. One of elsewhere reads no answer, but a profile
/// or a stream of events costs something whoever reads it.
pub(crate) struct HostGuard;

impl Layer for HostGuard {
    fn add_to(self, chain: &mut Chain) {
        chain.add(Hooked);
    }
}

struct Hooked;

impl Hook for Hooked {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let head = request.head();
        if !is_loopback(head.authority().unwrap_or_default()) {
            let error = Error::new(StatusCode::MISDIRECTED_REQUEST);
            return Some(error.message("without a token, only loopback names lead here").into());
        }
        if is_of_another_page(&head.fields) && !is_visit(head) {
            let error = Error::new(StatusCode::FORBIDDEN);
            return Some(error.message("without a token, other pages may only link to /").into());
        }
        None
    }
}

/// Whether a page of another origin asks, or one that it leads to (Fetch Metadata). Another port of this machine is the same site.
/// Programs say nothing, and a browser says it whatever the page wants.
fn is_of_another_page(fields: &Fields) -> bool {
    fields.all("sec-fetch-site").any(|site| !matches!(site, b"same-origin" | b"none"))
}

/// Whether somebody follows a link to the page for people, in a window and not in a frame.
fn is_visit(head: &RequestHead) -> bool {
    let is = |name: &str, value| head.fields.get_str(name) == Some(value);
    head.method == Method::GET
        && head.path() == "/"
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

/// Whether an authority is a loopback address, or a name that is never anything else (RFC 6761 §6.3).
fn is_loopback(authority: &str) -> bool {
    let (host, port) = match authority.rfind(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if !port.is_empty() && port.strip_prefix(':').is_none_or(|port| port.parse::<u16>().is_err()) {
        return false;
    }
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_lead_here() {
        for name in [
            "localhost",
            "LocalHost:9",
            "127.0.0.1",
            "127.0.0.1:8081",
            "127.1.2.3",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(is_loopback(name), "{name}");
        }
        for name in [
            "",
            "example.org",
            "localhost.example.org",
            "evil.localhost:1",
            "192.0.2.1",
            "127.0.0.1.example.org",
            "[::2]:80",
            "[::1",
            "localhost:",
            "localhost:x",
            "[::1]x",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
