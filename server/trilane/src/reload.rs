//! A server at work is set up anew: another application on all shards or on none, and what else need not wait for a restart.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use trilane_service::{Router, Shard};
use trilane_shard::ReloadError;
use trilane_tls::Acceptor;

use crate::log::LogWriter;
use crate::redirect::RedirectAll;
use crate::server::{RunError, Server, on_shards};

/// Sets up a server at work anew, from any thread but a shard's. Clones are the same one.
#[derive(Clone)]
pub struct Reloader {
    shards: trilane_shard::Reloader,
    acceptor: Option<Acceptor>,
    redirect: Option<RedirectAll>,
    /// Of the server as it is now; whoever holds it sets it up anew.
    log: Arc<Mutex<Option<LogWriter>>>,
}

impl Reloader {
    pub(crate) fn new(
        shards: trilane_shard::Reloader,
        acceptor: Option<Acceptor>,
        redirect: Option<RedirectAll>,
        log: Option<LogWriter>,
    ) -> Self {
        Self { shards, acceptor, redirect, log: Arc::new(Mutex::new(log)) }
    }

    /// Takes over what `server` is set up with: the application, limits, TLS, the access log, how it redirects, HTTP/2 in clear, the PROXY
    /// protocol, drains. All shards do, or, if one of them cannot make its application, none, and nothing has changed.
    ///
    /// The next request is answered by the new application, also on connections that there are; requests under way end with the one that
    /// they began with. Of the limits, those that the protocols count by (heads, streams, windows, times for heads and content) are
    /// for new connections, and so is TLS. Where it listens, shards and CPUs, [`Server::connections`], [`Server::connections_per_ip`],
    /// [`Server::zero_copy_from`] and what is said of QUIC stay as they were started with.
    ///
    /// ```
    /// use trilane::{Router, Server, get};
    /// let says = |text: &'static str| Server::new(move |_| Router::new().route("/", get(move || async move { text })));
    /// let running = says("old").listen("127.0.0.1:0").start()?;
    /// running.reloader().reload(says("new"))?;
    /// # Ok::<(), trilane::RunError>(())
    /// ```
    ///
    /// # Errors
    /// It cannot be set up like that, a shard cannot make its application, or the server ends.
    pub fn reload<F>(&self, server: Server<F>) -> Result<(), RunError>
    where
        F: Fn(Shard) -> Router + Send + Sync + 'static,
    {
        let plan = server.plan()?;
        let mut writer = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = match &*writer {
            // Lines of old and new are not to meet in one file from two threads.
            Some(old) if plan.log.to.is_none() => plan.log.continued(old),
            _ => plan.log.writer()?,
        };
        let redirect = self.redirect.as_ref().map(|all| match plan.redirect {
            Some((to, _)) => all.renewed(to),
            None => all.clone(),
        });
        let app = on_shards(plan.app, redirect, plan.log, log.clone());
        self.shards.reload(plan.config, app)?;
        *writer = log;
        if let (Some(mine), Some(new)) = (&self.acceptor, plan.acceptor) {
            mine.adopt(&new);
        }
        Ok(())
    }

    /// Log lines that were dropped because they could not be written, or not fast enough, since the log was set up.
    pub(crate) fn dropped_log_lines(&self) -> u64 {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.as_ref().map_or(0, LogWriter::dropped)
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shards.fmt(f)
    }
}

impl From<ReloadError> for RunError {
    fn from(error: ReloadError) -> Self {
        Self::Reload(error)
    }
}
