//! The fields of a request that chose a response (RFC 9111 §4.1).
//!
//! Values are compared as lists: lines are joined, and white space around commas does not count. Codings and languages have
//! no case either. Nothing else is known of what fields mean.

use trilane_semantics::field::is_token;
use trilane_semantics::{Fields, Known, NameRef};

/// More names than this in Vary, and a response is not stored.
const MOST: usize = 16;

/// The names in a response's Vary, and what the request had under each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection(Box<[Selected]>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Selected {
    /// In lower case.
    name: Box<[u8]>,
    /// The members of its list, joined by commas; `None` where there was no such field.
    value: Option<Box<[u8]>>,
}

impl Selection {
    /// What of `request` chose a response with these fields; `None` when that can never match another (`*`), or cannot be
    /// told.
    pub(super) fn of(response: &Fields, request: &Fields) -> Option<Self> {
        let mut selected = Vec::new();
        for name in response.list(Known::Vary) {
            if !is_token(name) || name == b"*" || selected.len() >= MOST {
                return None;
            }
            let name = name.to_ascii_lowercase();
            let value = request.contains(NameRef::new(&name)).then(|| joined(request, &name));
            selected.push(Selected { name: name.into(), value });
        }
        selected.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        selected.dedup();
        Some(Self(selected.into()))
    }

    /// Whether another request would have been answered likewise. Allocates nothing.
    pub(super) fn matches(&self, request: &Fields) -> bool {
        self.0.iter().all(|selected| {
            let name = NameRef::new(&selected.name);
            match &selected.value {
                None => !request.contains(name),
                Some(value) => {
                    let is_known = has_no_case(&selected.name);
                    let same = |ours: Option<&[u8]>, theirs: Option<&[u8]>| match (ours, theirs) {
                        (Some(ours), Some(theirs)) if is_known => ours.eq_ignore_ascii_case(theirs),
                        (ours, theirs) => ours == theirs,
                    };
                    let mut ours = value.split(|&byte| byte == b',').filter(|it| !it.is_empty());
                    request.contains(name)
                        && request.list(name).all(|member| same(ours.next(), Some(member)))
                        && ours.next().is_none()
                }
            }
        })
    }

    /// Writes down what `request` has under the same names: who would get the same response writes the same.
    pub(super) fn write(&self, request: &Fields, out: &mut Vec<u8>) {
        for Selected { name, .. } in &self.0 {
            out.push(b'\n');
            out.extend_from_slice(name);
            if request.contains(NameRef::new(name)) {
                out.push(b':');
                out.extend_from_slice(&joined(request, name));
            }
        }
    }

    /// What it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        let weight = |it: &Selected| it.name.len() + it.value.as_ref().map_or(0, |it| it.len());
        self.0.iter().map(weight).sum::<usize>() + size_of_val(&*self.0)
    }
}

/// The members of a list, joined again.
fn joined(request: &Fields, name: &[u8]) -> Box<[u8]> {
    let mut value = Vec::new();
    for member in request.list(NameRef::new(name)) {
        if !value.is_empty() {
            value.push(b',');
        }
        value.extend_from_slice(member);
    }
    if has_no_case(name) {
        value.make_ascii_lowercase();
    }
    value.into()
}

/// Whether the values of a field are known to have no case (RFC 9110 §8.4.1, §8.5.1).
fn has_no_case(name: &[u8]) -> bool {
    matches!(NameRef::new(name), NameRef::Known(Known::AcceptEncoding | Known::AcceptLanguage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(*name, value).unwrap();
        }
        fields
    }

    #[test]
    fn requests_that_get_the_same() {
        type Lines = &'static [(&'static str, &'static str)];
        let cases: &[(&str, Lines, Lines, bool)] = &[
            ("", &[("foo", "1")], &[("foo", "2")], true),
            ("Foo", &[("foo", "1")], &[("FOO", "1"), ("other", "2")], true),
            ("Foo", &[("foo", "1")], &[("foo", "2")], false),
            ("Foo", &[("foo", "1")], &[], false),
            ("Foo", &[], &[("foo", "1")], false),
            ("Foo", &[], &[("foo", "")], false),
            ("Foo", &[("foo", "")], &[("foo", "")], true),
            ("Foo", &[], &[], true),
            ("Foo, Bar, Foo", &[("foo", "1"), ("bar", "2")], &[("bar", "2"), ("foo", "1")], true),
            ("Foo, Bar", &[("foo", "1"), ("bar", "2")], &[("foo", "2"), ("bar", "2")], false),
            ("Foo", &[("foo", "1,2")], &[("foo", " 1, 2 ")], true),
            ("Foo", &[("foo", "1, 2")], &[("foo", "1"), ("foo", "2")], true),
            ("Foo", &[("foo", "1, 2")], &[("foo", "1")], false),
            ("Foo", &[("foo", "1")], &[("foo", "1, 2")], false),
            ("Foo", &[("foo", "a")], &[("foo", "A")], false),
            (
                "Accept-Language",
                &[("accept-language", "en, DE")],
                &[("accept-language", "EN,de")],
                true,
            ),
            (
                "Accept-Language",
                &[("accept-language", "en, de")],
                &[("accept-language", "de, en")],
                false,
            ),
        ];
        for (vary, first, second, expected) in cases {
            let (first, second) = (fields(first), fields(second));
            let selection = Selection::of(&fields(&[("Vary", vary)]), &first).unwrap();
            assert!(selection.matches(&first), "{vary} {first:?}");
            assert_eq!(selection.matches(&second), *expected, "{vary} {first:?} {second:?}");
            let written = |request: &Fields| {
                let mut out = Vec::new();
                selection.write(request, &mut out);
                out
            };
            assert_eq!(written(&first) == written(&second), *expected, "{vary} {second:?}");
        }
    }

    #[test]
    fn what_can_never_match() {
        for vary in
            ["*", "*, *", ", *", "Foo, *", "*, Foo", "a b", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"]
        {
            assert_eq!(Selection::of(&fields(&[("Vary", vary)]), &Fields::new()), None, "{vary}");
        }
        let lines = fields(&[("Vary", ""), ("Vary", "*")]);
        assert_eq!(Selection::of(&lines, &Fields::new()), None);
    }
}
