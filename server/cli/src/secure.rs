//! From flags and the `[tls]` section to TLS that serves, and that can be read again while it does.

use std::fmt;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};

use trilane::tls::{
    Acceptor, ClientAuth, ClientRoots, Development, Identity, Pem, Tickets, TlsConfig, TlsError,
    Version,
};

use crate::acme::AcmeSection;
use crate::args::{Alpn, Serve};
use crate::config::{ClientsChoice, Config, Floor, TlsSection};

/// TLS from a command line and a configuration file.
#[derive(Clone, Debug)]
pub struct Tls {
    acceptor: Acceptor,
    /// The certificate that was made because none was given.
    development: Option<Development>,
}

impl Tls {
    /// Reads all that flags and file name. Without a certificate there is one for development.
    ///
    /// # Errors
    /// Something cannot be read or used, or the section contradicts itself.
    pub fn new(flags: &Serve, config: &Config) -> Result<Self, TlsError> {
        Self::inheriting(flags, config, None)
    }

    /// The same with the random ticket keys of the process before this one, if there was one.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub fn inheriting(
        flags: &Serve,
        config: &Config,
        keys: Option<&[u8]>,
    ) -> Result<Self, TlsError> {
        let mut development = None;
        let wanted = wanted(flags, config, &mut development)?;
        let acceptor = match keys {
            Some(keys) => Acceptor::inheriting(wanted, keys)?,
            None => Acceptor::new(wanted)?,
        };
        let tls = Self { acceptor, development };
        tls.tell();
        Ok(tls)
    }

    /// What connections would begin with, as far as it is named: `None` if it would be the certificate for development.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub(crate) fn named(flags: &Serve, config: &Config) -> Result<Option<Acceptor>, TlsError> {
        let identities = identities(flags, config)?;
        if identities.is_empty() {
            return Ok(None);
        }
        Acceptor::new(wanted(flags, config, &mut None)?).map(Some)
    }

    /// What connections begin with.
    #[must_use]
    pub fn acceptor(&self) -> Acceptor {
        self.acceptor.clone()
    }

    /// The same for another file, or for this one as it is now; nothing is in force of it yet.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub(crate) fn renewed(&self, flags: &Serve, config: &Config) -> Result<Self, TlsError> {
        let mut development = self.development.clone();
        let acceptor = self.acceptor.prepare(wanted(flags, config, &mut development)?)?;
        Ok(Self { acceptor, development })
    }

    /// The same for the listener of operators, whose clients must show a certificate if there are `roots` to which it leads.
    ///
    /// # Errors
    /// As [`Tls::new`].
    pub(crate) fn for_operators(
        flags: &Serve,
        config: &Config,
        roots: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let mut development = None;
        let wanted = of_operators(flags, config, roots, &mut development)?;
        Ok(Self { acceptor: Acceptor::new(wanted)?, development })
    }

    /// As [`Tls::renewed`], of what [`Tls::for_operators`] has made.
    pub(crate) fn renewed_for_operators(
        &self,
        flags: &Serve,
        config: &Config,
        roots: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let mut development = self.development.clone();
        let wanted = of_operators(flags, config, roots, &mut development)?;
        Ok(Self { acceptor: self.acceptor.prepare(wanted)?, development })
    }

    /// Puts what was prepared in force.
    pub(crate) fn adopt(&mut self, prepared: Self) {
        self.acceptor.adopt(&prepared.acceptor);
        self.development = prepared.development;
    }

    /// Tells the operator what is odd, and what to trust.
    pub(crate) fn tell(&self) {
        if let Some(Development { fingerprint, path, .. }) = &self.development {
            let place = match path {
                Some(path) => path.display().to_string(),
                None => "not kept, since it cannot be written".to_owned(),
            };
            say(&format_args!("certificate for development: {place}\n  SHA-256 {fingerprint}"));
        }
        for warning in self.acceptor.warnings() {
            say(&format_args!("TLS: {warning}"));
        }
    }
}

/// What operators' listener wants: the same, with clients of its own.
fn of_operators(
    flags: &Serve,
    config: &Config,
    roots: Option<&Path>,
    development: &mut Option<Development>,
) -> Result<TlsConfig, TlsError> {
    let clients = match roots {
        Some(roots) => {
            ClientAuth::Required(ClientRoots { roots: Pem::File(roots.to_owned()), crl: None })
        }
        None => ClientAuth::Off,
    };
    Ok(TlsConfig { clients, ..wanted(flags, config, development)? })
}

/// Writes a line to standard error.
pub(crate) fn say(text: &dyn fmt::Display) {
    // Nowhere is left to report that standard error is closed.
    let _ = writeln!(stderr(), "trilane: {text}");
}

/// What flags and file want. Flags win.
fn wanted(
    flags: &Serve,
    config: &Config,
    development: &mut Option<Development>,
) -> Result<TlsConfig, TlsError> {
    let section = &config.tls;
    let mut identities = identities(flags, config)?;
    if identities.is_empty() {
        let made = match development.take() {
            Some(made) => made,
            None => make(section)?,
        };
        identities.push(development.insert(made).identity.clone());
    } else {
        *development = None;
    }
    let alpn = match (&flags.alpn[..], &section.alpn) {
        ([], None) => &[Alpn::H2, Alpn::Http1][..],
        ([], Some(alpn)) => alpn,
        (alpn, _) => alpn,
    };
    let tickets = Tickets::default();
    Ok(TlsConfig {
        identities,
        strict_sni: section.strict_sni,
        min: match section.min {
            Floor::V1_2 => Version::V1_2,
            Floor::V1_3 => Version::V1_3,
        },
        alpn: alpn.iter().map(|protocol| protocol.name().to_vec()).collect(),
        clients: clients(section)?,
        tickets: Tickets {
            keys: section.ticket_keys.clone(),
            lifetime: section
                .ticket_lifetime
                .map_or(tickets.lifetime, std::time::Duration::from_secs),
            count: section.tickets.unwrap_or(tickets.count),
        },
        key_log: section.key_log.clone(),
    })
}

/// The certificates that are named: that of the flags, or those of the file, those of its hosts last.
fn identities(flags: &Serve, config: &Config) -> Result<Vec<Identity>, TlsError> {
    let identity = |certificate: &PathBuf, key: Option<&PathBuf>| {
        let key = Pem::File(key.unwrap_or(certificate).clone());
        Identity::new(Pem::File(certificate.clone()), key)
    };
    match (&flags.cert, &flags.key) {
        (Some(certificate), key) => return Ok(vec![identity(certificate, key.as_ref())]),
        (None, Some(_)) => return Err(TlsError::Setting("--key needs --cert".to_owned())),
        (None, None) => (),
    }
    let of_file = config.tls.certificates.iter().map(|entry| Identity {
        ocsp: entry.ocsp.clone(),
        ..identity(&entry.certificate, entry.key.as_ref())
    });
    let mut all: Vec<_> = of_file.collect();
    all.extend(config.acme.iter().filter_map(AcmeSection::identity));
    for host in &config.hosts {
        match &host.certificate {
            Some(certificate) => all.push(Identity {
                ocsp: host.ocsp.clone(),
                ..identity(certificate, host.key.as_ref())
            }),
            None if host.key.is_none() && host.ocsp.is_none() => (),
            None => {
                let names = host.names.join(", ");
                let error = format!("[[hosts]] {names}: key and ocsp need a certificate");
                return Err(TlsError::Setting(error));
            }
        }
    }
    Ok(all)
}

/// Whether clients are asked who they are.
fn clients(section: &TlsSection) -> Result<ClientAuth, TlsError> {
    let roots = section.client_roots.as_ref().map(|roots| ClientRoots {
        roots: Pem::File(roots.clone()),
        crl: section.client_crl.clone().map(Pem::File),
    });
    match (section.clients, roots) {
        (ClientsChoice::Off, None) if section.client_crl.is_none() => Ok(ClientAuth::Off),
        (ClientsChoice::Off, _) => Err(TlsError::Setting(
            "[tls] client_roots and client_crl need clients = \"optional\" or \"required\""
                .to_owned(),
        )),
        (_, None) => Err(TlsError::Setting("[tls] clients needs client_roots = FILE".to_owned())),
        (ClientsChoice::Optional, Some(roots)) => Ok(ClientAuth::Optional(roots)),
        (ClientsChoice::Required, Some(roots)) => Ok(ClientAuth::Required(roots)),
    }
}

/// The certificate for development: that of the folder, or, where there is none that can be written, one that ends with the
/// process. A folder that is named must do.
fn make(section: &TlsSection) -> Result<Development, TlsError> {
    if let Some(folder) = &section.development {
        return Development::kept(folder);
    }
    match state_folder().map(|folder| Development::kept(&folder)) {
        Some(Ok(made)) => Ok(made),
        Some(Err(_)) | None => Development::passing(),
    }
}

/// Where this process keeps what should survive it.
pub(crate) fn state_folder() -> Option<PathBuf> {
    state(|name| std::env::var_os(name).map(PathBuf::from))
}

/// Where programs keep what should survive them: `$XDG_STATE_HOME/trilane`, else `~/.local/state/trilane`. A relative path
/// in the variable counts for nothing (XDG Base Directory Specification).
fn state(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|folder| folder.join("trilane"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::args::Args;

    fn of(arguments: &[&str], file: &str) -> Result<TlsConfig, String> {
        let flags = Args::try_parse_from([&["trilane"], arguments].concat()).unwrap().serve;
        let config = Config::parse(file, Path::new("t.toml")).map_err(|error| error.to_string())?;
        wanted(&flags, &config, &mut None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_section() {
        let file = "[tls]\nmin = '1.3'\nalpn = ['http/1.1']\nstrict_sni = true\nclients = 'required'\n\
                    client_roots = 'roots'\nclient_crl = 'crl'\nticket_keys = 'keys'\nticket_lifetime = 60\n\
                    tickets = 1\nkey_log = 'log'\n[[tls.certificates]]\ncertificate = 'a'\n\
                    [[tls.certificates]]\ncertificate = 'b'\nkey = 'c'\nocsp = 'd'\n";
        let pem = |name: &str| Pem::File(name.into());
        let expected = TlsConfig {
            identities: vec![
                Identity::new(pem("a"), pem("a")),
                Identity { ocsp: Some("d".into()), ..Identity::new(pem("b"), pem("c")) },
            ],
            strict_sni: true,
            min: Version::V1_3,
            alpn: vec![b"http/1.1".to_vec()],
            clients: ClientAuth::Required(ClientRoots {
                roots: pem("roots"),
                crl: Some(pem("crl")),
            }),
            tickets: Tickets {
                keys: Some("keys".into()),
                lifetime: std::time::Duration::from_secs(60),
                count: 1,
            },
            key_log: Some("log".into()),
        };
        assert_eq!(of(&[], file), Ok(expected));
    }

    #[test]
    fn hosts_bring_certificates_of_their_own() {
        let file = "[[tls.certificates]]\ncertificate = 'a'\n[[hosts]]\nnames = ['x']\n\
                    [[hosts]]\nnames = ['y']\ncertificate = 'b'\nkey = 'c'\nocsp = 'd'\n";
        let pem = |name: &str| Pem::File(name.into());
        let of_host = Identity { ocsp: Some("d".into()), ..Identity::new(pem("b"), pem("c")) };
        let expected = [Identity::new(pem("a"), pem("a")), of_host];
        assert_eq!(of(&[], file).unwrap().identities, expected);
        let error = of(&[], "[[hosts]]\nnames = ['x', 'y']\nkey = 'k'\n").unwrap_err();
        assert!(error.contains("x, y"), "{error}");
    }

    #[test]
    fn flags_win_over_the_section() {
        let file = "[tls]\nalpn = ['h2']\n[[tls.certificates]]\ncertificate = 'a'\n";
        let config = of(&["--cert", "x", "--key", "y", "--alpn", "http/1.1,h2"], file).unwrap();
        let identity = Identity::new(Pem::File("x".into()), Pem::File("y".into()));
        assert_eq!(config.identities, [identity]);
        assert_eq!(config.alpn, [b"http/1.1".to_vec(), b"h2".to_vec()]);
        assert_eq!(of(&["--cert", "x"], "").unwrap().alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn contradictions_are_told() {
        assert_eq!(of(&["--key", "y"], "").unwrap_err(), "--key needs --cert");
        let with = |text: &str| of(&["--cert", "x"], &format!("[tls]\n{text}\n")).unwrap_err();
        assert!(with("clients = 'optional'").contains("client_roots = FILE"));
        assert!(with("client_roots = 'r'").contains("need clients"));
        assert!(with("client_crl = 'r'").contains("need clients"));
        for text in ["min = '1.1'", "clients = 'some'", "alpn = ['h3']", "certificate = 'x'"] {
            assert!(with(text).contains("line 2"), "{text}");
        }
    }

    #[test]
    fn where_a_certificate_for_development_is_kept() {
        let at = |xdg: Option<&str>, home: Option<&str>| {
            state(|name| if name == "HOME" { home } else { xdg }.map(PathBuf::from))
        };
        assert_eq!(at(Some("/x"), Some("/h")), Some("/x/trilane".into()));
        assert_eq!(at(None, Some("/h")), Some("/h/.local/state/trilane".into()));
        assert_eq!(at(Some("x"), Some("/h")), Some("/h/.local/state/trilane".into()));
        assert_eq!(at(Some(""), None), None);
    }
}
