//! The thread that sends: spans as they come, metrics now and then, and at the end what is left.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value as Json;
use trilane_errand::{Errand, Errands};
use trilane_semantics::{Fields, Known, Method};
use trilane_tls::Connector;

use crate::counts::Counts;
use crate::error::OtlpError;
use crate::json;
use crate::layer::Otlp;
use crate::metrics::metrics;
use crate::queue::Queue;
use crate::retry::{TRIES, Verdict, verdict};
use crate::settings::Settings;
use crate::span;

/// How long a collector has for one request; at the end, when the process waits for it, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// The text of all metrics, as OpenMetrics 1.0 has it.
type Text = Box<dyn Fn() -> String + Send>;

/// What the operator is told, once until there is something else to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Report {
    /// The collector takes what it gets, again.
    Exporting,
    /// It does not, and why. What cannot be sent is dropped, and counted.
    Failing(String),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exporting => f.write_str("the collector takes what it gets"),
            Self::Failing(why) => write!(f, "{why}; what cannot be sent is dropped"),
        }
    }
}

/// An export. Dropped, it sends what is left, and waits for that: a few seconds, if the collector is not there.
#[derive(Debug)]
pub struct Exporter {
    queue: Arc<Queue>,
    settings: Settings,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// An export that has not begun: spans wait.
    ///
    /// # Errors
    /// [`OtlpError::Setting`].
    ///
    /// ```
    /// use trilane_otlp::{Exporter, Settings};
    /// use trilane_service::{Router, Trace, get};
    /// let settings = Settings { endpoint: "http://127.0.0.1:4318".to_owned(), ..Settings::default() };
    /// let exporter = Exporter::new(settings.clone())?;
    /// // On each shard:
    /// let trace = Trace::new().ratio(settings.ratio);
    /// let router: Router = Router::new().route("/", get(|| async { "hi" })).layer(exporter.layer()).layer(trace);
    /// # Ok::<(), trilane_otlp::OtlpError>(())
    /// ```
    pub fn new(settings: Settings) -> Result<Self, OtlpError> {
        settings.check()?;
        Ok(Self { queue: Arc::default(), settings, thread: None })
    }

    /// The layer whose requests are exported.
    #[must_use]
    pub fn layer(&self) -> Otlp {
        Otlp(Arc::clone(&self.queue))
    }

    /// What has become of spans so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts(Arc::clone(&self.queue))
    }

    /// Begins to send, to a collector that `connector` believes if it is asked over TLS. `text` gives all metrics as OpenMetrics 1.0, if
    /// there are any to be sent.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(
        &mut self,
        connector: Connector,
        text: Option<Box<dyn Fn() -> String + Send>>,
        told: impl FnMut(Report) + Send + 'static,
    ) -> Result<(), OtlpError> {
        let settings = self.settings.clone();
        let mut work = Work {
            errands: Errands::new(connector).timeout(PATIENCE),
            resource: json::resource(&settings),
            queue: Arc::clone(&self.queue),
            started: span::now(),
            last: None,
            settings,
            text,
            told,
        };
        let builder = thread::Builder::new().name("trilane-otlp".to_owned());
        self.thread = Some(builder.spawn(move || work.run()).map_err(OtlpError::Thread)?);
        Ok(())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.queue.end();
        if let Some(thread) = self.thread.take() {
            // It has said already what there was to say.
            let _ = thread.join();
        }
    }
}

struct Work<T> {
    errands: Errands,
    settings: Settings,
    resource: Json,
    queue: Arc<Queue>,
    text: Option<Text>,
    /// Since when metrics are counted, in nanoseconds since 1970.
    started: u64,
    /// What was told last.
    last: Option<Report>,
    told: T,
}

impl<T: FnMut(Report)> Work<T> {
    fn run(&mut self) {
        let every = self.settings.metrics_interval;
        let mut next = Instant::now().checked_add(every);
        loop {
            let spans = self.queue.take(self.settings.interval);
            let is_over = self.queue.is_over();
            if !spans.is_empty() {
                let count = spans.len() as u64;
                let body = json::spans(&self.resource, &spans);
                if self.send("traces", &body) {
                    self.queue.count_sent(count);
                } else {
                    self.queue.count_dropped(count);
                    if self.queue.is_over() {
                        // Nobody waits for a collector that is not there.
                        return self.queue.drop_all();
                    }
                }
            }
            let is_due =
                next.is_some_and(|next| next <= Instant::now()) || is_over && spans.is_empty();
            if let Some(text) = self.text.as_ref().filter(|_| is_due && !every.is_zero()) {
                let body = metrics(&self.resource, &text(), self.started, span::now());
                self.send("metrics", &body);
                next = Instant::now().checked_add(every);
            }
            if is_over && spans.is_empty() {
                return;
            }
        }
    }

    /// Whether it was taken.
    fn send(&mut self, signal: &str, body: &[u8]) -> bool {
        let (url, content) = (self.settings.url(signal), compressed(body));
        for attempt in 0..TRIES {
            let mut fields = Fields::new();
            fields.append_static(Known::ContentType, "application/json");
            fields.append_static(Known::ContentEncoding, "gzip");
            for (name, value) in &self.settings.headers {
                // What is no field was found at the start.
                let _ = fields.append(&**name, &**value);
            }
            let errand =
                Errand { method: Method::POST, url: &url, fields, content: content.clone() };
            let answer = self.errands.send(errand);
            let wait = match verdict(&answer, attempt, RandomState::new().hash_one(attempt)) {
                Verdict::Taken => {
                    self.tell(Report::Exporting);
                    return true;
                }
                Verdict::Refused(why) => {
                    self.tell(Report::Failing(format!("{url}: {why}")));
                    return false;
                }
                Verdict::Again(wait) => wait,
            };
            let why = match answer {
                Ok(answer) => format!("the collector answers {}", answer.status),
                Err(error) => error.to_string(),
            };
            self.tell(Report::Failing(format!("{url}: {why}")));
            if self.queue.is_over() {
                return false;
            }
            self.queue.pause(wait);
        }
        false
    }

    /// At first nothing is told of what is well.
    fn tell(&mut self, report: Report) {
        let is_news = match (&self.last, &report) {
            (None, Report::Exporting) => false,
            (Some(Report::Failing(_)), Report::Failing(_)) => false,
            (last, report) => last.as_ref() != Some(report),
        };
        if is_news {
            (self.told)(report.clone());
        }
        self.last = Some(report);
    }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Memory takes everything.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
