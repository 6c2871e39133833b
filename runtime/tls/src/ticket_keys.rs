//! The keys that seal tickets, and their file.
//!
//! # The file
//! One secret a line: 64 hexadecimal digits (32 bytes), as `openssl rand -hex 32` writes them. Empty lines, and lines
//! that begin with `#`, are skipped. At least one secret, at most 16. The first seals tickets, all of them open them.
//!
//! The same file on every machine lets a session resume on any of them. To rotate: add a new secret as the last line
//! everywhere and reload, then make it the first line and reload, and drop the oldest when the lifetime of tickets is over.
//! So at no time is a ticket sealed that not everybody can open. Who has the file can read TLS 1.2 connections that were
//! recorded while it was in use: rotate it, and let nobody else read it.
//!
//! From each secret HKDF-SHA256 (RFC 5869) derives, with a label for each, a name that travels with the tickets and the key
//! of tickets over TCP; a label for QUIC is free to be added, so that one file is enough.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{aead, hkdf, rand};

use crate::error::TlsError;

/// The most secrets in a file.
pub(crate) const MOST: usize = 16;
/// Bytes of a secret.
const SECRET: usize = 32;
/// Random keys that open tickets: the one that seals, and that before it.
const EPOCHS: usize = 2;
/// Bytes of a key's name.
pub(crate) const NAME: usize = 16;

/// One key. Nothing shows what is in it.
pub(crate) struct Key {
    pub(crate) name: [u8; NAME],
    pub(crate) aead: aead::LessSafeKey,
    pub(crate) quic: QuicKey,
    /// What all of it was derived from.
    secret: [u8; SECRET],
}

/// What QUIC makes tickets and tokens with. A ticket of one transport does not resume on the other (RFC 9001 §4.5).
#[derive(Clone, Copy)]
pub struct QuicKey {
    /// Travels with what is sealed.
    pub name: [u8; 8],
    /// AES-256.
    pub cipher: [u8; 32],
    /// HMAC-SHA256.
    pub mac: [u8; 32],
    /// For all that is no ticket: derive from it with labels.
    pub root: [u8; 32],
}

impl fmt::Debug for QuicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicKey").finish_non_exhaustive()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Key {
    fn new(secret: &[u8; SECRET]) -> Result<Self, Unspecified> {
        let key = aead::UnboundKey::new(&aead::AES_256_GCM_SIV, &derive::<32>(secret, b"tcp")?)?;
        let quic = QuicKey {
            name: derive(secret, b"quic name")?,
            cipher: derive(secret, b"quic cipher")?,
            mac: derive(secret, b"quic mac")?,
            root: derive(secret, b"quic root")?,
        };
        let (name, aead) = (derive(secret, b"name")?, aead::LessSafeKey::new(key));
        Ok(Self { name, aead, quic, secret: *secret })
    }

    fn random() -> Result<Self, Unspecified> {
        let mut secret = [0; SECRET];
        rand::fill(&mut secret)?;
        Self::new(&secret)
    }
}

fn derive<const N: usize>(secret: &[u8; SECRET], label: &[u8]) -> Result<[u8; N], Unspecified> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut output = [0; N];
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"trilane ticket");
    salt.extract(secret).expand(&[label], Length(N))?.fill(&mut output)?;
    Ok(output)
}

/// Keys, the one that seals first.
#[derive(Debug)]
pub(crate) enum Keys {
    /// From a file, until it is read again.
    File(Vec<Arc<Key>>),
    /// Our own.
    Random(RwLock<Epochs>),
}

/// Random keys: this one and the one before.
#[derive(Debug)]
pub(crate) struct Epochs {
    keys: Vec<Arc<Key>>,
    /// When the first was made, in seconds since 1970.
    made: u64,
}

impl Keys {
    /// Random ones, made at a time in seconds since 1970.
    pub(crate) fn random(now: u64) -> Result<Self, TlsError> {
        let key = Key::random().map_err(|_| TlsError::Setting("no random numbers".to_owned()))?;
        Ok(Self::Random(RwLock::new(Epochs { keys: vec![Arc::new(key)], made: now })))
    }

    /// The random ones of another process, as [`Keys::to_bytes`] has written them.
    pub(crate) fn inherited(bytes: &[u8]) -> Result<Self, TlsError> {
        let wrong =
            || TlsError::Setting("the ticket keys of the process before are none".to_owned());
        let (made, secrets) = bytes.split_first_chunk().ok_or_else(wrong)?;
        let (secrets, []) = secrets.as_chunks::<SECRET>() else { return Err(wrong()) };
        if secrets.is_empty() || secrets.len() > EPOCHS {
            return Err(wrong());
        }
        let keys = secrets.iter().map(|secret| Key::new(secret).map(Arc::new));
        let keys = keys.collect::<Result<_, _>>().map_err(|_| wrong())?;
        Ok(Self::Random(RwLock::new(Epochs { keys, made: u64::from_be_bytes(*made) })))
    }

    /// Random keys, with the time when the first was made; nothing of those of a file, which others can read for themselves.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Self::Random(epochs) = self else { return Vec::new() };
        let epochs = epochs.read().unwrap_or_else(PoisonError::into_inner);
        let secrets = epochs.keys.iter().flat_map(|key| key.secret);
        epochs.made.to_be_bytes().into_iter().chain(secrets).collect()
    }

    /// Those of a file.
    pub(crate) fn read(path: &Path) -> Result<Self, TlsError> {
        let source = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                Self::parse(&text).map_err(|(line, what)| TlsError::TicketKeys(source, line, what))
            }
            Err(error) => Err(TlsError::Read(source, error)),
        }
    }

    /// Those of a file's text, or the line of a mistake and what it is. Says nothing of what the line holds.
    pub(crate) fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut keys: Vec<Arc<Key>> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let (line, at) = (line.trim(), at + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let secret = secret(line).ok_or((at, "a secret is 64 hexadecimal digits"))?;
            let key = Key::new(&secret).map_err(|_| (at, "cannot derive keys from this secret"))?;
            if keys.iter().any(|other| other.name == key.name) {
                return Err((at, "this secret is there twice"));
            }
            if keys.len() == MOST {
                return Err((at, "more than 16 secrets"));
            }
            keys.push(Arc::new(key));
        }
        if keys.is_empty() {
            return Err((1, "no secret in it"));
        }
        Ok(Self::File(keys))
    }

    /// The key to seal with. Random keys that are `lifetime` old give way to a new one; that before them still opens
    /// what it has sealed, which is no good for longer anyway.
    pub(crate) fn first(&self, now: u64, lifetime: u64) -> Option<Arc<Key>> {
        let epochs = match self {
            Self::File(keys) => return keys.first().cloned(),
            Self::Random(epochs) => epochs,
        };
        let is_old = |epochs: &Epochs| now.saturating_sub(epochs.made) >= lifetime;
        {
            let epochs = epochs.read().unwrap_or_else(PoisonError::into_inner);
            if !is_old(&epochs) {
                return epochs.keys.first().cloned();
            }
        }
        let mut epochs = epochs.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first.
        if is_old(&epochs) {
            epochs.keys.insert(0, Arc::new(Key::random().ok()?));
            epochs.keys.truncate(EPOCHS);
            epochs.made = now;
        }
        epochs.keys.first().cloned()
    }

    /// All keys, the one that seals first.
    pub(crate) fn all(&self) -> Vec<Arc<Key>> {
        match self {
            Self::File(keys) => keys.clone(),
            Self::Random(epochs) => {
                epochs.read().unwrap_or_else(PoisonError::into_inner).keys.clone()
            }
        }
    }

    /// The key of a name.
    pub(crate) fn find(&self, name: &[u8; NAME]) -> Option<Arc<Key>> {
        let find = |keys: &[Arc<Key>]| keys.iter().find(|key| key.name == *name).cloned();
        match self {
            Self::File(keys) => find(keys),
            Self::Random(epochs) => {
                find(&epochs.read().unwrap_or_else(PoisonError::into_inner).keys)
            }
        }
    }
}

fn secret(line: &str) -> Option<[u8; SECRET]> {
    let mut secret = [0; SECRET];
    if line.len() != 2 * SECRET || !line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, digits) in secret.iter_mut().zip(line.as_bytes().chunks_exact(2)) {
        *place = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> String {
        format!("{number:064x}\n")
    }

    fn keys(text: &str) -> Result<usize, (usize, &'static str)> {
        match Keys::parse(text)? {
            Keys::File(keys) => Ok(keys.len()),
            Keys::Random(_) => panic!("of a file"),
        }
    }

    #[test]
    fn a_file_has_comments_and_up_to_sixteen_secrets() {
        let text = format!("# ours\n\n{}  {}", line(1), line(0xabc).to_uppercase());
        assert_eq!(keys(&text), Ok(2));
        let many = |n: usize| (0..n).map(line).collect::<String>();
        assert_eq!(keys(&many(MOST - 1)), Ok(MOST - 1));
        assert_eq!(keys(&many(MOST)), Ok(MOST));
        assert_eq!(keys(&many(MOST + 1)), Err((17, "more than 16 secrets")));
    }

    #[test]
    fn mistakes_are_told_by_line_and_not_by_content() {
        assert_eq!(keys(""), Err((1, "no secret in it")));
        assert_eq!(keys("# none\n"), Err((1, "no secret in it")));
        assert_eq!(keys(&(line(1) + &line(1))), Err((2, "this secret is there twice")));
        for bad in ["ab".repeat(31), "ab".repeat(33), "xy".repeat(32), "+1".repeat(32)] {
            let text = line(1) + "\n" + &bad;
            assert_eq!(keys(&text), Err((3, "a secret is 64 hexadecimal digits")), "{bad}");
        }
    }

    #[test]
    fn names_and_keys_of_a_secret_never_change() {
        let key = Key::new(&[7; SECRET]).unwrap();
        let expected = derive::<NAME>(&[7; SECRET], b"name").unwrap();
        assert_eq!(key.name, expected);
        assert_ne!(key.name[..], derive::<32>(&[7; SECRET], b"tcp").unwrap()[..NAME]);
        // Other machines run other versions: what is derived is a format.
        assert_eq!(key.name[..4], NAME_OF_SEVENS);
        let QuicKey { cipher, mac, root, .. } = key.quic;
        assert!(cipher != mac && mac != root && root != cipher);
    }

    /// The first bytes of the name that HKDF-SHA256 makes of 32 times 7.
    const NAME_OF_SEVENS: [u8; 4] = [5, 246, 22, 5];

    #[test]
    fn random_keys_change_once_in_a_lifetime_and_the_one_before_still_opens() {
        let keys = Keys::random(1_000).unwrap();
        let name = |now| keys.first(now, 100).unwrap().name;
        let first = name(1_000);
        assert_eq!(name(1_099), first);
        let second = name(1_100);
        assert_ne!(second, first);
        assert_eq!(name(1_199), second);
        assert!(keys.find(&first).is_some() && keys.find(&second).is_some());
        let third = name(5_000);
        assert!(keys.find(&first).is_none() && keys.find(&second).is_some());
        assert!(keys.find(&third).is_some());
        // A clock that goes back changes nothing.
        assert_eq!(name(0), third);
    }
}
