//! What is taken out of a recording: the values of fields that say who somebody is. Their length and form stay, so that the machine does
//! with what is left what it did with them.

use std::borrow::Cow;

/// Fields whose values are secrets (RFC 9110 §11.6.2, §11.7.2, RFC 6265 §4.1, §4.2).
const SECRET: [&[u8]; 4] = [b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"];

/// Whether that is to be done. It can be only where fields lie open: compressed sections are left as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    Hidden,
    Shown,
}

impl Secrets {
    /// The bytes without the secrets of field lines in them, as HTTP/1.1 writes those (RFC 9112 §5).
    pub(crate) fn of_lines(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::Shown || !bytes.split(|&byte| byte == b'\n').any(has_secret) {
            return Cow::Borrowed(bytes);
        }
        let mut bytes = bytes.to_vec();
        for line in bytes.split_mut(|&byte| byte == b'\n').filter(|line| has_secret(line)) {
            let value = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
            line[value..].iter_mut().skip(1).for_each(blot);
        }
        Cow::Owned(bytes)
    }

    /// The value of a field without a secret.
    pub(crate) fn of_value<'a>(self, name: &[u8], value: &'a [u8]) -> Cow<'a, [u8]> {
        if self == Self::Shown || !is_secret(name) {
            return Cow::Borrowed(value);
        }
        let mut value = value.to_vec();
        value.iter_mut().for_each(blot);
        Cow::Owned(value)
    }
}

fn is_secret(name: &[u8]) -> bool {
    SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

fn has_secret(line: &[u8]) -> bool {
    let end = line.iter().take(20).position(|&byte| byte == b':');
    end.is_some_and(|end| is_secret(&line[..end]))
}

/// What may be in a value becomes something else that may; what may not stays, for it is a fault.
fn blot(byte: &mut u8) {
    if byte.is_ascii_graphic() || *byte >= 0x80 {
        *byte = b'x';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_keep_their_form() {
        let lines = b"GET / HTTP/1.1\r\nHost: a\r\nCOOKIE: a=b; c=\xe4\x01\r\nx-cookie: a\r\n\r\n";
        let hidden = b"GET / HTTP/1.1\r\nHost: a\r\nCOOKIE: xxxx xxx\x01\r\nx-cookie: a\r\n\r\n";
        assert_eq!(&*Secrets::Hidden.of_lines(lines), hidden);
        assert_eq!(&*Secrets::Hidden.of_lines(hidden), hidden);
        assert_eq!(&*Secrets::Shown.of_lines(lines), lines);
        assert_eq!(
            &*Secrets::Hidden.of_lines(b"authorization: Basic ab"),
            b"authorization: xxxxx xx"
        );
        assert_eq!(&*Secrets::Hidden.of_value(b"Set-Cookie", b"a=b; Path=/"), b"xxxx xxxxxx");
        assert_eq!(&*Secrets::Hidden.of_value(b"host", b"a"), b"a");
    }
}
