//! What we want to know of a certificate (RFC 5280) and rustls does not tell: its names, its dates, and its subject as
//! text. It verifies nothing: rustls does.

use std::fmt::Write;
use std::net::IpAddr;

use crate::der::{BOOLEAN, INTEGER, OCTETS, OID, Reader, SEQUENCE, SET, Value, time};

/// `id-ce-subjectAltName`, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// `dNSName` in it.
const DNS_NAME: u8 = 0x82;
/// `iPAddress` in it.
const IP_ADDRESS: u8 = 0x87;
/// `id-ce-authorityKeyIdentifier`, 2.5.29.35.
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 0x23];
/// `keyIdentifier` in it.
const KEY_IDENTIFIER: u8 = 0x80;
/// Kinds of attribute that have short names (RFC 4514 §3).
const KINDS: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The DNS names of its subject, in small letters; `*.example.com` among them.
    pub(crate) names: Vec<String>,
    /// Its IP addresses.
    pub(crate) addresses: Vec<IpAddr>,
    /// When it begins to be valid, in seconds since 1970.
    pub(crate) not_before: i64,
    /// When it ends.
    pub(crate) not_after: i64,
    /// Its subject (RFC 4514).
    pub(crate) subject: String,
    /// Its number, as DER has it.
    pub(crate) serial: Vec<u8>,
    /// Which key of its authority has signed it; empty if that is not said.
    pub(crate) authority_key: Vec<u8>,
}

impl Facts {
    /// Reads a certificate.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Reader::new(Reader::new(der).required(SEQUENCE)?);
        let mut body = Reader::new(certificate.required(SEQUENCE)?);
        // Version, serial number, signature, issuer.
        body.optional(0xa0);
        let serial = body.required(INTEGER)?.to_vec();
        body.required(SEQUENCE)?;
        body.required(SEQUENCE)?;
        let mut validity = Reader::new(body.required(SEQUENCE)?);
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        let subject = subject(body.required(SEQUENCE)?)?;
        // Its key, and unique identifiers, which nobody has.
        body.required(SEQUENCE)?;
        body.optional(0x81);
        body.optional(0x82);
        let (names, addresses, authority_key) = (Vec::new(), Vec::new(), Vec::new());
        let mut facts =
            Self { names, addresses, not_before, not_after, subject, serial, authority_key };
        match body.optional(0xa3) {
            Some(extensions) => facts.extend(extensions).map(|()| facts),
            None => Some(facts),
        }
    }

    /// Takes what is told among the extensions.
    fn extend(&mut self, extensions: &[u8]) -> Option<()> {
        let mut extensions = Reader::new(Reader::new(extensions).required(SEQUENCE)?);
        while !extensions.is_empty() {
            let mut extension = Reader::new(extensions.required(SEQUENCE)?);
            let kind = extension.required(OID)?;
            extension.optional(BOOLEAN);
            let content = extension.required(OCTETS)?;
            match kind {
                SUBJECT_ALT_NAME => self.name(content)?,
                AUTHORITY_KEY => {
                    let mut parts = Reader::new(Reader::new(content).required(SEQUENCE)?);
                    self.authority_key = parts.optional(KEY_IDENTIFIER).unwrap_or(&[]).to_vec();
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Takes the names of a `SubjectAltName`.
    fn name(&mut self, content: &[u8]) -> Option<()> {
        let mut general = Reader::new(Reader::new(content).required(SEQUENCE)?);
        while !general.is_empty() {
            let name = general.value()?;
            match name.tag {
                DNS_NAME => {
                    self.names.push(str::from_utf8(name.content).ok()?.to_ascii_lowercase());
                }
                // RFC 5280 §4.2.1.6: 4 or 16 bytes.
                IP_ADDRESS => self.addresses.extend(address(name.content)),
                _ => {}
            }
        }
        Some(())
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// A `Name` as text: its parts in reverse order (RFC 4514 §2.1).
fn subject(name: &[u8]) -> Option<String> {
    let mut reader = Reader::new(name);
    let mut parts = Vec::new();
    while !reader.is_empty() {
        parts.push(reader.required(SET)?);
    }
    let mut text = String::new();
    for part in parts.into_iter().rev() {
        let mut separator = ',';
        let mut attributes = Reader::new(part);
        while !attributes.is_empty() {
            let mut attribute = Reader::new(attributes.required(SEQUENCE)?);
            let (kind, value) = (attribute.required(OID)?, attribute.value()?);
            if !text.is_empty() {
                text.push(separator);
            }
            push_attribute(&mut text, kind, value);
            separator = '+';
        }
    }
    Some(text)
}

/// `CN=value`. What has no short name, or is no text, is written in hexadecimal digits (RFC 4514 §2.4).
fn push_attribute(text: &mut String, kind: &[u8], value: Value<'_>) {
    let known = KINDS.iter().find(|(oid, _)| *oid == kind).map(|(_, name)| *name);
    match known {
        Some(name) => text.push_str(name),
        None => push_oid(text, kind),
    }
    text.push('=');
    // UTF8String, PrintableString, IA5String.
    let is_text = matches!(value.tag, 0x0c | 0x13 | 0x16);
    match str::from_utf8(value.content) {
        Ok(value) if is_text && known.is_some() => push_escaped(text, value),
        _ => {
            text.push('#');
            push_hex(text, value.whole);
        }
    }
}

/// `1.2.840.113549`.
fn push_oid(text: &mut String, oid: &[u8]) {
    let (mut number, mut is_first) = (0u128, true);
    for byte in oid {
        // Wraps only in what no registry has; then it is a wrong text, and still a text.
        number = number << 7 | u128::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if is_first {
            let first = (number / 40).min(2);
            push_number(text, first);
            number -= first * 40;
            is_first = false;
        }
        text.push('.');
        push_number(text, number);
        number = 0;
    }
}

fn push_number(text: &mut String, number: u128) {
    // Writing to a string does not fail.
    let _ = write!(text, "{number}");
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}

/// RFC 4514 §2.4; control characters too, so that the text fits in a line of a log.
fn push_escaped(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (at, character) in value.char_indices() {
        let is_edge =
            (at == 0 && matches!(character, ' ' | '#')) || (at == last && character == ' ');
        if character.is_control() {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(text, "\\{byte:02x}");
            }
            continue;
        }
        if is_edge || matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, date_time_ymd};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let names =
            vec!["Example.COM".to_owned(), "*.example.com".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_dates() {
        let facts = Facts::read(&made(|params| {
            params.not_before = date_time_ymd(2026, 11, 22);
            params.not_after = date_time_ymd(2051, 1, 2);
        }))
        .unwrap();
        assert_eq!(facts.names, ["example.com", "*.example.com"]);
        assert_eq!((facts.not_before, facts.not_after), (1_795_305_600, 2_556_230_400));
        assert_eq!(facts.subject, "");
    }

    /// RFC 4514 §2: last part first; special characters behind a backslash; the unknown in hexadecimal digits.
    #[test]
    fn subjects() {
        let facts = Facts::read(&made(|params| {
            let name = &mut params.distinguished_name;
            name.push(DnType::CountryName, DnValue::PrintableString("CH".try_into().unwrap()));
            name.push(DnType::OrganizationName, " a, b+\"c\"\n ");
            name.push(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "x");
            name.push(DnType::CommonName, "#é=");
        }))
        .unwrap();
        let expected = "CN=\\#é=,1.2.840.113549.1.9.1=#0c0178,O=\\ a\\, b\\+\\\"c\\\"\\0a\\ ,C=CH";
        assert_eq!(facts.subject, expected);
    }

    #[test]
    fn a_certificate_cut_anywhere_is_refused_and_changed_anywhere_is_read_or_refused() {
        let whole = made(|_| {});
        for end in 0..whole.len() {
            assert_eq!(Facts::read(&whole[..end]), None, "{end}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let _ = Facts::read(&changed);
            }
        }
    }
}
