//! The client behind proxies (FEATURES X8): what they say of it, if it is one of ours that says it.

use trilane_exchange::{Address, Exchange, Request, Response};
use trilane_semantics::{Fields, Known};

use crate::chain::Chain;
use crate::forwarded::{self, Hop};
use crate::layer::{Hook, Layer, Phases};
use crate::networks::Networks;

const REAL_IP: &str = "x-real-ip";
const FORWARDED_HOST: &str = "x-forwarded-host";

/// Where proxies write who asks. One field is believed: with two of them a client could fill in the one that its proxy does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientField {
    /// `Forwarded` (RFC 7239): `for`, and `proto` and `host` of the same element if they are asked for.
    Forwarded,
    /// `X-Forwarded-For`: a list, to which each proxy adds who has asked it.
    #[default]
    XForwardedFor,
    /// `X-Real-IP`: one address.
    XRealIp,
}

/// Finds the client behind proxies, and says so ([`Exchange::set_client`]): limits, logs, lists of addresses and handlers then go by it.
/// Only the word of proxies in these networks counts; what others write is ignored, or taken out with [`strip`](Self::strip). In a
/// list, the client is the last address that is none of our proxies: what stands before that it may have written itself.
///
/// ```
/// use trilane_service::{ClientField, Router, TrustedProxies, get};
/// let proxies = TrustedProxies::new(ClientField::XForwardedFor).trust("10.0.0.0/8").proto().strip();
/// let router: Router = Router::new().route("/", get(|| async { "hi" })).layer(proxies);
/// # router.build().unwrap();
/// ```
///
/// Add it last but for the layers that know no client, so that it is outermost. A text that is no network is an error of
/// [`Router::build`](crate::Router::build).
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    field: ClientField,
    networks: Networks,
    trusts_unix: bool,
    has_proto: bool,
    has_host: bool,
    strips: bool,
    wrong: Option<String>,
}

/// The host that the client has asked, as a trusted proxy says: noted on the exchange
/// ([`Exchange::noted`]) where [`TrustedProxies::host`] asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedHost(pub Box<str>);

impl TrustedProxies {
    /// Nobody is trusted yet.
    #[must_use]
    pub fn new(field: ClientField) -> Self {
        Self { field, ..Self::default() }
    }

    /// Proxies at that address or in that network: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.
    #[must_use]
    pub fn trust(mut self, network: &str) -> Self {
        if !self.networks.add(network) {
            self.wrong
                .get_or_insert_with(|| format!("'{network}' is neither an address nor a network"));
        }
        self
    }

    /// Whoever reaches the unix socket that the server listens on.
    #[must_use]
    pub const fn trust_unix(mut self) -> Self {
        self.trusts_unix = true;
        self
    }

    /// Also whether the client itself speaks TLS: by `X-Forwarded-Proto`, or `proto` in `Forwarded`.
    #[must_use]
    pub const fn proto(mut self) -> Self {
        self.has_proto = true;
        self
    }

    /// Also which host it has asked: by `X-Forwarded-Host`, or `host` in `Forwarded`.
    #[must_use]
    pub const fn host(mut self) -> Self {
        self.has_host = true;
        self
    }

    /// Takes out all of these fields when somebody sends them who is not trusted, so that no handler believes them.
    #[must_use]
    pub const fn strip(mut self) -> Self {
        self.strips = true;
        self
    }

    fn trusts(&self, address: Address) -> bool {
        match address {
            Address::Ip(address) => self.networks.has(address.ip()),
            Address::Unix => self.trusts_unix,
        }
    }

    fn learn(&self, exchange: &Exchange) {
        let fields = &exchange.head().fields;
        let found = self.find(fields);
        let mut client = exchange.client();
        if let Some(address) = found.address {
            client.address = Address::Ip(address);
        }
        if self.has_proto
            && let Some(is_secure) = found.is_secure
        {
            client.is_secure = is_secure;
        }
        if client != exchange.client() {
            exchange.set_client(client);
        }
        if self.has_host
            && let Some(host) = found.host
        {
            exchange.note(ForwardedHost(host));
        }
    }

    /// What the field says.
    fn find(&self, fields: &Fields) -> Hop {
        let mut found = match self.field {
            ClientField::Forwarded => {
                return self.client_of(forwarded::elements(fields));
            }
            ClientField::XForwardedFor => self.client_of(
                fields.list(Known::XForwardedFor).map(|it| Hop::at(forwarded::address(it))),
            ),
            ClientField::XRealIp => {
                Hop::at(last(fields, REAL_IP, true).and_then(forwarded::address))
            }
        };
        found.is_secure = last(fields, "x-forwarded-proto", false).and_then(forwarded::is_secure);
        found.host = last(fields, FORWARDED_HOST, false).and_then(forwarded::host);
        found
    }

    /// The last hop that is none of our proxies; if all are, the first. What stands before one that cannot be read, or
    /// hides its address, is not believed.
    fn client_of(&self, hops: impl IntoIterator<Item = Hop>) -> Hop {
        let mut client = Hop::default();
        for hop in hops {
            let is_trusted = hop.address.is_some_and(|address| self.networks.has(address.ip()));
            if !is_trusted || client.address.is_none() {
                client = hop;
            }
        }
        client
    }
}

/// The last member of a list, which our own proxy wrote; or the only one, if it must be.
fn last<'a>(fields: &'a Fields, name: &'static str, must_be_only: bool) -> Option<&'a [u8]> {
    let mut members = fields.list(name);
    let first = members.next()?;
    match members.last() {
        None => Some(first),
        Some(last) => (!must_be_only).then_some(last),
    }
}

impl Layer for TrustedProxies {
    fn add_to(mut self, chain: &mut Chain) {
        match self.wrong.take() {
            Some(reason) => chain.refuse("TrustedProxies", reason),
            None => chain.add(Finder(self)),
        }
    }
}

struct Finder(TrustedProxies);

impl Hook for Finder {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        if self.0.trusts(request.exchange().connection().peer) {
            self.0.learn(request.exchange());
        } else if self.0.strips {
            strip(request);
        }
        None
    }
}

fn strip(request: &mut Request) {
    let known = [Known::Forwarded, Known::XForwardedFor, Known::XForwardedProto];
    let fields = &request.head().fields;
    // A head that is changed is copied first.
    if fields.has_any(&known) || fields.contains(REAL_IP) || fields.contains(FORWARDED_HOST) {
        let fields = &mut request.head_mut().fields;
        for name in known {
            fields.remove(name);
        }
        fields.remove(REAL_IP);
        fields.remove(FORWARDED_HOST);
    }
}
