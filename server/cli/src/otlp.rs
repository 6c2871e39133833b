//! `[otlp]`: spans and metrics for a collector of OpenTelemetry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use trilane::otlp::{Exporter, Report, Settings};
use trilane::tls::{Connector, ConnectorConfig, Pem, Trust};
use trilane::{Metrics, Running, SampleRatio};

use crate::config::Config;
use crate::layers::Layers;
use crate::run::Failure;
use crate::secure::say;

/// `[otlp]`. What is not there is as the environment says, by OpenTelemetry's names, else as it is by default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpSection {
    /// What the URLs of the collector begin with: `http://127.0.0.1:4318`. Without one nothing is exported.
    pub endpoint: Option<String>,
    /// Fields of all requests to it.
    pub headers: BTreeMap<String, String>,
    /// Which part of the traces that begin here is sampled, from 0 to 1; those of callers are as they say.
    pub sample_ratio: Option<f64>,
    /// How often spans are sent, in seconds.
    pub interval: Option<u64>,
    /// How often metrics are sent, in seconds; 0 for never.
    pub metrics_interval: Option<u64>,
    /// What this service is called.
    pub service_name: Option<String>,
    /// What else is known of it.
    pub attributes: BTreeMap<String, String>,
    /// Who vouches for the collector, in PEM. Default: the system's roots.
    pub roots: Option<PathBuf>,
}

// A ratio is a number that was read.
impl Eq for OtlpSection {}

impl OtlpSection {
    /// What the section wants, where `variable` says what it leaves open; nothing if there is no collector.
    fn settings(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Settings>, String> {
        let mut settings = Settings::of_environment(variable).map_err(|error| error.to_string())?;
        if let Some(endpoint) = &self.endpoint {
            settings.endpoint.clone_from(endpoint);
        }
        if settings.endpoint.is_empty() {
            return Ok(None);
        }
        if let Some(ratio) = self.sample_ratio {
            let bad = || format!("[otlp] sample_ratio = {ratio} is not from 0 to 1");
            settings.ratio = SampleRatio::new(ratio).ok_or_else(bad)?;
        }
        if let Some(seconds) = self.interval {
            settings.interval = Duration::from_secs(seconds);
        }
        if let Some(seconds) = self.metrics_interval {
            settings.metrics_interval = Duration::from_secs(seconds);
        }
        if let Some(name) = &self.service_name {
            settings.service.clone_from(name);
        }
        // What the file says of the same name comes in its place.
        let put = |list: &mut Vec<(String, String)>, more: &BTreeMap<String, String>| {
            list.retain(|(name, _)| !more.contains_key(name));
            list.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        };
        put(&mut settings.headers, &self.headers);
        put(&mut settings.attributes, &self.attributes);
        Ok(Some(settings))
    }
}

/// The export that file and environment want, before the server starts.
pub(crate) struct Export {
    exporter: Exporter,
    connector: Connector,
    ratio: SampleRatio,
}

impl Export {
    /// Nothing if there is no collector.
    pub(crate) fn new(config: &Config) -> Result<Option<Self>, String> {
        let section = config.otlp.clone().unwrap_or_default();
        let Some(settings) = section.settings(|name| std::env::var(name).ok())? else {
            return Ok(None);
        };
        let bad = |error: &dyn ToString| format!("[otlp] {}", error.to_string());
        let roots = section.roots.map(|path| Trust::Roots(vec![Pem::File(path)]));
        let wanted =
            ConnectorConfig { trust: roots.unwrap_or(Trust::System), ..ConnectorConfig::default() };
        let connector = Connector::new(&wanted).map_err(|error| bad(&error))?;
        let ratio = settings.ratio;
        let exporter = Exporter::new(settings).map_err(|error| bad(&error))?;
        Ok(Some(Self { exporter, connector, ratio }))
    }

    /// Requests leave spans.
    pub(crate) fn around(&self, layers: Layers) -> Layers {
        layers.exported(self.exporter.layer(), self.ratio)
    }

    /// Begins to export, also what is on `/metrics`, of a server that runs.
    pub(crate) fn start(self, running: &Running, metrics: &Metrics) -> Result<Exporter, Failure> {
        let Self { mut exporter, connector, .. } = self;
        let (all, stats) = (metrics.clone(), running.stats().to_vec());
        let text = Box::new(move || all.open_metrics(&stats));
        let told = |report: Report| say(&format_args!("OTLP: {report}"));
        let failed = |error| Failure::Setting(format!("[otlp] {error}"));
        metrics.collect(exporter.counts());
        exporter.start(connector, Some(text), told).map_err(failed)?;
        Ok(exporter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let section: OtlpSection = toml::from_str(text).map_err(|error| error.to_string())?;
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        section.settings(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_file_wins_over_the_environment() {
        let text = "endpoint = 'http://file:4318'\nsample_ratio = 0.5\ninterval = 2\nmetrics_interval = 0\n\
                    service_name = 'shop'\nheaders = { a = '1' }\nattributes = { 'x.y' = 'z' }\n";
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://env:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=0,b=2"),
            ("OTEL_SERVICE_NAME", "env"),
        ];
        let settings = of(text, &variables).unwrap().unwrap();
        assert_eq!((&*settings.endpoint, &*settings.service), ("http://file:4318", "shop"));
        assert_eq!(
            (settings.interval, settings.metrics_interval),
            (Duration::from_secs(2), Duration::ZERO)
        );
        assert_eq!(Some(settings.ratio), SampleRatio::new(0.5));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(settings.headers, [pair("b", "2"), pair("a", "1")]);
        assert_eq!(settings.attributes, [pair("x.y", "z")]);
        let settings = of("", &variables).unwrap().unwrap();
        assert_eq!((&*settings.endpoint, &*settings.service), ("http://env:4318", "env"));
    }

    #[test]
    fn without_a_collector_nothing_is_exported() {
        assert_eq!(of("service_name = 'x'", &[]), Ok(None));
        assert!(
            of("endpoint = 'http://c'\nsample_ratio = 2.0", &[]).unwrap_err().contains("0 to 1")
        );
        assert!(of("endpiont = 'x'", &[]).unwrap_err().contains("`endpoint`"));
    }
}
