//! Reverse proxies in front of what the suite asks.
//!
//! With `TRILANE_IT_THROUGH` all houses with the demo are behind one, which asks them over `h1`, `h2c` or `tls`: `features::proxy` runs the
//! suite so.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use trilane::proxy::rewrite::Policy;
use trilane::proxy::{Member, Place, Proxy, Servers, Target, Terms, Upstream};
use trilane::{Request, Router, Shard, Speak};

use super::{Over, secure};

/// The variable that puts houses behind proxies.
pub(crate) const THROUGH: &str = "TRILANE_IT_THROUGH";

/// A server at that address.
pub(crate) fn target(address: SocketAddr) -> Target {
    let text = address.to_string();
    Target { member: Member::new(&*text), place: Place::Ip(address), authority: text.into() }
}

/// Servers at these addresses.
pub(crate) fn upstream(addresses: &[SocketAddr], terms: Terms) -> Arc<Upstream> {
    let targets = addresses.iter().copied().map(target).collect();
    Arc::new(Upstream::new("it", targets, terms).unwrap())
}

pub(crate) fn policy() -> Policy {
    Policy::new("it-front").unwrap()
}

/// Passes everything on.
pub(crate) fn passing(
    upstream: &Arc<Upstream>,
    policy: &Policy,
) -> impl Fn(Shard) -> Router + Send + Sync + use<> {
    let (upstream, policy) = (Arc::clone(upstream), policy.clone());
    move |shard| {
        let servers = Servers::new(Arc::clone(&upstream), &shard);
        let proxy = Proxy::new(Rc::new(policy.clone()), servers);
        Router::new().fallback(move |request: Request| proxy.clone().forward(request))
    }
}

/// How a house is asked that is behind another.
pub(super) struct Behind {
    pub(super) over: Over,
    pub(super) terms: Terms,
}

/// As the variable has it, if houses are to be behind others.
pub(super) fn wanted() -> Option<Behind> {
    let mut terms = Terms::default();
    let over = match &*std::env::var(THROUGH).ok()? {
        "h1" => Over::Tcp,
        "h2c" => {
            terms.speak = Speak::Http2;
            Over::Tcp
        }
        "tls" => {
            terms.tls = Some((secure::connector().into(), Some("localhost".into())));
            Over::Tls
        }
        other => panic!("{THROUGH}={other}"),
    };
    Some(Behind { over, terms })
}
