//! The thread that looks after the certificate: it orders, renews, and tells.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use trilane_tls::{Acceptor, CertificateFacts};

use crate::challenges::Challenges;
use crate::error::AcmeError;
use crate::news::{Gauge, News};
use crate::order::{account, order, suggested};
use crate::proof::Stage;
use crate::schedule::{again, due, within};
use crate::settings::Settings;
use crate::store::{Failures, Store};

/// The folder is looked at as often as that, for what another process has put there; and the authority asked when to renew.
const LOOK: Duration = Duration::from_secs(3600);
/// So long until another process that orders has to be done.
const BUSY: Duration = Duration::from_secs(60);

/// A certificate that is to be looked after, before it is.
#[derive(Debug)]
pub struct Acme {
    settings: Settings,
    challenges: Challenges,
    gauge: Gauge,
}

impl Acme {
    /// The certificate that `settings` want.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, challenges: Challenges::new(), gauge: Gauge::default() }
    }

    /// What answers the authority on listeners in clear: a layer around everything else.
    #[must_use]
    pub fn challenges(&self) -> Challenges {
        self.challenges.clone()
    }

    /// How it stands with the certificate.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    /// Begins to look after it, on a thread of its own, for `acceptor` to serve. `told` hears what happens: after [`News::Changed`] it has the certificate read
    /// again.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn keep(
        self,
        acceptor: Acceptor,
        told: impl FnMut(News<'_>) + Send + 'static,
    ) -> io::Result<Keeper> {
        let (stop, stopped) = channel();
        let Self { settings, challenges, gauge } = self;
        let stage = Stage { challenges, acceptor };
        let store = Store::new(&settings);
        let served = store.certificate(&settings);
        if let Some(facts) = &served {
            gauge.found(facts.not_after);
        }
        let asked = Suggestion::default();
        let mut work = Work { settings, store, stage, told, served, gauge, asked };
        thread::Builder::new().name("trilane-acme".to_owned()).spawn(move || work.run(&stopped))?;
        Ok(Keeper { _stop: stop })
    }
}

/// Looks after a certificate until it is dropped. What is under way then is not waited for.
#[derive(Debug)]
pub struct Keeper {
    /// Dropped, it ends the thread.
    _stop: Sender<()>,
}

struct Work<T> {
    settings: Settings,
    store: Store,
    stage: Stage,
    told: T,
    /// The certificate that was told of last.
    served: Option<CertificateFacts>,
    gauge: Gauge,
    asked: Suggestion,
}

/// When the authority wants the certificate to be renewed (RFC 9773), if it says so.
#[derive(Default)]
struct Suggestion {
    serial: Vec<u8>,
    window: Option<(SystemTime, SystemTime)>,
    /// When to ask again.
    until: Option<SystemTime>,
}

impl<T: FnMut(News<'_>)> Work<T> {
    fn run(&mut self, stopped: &Receiver<()>) {
        let mut wait = self.turn();
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(wait) {
            wait = self.turn();
        }
    }

    /// Does what is due; how long until there may be more.
    fn turn(&mut self) -> Duration {
        let wanted = self.wanted();
        let failures = self.store.failures();
        let before = if failures.wanted == wanted { failures.count } else { 0 };
        let wait = failures.last.filter(|_| before > 0).map_or(Duration::ZERO, |last| {
            let since = SystemTime::now().duration_since(last).unwrap_or_default();
            again(before, 0).saturating_sub(since)
        });
        match self.look(wait) {
            Ok(wait) => wait,
            Err(error) => {
                let (count, last) = (before.saturating_add(1), Some(SystemTime::now()));
                // If it cannot be kept this process remembers it all the same: it waits.
                let _ = self.store.keep_failures(&Failures { count, last, wanted });
                self.gauge.ordered(false);
                let wait = again(count, chance());
                (self.told)(News::Failed(&error, wait));
                wait
            }
        }
    }

    /// Orders if it is time to, and not before `wait` is over.
    fn look(&mut self, wait: Duration) -> Result<Duration, AcmeError> {
        if let Some(left) = self.left() {
            return Ok(left.min(LOOK));
        }
        if !wait.is_zero() {
            (self.told)(News::Waiting(wait));
            return Ok(wait);
        }
        let Some(_held) = self.store.try_hold()? else { return Ok(BUSY) };
        // Another process may have been faster.
        if let Some(left) = self.left() {
            return Ok(left.min(LOOK));
        }
        (self.told)(News::Ordering(self.settings.names()));
        let account = account(&self.settings, &self.store)?;
        let pem = order(&self.settings, &account, &self.stage)?;
        self.store.keep_certificate(&pem)?;
        self.store.keep_failures(&Failures::default())?;
        self.gauge.ordered(true);
        // What has come may be for fewer names, or for a short time: then it is a failure like others, and not asked for at once.
        let useless =
            || AcmeError::Setting("the certificate that came is not as ordered".to_owned());
        self.left().map(|left| left.min(LOOK)).ok_or_else(useless)
    }

    /// How long the certificate that is kept need not be renewed; nothing if it must be, or there is none. Tells of another one.
    fn left(&mut self) -> Option<Duration> {
        let facts = self.store.certificate(&self.settings)?;
        let now = SystemTime::now();
        if self.served.as_ref() != Some(&facts) {
            self.gauge.found(facts.not_after);
            let left = facts.not_after.duration_since(now).unwrap_or_default();
            self.served = Some(facts.clone());
            (self.told)(News::Changed(left));
        }
        if !covers(&facts, self.settings.names()) {
            return None;
        }
        let chance =
            facts.serial.iter().fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(*byte));
        let due = due(&facts, self.settings.renew_before, chance);
        let due = self.suggested(&facts, now).map_or(due, |window| within(window, chance).min(due));
        due.duration_since(now).ok().filter(|left| !left.is_zero())
    }

    /// When the authority wants that one to be renewed; it is asked now and then.
    fn suggested(
        &mut self,
        facts: &CertificateFacts,
        now: SystemTime,
    ) -> Option<(SystemTime, SystemTime)> {
        if self.asked.serial != facts.serial || self.asked.until.is_none_or(|until| until <= now) {
            let (window, after) = suggested(&self.settings, &self.store, facts);
            let until = now.checked_add(after);
            self.asked = Suggestion { serial: facts.serial.clone(), window, until };
        }
        self.asked.window
    }

    /// What is ordered, as one text.
    fn wanted(&self) -> String {
        let Settings { challenge, binding, contacts, .. } = &self.settings;
        format!("{} {challenge:?} {binding:?} {contacts:?}", self.settings.names().join(" "))
    }
}

/// Whether the certificate is for exactly these names.
fn covers(facts: &CertificateFacts, names: &[String]) -> bool {
    let addresses = facts.addresses.iter().map(ToString::to_string);
    let has: BTreeSet<String> = facts.names.iter().cloned().chain(addresses).collect();
    has == names.iter().cloned().collect()
}

/// A number that others do not have.
fn chance() -> u64 {
    RandomState::new().hash_one(0)
}
