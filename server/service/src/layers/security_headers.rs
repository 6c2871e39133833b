//! Fields that make browsers careful (FEATURES X6): on every answer, errors and refusals too.
//!
//! They are prepared once, as HTTP/1.1 writes them, so that an answer costs one copy of all of them.

use std::time::Duration;

use trilane_exchange::{Exchange, Refusal, Request, Response};
use trilane_semantics::Fields;

use crate::chain::Chain;
use crate::layer::{Hook, Layer, Phases};
use crate::layers::csp::{Csp, Nonce};

const HSTS: &str = "strict-transport-security";
const CSP: &str = "content-security-policy";
const CSP_REPORT_ONLY: &str = "content-security-policy-report-only";

/// Adds these fields, each unless the handler gives its own value:
///
/// | field | value |
/// | --- | --- |
/// | `X-Content-Type-Options` | `nosniff` |
/// | `X-Frame-Options` | `DENY` |
/// | `Referrer-Policy` | `strict-origin-when-cross-origin` |
/// | `X-XSS-Protection` | `0`: what the filter of old browsers did could be turned against a page |
/// | `Content-Security-Policy` | [`Csp::default`] |
/// | `Cross-Origin-Opener-Policy` | `same-origin` |
/// | `Cross-Origin-Resource-Policy` | `same-origin` |
/// | `Strict-Transport-Security` | `max-age=31536000; includeSubDomains`, only to clients over TLS (RFC 6797 §7.2) |
///
/// `Cross-Origin-Embedder-Policy` and `Permissions-Policy` are there to be [`set`](Self::set): no value of theirs suits everybody.
///
/// ```
/// use trilane_service::{Csp, Router, SecurityHeaders, get};
/// let headers = SecurityHeaders::new()
///     .content_security_policy(Csp::default().directive("img-src", "'self' data:"))
///     .set("permissions-policy", "camera=(), geolocation=()")
///     .without("x-frame-options");
/// let router: Router = Router::new().route("/", get(|| async { "hi" })).layer(headers);
/// # router.build().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    lines: Vec<(String, String)>,
    hsts: Option<String>,
    csp: Option<Csp>,
}

impl SecurityHeaders {
    /// The fields of the table.
    #[must_use]
    pub fn new() -> Self {
        let lines = [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("x-xss-protection", "0"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ];
        let none = Self { csp: Some(Csp::default()), ..Self::none() };
        lines
            .into_iter()
            .fold(none, |all, (name, value)| all.set(name, value))
            .strict_transport_security(Duration::from_secs(365 * 24 * 60 * 60), true, false)
    }

    /// No fields yet.
    #[must_use]
    pub const fn none() -> Self {
        Self { lines: Vec::new(), hsts: None, csp: None }
    }

    /// That value for a field, or one more field. `Strict-Transport-Security` is sent over TLS only, whatever sets it. What no field
    /// may have is an error of [`Router::build`](crate::Router::build).
    #[must_use]
    pub fn set(self, name: &str, value: impl Into<String>) -> Self {
        let name = name.to_ascii_lowercase();
        let mut rest = self.without(&name);
        match &*name {
            HSTS => rest.hsts = Some(value.into()),
            _ => rest.lines.push((name, value.into())),
        }
        rest
    }

    /// Without that field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.lines.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if name.eq_ignore_ascii_case(HSTS) {
            self.hsts = None;
        }
        if name.eq_ignore_ascii_case(CSP) || name.eq_ignore_ascii_case(CSP_REPORT_ONLY) {
            self.csp = None;
        }
        self
    }

    /// How long, in whole seconds, and for which hosts a browser is to use nothing but TLS (RFC 6797 §6.1). `preload` asks to be on the
    /// lists that browsers come with, which is hard to take back.
    #[must_use]
    pub fn strict_transport_security(
        self,
        max_age: Duration,
        include_subdomains: bool,
        preload: bool,
    ) -> Self {
        let subdomains = if include_subdomains { "; includeSubDomains" } else { "" };
        let preload = if preload { "; preload" } else { "" };
        self.set(HSTS, format!("max-age={}{subdomains}{preload}", max_age.as_secs()))
    }

    /// What a page may load, and from where.
    #[must_use]
    pub fn content_security_policy(mut self, policy: impl Into<Csp>) -> Self {
        self = self.without(CSP);
        self.csp = Some(policy.into());
        self
    }

    fn prepared(&self) -> Result<Prepared, String> {
        let mut clear = Fields::new();
        let mut add = |name: &str, value: &str| {
            clear.append(name, value).map_err(|_| format!("{name}: no field can be '{value}'"))
        };
        for (name, value) in &self.lines {
            add(name, value)?;
        }
        let mut nonce = None;
        if let Some(policy) = &self.csp {
            let name = if policy.is_report_only() { CSP_REPORT_ONLY } else { CSP };
            add(name, policy.text())?;
            if policy.has_nonce() {
                clear.remove(name);
                nonce = Some((name, policy.clone()));
            }
        }
        let mut secure = clear.clone();
        if let Some(hsts) = &self.hsts {
            secure.append(HSTS, hsts).map_err(|_| format!("{HSTS}: no field can be '{hsts}'"))?;
        }
        Ok(Prepared { clear, secure, nonce })
    }
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for SecurityHeaders {
    fn add_to(self, chain: &mut Chain) {
        match self.prepared() {
            Ok(prepared) => chain.add(prepared),
            Err(reason) => chain.refuse("SecurityHeaders", reason),
        }
    }
}

/// The fields as they are sent.
struct Prepared {
    clear: Fields,
    /// The same, and those for TLS alone.
    secure: Fields,
    /// The policy that is another one each time, and the name of its field.
    nonce: Option<(&'static str, Csp)>,
}

impl Prepared {
    fn add_to(&self, fields: &mut Fields, is_secure: bool, nonce: Option<&Nonce>) {
        // Fails only past 65,535 lines.
        let _ = fields.append_missing(if is_secure { &self.secure } else { &self.clear });
        if let Some((name, policy)) = &self.nonce
            && !fields.contains(*name)
        {
            // Checked when it was prepared, and a nonce has only letters and digits.
            let _ = fields.append(*name, policy.with(nonce).as_bytes());
        }
    }
}

impl Hook for Prepared {
    fn phases(&self) -> Phases {
        if self.nonce.is_some() { Phases::BEFORE | Phases::AFTER } else { Phases::AFTER }
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        request.exchange().note(Nonce::new(request.shard()));
        None
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        let nonce = self.nonce.as_ref().and_then(|_| exchange.noted::<Nonce>());
        self.add_to(&mut response.head.fields, exchange.client().is_secure, nonce.as_deref());
    }

    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        let is_secure = match refusal.exchange {
            Some(exchange) => exchange.client().is_secure,
            None => refusal.connection.tls.is_some(),
        };
        self.add_to(&mut response.head.fields, is_secure, None);
    }
}
