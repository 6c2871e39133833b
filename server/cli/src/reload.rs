//! Reading everything again while the server runs: the file, the environment, certificates, and what they name. All of it is built before
//! anything changes; what cannot be used changes nothing.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use toml::Value;
use trilane::{LogWriter, Reloader};

use crate::admin::{Guard, Renewed};
use crate::app::{App, app};
use crate::args::Serve;
use crate::config::Config;
use crate::effective::Said;
use crate::layers::Layers;
use crate::run::{Failure, Kind, in_file, log_file};
use crate::secure::{Tls, say};
use crate::setup::{Made, Places, server};
use crate::site::Counted;

/// What is told of each reload, such as to the one who started the process.
pub type Told = Box<dyn Fn() + Send + Sync>;

/// Reads everything again, from any thread but a shard's. Clones are the same one.
#[derive(Clone)]
pub struct Reload(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    reloader: Reloader,
    /// Called before and after each reload, whatever comes of it.
    around: OnceLock<(Told, Told)>,
}

/// What the server was set up with last.
pub(crate) struct State {
    pub(crate) kind: Kind,
    pub(crate) flags: Serve,
    pub(crate) config: Config,
    /// What the process was started with, and keeps.
    pub(crate) started: Vec<(&'static str, Option<Value>)>,
    pub(crate) places: Places,
    pub(crate) app: App,
    pub(crate) counted: Counted,
    pub(crate) layers: Layers,
    pub(crate) tls: Option<Tls>,
    /// Who may ask at the listener of operators, if there is one.
    pub(crate) operators: Option<Guard>,
    pub(crate) log_file: Option<LogWriter>,
}

impl Reload {
    pub(crate) fn new(state: State, reloader: Reloader) -> Self {
        let around = OnceLock::new();
        Self(Arc::new(Inner { state: Mutex::new(state), reloader, around }))
    }

    /// Has `before` called at the start and `after` at the end of each reload. Once: later ones count for nothing.
    pub fn tell(&self, before: Told, after: Told) {
        let _ = self.0.around.set((before, after));
    }

    /// Reads everything again, and says on standard error what came of it.
    ///
    /// # Errors
    /// Why nothing has changed, in words: the same.
    pub fn now(&self) -> Result<String, String> {
        // One at a time, the calls around it included.
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, _)) = self.0.around.get() {
            before();
        }
        let done = state.reload(&self.0.reloader).map_err(|error| error.to_string());
        if let Some((_, after)) = self.0.around.get() {
            after();
        }
        let text = match &done {
            Ok(text) => text.clone(),
            Err(error) => format!("reload: {error}; nothing was changed"),
        };
        say(&text);
        done.map_err(|_| text)
    }

    /// Reads certificates and keys again, by the file as it was read last: one that was ordered is there. Says on standard error what
    /// came of it.
    pub(crate) fn certificates(&self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).certificates();
    }
}

impl State {
    fn certificates(&mut self) {
        if let Err(error) = self.read_certificates() {
            say(&format_args!("TLS: {error}; nothing was changed"));
        }
    }

    fn read_certificates(&mut self) -> Result<(), String> {
        let (flags, config) = (&self.flags, &self.config);
        let tls = self.tls.as_ref().map(|tls| tls.renewed(flags, config)).transpose();
        let tls = tls.map_err(|error| error.to_string())?;
        let operators = self.operators.as_ref().map(|it| it.renewed(flags, config)).transpose()?;
        self.adopt(tls, operators);
        say(&"TLS: certificates and keys were read again");
        Ok(())
    }

    fn adopt(&mut self, tls: Option<Tls>, operators: Option<Renewed>) {
        if let (Some(mine), Some(new)) = (&mut self.tls, tls) {
            mine.adopt(new);
            mine.tell();
        }
        if let (Some(mine), Some(new)) = (&mut self.operators, operators) {
            mine.adopt(new);
        }
    }

    fn reload(&mut self, reloader: &Reloader) -> Result<String, Failure> {
        if let Some(writer) = &self.log_file {
            // Whatever comes of the rest: who has moved the file wants to go on with it.
            writer.reopen();
        }
        let said = Said::now(&self.flags).map_err(Failure::Config)?;
        let (fixed, config) = (said.fixed(), said.config);
        let setting = |error: &dyn fmt::Display| Failure::Setting(error.to_string());
        let app = app(self.kind, &self.flags, &config, Some(&self.app), &self.counted)?;
        let mut layers = Layers::new(&config).map_err(|error| in_file(&self.flags, &error))?;
        layers.keep(&self.layers, config.serves_what(&self.config));
        let tls = self.tls.as_ref().map(|tls| tls.renewed(&self.flags, &config)).transpose();
        let tls = tls.map_err(|error| setting(&error))?;
        let operators = self.operators.as_ref().map(|it| it.renewed(&self.flags, &config));
        let operators = operators.transpose().map_err(|error| in_file(&self.flags, &error))?;
        let log_file = self.log_file(&config)?;
        let acceptor = tls.as_ref().map(Tls::acceptor);
        let made = Made { places: &self.places, acceptor, log_file: log_file.clone() };
        let around = (app.clone(), layers.clone());
        let server = server(&self.flags, &config, around, made)?;
        reloader.reload(server).map_err(Failure::Server)?;
        app.is_served(&self.counted);
        (self.app, self.layers, self.log_file, self.config) = (app, layers, log_file, config);
        let of_operators = operators.iter().flat_map(|it| it.left.clone()).collect::<Vec<_>>();
        self.adopt(tls, operators);
        let left = fixed.iter().filter(|key| !self.started.contains(key)).map(|(path, _)| *path);
        let left = left.chain(of_operators);
        let left: Vec<_> = left.map(|path| format!("{path}: needs an upgrade")).collect();
        let end = if left.is_empty() { String::new() } else { format!("; {}", left.join("; ")) };
        Ok(format!("reload: everything was read again{end}"))
    }

    /// The file of the access log: the same writer, unless it goes elsewhere now.
    fn log_file(&self, config: &Config) -> Result<Option<LogWriter>, Failure> {
        let place = |config: &Config| {
            let section = &config.access_log;
            (self.flags.log_file.as_ref().or(section.file.as_ref()).cloned(), section.rotation())
        };
        if place(config) == place(&self.config) {
            return Ok(self.log_file.clone());
        }
        log_file(&self.flags, config)
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.reloader.fmt(f)
    }
}
