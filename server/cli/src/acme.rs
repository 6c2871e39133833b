//! `[acme]`: certificates that an authority gives, ordered and renewed while the server runs.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use trilane::acme::{Acme, Binding, Challenge, Keeper, News, Settings};
use trilane::tls::{Acceptor, Identity, Pem, Trust};

use crate::config::Config;
use crate::reload::Reload;
use crate::run::Failure;
use crate::secure::{say, state_folder};

/// `[acme]`: a certificate for some names, of one authority.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcmeSection {
    /// The URL of the authority's directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// Whether its terms of service were read, and are agreed to. Nothing is ordered without.
    pub agree_to_terms: bool,
    /// The names, DNS or IP. All of them are in one certificate.
    pub domains: Vec<String>,
    /// Where the authority may write to: `mailto:admin@example.org`.
    pub contacts: Vec<String>,
    /// How a name is shown to be ours. Default: `http-01`.
    pub challenge: ChallengeChoice,
    /// Where account, certificate and key are kept. Default: `acme` in `$XDG_STATE_HOME/trilane`.
    pub storage: Option<PathBuf>,
    /// So many days before its end a certificate is renewed. Default: a third of its lifetime.
    pub renew_before: Option<u32>,
    /// Who vouches for the authority itself, in PEM. Default: the system's roots.
    pub directory_roots: Option<PathBuf>,
    /// To which account of the authority's own ours belongs.
    pub external_account: Option<ExternalAccount>,
}

/// How a name is shown to be ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ChallengeChoice {
    /// Port 80 leads to a listener in clear.
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// Port 443 leads to a listener for TLS.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

/// An account of the authority's own (RFC 8555 §7.3.4).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccount {
    /// Its id.
    pub id: String,
    /// A file with its key, in base64url.
    pub key: PathBuf,
}

impl AcmeSection {
    /// The certificate that was ordered, if there is one.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.place().ok()?.identity()
    }

    /// Reads all that the section names.
    pub(crate) fn settings(&self) -> Result<Settings, String> {
        if !self.agree_to_terms {
            return Err("[acme] needs agree_to_terms = true: who orders has agreed to the authority's terms of service".to_owned());
        }
        let mut settings = self.place()?;
        settings.contacts.clone_from(&self.contacts);
        settings.challenge = match self.challenge {
            ChallengeChoice::Http01 => Challenge::Http01,
            ChallengeChoice::TlsAlpn01 => Challenge::TlsAlpn01,
        };
        let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        settings.renew_before = self.renew_before.map(days);
        if let Some(roots) = &self.directory_roots {
            settings.trust = Trust::Roots(vec![Pem::File(roots.clone())]);
        }
        if let Some(ExternalAccount { id, key }) = &self.external_account {
            let text = std::fs::read_to_string(key)
                .map_err(|error| format!("[acme] {}: {error}", key.display()))?;
            settings.binding = Some(Binding::new(id, text.trim()).map_err(in_section)?);
        }
        Ok(settings)
    }

    /// What says where it is kept, and nothing else yet.
    fn place(&self) -> Result<Settings, String> {
        let folder = || state_folder().map(|folder| folder.join("acme"));
        let storage = self.storage.clone().or_else(folder);
        let storage = storage.ok_or("[acme] needs storage = FOLDER: there is no home for it")?;
        Settings::new(&self.directory, &self.domains, storage).map_err(in_section)
    }
}

fn in_section(error: impl ToString) -> String {
    format!("[acme] {}", error.to_string())
}

/// The certificate of the section, if there is one, before the server starts.
pub(crate) fn acme(config: &Config) -> Result<Option<Acme>, String> {
    let section = config.acme.as_ref();
    section.map(|section| section.settings().map(Acme::new)).transpose()
}

/// Begins to look after it: what comes is served by `acceptor`, once `reload` has read it.
pub(crate) fn keep(
    acme: Option<Acme>,
    acceptor: Option<Acceptor>,
    reload: &Reload,
) -> Result<Option<Keeper>, Failure> {
    let Some(acme) = acme else { return Ok(None) };
    let Some(acceptor) = acceptor else {
        return Err(Failure::Setting("[acme] is for TLS: --https says where".to_owned()));
    };
    let reload = reload.clone();
    let told = move |news: News<'_>| {
        say(&format_args!("ACME: {news}"));
        if let News::Changed(_) = news {
            reload.certificates();
        }
    };
    acme.keep(acceptor, told).map(Some).map_err(|error| Failure::Setting(in_section(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        let section: AcmeSection = toml::from_str(text).map_err(|error| error.to_string())?;
        section.settings()
    }

    #[test]
    fn a_whole_section() {
        let text = "directory = 'https://a/dir'\nagree_to_terms = true\ndomains = ['Example.org', '192.0.2.1']\n\
                    contacts = ['mailto:a@example.org']\nchallenge = 'tls-alpn-01'\nstorage = '/s'\nrenew_before = 2\n\
                    directory_roots = 'r'\n";
        let settings = settings(text).unwrap();
        assert_eq!(settings.names(), ["example.org", "192.0.2.1"]);
        assert_eq!(
            (settings.challenge, &settings.contacts[..]),
            (Challenge::TlsAlpn01, &["mailto:a@example.org".to_owned()][..])
        );
        assert_eq!(settings.renew_before, Some(Duration::from_secs(2 * 86_400)));
        assert_eq!(settings.trust, Trust::Roots(vec![Pem::File("r".into())]));
        assert_eq!(settings.folder().to_str(), Some("/s/a_dir"));
    }

    #[test]
    fn mistakes_are_told_at_the_start() {
        let with = |text: &str| {
            let text = format!(
                "directory = 'https://a/dir'\nagree_to_terms = true\nstorage = '/s'\n{text}"
            );
            settings(&text).unwrap_err()
        };
        for (text, part) in [
            ("domains = []", "1 to 100"),
            ("domains = ['*.a']", "DNS-01"),
            ("domains = ['a b']", "no name"),
            ("domains = ['a', 'A']", "twice"),
            ("domains = ['a']\nexternal_account = { id = 'i', key = '/none' }", "/none"),
            ("domains = ['a']\nchallenge = 'dns-01'", "dns-01"),
            ("domain = ['a']", "`domains`"),
        ] {
            let error = with(text);
            assert!(error.contains(part), "{error}");
        }
        assert!(
            settings("directory = 'https://a'\ndomains = ['a']")
                .unwrap_err()
                .contains("agree_to_terms")
        );
        let clear = settings(
            "directory = 'http://a'\ndomains = ['a']\nagree_to_terms = true\nstorage = '/s'",
        );
        assert!(clear.unwrap_err().contains("no https URL"));
    }
}
