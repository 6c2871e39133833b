//! Comparing secrets without telling, by the time it takes, how much of a guess was right.

use subtle::{Choice, ConstantTimeEq};

/// Whether they are the same. The time depends on the length of `given` alone, which who gave it knows: a secret of another length is
/// not what is compared then.
pub(crate) fn is_same(secret: &[u8], given: &[u8]) -> Choice {
    let has_length = secret.len().ct_eq(&given.len());
    let other = if secret.len() == given.len() { secret } else { given };
    other.ct_eq(given) & has_length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_is_the_same() {
        for (secret, given, is) in [
            ("", "", true),
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("abc", "ab", false),
            ("", "a", false),
        ] {
            assert_eq!(
                bool::from(is_same(secret.as_bytes(), given.as_bytes())),
                is,
                "{secret} {given}"
            );
        }
    }
}
