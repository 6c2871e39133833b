//! What the header of a part says (RFC 7578 §4): its name, the file's name, the type of its content.

use trilane_semantics::field::{is_token, trim_ows};

/// The header of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartHead {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
}

impl PartHead {
    /// Reads its lines. `None` when one is malformed, or no name is given (RFC 7578 §4.2: it MUST be).
    pub(super) fn read(lines: &[u8]) -> Option<Self> {
        let (mut head, mut is_named) = (Self::default(), false);
        for line in
            lines.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        {
            if line.is_empty() {
                continue;
            }
            let (name, value) = line.split_at(line.iter().position(|&b| b == b':')?);
            let value = trim_ows(value.strip_prefix(b":")?);
            if !is_token(name) || value.iter().any(|&b| b < b' ' && b != b'\t' || b == 0x7f) {
                return None;
            }
            if name.eq_ignore_ascii_case(b"content-disposition") {
                if is_named {
                    return None;
                }
                is_named = true;
                head.read_disposition(value)?;
            } else if name.eq_ignore_ascii_case(b"content-type") {
                head.content_type = Some(text(value.to_vec())?);
            }
        }
        is_named.then_some(head)
    }

    /// `form-data; name="a"; filename="b"`. `filename*` is not looked at: RFC 7578 §4.2 forbids it.
    fn read_disposition(&mut self, value: &[u8]) -> Option<()> {
        let mut name = None;
        for (key, value) in parameters(value, b"form-data")? {
            match &*key {
                b"name" => name = Some(text(value)?),
                b"filename" => self.file_name = Some(text(value)?),
                _ => (),
            }
        }
        self.name = name?;
        Some(())
    }
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

/// More of them belong to no form; each is compared with all before it.
const MOST: usize = 16;

/// Names in lower case, and values without quotes.
type Parameters = Vec<(Vec<u8>, Vec<u8>)>;

/// The parameters after a first word, which must be `kind` (RFC 9110 §5.6.6). `None` when it is another one, or they are malformed,
/// one comes twice, or they are too many.
pub(super) fn parameters(value: &[u8], kind: &[u8]) -> Option<Parameters> {
    let end = value.iter().position(|&b| b == b';').unwrap_or(value.len());
    let (first, mut rest) = value.split_at(end);
    if !trim_ows(first).eq_ignore_ascii_case(kind) {
        return None;
    }
    let mut all = Vec::new();
    while let Some(after) = rest.strip_prefix(b";") {
        rest = trim_ows(after);
        if rest.is_empty() || rest.starts_with(b";") {
            continue;
        }
        let (name, after) = rest.split_at(rest.iter().position(|&b| b == b'=')?);
        let (value, after) = parameter(after.strip_prefix(b"=")?)?;
        if !is_token(trim_ows(name)) {
            return None;
        }
        let name = trim_ows(name).to_ascii_lowercase();
        // Two of them would be read in two ways: by us, and by whoever looked at the form before us.
        if all.len() == MOST || all.iter().any(|(known, _)| *known == name) {
            return None;
        }
        all.push((name, value));
        rest = trim_ows(after);
    }
    rest.is_empty().then_some(all)
}

/// One value, and what is after it. In quotes, a backslash stands before a quote or itself, and for itself before anything else:
/// some browsers send paths of Windows as they are.
fn parameter(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|&b| b == b';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((trim_ows(value).to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        let (byte, after) = match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', byte @ (b'"' | b'\\'), after @ ..] | [byte, after @ ..] => (byte, after),
            [] => return None,
        };
        value.push(*byte);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_parameters_than_any_form_has_are_refused() {
        let with = |more: usize| {
            let more: String = (1..more).map(|number| format!("; x{number}=")).collect();
            parameters(format!("form-data; name=a{more}").as_bytes(), b"form-data")
        };
        assert_eq!(with(MOST).map(|all| all.len()), Some(MOST));
        // In 64 KiB there is room for 10,000, which took half a second to be compared with each other.
        assert_eq!(with(MOST + 1), None);
    }

    #[test]
    fn names_and_types() {
        let read = |lines: &str| {
            let head = PartHead::read(lines.as_bytes())?;
            Some(format!("{} {:?} {:?}", head.name, head.file_name, head.content_type))
        };
        for (lines, expected) in [
            ("Content-Disposition: form-data; name=\"a\"", "a None None"),
            ("content-disposition:FORM-DATA;NAME=a", "a None None"),
            (
                "Content-Type: text/plain\r\nX-Y: z\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b.txt\"",
                "a Some(\"b.txt\") Some(\"text/plain\")",
            ),
            ("Content-Disposition: form-data; name=\"\"; filename=\"\"", " Some(\"\") None"),
            ("Content-Disposition: form-data; name=\"a\\\"b\\\\c\"", "a\"b\\c None None"),
            (
                "Content-Disposition: form-data; name=a; filename=\"C:\\dir\\f\"",
                "a Some(\"C:\\\\dir\\\\f\") None",
            ),
            ("Content-Disposition: form-data; name=\"a; filename=x\"", "a; filename=x None None"),
            (
                "Content-Disposition: form-data; name=\"%22\u{e9}\"; filename*=UTF-8''x;",
                "%22\u{e9} None None",
            ),
        ] {
            assert_eq!(read(lines).as_deref(), Some(expected), "{lines}");
        }
        for bad in [
            "",
            "Content-Type: text/plain",
            "Content-Disposition: attachment; name=\"a\"",
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; filename=\"a\"",
            "Content-Disposition: form-data; name",
            "Content-Disposition: form-data; name=\"a",
            "Content-Disposition: form-data; name=\"a\"b",
            "Content-Disposition: form-data; na me=\"a\"",
            "Content-Disposition: form-data; name=a; name=b",
            "Content-Disposition: form-data; name=a; filename=b; FileName=c",
            "Content-Disposition form-data; name=\"a\"",
            "Content-Disposition : form-data; name=\"a\"",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
            " folded: a\r\nContent-Disposition: form-data; name=\"a\"",
            "Content-Disposition: form-data; name=\"a\"\r\nno colon",
            "Content-Disposition: form-data; name=\"a\0\"",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(PartHead::read(b"Content-Disposition: form-data; name=\"\xff\""), None);
    }
}
