//! Why there is no certificate yet.

use std::fmt;
use std::io;

use instant_acme::Problem;
use trilane_tls::TlsError;

/// Why an order came to nothing, or cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcmeError {
    /// A setting that is not one of its choices, in words.
    Setting(String),
    /// A file of the storage folder, named first.
    Store(String, io::Error),
    /// The authority cannot be reached, or refuses: what it says.
    Authority(instant_acme::Error),
    /// The authority could not see that we are this name: what it says.
    Refused(String, Box<Problem>),
    /// The order is invalid, and the authority does not say why.
    Unexplained,
    /// The authority has no such challenge for this name.
    NoChallenge(String),
    /// The authority took too long.
    Late,
    /// A certificate that came, or one for a challenge, cannot be used.
    Tls(TlsError),
    /// A key or a request for a certificate cannot be made.
    Made(rcgen::Error),
}

impl fmt::Display for AcmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(text) => f.write_str(text),
            Self::Store(path, error) => write!(f, "{path}: {error}"),
            Self::Authority(instant_acme::Error::Json(_)) => {
                f.write_str("the answer is none of ACME's")
            }
            Self::Authority(instant_acme::Error::Api(problem)) => {
                f.write_str("the authority refuses: ")?;
                said(problem, f)
            }
            Self::Authority(error) => write!(f, "{error}"),
            Self::Refused(name, why) => {
                write!(f, "{name} was not validated: ")?;
                said(why, f)
            }
            Self::Unexplained => {
                f.write_str("the order is invalid, and the authority does not say why")
            }
            Self::NoChallenge(name) => write!(f, "{name} cannot be validated by that challenge"),
            Self::Late => f.write_str("the authority took too long"),
            Self::Tls(error) => error.fmt(f),
            Self::Made(error) => error.fmt(f),
        }
    }
}

/// What the authority says (RFC 8555 §6.7), in one line.
fn said(problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(problem.detail.as_deref().unwrap_or("no detail"))?;
    for of_name in &problem.subproblems {
        write!(f, "; {}", of_name.detail.as_deref().unwrap_or("no detail"))?;
    }
    problem.r#type.as_ref().map_or(Ok(()), |kind| write!(f, " ({kind})"))
}

impl std::error::Error for AcmeError {}

impl From<instant_acme::Error> for AcmeError {
    fn from(error: instant_acme::Error) -> Self {
        Self::Authority(error)
    }
}

impl From<TlsError> for AcmeError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<rcgen::Error> for AcmeError {
    fn from(error: rcgen::Error) -> Self {
        Self::Made(error)
    }
}
