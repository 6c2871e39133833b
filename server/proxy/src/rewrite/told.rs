//! What the server behind us is told of those before us: `X-Forwarded-*`, `Forwarded` (RFC 7239) and Via (RFC 9110 §7.6.3).
//!
//! A list is one line, with what trusted proxies have said first: some servers read one line only, and not all the same one.

use std::io::Write;
use std::net::IpAddr;

use smallvec::SmallVec;
use trilane_exchange::Address;
use trilane_semantics::field::is_token;
use trilane_semantics::{Fields, Form, InvalidField, Known, NameRef, RequestHead};

use crate::rewrite::facts::Facts;
use crate::rewrite::hops::Set;
use crate::rewrite::policy::Policy;

/// A value that is put together; few are longer.
type Text = SmallVec<[u8; 128]>;

pub(crate) const FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED_PORT: &str = "x-forwarded-port";
const REAL_IP: &str = "x-real-ip";

/// The well-known names among ours.
pub(crate) const OURS: Set =
    Set::of(&[Known::Forwarded, Known::XForwardedFor, Known::XForwardedProto]);

/// Whether a name that is not well known is one that only proxies write, or one by which some servers take another target than that
/// of the request.
#[inline]
pub(crate) fn is_ours(name: &[u8]) -> bool {
    match name {
        [b'x', b'-', rest @ ..] => {
            rest.starts_with(b"forwarded")
                || matches!(rest, b"real-ip" | b"original-url" | b"rewrite-url")
        }
        _ => false,
    }
}

/// Says who asks, in the fields that the policy has; those of `front` are believed if its peer is trusted.
#[inline]
pub(crate) fn tell(
    fields: &mut Fields,
    front: &RequestHead,
    facts: &Facts<'_>,
    policy: &Policy,
) -> Result<(), InvalidField> {
    let has_any =
        policy.x_forwarded || policy.x_forwarded_port || policy.x_real_ip || policy.forwarded;
    if !has_any {
        return Ok(());
    }
    let scheme = if facts.client.is_secure { "https" } else { "http" };
    let host = host(front).unwrap_or_default();
    if policy.x_forwarded {
        if !policy.is_hidden {
            for_line(fields, front, facts)?;
        }
        if !fields.contains(Known::XForwardedProto) {
            put(fields, Known::XForwardedProto, scheme.as_bytes())?;
        }
        if !host.is_empty() && (!facts.is_trusted || !fields.contains(FORWARDED_HOST)) {
            fields.append_checked(NameRef::Other(FORWARDED_HOST.as_bytes()), host)?;
        }
    }
    if policy.x_forwarded_port && !fields.contains(FORWARDED_PORT) {
        let port = host.rsplit(|byte| *byte == b':').next().filter(|port| is_port(port, host));
        let usual = if facts.client.is_secure { "443" } else { "80" };
        fields.append(FORWARDED_PORT, port.unwrap_or(usual.as_bytes()))?;
    }
    if policy.x_real_ip
        && !policy.is_hidden
        && let Some(client) = Ip::of(facts.client.address)
    {
        fields.remove(REAL_IP);
        fields.append_checked(NameRef::Other(REAL_IP.as_bytes()), client.as_bytes())?;
    }
    if policy.forwarded {
        forwarded_line(fields, front, facts, (scheme, host, policy.is_hidden))?;
    }
    Ok(())
}

/// Adds our name to Via (RFC 9110 §7.6.3); `before` are the fields that came, with their Via.
#[inline]
pub(crate) fn via(
    fields: &mut Fields,
    before: Option<&Fields>,
    own: &str,
) -> Result<(), InvalidField> {
    match before.filter(|before| before.contains(Known::Via)) {
        None => put(fields, Known::Via, own.as_bytes()),
        Some(before) => {
            let mut text = joined(before, Known::Via);
            text.extend_from_slice(own.as_bytes());
            put(fields, Known::Via, &text)
        }
    }
}

/// `X-Forwarded-For`: who asked each proxy, the client first.
fn for_line(
    fields: &mut Fields,
    front: &RequestHead,
    facts: &Facts<'_>,
) -> Result<(), InvalidField> {
    // A peer without an address, at a unix socket, is nothing to be told.
    let own = Ip::of(facts.peer);
    let own = own.as_ref().map(Ip::as_bytes).unwrap_or_default();
    if !facts.is_trusted {
        return if own.is_empty() { Ok(()) } else { put(fields, Known::XForwardedFor, own) };
    }
    let mut text = joined(&front.fields, Known::XForwardedFor);
    if text.is_empty()
        && facts.client.address.ip() != facts.peer.ip()
        && let Some(client) = Ip::of(facts.client.address)
    {
        // The proxy has said it in another field.
        text.extend_from_slice(client.as_bytes());
        text.extend_from_slice(b", ");
    }
    text.extend_from_slice(own);
    let value = text.strip_suffix(b", ").unwrap_or(&text);
    if value.is_empty() { Ok(()) } else { put(fields, Known::XForwardedFor, value) }
}

/// `Forwarded` (RFC 7239 §4): an element more.
fn forwarded_line(
    fields: &mut Fields,
    front: &RequestHead,
    facts: &Facts<'_>,
    (scheme, host, is_hidden): (&str, &[u8], bool),
) -> Result<(), InvalidField> {
    let mut text =
        if facts.is_trusted { joined(&front.fields, Known::Forwarded) } else { Text::new() };
    text.extend_from_slice(b"for=");
    match (is_hidden, facts.peer.ip().map(|ip| ip.to_canonical())) {
        // RFC 7239 §6.3: an obfuscated identifier begins with an underscore.
        (true, _) => text.extend_from_slice(b"_hidden"),
        // RFC 7239 §6.2.
        (false, None) => text.extend_from_slice(b"unknown"),
        (false, Some(ip @ IpAddr::V4(_))) => text.extend_from_slice(Ip::new(ip).as_bytes()),
        // RFC 7239 §6: in brackets, and quoted because of them.
        (false, Some(ip @ IpAddr::V6(_))) => {
            text.extend_from_slice(b"\"[");
            text.extend_from_slice(Ip::new(ip).as_bytes());
            text.extend_from_slice(b"]\"");
        }
    }
    if !host.is_empty() {
        text.extend_from_slice(b";host=");
        push_value(&mut text, host);
    }
    // What the peer spoke with us; what the client spoke is said by those before.
    let scheme = if facts.is_trusted { "" } else { scheme };
    if !scheme.is_empty() {
        text.extend_from_slice(b";proto=");
        text.extend_from_slice(scheme.as_bytes());
    }
    put(fields, Known::Forwarded, &text)
}

/// `value = token / quoted-string` (RFC 7239 §4).
fn push_value(text: &mut Text, value: &[u8]) {
    if is_token(value) {
        return text.extend_from_slice(value);
    }
    text.push(b'"');
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.push(b'"');
}

/// All lines of a list as one, with a comma at its end; nothing where there are none.
fn joined(fields: &Fields, name: Known) -> Text {
    let mut text = Text::new();
    for value in fields.all(name).filter(|value| !value.is_empty()) {
        text.extend_from_slice(value);
        text.extend_from_slice(b", ");
    }
    text
}

/// Adds a line of which all parts were checked when they came.
#[inline]
fn put(fields: &mut Fields, name: Known, value: &[u8]) -> Result<(), InvalidField> {
    fields.append_checked(NameRef::Known(name), value)
}

/// Whether that is digits, and not all of the host.
fn is_port(text: &[u8], host: &[u8]) -> bool {
    !text.is_empty() && text.len() < host.len() && text.iter().all(u8::is_ascii_digit)
}

/// Whom the client asks: the authority of an absolute target, and not Host (RFC 9112 §3.2.2).
#[inline]
pub(crate) fn host(front: &RequestHead) -> Option<&[u8]> {
    match front.form() {
        Form::Origin | Form::Asterisk => front.fields.get(Known::Host),
        Form::Absolute | Form::Authority => front.authority().map(str::as_bytes),
    }
}

/// Each octet in digits with a dot after them, and how long that is.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < octets.len() {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let (mut text, mut len) = ([0; 4], 0);
        let mut at = if octet < 10 {
            2
        } else if octet < 100 {
            1
        } else {
            0
        };
        while at < 3 {
            text[len] = b'0' + digits[at] as u8;
            (len, at) = (len + 1, at + 1);
        }
        text[len] = b'.';
        octets[octet] = (text, len as u8 + 1);
        octet += 1;
    }
    octets
};

/// An IP address as text; an IPv4 address in IPv6 clothes is itself.
struct Ip {
    text: [u8; 48],
    len: usize,
}

impl Ip {
    #[inline]
    fn of(address: Address) -> Option<Self> {
        address.ip().map(|ip| Self::new(ip.to_canonical()))
    }

    /// Not by the formatter where it is quickly done.
    fn new(ip: IpAddr) -> Self {
        let mut new = Self { text: [0; 48], len: 0 };
        match ip {
            IpAddr::V4(ip) => {
                for octet in ip.octets() {
                    let (text, len) = OCTETS[usize::from(octet)];
                    if let Some(place) = new.text.get_mut(new.len..new.len + 4) {
                        place.copy_from_slice(&text);
                    }
                    new.len += usize::from(len);
                }
                new.len -= 1;
            }
            IpAddr::V6(ip) => {
                let room = new.text.len();
                let mut rest = &mut new.text[..];
                // 39 bytes at most.
                let _ = write!(rest, "{ip}");
                new.len = room - rest.len();
            }
        }
        new
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}
