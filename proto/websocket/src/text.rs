//! Text as it is sent: counted bytes that are UTF-8.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::error::Error;

/// UTF-8 that can be passed on without a copy. Reading it as a `str` looks at its bytes again (no `unsafe` here), so keep the `str`
/// where it is read often; sending it on looks at nothing.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(Bytes);

impl Text {
    /// Text that needs no memory.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Bytes that were found to be UTF-8.
    pub(crate) const fn checked(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// As a `str`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // It was checked when it was made.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Its bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl TryFrom<Bytes> for Text {
    type Error = Error;

    fn try_from(bytes: Bytes) -> Result<Self, Error> {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(Error::Utf8),
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
