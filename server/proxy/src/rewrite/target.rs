//! Where a request goes: its target as the server behind us gets it (RFC 9112 §3.2).

use smallvec::SmallVec;
use trilane_semantics::octets::has_byte;
use trilane_semantics::{Form, Protocol, RequestHead, Target};

use crate::rewrite::facts::Upstream;
use crate::rewrite::policy::Policy;

/// Gives `head` the target of `front`, its prefix replaced; `None` where the path can be read in two ways. Over HTTP/1.1 it is in
/// origin form, as RFC 9112 §3.2.1 has it for servers; over the others its scheme must be known, so that it is absolute.
pub(crate) fn set(
    head: &mut RequestHead,
    front: &RequestHead,
    (policy, upstream): (&Policy, Upstream<'_>),
    authority: &[u8],
) -> Option<()> {
    let path = if front.is_for_server() { "*" } else { front.path() };
    if has_hidden_dots(path) || has_hidden_name(path) {
        return None;
    }
    let is_absolute = upstream.is_secure && upstream.protocol >= Protocol::Http2;
    let replaced = policy.prefix.as_ref().and_then(|prefix| swap(path, &prefix.0, &prefix.1));
    if replaced.is_none() && front.form() == Form::Origin && !is_absolute {
        head.set_target_of(front);
        return Some(());
    }
    let mut text = SmallVec::<[u8; 256]>::new();
    if is_absolute {
        text.extend_from_slice(b"https://");
        text.extend_from_slice(authority);
    }
    match replaced {
        Some(parts) => parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes())),
        // An absolute target of OPTIONS without a path is what `*` is elsewhere (RFC 9112 §3.2.4).
        None if path == "*" && is_absolute => (),
        None => text.extend_from_slice(path.as_bytes()),
    }
    if let Some(query) = front.query() {
        text.push(b'?');
        text.extend_from_slice(query.as_bytes());
    }
    let text = std::str::from_utf8(&text).ok()?;
    head.set_target(Target::parse(text.as_bytes())?, text);
    Some(())
}

/// What a path becomes whose prefix is `from`, in three parts, if it lies below that; never nothing.
pub(crate) fn swap<'a>(path: &'a str, from: &str, to: &'a str) -> Option<[&'a str; 3]> {
    let rest = path.strip_prefix(from)?;
    let slash = if to.is_empty() && rest.is_empty() { "/" } else { "" };
    matches!(rest.as_bytes(), [] | [b'/', ..]).then_some([to, slash, rest])
}

/// Whether a segment is `.` or `..` before a `;`: what is after it some servers take for parameters and leave out, and then climb.
/// Other dot segments reach no route.
fn has_hidden_dots(path: &str) -> bool {
    if !path.contains(';') {
        return false;
    }
    let lower =
        path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    lower
        .split(['/', '\\'])
        .any(|segment| segment.split_once(';').is_some_and(|(name, _)| matches!(name, "." | "..")))
}

/// Whether something is encoded that need not be (RFC 3986 §2.3): `/%61dmin` has the route of `/{*rest}`, with its layers, and for a server
/// that decodes it is `/admin`. Dots within a name are let through: some clients encode them, and hide nothing by that.
fn has_hidden_name(path: &str) -> bool {
    if !has_byte(path.as_bytes(), b'%') {
        return false;
    }
    let (mut before, mut rest) = (b'/', path.as_bytes());
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let escape = match rest {
            [high, low, ..] if *byte == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let is_hidden = match escape.map(|(high, low)| high << 4 | low) {
            Some(b'.') => before == b'/',
            Some(byte) => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            None => false,
        };
        if is_hidden {
            return true;
        }
        before = *byte;
    }
    false
}

fn hex(digit: u8) -> Option<u8> {
    // A digit is less than 16.
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}
