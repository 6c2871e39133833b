//! Which content coding a client would rather have (RFC 9110 §12.5.3).

pub use trilane_coding::Coding;
use trilane_semantics::field::trim_ows;
use trilane_semantics::{Fields, Known};

/// The best coding for a client: of those that are `offered`, best first, the one with the highest weight in its
/// Accept-Encoding. Identity is always on offer, and comes last among equals. A client without that field gets identity,
/// since who understands no coding sends none. `None` if not even identity is acceptable.
///
/// ```
/// use trilane_service::{Coding, Fields, negotiate};
/// let mut fields = Fields::new();
/// fields.append("accept-encoding", "gzip;q=0.5, br, zstd")?;
/// assert_eq!(negotiate(&fields, &[Coding::Zstd, Coding::Brotli]), Some(Coding::Zstd));
/// assert_eq!(negotiate(&fields, &[Coding::Deflate]), Some(Coding::Identity));
/// # Ok::<(), trilane_semantics::InvalidField>(())
/// ```
#[must_use]
pub fn negotiate(accept: &Fields, offered: &[Coding]) -> Option<Coding> {
    let mut weights = [None; Coding::ALL.len()];
    let mut others = None;
    for (name, weight) in accept.list(Known::AcceptEncoding).filter_map(weighted) {
        match Coding::from_name(name) {
            Some(coding) => weights[coding as usize] = weights[coding as usize].or(Some(weight)),
            None if name == b"*" => others = others.or(Some(weight)),
            None => (),
        }
    }
    let weight = |coding: Coding| weights[coding as usize].or(others);
    let is_coded = |coding: &Coding| *coding != Coding::Identity;
    let mut best = (Coding::Identity, weight(Coding::Identity));
    for coding in offered.iter().copied().filter(is_coded).rev() {
        // Identity that is not named is acceptable, but only where nothing else is.
        let least = best.1.unwrap_or(1);
        if let Some(weight) = weight(coding).filter(|&weight| weight >= least.max(1)) {
            best = (coding, Some(weight));
        }
    }
    (best.1 != Some(0)).then_some(best.0)
}

/// A member of a list with weights (RFC 9110 §12.4.2): what it names, and its weight in thousandths, which is 1,000 where none
/// is said. `None` if the weight is malformed.
pub(crate) fn weighted(member: &[u8]) -> Option<(&[u8], u16)> {
    let Some(at) = member.iter().position(|&byte| byte == b';') else {
        return Some((member, 1000));
    };
    let parameter = trim_ows(&member[at + 1..]);
    let [b'q' | b'Q', b'=', value @ ..] = parameter else { return None };
    Some((trim_ows(&member[..at]), thousandths(value)?))
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] => (whole, decimals),
        _ => return None,
    };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| decimals.get(at).map_or(0, |digit| u16::from(digit - b'0'));
    let decimals = digit(0) * 100 + digit(1) * 10 + digit(2);
    match (whole, decimals) {
        (b'0', decimals) => Some(decimals),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str], offered: &[Coding]) -> Option<Coding> {
        let mut fields = Fields::new();
        for line in lines {
            fields.append(Known::AcceptEncoding, line).unwrap();
        }
        negotiate(&fields, offered)
    }

    #[test]
    fn the_highest_weight_wins() {
        use Coding::{Brotli, Deflate, Gzip, Identity, Zstd};
        let offered = [Zstd, Brotli, Gzip];
        for (lines, expected) in [
            (&[][..], Some(Identity)),
            (&[""], Some(Identity)),
            (&["gzip"], Some(Gzip)),
            (&["GZip"], Some(Gzip)),
            (&["x-gzip"], Some(Gzip)),
            (&["gzip, deflate, br, zstd"], Some(Zstd)),
            (&["gzip, deflate, br"], Some(Brotli)),
            (&["gzip", "br"], Some(Brotli)),
            (&["gzip;q=1.0, br;q=0.999"], Some(Gzip)),
            (&["gzip ; Q=0.2,br;q=0.1"], Some(Gzip)),
            (&["deflate"], Some(Identity)),
            (&["*"], Some(Zstd)),
            (&["zstd;q=0, *"], Some(Brotli)),
            (&["*;q=0.5, gzip"], Some(Gzip)),
            (&["gzip;q=0"], Some(Identity)),
            (&["gzip;q=0.000"], Some(Identity)),
            (&["gzip;q=0.001"], Some(Gzip)),
            (&["identity"], Some(Identity)),
            (&["identity, gzip"], Some(Gzip)),
            (&["identity, gzip;q=0.5"], Some(Identity)),
            (&["identity;q=0.5, gzip;q=0.6"], Some(Gzip)),
            (&["identity;q=0, gzip"], Some(Gzip)),
            (&["identity;q=0, *"], Some(Zstd)),
            // Not even identity.
            (&["identity;q=0"], None),
            (&["*;q=0"], None),
            (&["deflate, *;q=0"], None),
            (&["identity;q=0, gzip;q=0"], None),
            // Identity is named, and the asterisk is for the others.
            (&["*;q=0, identity"], Some(Identity)),
            (&["*;q=0, identity;q=0.1, br;q=0.1"], Some(Brotli)),
            // The first of two, and nothing that is malformed.
            (&["gzip;q=0, gzip"], Some(Identity)),
            (&["gzip;q=2, br;q=0.1"], Some(Brotli)),
            (&["gzip;q=0.1234"], Some(Identity)),
            (&["gzip;q=1.001"], Some(Identity)),
            (&["gzip;q="], Some(Identity)),
            (&["gzip;level=1"], Some(Identity)),
            (&[",, ,gzip,"], Some(Gzip)),
        ] {
            assert_eq!(of(lines, &offered), expected, "{lines:?}");
        }
        assert_eq!(of(&["gzip, br"], &[Gzip, Brotli]), Some(Gzip));
        assert_eq!(of(&["gzip, br"], &[Identity, Deflate]), Some(Identity));
        assert_eq!(of(&["br"], &[]), Some(Identity));
    }
}
