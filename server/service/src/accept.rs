//! Which media types a client asks for by name (RFC 9110 §12.5.1).

use trilane_semantics::field::trim_ows;
use trilane_semantics::{Fields, Known};

/// Whether Accept names that media type, whatever its parameters, with a weight that is not 0. `*/*` does not name it.
pub(crate) fn accepts(fields: &Fields, media_type: &[u8]) -> bool {
    fields.list(Known::Accept).any(|member| {
        let mut parts = member.split(|&b| b == b';').map(trim_ows);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
        let is_zero = |part: &[u8]| match part {
            [b'q' | b'Q', b'=', weight @ ..] => weight.iter().all(|b| matches!(b, b'0' | b'.')),
            _ => false,
        };
        is_named && !parts.any(is_zero)
    })
}
