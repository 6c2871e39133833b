//! What is wanted of an authority, as plain data that was checked.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use instant_acme::Identifier;
use trilane_tls::{Identity, Pem, Trust};

use crate::error::AcmeError;

/// Names in one certificate, at most: what authorities take.
const MOST_NAMES: usize = 100;

/// How we show that a name is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Challenge {
    /// An answer at `http://NAME/.well-known/acme-challenge/TOKEN` (RFC 8555 §8.3): port 80 must lead here.
    #[default]
    Http01,
    /// A certificate in a handshake of its own (RFC 8737): port 443 must lead here.
    TlsAlpn01,
}

/// To which account of the authority's own ours belongs (RFC 8555 §7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    id: String,
    key: Vec<u8>,
}

impl Binding {
    /// Its id, and its key in base64url, padded or not, as authorities give them.
    ///
    /// # Errors
    /// The key is no base64url, or empty.
    pub fn new(id: impl Into<String>, key: &str) -> Result<Self, AcmeError> {
        let any =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        match GeneralPurpose::new(&URL_SAFE, any).decode(key) {
            Ok(key) if !key.is_empty() => Ok(Self { id: id.into(), key }),
            _ => Err(AcmeError::Setting("the key of an external account is base64url".to_owned())),
        }
    }

    pub(crate) fn key(&self) -> instant_acme::ExternalAccountKey {
        instant_acme::ExternalAccountKey::new(self.id.clone(), &self.key)
    }
}

/// Never the key.
impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is wanted: one certificate, of one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    directory: String,
    names: Vec<String>,
    storage: PathBuf,
    /// Where the authority may write to: `mailto:` URLs. Default: nowhere.
    pub contacts: Vec<String>,
    /// How a name is shown to be ours. Default: HTTP-01.
    pub challenge: Challenge,
    /// So long before a certificate ends it is renewed, unless the authority says when (RFC 9773). Default: a third of its lifetime.
    pub renew_before: Option<Duration>,
    /// Who vouches for the authority itself. Default: the system's roots.
    pub trust: Trust,
    /// To which account of the authority's own ours belongs. Default: to none.
    pub binding: Option<Binding>,
}

impl Settings {
    /// A certificate for these names (DNS names and IP addresses, the first one counts most), from the authority whose directory has
    /// this URL. What is kept goes below `storage`. Whoever calls this has agreed to the authority's terms.
    ///
    /// # Errors
    /// The URL is not of https, or the names are none, too many, or one of them cannot be validated by these challenges.
    ///
    /// ```
    /// use trilane_acme::Settings;
    /// let directory = "https://acme-staging-v02.api.letsencrypt.org/directory";
    /// let settings = Settings::new(directory, ["example.org", "www.example.org"], "/var/lib/trilane/acme")?;
    /// # Ok::<(), trilane_acme::AcmeError>(())
    /// ```
    pub fn new<N: Into<String>>(
        directory: impl Into<String>,
        names: impl IntoIterator<Item = N>,
        storage: impl Into<PathBuf>,
    ) -> Result<Self, AcmeError> {
        let refused = |text: String| Err(AcmeError::Setting(text));
        let (directory, storage) = (directory.into(), storage.into());
        // RFC 8555 §6.1.
        if directory.strip_prefix("https://").is_none_or(str::is_empty) {
            return refused(format!("directory = \"{directory}\" is no https URL"));
        }
        let names: Vec<String> =
            names.into_iter().map(|name| name.into().to_ascii_lowercase()).collect();
        if names.is_empty() || names.len() > MOST_NAMES {
            return refused(format!("domains: 1 to {MOST_NAMES} names"));
        }
        for (at, name) in names.iter().enumerate() {
            if name.starts_with("*.") {
                return refused(format!(
                    "{name}: only DNS-01 validates wildcards, which is not there"
                ));
            }
            if !is_name(name) || names.iter().take(at).any(|other| other == name) {
                return refused(format!("domains: \"{name}\" is no name, or is there twice"));
            }
        }
        let (contacts, challenge, trust) = (Vec::new(), Challenge::default(), Trust::default());
        Ok(Self {
            directory,
            names,
            storage,
            contacts,
            challenge,
            renew_before: None,
            trust,
            binding: None,
        })
    }

    /// The URL of the directory.
    #[must_use]
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The names, in small letters.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where all is kept that comes from this authority: a folder of its own, so that certificates of a test authority are never taken
    /// for others.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let url = self.directory.trim_start_matches("https://");
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
        self.storage.join(url.chars().map(plain).collect::<String>())
    }

    /// The certificate, if there is one: chain and key are in one file, which is replaced as one.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let path = self.folder().join(crate::store::CERTIFICATE);
        let pem = || Pem::File(path.clone());
        path.exists().then(|| Identity::new(pem(), pem()))
    }

    pub(crate) fn identifiers(&self) -> Vec<Identifier> {
        let identifier = |name: &String| match name.parse::<IpAddr>() {
            Ok(address) => Identifier::Ip(address),
            Err(_) => Identifier::Dns(name.clone()),
        };
        self.names.iter().map(identifier).collect()
    }
}

/// An IP address, or labels of letters, digits and hyphens (RFC 1123 §2.1).
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=63).contains(&label.len())
            && label.chars().all(is_inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(is_label))
}
