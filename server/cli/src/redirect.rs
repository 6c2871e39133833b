//! `--redirect` and `[redirect]`: listeners that do nothing but redirect to HTTPS.

use serde::Deserialize;
use trilane::HttpsRedirect;
use trilane::acme::challenges::WELL_KNOWN;
use trilane::tls::Acceptor;

use crate::args::Serve;
use crate::config::Config;

/// `[redirect]`: from HTTP to HTTPS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedirectSection {
    /// Where to listen, as `--redirect`.
    pub listen: Vec<String>,
    /// The hosts that are redirected, `*.example.org` among them; another one is 421. Default: the names in the certificates, as
    /// they are at the start, and those of `[acme]`.
    pub hosts: Vec<String>,
    /// All to that host. Default: each to its own.
    pub to: Option<String>,
    /// To that port. Default: the first that listens for TLS.
    pub port: Option<u16>,
    /// With 301, for old clients, instead of 308.
    pub moved_permanently: bool,
    /// Paths that begin so are answered in clear.
    pub except: Vec<String>,
}

/// Where to listen, and what to do there; none if nobody wants it. Flags win over the file.
///
/// # Errors
/// A host that is none, or no host at all, in words.
pub fn redirect(
    flags: &Serve,
    config: &Config,
    acceptor: Option<&Acceptor>,
) -> Result<Option<(Vec<String>, HttpsRedirect)>, String> {
    let section = &config.redirect;
    let mut listen =
        if flags.redirect.is_empty() { &section.listen } else { &flags.redirect }.clone();
    listen.retain(|address| address != "off");
    if listen.is_empty() {
        return Ok(None);
    }
    let material = acceptor.map(Acceptor::material);
    let named = material.iter().flat_map(|material| material.names()).map(str::to_owned);
    // Those that are ordered have no certificate yet.
    let ordered = config.acme.iter().flat_map(|acme| acme.domains.iter().cloned());
    let hosts = if section.hosts.is_empty() {
        named.chain(ordered).collect()
    } else {
        section.hosts.clone()
    };
    if hosts.is_empty() {
        return Err("--redirect: no certificate has a name: [redirect] hosts says which".to_owned());
    }
    let bad = |error| format!("[redirect] {error}");
    let mut redirect = HttpsRedirect::new(hosts).map_err(bad)?;
    if let Some(to) = &section.to {
        redirect = redirect.to(to).map_err(bad)?;
    }
    if let Some(port) = section.port {
        redirect = redirect.port(port);
    }
    if section.moved_permanently {
        redirect = redirect.moved_permanently();
    }
    if config.acme.is_some() {
        redirect = redirect.except(WELL_KNOWN);
    }
    Ok(Some((listen, section.except.iter().fold(redirect, HttpsRedirect::except))))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    fn listens(arguments: &[&str], listen: &[&str], hosts: &[&str]) -> Result<String, String> {
        let flags = Args::try_parse_from([&["trilane"], arguments].concat()).unwrap().serve;
        let mut config = Config::default();
        config.redirect.listen = listen.iter().map(ToString::to_string).collect();
        config.redirect.hosts = hosts.iter().map(ToString::to_string).collect();
        let redirect = redirect(&flags, &config, None)?;
        Ok(redirect.map(|(listen, _)| listen.join(" ")).unwrap_or_default())
    }

    #[test]
    fn flags_win_over_the_file() {
        let flag: &[&str] = &["--redirect", ":80", "--redirect", ":81"];
        assert_eq!(listens(&[], &[], &[]), Ok(String::new()));
        assert_eq!(listens(&[], &[":1"], &["a"]), Ok(":1".to_owned()));
        assert_eq!(listens(flag, &[":1"], &["a"]), Ok(":80 :81".to_owned()));
        assert_eq!(listens(&["--redirect", "off"], &[":1"], &["a"]), Ok(String::new()));
        assert!(listens(flag, &[], &[]).unwrap_err().contains("hosts"));
        assert!(listens(flag, &[], &["a:1"]).unwrap_err().contains("\"a:1\""));
    }
}
