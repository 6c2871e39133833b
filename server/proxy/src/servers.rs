//! A group of servers as a shard has it: its own connections, and its own turns.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use trilane_client::Pool;
use trilane_exchange::{Address, Ask, AskError, AskFailure, Asking, Exchange, Shard};
use trilane_semantics::{Effect, Protocol};

use crate::balance::Balancer;
use crate::check;
use crate::group::Group;
use crate::proxy_protocol::Told;
use crate::rewrite::Upstream as Asked;
use crate::upstream::Upstream;

/// A group of servers as a shard has it. One a shard and group; clones share it.
#[derive(Clone, Debug)]
pub struct Servers(Rc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) balancer: Balancer,
    pub(crate) shard: Shard,
    pools: Box<[OnceCell<Pool>]>,
}

impl Servers {
    /// What `shard` needs of `upstream`: what it has already, if it does. The first shard that asks is the one that asks servers how they are, if that is wanted.
    #[must_use]
    pub fn new(upstream: Arc<Upstream>, shard: &Shard) -> Self {
        let here = shard.local::<Here>();
        if let Some(known) = here.find(&upstream) {
            return Self(known);
        }
        if upstream.terms.check.is_some() && !upstream.is_checked.swap(true, Relaxed) {
            shard.spawn(check::run(Arc::downgrade(&upstream), shard.clone()));
        }
        let inner = Rc::new(Inner {
            balancer: upstream.plan.balancer(shard.random()),
            pools: upstream.targets.iter().map(|_| OnceCell::new()).collect(),
            shard: shard.clone(),
            upstream,
        });
        here.0.borrow_mut().push(Rc::downgrade(&inner));
        Self(inner)
    }
}

/// All that a shard has: another application that asks the same servers has the same connections to them.
#[derive(Default)]
struct Here(RefCell<Vec<Weak<Inner>>>);

impl Here {
    fn find(&self, upstream: &Arc<Upstream>) -> Option<Rc<Inner>> {
        let mut all = self.0.borrow_mut();
        all.retain(|it| it.strong_count() > 0);
        let mut known = all.iter().filter_map(Weak::upgrade);
        known.find(|it| Arc::ptr_eq(&it.upstream, upstream))
    }
}

impl Deref for Servers {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.0.upstream.group
    }
}

impl Servers {
    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    /// What heads depend on, for a connection with that protocol to that server.
    pub(crate) fn asked(&self, server: usize, protocol: Protocol) -> Asked<'_> {
        let target = self.upstream.targets.get(server);
        Asked {
            protocol,
            is_secure: self.upstream.terms.tls.is_some(),
            authority: target.map_or("", |target| &target.authority),
        }
    }

    /// The connections of this shard to that server.
    pub(crate) fn pool(&self, server: usize) -> Option<&Pool> {
        let (target, share) =
            (self.upstream.targets.get(server)?, self.upstream.shares.get(server)?);
        Some(self.pools.get(server)?.get_or_init(|| {
            let (dial, config) =
                (self.upstream.dial(target, &Told::default()), self.upstream.terms.pool.clone());
            Pool::new(self.shard.clone(), dial, config, Arc::clone(share))
        }))
    }

    /// Asks over a connection that is this client's alone, and begins by saying whose it is.
    ///
    /// # Errors
    /// There is no connection to be had.
    pub(crate) fn ask_for(
        &self,
        server: usize,
        exchange: &Exchange,
        ask: Ask,
    ) -> Result<Asking, AskError> {
        let failed = |error: io::Error, ask: Ask| AskError {
            failure: AskFailure::Connection(error.into()),
            effect: Effect::None,
            is_reused: false,
            request: Some(Box::new((ask.head, ask.body))),
        };
        let Some(target) = self.upstream.targets.get(server) else {
            return Err(failed(io::ErrorKind::NotFound.into(), ask));
        };
        let connection = exchange.connection();
        let tls = connection.tls.as_deref();
        let ends = match (exchange.client().address, connection.local) {
            (Address::Ip(client), Address::Ip(local)) => Some((client, local)),
            _ => None,
        };
        let told = Told {
            ends,
            authority: tls.and_then(|tls| tls.server_name.as_deref()),
            alpn: None,
            tls: None,
        };
        match self.shard.dial(self.upstream.dial(target, &told)) {
            // The connection ends after this request: nobody has it any more.
            Ok(caller) => Ok(caller.ask(ask)),
            Err(error) => Err(failed(error, ask)),
        }
    }
}
