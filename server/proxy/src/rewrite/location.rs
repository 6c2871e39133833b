//! The way back of paths whose prefix was replaced: Location, Content-Location and the paths of cookies.

use smallvec::SmallVec;
use trilane_semantics::{Fields, InvalidField, Known, NameRef};

use crate::rewrite::target::swap;

/// Values that change in one answer, at most; those after them stay as they are.
const MOST: usize = 64;

/// Has paths below `theirs` in the answer lie below `own`. Of URIs with an authority, those that name the server as we have asked it,
/// by its scheme and authority, become paths: our own scheme and authority are the client's to know (RFC 9110 §10.2.2).
pub(crate) fn rewrite(
    fields: &mut Fields,
    (own, theirs): (&str, &str),
    (is_secure, authority): (bool, &str),
) -> Result<(), InvalidField> {
    if !fields.has_any(&[Known::Location, Known::ContentLocation, Known::SetCookie]) {
        return Ok(());
    }
    let mut changed = SmallVec::<[(usize, Known, Vec<u8>); 4]>::new();
    for (at, (known, _, value)) in fields.lines().enumerate() {
        let Ok(text) = std::str::from_utf8(value) else { continue };
        let new = match known {
            Some(Known::Location | Known::ContentLocation) => {
                reference(text, (own, theirs), (is_secure, authority))
            }
            Some(Known::SetCookie) => cookie(text, (own, theirs)),
            _ => None,
        };
        if let (Some(new), Some(known)) = (new, known)
            && changed.len() < MOST
        {
            changed.push((at, known, new.into_bytes()));
        }
    }
    let (mut at, mut next) = (0, 0);
    fields.retain(|_| {
        let is_changed = changed.get(next).is_some_and(|(line, ..)| *line == at);
        at += 1;
        next += usize::from(is_changed);
        !is_changed
    });
    changed
        .iter()
        .try_for_each(|(_, known, value)| fields.append_checked(NameRef::Known(*known), value))
}

/// A reference to something behind us as it is called in front; `None` where it stays.
fn reference(
    text: &str,
    (own, theirs): (&str, &str),
    (is_secure, authority): (bool, &str),
) -> Option<String> {
    let path = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?', '#']) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            let ours = if is_secure { "https" } else { "http" };
            let is_theirs =
                scheme.eq_ignore_ascii_case(ours) && host.eq_ignore_ascii_case(authority);
            is_theirs.then_some(path)?
        }
        _ if text.starts_with('/') && !text.starts_with("//") => text,
        _ => return None,
    };
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let (path, rest) = path.split_at(end);
    Some(swap(path, theirs, own)?.concat() + rest)
}

/// A Set-Cookie whose path lies behind us (RFC 6265 §5.2.4); `None` where it has none, or another.
fn cookie(text: &str, (own, theirs): (&str, &str)) -> Option<String> {
    let mut new = String::with_capacity(text.len() + own.len());
    let mut has_changed = false;
    for (at, part) in text.split(';').enumerate() {
        if at > 0 {
            new.push(';');
        }
        let path = part
            .split_once('=')
            .filter(|(name, _)| at > 0 && name.trim().eq_ignore_ascii_case("path"));
        match path.and_then(|(_, path)| swap(path.trim(), theirs, own)) {
            Some(parts) => {
                has_changed = true;
                let path = parts.concat();
                new.push_str(" Path=");
                // RFC 6265 §5.1.4: `/api/` is not for `/api`, but `/api` is for all below it.
                new.push_str(if path.len() > 1 { path.trim_end_matches('/') } else { &path });
            }
            None => new.push_str(part),
        }
    }
    has_changed.then_some(new)
}
