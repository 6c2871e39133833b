//! How urgent an answer is (RFC 9218): the Priority field, as far as it orders bytes.

/// The priority of an exchange (RFC 9218 §4).
///
/// ```
/// use trilane_semantics::Priority;
/// assert_eq!(Priority::parse(b"u=1, i"), Priority { urgency: 1, incremental: true });
/// assert_eq!(Priority::parse(b"nonsense"), Priority::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// 0 is the most urgent, 7 the least. Default 3.
    pub urgency: u8,
    /// Whether a part of the answer is of use before the rest. Default: no.
    pub incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Self { urgency: 3, incremental: false }
    }
}

impl Priority {
    /// Reads the value of a Priority field, or of a PRIORITY_UPDATE frame: a dictionary (RFC 8941 §3.2) of which all but `u`
    /// and `i` is passed over. What cannot be read says nothing (RFC 9218 §5): there is no error.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let mut priority = Self::default();
        for member in value.split(|&byte| byte == b',') {
            // Parameters are not ours to know.
            let member = member.split(|&byte| byte == b';').next().unwrap_or_default();
            match member.trim_ascii() {
                [b'u', b'=', digit @ b'0'..=b'7'] => priority.urgency = digit - b'0',
                b"i" | b"i=?1" => priority.incremental = true,
                b"i=?0" => priority.incremental = false,
                _ => (),
            }
        }
        priority
    }

    /// The place of exchange `number` among others: lower goes first. By urgency; of one urgency, what is of no use in part goes
    /// one after the other, by number, and the others share what is left (RFC 9218 §10).
    #[must_use]
    pub fn rank(self, number: u64) -> (u8, u64) {
        (self.urgency, if self.incremental { u64::MAX } else { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9218 §4.1, §4.2, §5.
    #[test]
    fn what_is_understood_and_what_is_passed_over() {
        for (text, urgency, incremental) in [
            ("", 3, false),
            ("u=0", 0, false),
            ("u=7,i", 7, true),
            (" u=5 , i=?0", 5, false),
            ("u=8", 3, false),
            ("u=-1", 3, false),
            ("u=10", 3, false),
            ("i=?1;x=2, u=2;y", 2, true),
            ("i, i=?0", 3, false),
            ("u=\"1\", a=(1 2), i", 3, true),
        ] {
            assert_eq!(
                Priority::parse(text.as_bytes()),
                Priority { urgency, incremental },
                "{text}"
            );
        }
    }
}
