//! The keys whose signatures count: each with one algorithm, and a name if tokens say which one signed them.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};

/// A key, and the only algorithm it is for: a token cannot choose another (RFC 8725 §3.1).
#[derive(Clone)]
pub struct JwtKey {
    algorithm: Algorithm,
    name: Option<String>,
    key: DecodingKey,
}

/// Keys. A token that names one (`kid`) is checked with those of that name, and with those that have none.
#[derive(Clone, Debug, Default)]
pub struct JwtKeys(Vec<JwtKey>);

/// Why something is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtKeyError {
    /// It cannot be read, or is none of that algorithm.
    Malformed(String),
    /// A secret is shorter than what its algorithm makes of it (RFC 7518 §3.2): that many bytes are needed.
    Short(usize),
    /// The algorithm is for keys of the other kind: secrets, or pairs.
    Kind,
}

impl fmt::Display for JwtKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "this is no key: {why}"),
            Self::Short(bytes) => write!(f, "this secret must have {bytes} bytes at least"),
            Self::Kind => f.write_str("this algorithm is for keys of another kind"),
        }
    }
}

impl std::error::Error for JwtKeyError {}

impl From<jsonwebtoken::errors::Error> for JwtKeyError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl JwtKey {
    /// A secret for HS256, HS384 or HS512.
    ///
    /// # Errors
    /// It is too short, or the algorithm is none of these.
    pub fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, JwtKeyError> {
        let least = match algorithm {
            Algorithm::HS256 => 32,
            Algorithm::HS384 => 48,
            Algorithm::HS512 => 64,
            _ => return Err(JwtKeyError::Kind),
        };
        // RFC 7518 §3.2: a key of the size of the hash or larger MUST be used.
        if secret.len() < least {
            return Err(JwtKeyError::Short(least));
        }
        Ok(Self { algorithm, name: None, key: DecodingKey::from_secret(secret) })
    }

    /// A public key as PEM, for RS, PS, ES or `EdDSA`.
    ///
    /// # Errors
    /// It cannot be read, or is for another algorithm.
    pub fn pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, JwtKeyError> {
        let key = match algorithm.family() {
            AlgorithmFamily::Hmac => return Err(JwtKeyError::Kind),
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem),
        };
        Ok(Self { algorithm, name: None, key: key? })
    }

    /// With the name by which tokens call it (`kid`).
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// `None` for one that signs no tokens, or in a way that is not known here (RFC 7517 §5), or is no secret of ours.
    fn of_jwk(jwk: &Jwk) -> Option<Result<Self, JwtKeyError>> {
        if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
            return None;
        }
        let usual = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::EllipticCurve(it) if it.curve == EllipticCurve::P384 => {
                Algorithm::ES384
            }
            AlgorithmParameters::OctetKeyPair(it) if it.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let algorithm = match jwk.common.key_algorithm {
            None => usual,
            Some(named) => named.to_string().parse().ok()?,
        };
        if algorithm.family() != usual.family() {
            return Some(Err(JwtKeyError::Kind));
        }
        let name = jwk.common.key_id.clone();
        Some(
            DecodingKey::from_jwk(jwk).map(|key| Self { algorithm, name, key }).map_err(Into::into),
        )
    }
}

/// Says nothing of the key itself.
impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JwtKey({:?}, {:?})", self.algorithm, self.name)
    }
}

impl JwtKeys {
    /// The public keys of a JWK set (RFC 7517 §5). What it has besides, secrets too, is left out. A key that does not name its algorithm
    /// is for RS256, ES256, ES384 or `EdDSA`, as its kind and curve say.
    ///
    /// # Errors
    /// It is no set, or a key of it cannot be read.
    pub fn jwks(json: &[u8]) -> Result<Self, JwtKeyError> {
        let set: JwkSet = serde_json::from_slice(json)
            .map_err(|error| JwtKeyError::Malformed(error.to_string()))?;
        set.keys.iter().filter_map(JwtKey::of_jwk).collect::<Result<_, _>>().map(Self)
    }

    /// Those that may have signed a token that names that algorithm and, perhaps, that key.
    pub(super) fn fitting(
        &self,
        algorithm: Algorithm,
        name: Option<&str>,
    ) -> impl Iterator<Item = &DecodingKey> {
        let is_it = move |own: &Option<String>| match (own.as_deref(), name) {
            (Some(own), Some(name)) => own == name,
            _ => true,
        };
        self.0
            .iter()
            .filter(move |key| key.algorithm == algorithm && is_it(&key.name))
            .map(|key| &key.key)
    }
}

impl<I: IntoIterator<Item = JwtKey>> From<I> for JwtKeys {
    fn from(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}
