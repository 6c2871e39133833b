//! What the environment says: every key of the file that is one value, or a list of texts, as `TRILANE_` and its path in capitals
//! (`TRILANE_LIMITS_BODY`, `TRILANE_HTTPS`). It wins over the file, and flags win over it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::config::{Config, ConfigError};
use crate::nearest::nearest;
use crate::schema::{Key, keys};

/// What our variables begin with.
const OURS: &str = "TRILANE_";
/// A variable that is no key: of whoever hands over to another process.
const OTHER: &str = "TRILANE_HANDOVER";
/// What those of the test suite begin with.
const OF_TESTS: &str = "TRILANE_IT_";

/// The variables of the environment that are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// That of this process.
    ///
    /// # Errors
    /// One of our variables is no text.
    pub fn of_process() -> Result<Self, ConfigError> {
        Self::new(std::env::vars_os())
    }

    /// Those among these that are ours.
    ///
    /// # Errors
    /// One of them is no text.
    pub fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut ours = BTreeMap::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
            let Ok(value) = value.into_string() else {
                let error = "it is not UTF-8".to_owned();
                return Err(ConfigError::Environment(name.to_owned(), error));
            };
            ours.insert(name.to_owned(), value);
        }
        Ok(Self(ours))
    }

    /// What it says of a key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&str> {
        self.0.get(&key.variable()?).map(String::as_str)
    }

    /// Puts all that it says in the place of what was said before.
    ///
    /// # Errors
    /// A variable is no key's, or cannot be what its key takes.
    pub fn put_into(&self, config: &mut Config) -> Result<(), ConfigError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let keys = keys();
        let known: BTreeMap<_, _> =
            keys.iter().filter_map(|key| Some((key.variable()?, key))).collect();
        for (name, value) in &self.0 {
            let bad = |error| ConfigError::Environment(name.clone(), error);
            let Some(key) = known.get(name) else {
                if is_of_a_service(name, value) {
                    continue;
                }
                let meant = nearest(name, known.keys().map(String::as_str));
                let meant = meant.map(|it| format!(": did you mean `{it}`?")).unwrap_or_default();
                return Err(bad(format!("there is no such setting{meant}")));
            };
            key.set(config, value).map_err(bad)?;
        }
        Ok(())
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(OURS) && !name.starts_with(OF_TESTS) && name != OTHER
}

/// Whether it is what Kubernetes tells pods of a Service that is called as we are, or so and more: `trilane`, `trilane-redis`.
fn is_of_a_service(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("TRILANE") else { return false };
    let is_port = |place: &str| {
        let (number, rest) = place.split_once('_').unwrap_or((place, ""));
        let protocol = rest.split('_').next().unwrap_or_default();
        number.parse::<u16>().is_ok() && matches!(protocol, "TCP" | "UDP" | "SCTP")
    };
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        // As `tcp://10.0.0.7:443`: a number is meant for a key.
        || (rest.ends_with("_PORT") && value.contains("://"))
        || rest.match_indices("_PORT_").any(|(at, it)| is_port(&rest[at + it.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn with(file: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let environment = Environment::new(variables).map_err(|error| error.to_string())?;
        let mut config = Config::parse(file, Path::new("t")).map_err(|error| error.to_string())?;
        environment.put_into(&mut config).map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn it_wins_over_the_file() {
        let file = "http = [':1']\n[limits]\nbody = 1\nhead = 2\n";
        let config = with(
            file,
            &[
                ("TRILANE_LIMITS_BODY", "5"),
                ("TRILANE_HTTP", ":2, unix:/x"),
                ("TRILANE_H2C", "true"),
                ("TRILANE_SHARDS", "3"),
                ("TRILANE_TLS_MIN", "1.3"),
                ("TRILANE_TLS_ALPN", "http/1.1"),
                ("TRILANE_CORS_ORIGINS", "https://a.example"),
                ("TRILANE_COMPRESSION_LEVELS_BR", "5"),
                ("TRILANE_HANDOVER", "3"),
                ("TRILANE_IT_THROUGH", "h1"),
                ("PORT", "1"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!((config.limits.body, config.limits.head), (Some(5), Some(2)));
        assert_eq!((config.http.concat(), config.h2c), (":2unix:/x".to_owned(), true));
        assert_eq!(config.shards.map(usize::from), Some(3));
        assert_eq!(config.tls.alpn.map(|alpn| alpn.len()), Some(1));
        assert_eq!(config.cors.unwrap().origins, ["https://a.example"]);
        assert_eq!(config.compression.unwrap().levels.br, Some(5));
        assert_eq!(
            with(file, &[]),
            Config::parse(file, Path::new("t")).map_err(|it| it.to_string())
        );
    }

    #[test]
    fn what_kubernetes_says_of_its_services_is_not_ours() {
        let said = [
            ("TRILANE_SERVICE_HOST", "10.0.0.7"),
            ("TRILANE_SERVICE_PORT", "443"),
            ("TRILANE_SERVICE_PORT_HTTPS", "443"),
            ("TRILANE_PORT", "tcp://10.0.0.7:443"),
            ("TRILANE_PORT_443_TCP", "tcp://10.0.0.7:443"),
            ("TRILANE_PORT_443_TCP_ADDR", "10.0.0.7"),
            ("TRILANE_PORT_443_UDP_PROTO", "udp"),
            ("TRILANE_REDIS_SERVICE_HOST", "10.0.0.8"),
            ("TRILANE_REDIS_PORT", "tcp://10.0.0.8:6379"),
            ("TRILANE_REDIS_PORT_6379_TCP_PORT", "6379"),
            ("TRILANE_SHARDS", "3"),
        ];
        assert_eq!(with("", &said).unwrap().shards.map(usize::from), Some(3));
        for name in ["TRILANE_SERVICE", "TRILANE_PORTS", "TRILANE_PORT_X_TCP", "TRILANE_PORT_443"] {
            assert!(with("", &[(name, "1")]).is_err(), "{name}");
        }
        // A key that is called so is one.
        let error = with("", &[("TRILANE_REDIRECT_PORT", "x")]).unwrap_err();
        assert!(error.contains("whole number"), "{error}");
    }

    #[test]
    fn every_key_can_be_said() {
        let keys: Vec<_> = keys().iter().filter_map(Key::variable).collect();
        assert!(keys.iter().all(|name| is_ours(name)));
        assert_eq!(with("", &[("TRILANE_LOG", "json")]).unwrap().log.as_deref(), Some("json"));
    }

    #[test]
    fn what_it_cannot_be_is_told() {
        for (name, value, expected) in [
            ("TRILANE_LIMIT_BODY", "1", "did you mean `TRILANE_LIMITS_BODY`?"),
            ("TRILANE_WHATEVER_THAT_IS", "1", "there is no such setting"),
            (
                "TRILANE_LIMITS_BODY",
                "much",
                "TRILANE_LIMITS_BODY in the environment: it is a whole number",
            ),
            ("TRILANE_LIMITS_BODY", "-1", "TRILANE_LIMITS_BODY"),
            ("TRILANE_H2C", "yes", "it is true or false"),
            ("TRILANE_SHARDS", "0", "TRILANE_SHARDS"),
            ("TRILANE_TLS_MIN", "1.1", "`1.2`"),
            ("TRILANE_AUTH_USERS", "a", "there is no such setting"),
            ("TRILANE_ROUTES", "a", "there is no such setting"),
        ] {
            let error = with("", &[(name, value)]).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
