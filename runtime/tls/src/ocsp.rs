//! An OCSP response (RFC 6960) that is passed on with a certificate. It is not verified: clients do that. It is looked at
//! as far as to warn of one that they will not take.

use std::path::Path;

use crate::certificates::ago;
use crate::der::{OCTETS, OID, Reader, SEQUENCE, time};
use crate::error::TlsError;

/// `ENUMERATED`.
const ENUMERATED: u8 = 0x0a;

/// Reads a file; `now` is in seconds since 1970.
pub(crate) fn load(path: &Path, now: i64, warnings: &mut Vec<String>) -> Result<Vec<u8>, TlsError> {
    let source = path.display().to_string();
    let response = match std::fs::read(path) {
        Ok(response) => response,
        Err(error) => return Err(TlsError::Read(source, error)),
    };
    let Some(until) = good_until(&response) else { return Err(TlsError::Ocsp(source)) };
    if let Some(until) = until
        && until < now
    {
        warnings.push(format!("{source}: the OCSP response ended {} ago", ago(now - until)));
    }
    Ok(response)
}

/// The `nextUpdate` of a successful basic response, if it has one (RFC 6960 §4.2.1).
fn good_until(response: &[u8]) -> Option<Option<i64>> {
    let mut response = Reader::new(response);
    let mut parts = Reader::new(response.required(SEQUENCE)?);
    if parts.required(ENUMERATED)? != [0] || !response.is_empty() {
        return None;
    }
    let mut bytes = Reader::new(Reader::new(parts.required(0xa0)?).required(SEQUENCE)?);
    bytes.required(OID)?;
    let mut basic = Reader::new(Reader::new(bytes.required(OCTETS)?).required(SEQUENCE)?);
    let mut data = Reader::new(basic.required(SEQUENCE)?);
    data.optional(0xa0);
    // Who responds, and when; then the first single response: certificate, status, thisUpdate.
    data.value()?;
    time(&mut data)?;
    let mut single = Reader::new(Reader::new(data.required(SEQUENCE)?).required(SEQUENCE)?);
    single.required(SEQUENCE)?;
    single.value()?;
    time(&mut single)?;
    match single.optional(0xa0) {
        Some(next) => time(&mut Reader::new(next)).map(Some),
        None => Some(None),
    }
}
