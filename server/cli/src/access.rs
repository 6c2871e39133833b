//! `[access]`, `[auth]` and `[csrf]`: who may ask, by address, by credentials, and from pages of which origins.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use trilane::{ApiKeys, Auth, Csrf, Fields, IpList, Router};

/// Where keys are, if nothing else is said.
const HEADER: &str = "x-api-key";

/// `[access]`: who may ask, by address. Who is denied is denied; if any network is allowed, all others are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessSection {
    /// Addresses and networks; `unix` for whoever comes over a unix socket.
    pub allow: Vec<String>,
    /// Addresses and networks.
    pub deny: Vec<String>,
}

/// `[auth]`: who may ask, by a name and a password or by a key; one of the two.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSection {
    /// What it is for, as browsers show it. Default `api`.
    pub realm: Option<String>,
    /// Passwords, by the names of their users (HTTP Basic).
    pub users: BTreeMap<String, String>,
    /// Keys of programs, by the names of who has them.
    pub keys: BTreeMap<String, String>,
    /// The field that has the key. Default `x-api-key`.
    pub header: Option<String>,
    /// Paths for which nobody is asked; with all below them, if they end with a slash. `/` is the root alone.
    pub public: Vec<String>,
}

/// Says nothing of passwords and keys.
impl fmt::Debug for AuthSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthSection({} users, {} keys)", self.users.len(), self.keys.len())
    }
}

/// `[csrf]`: what pages of other origins make browsers send is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsrfSection {
    /// Origins that may send anything, such as `https://login.example` or `https://*.app.example`.
    pub trusted: Vec<String>,
    /// Paths that others may send to; with all below them, if they end with a slash. `/` is the root alone.
    pub except: Vec<String>,
}

/// The list of addresses.
pub fn access(section: &AccessSection) -> IpList {
    let list = section.deny.iter().fold(IpList::new(), |list, network| list.deny(network));
    section.allow.iter().fold(list, |list, network| match &**network {
        "unix" => list.allow_unix(),
        network => list.allow(network),
    })
}

/// The guard against forgery.
pub fn csrf(section: &CsrfSection) -> Csrf {
    let csrf = section.trusted.iter().fold(Csrf::new(), |csrf, origin| csrf.trust(origin));
    section.except.iter().fold(csrf, |csrf, path| csrf.except(path))
}

impl AuthSection {
    /// Whether it can be what is meant.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.users.is_empty() == self.keys.is_empty() {
            return Err("[auth] needs users or keys, and not both".to_owned());
        }
        // RFC 7617 §2.
        if let Some(name) = self.users.keys().find(|name| name.contains(':')) {
            return Err(format!("[auth] users: \"{name}\" has a colon, which no name may have"));
        }
        let mut secrets = self.users.iter().chain(&self.keys);
        if let Some((name, _)) = secrets.find(|(_, secret)| secret.is_empty()) {
            return Err(format!("[auth] what \"{name}\" is to send is empty"));
        }
        match self.header.as_deref() {
            Some(_) if self.keys.is_empty() => Err("[auth] header is for keys".to_owned()),
            Some(name) if Fields::new().append(name, "").is_err() => {
                Err(format!("[auth] header: '{name}' is no field name"))
            }
            _ => Ok(()),
        }
    }

    /// Puts it around what a shard serves.
    pub fn around(&self, router: Router) -> Router {
        if !self.users.is_empty() {
            return router.layer(self.opened(Auth::users(&self.users)));
        }
        let none = ApiKeys::header(self.header.as_deref().unwrap_or(HEADER));
        let keys = self.keys.iter().fold(none, |keys, (name, key)| keys.key(key, name));
        router.layer(self.opened(Auth::new(keys)))
    }

    fn opened<V>(&self, auth: Auth<V>) -> Auth<V> {
        let auth = self.public.iter().fold(auth, |auth, path| auth.public(path));
        match &self.realm {
            Some(realm) => auth.realm(realm),
            None => auth,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn credentials_are_checked_and_not_shown() {
        let check = |text: &str| {
            let auth = Config::parse(text, Path::new("t.toml")).unwrap().auth.unwrap();
            assert!(!format!("{auth:?}").contains("secret"));
            auth.check()
        };
        for good in [
            "[auth]\nusers = { ann = 'secret', 'bob b' = 'a:b' }\nrealm = 'r'\npublic = ['/a/']\n",
            "[auth]\nkeys = { bill = 'secret' }\n",
            "[auth]\nheader = 'x-key'\n[auth.keys]\nbill = 'secret'\n",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, expected) in [
            ("[auth]\n", "users or keys"),
            ("[auth]\nusers = { a = 'b' }\nkeys = { a = 'b' }\n", "not both"),
            ("[auth]\nusers = { 'a:b' = 'c' }\n", "\"a:b\""),
            ("[auth]\nusers = { a = '' }\n", "\"a\""),
            ("[auth]\nkeys = { a = '' }\n", "\"a\""),
            ("[auth]\nkeys = { a = 'b' }\nheader = 'x y'\n", "'x y'"),
            ("[auth]\nusers = { a = 'b' }\nheader = 'x'\n", "for keys"),
        ] {
            let error = check(bad).unwrap_err();
            assert!(error.contains(expected), "{bad} {error}");
        }
    }
}
