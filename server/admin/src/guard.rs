//! Who may ask: who has the token; without one, programs and browsers that ask for a loopback name.

use std::net::IpAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use trilane_semantics::StatusCode;
use trilane_service::{
    Auth, BasicCredentials, BearerToken, Chain, Denied, Error, Grant, Header, Hook, Layer, Phases,
    Request, Response, Verify,
};

/// Knows the token, as a bearer token (RFC 6750) or as a password (RFC 7617): browsers and `go tool pprof` send the latter.
pub(crate) struct Token(Arc<str>);

impl Token {
    pub(crate) fn layer(token: &Arc<str>) -> Auth<Self> {
        Auth::new(Self(Arc::clone(token))).realm("trilane")
    }

    fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl Verify for Token {
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
        match self.is(&given) {
            true => Ok(Grant::new("operator", ())),
            false => Err(Denied::Invalid("unknown token")),
        }
    }
}

/// Refuses who asks for a name that is not this machine's own. A page whose name somebody has made to lead here (DNS rebinding) is of
/// the same origin as what it reads, and nothing but the name gives it away.
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
        let authority = request.head().authority().unwrap_or_default();
        let refused = || {
            let error = Error::new(StatusCode::MISDIRECTED_REQUEST);
            error.message("without a token, only loopback names lead here").into()
        };
        (!is_loopback(authority)).then(refused)
    }
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
