//! What is wanted of the export, as plain data; what is not said may come from the environment, by OpenTelemetry's names.

use std::fmt;
use std::time::Duration;

use trilane_service::SampleRatio;

use crate::error::OtlpError;

/// What is wanted.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// What the URLs of the collector begin with: `http://127.0.0.1:4318`. `/v1/traces` and `/v1/metrics` follow.
    pub endpoint: String,
    /// Fields of all requests, such as credentials.
    pub headers: Vec<(String, String)>,
    /// Which traces that begin here are sampled; those of callers are as they say. Default: all.
    pub ratio: SampleRatio,
    /// How often spans are sent, at least. Default: 5 s.
    pub interval: Duration,
    /// How often metrics are sent. Default: 60 s; never, if it is 0.
    pub metrics_interval: Duration,
    /// What the service is called. Default: `trilane`.
    pub service: String,
    /// What else is known of it, such as `deployment.environment.name`.
    pub attributes: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            headers: Vec::new(),
            ratio: SampleRatio::ALL,
            interval: Duration::from_secs(5),
            metrics_interval: Duration::from_secs(60),
            service: "trilane".to_owned(),
            attributes: Vec::new(),
        }
    }
}

impl Settings {
    /// What the environment says: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`,
    /// `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` with `OTEL_TRACES_SAMPLER_ARG`, and `OTEL_METRIC_EXPORT_INTERVAL` in
    /// milliseconds. Nothing if `OTEL_SDK_DISABLED` is `true`. An empty variable counts for none.
    ///
    /// # Errors
    /// One of them does not say what it may.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, OtlpError> {
        let mut settings = Self::default();
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(settings);
        }
        if let Some(endpoint) = variable("OTEL_EXPORTER_OTLP_ENDPOINT") {
            settings.endpoint = endpoint.trim().to_owned();
        }
        if let Some(headers) = variable("OTEL_EXPORTER_OTLP_HEADERS") {
            settings.headers = pairs("OTEL_EXPORTER_OTLP_HEADERS", &headers)?;
        }
        if let Some(attributes) = variable("OTEL_RESOURCE_ATTRIBUTES") {
            settings.attributes = pairs("OTEL_RESOURCE_ATTRIBUTES", &attributes)?;
        }
        // The variable of its own wins over the attribute.
        let named = settings.attributes.iter().position(|(name, _)| name == "service.name");
        if let Some(at) = named {
            settings.service = settings.attributes.remove(at).1;
        }
        if let Some(service) = variable("OTEL_SERVICE_NAME") {
            settings.service = service;
        }
        if let Some(text) = variable("OTEL_METRIC_EXPORT_INTERVAL") {
            let bad =
                |_| OtlpError::Setting(format!("OTEL_METRIC_EXPORT_INTERVAL={text} is no number"));
            settings.metrics_interval = Duration::from_millis(text.trim().parse().map_err(bad)?);
        }
        if let Some(sampler) = variable("OTEL_TRACES_SAMPLER") {
            settings.ratio = ratio(sampler.trim(), variable("OTEL_TRACES_SAMPLER_ARG"))?;
        }
        Ok(settings)
    }

    /// Checks what can be checked before anything is sent.
    ///
    /// # Errors
    /// The endpoint is no URL of http or https.
    pub(crate) fn check(&self) -> Result<(), OtlpError> {
        let rest = self
            .endpoint
            .strip_prefix("http://")
            .or_else(|| self.endpoint.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(OtlpError::Setting(format!(
                "endpoint = \"{}\" is no URL of http or https",
                self.endpoint
            )));
        }
        if self.interval.is_zero() {
            return Err(OtlpError::Setting(
                "interval = 0: spans are sent every second at most".to_owned(),
            ));
        }
        Ok(())
    }

    /// The URL of a signal.
    pub(crate) fn url(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.endpoint.trim_end_matches('/'))
    }
}

/// Which traces are sampled. The caller's word always counts, so only those samplers can be had that heed it.
fn ratio(sampler: &str, argument: Option<String>) -> Result<SampleRatio, OtlpError> {
    let refused = |text: String| Err(OtlpError::Setting(text));
    match sampler {
        "parentbased_always_on" => Ok(SampleRatio::ALL),
        "parentbased_always_off" => Ok(SampleRatio::NONE),
        "parentbased_traceidratio" => {
            let text = argument.unwrap_or_else(|| "1".to_owned());
            let ratio = text.trim().parse().ok().and_then(SampleRatio::new);
            ratio.map_or_else(
                || refused(format!("OTEL_TRACES_SAMPLER_ARG={text} is not from 0 to 1")),
                Ok,
            )
        }
        _ => refused(format!(
            "OTEL_TRACES_SAMPLER={sampler}: it is one of parentbased_always_on, parentbased_always_off, parentbased_traceidratio"
        )),
    }
}

/// `name=value,name=value`, values percent-encoded, as W3C Baggage has them.
fn pairs(variable: &str, text: &str) -> Result<Vec<(String, String)>, OtlpError> {
    let bad = || OtlpError::Setting(format!("{variable} is not NAME=VALUE,NAME=VALUE"));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').ok_or_else(bad)?;
        let (name, value) = (name.trim(), decoded(value.trim()).ok_or_else(bad)?);
        if name.is_empty() { Err(bad()) } else { Ok((name.to_owned(), value)) }
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, others @ ..] = rest {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, others) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = others;
    }
    String::from_utf8(bytes).ok()
}

/// Never the values of headers.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("ratio", &self.ratio)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::of_environment(find).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_is_heeded() {
        let settings = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x = y"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=old,deployment.environment.name=test"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1500"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ])
        .unwrap();
        assert_eq!(settings.url("traces"), "http://c:4318/v1/traces");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(settings.headers, [pair("api-key", "a b"), pair("x", "y")]);
        assert_eq!(settings.attributes, [pair("deployment.environment.name", "test")]);
        assert_eq!(
            (&*settings.service, settings.metrics_interval),
            ("shop", Duration::from_millis(1500))
        );
        assert_eq!(settings.ratio, SampleRatio::new(0.25).unwrap());
        assert_eq!(of(&[]).unwrap(), Settings::default());
        let off = of(&[("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c")]);
        assert_eq!(off.unwrap(), Settings::default());
    }

    #[test]
    fn mistakes_are_told() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", "no pair"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=x"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "often"),
            ("OTEL_TRACES_SAMPLER", "always_on"),
        ] {
            assert!(of(&[(name, value)]).unwrap_err().contains(name), "{name}={value}");
        }
        let ratio =
            [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert!(of(&ratio).unwrap_err().contains("from 0 to 1"));
        for endpoint in ["", "c:4318", "ftp://c", "http://", "http:///x"] {
            let settings = Settings { endpoint: endpoint.to_owned(), ..Settings::default() };
            assert!(settings.check().is_err(), "{endpoint}");
        }
    }
}
