//! The Vary field (RFC 9110 §12.5.5): one line, whoever adds to it.

use trilane_semantics::{Fields, Known};

/// Says that an answer depends on those fields of its request, besides what it says already.
pub(crate) fn add(fields: &mut Fields, names: &[&str]) {
    if let ([name], false) = (names, fields.contains(Known::Vary)) {
        // As nearly always. A name of the program is a value.
        let _ = fields.append(Known::Vary, name);
        return;
    }
    if fields.list_has(Known::Vary, "*") {
        return;
    }
    let is_new = |name: &&&str| !fields.list_has(Known::Vary, name);
    let new: Vec<&str> = names.iter().filter(is_new).copied().collect();
    if new.is_empty() {
        return;
    }
    let old = fields.list(Known::Vary).map(String::from_utf8_lossy);
    let all: Vec<_> = old.chain(new.into_iter().map(Into::into)).collect();
    // What was there was a field, and names of the program are one.
    let _ = fields.set(Known::Vary, all.join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_whatever_was_there() {
        for (there, result) in [
            (&[][..], "Origin, Accept"),
            (&["accept"], "accept, Origin"),
            (&["a, b", "ORIGIN"], "a, b, ORIGIN, Accept"),
            (&["a, *"], "a, *"),
        ] {
            let mut fields = Fields::new();
            for value in there {
                fields.append(Known::Vary, value).unwrap();
            }
            add(&mut fields, &["Origin", "Accept"]);
            let lines: Vec<_> = fields.all(Known::Vary).collect();
            assert_eq!(lines, [result.as_bytes()], "{there:?}");
        }
    }
}
