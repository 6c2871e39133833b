//! Patterns of names, for settings that are for some files: text and `*`, which stands for anything.

/// A pattern of the path below the root, with its slash in front.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Box<str>);

impl Pattern {
    /// `None` if no path can match it: it begins neither with `/` nor with `*`.
    pub(super) fn new(text: &str) -> Option<Self> {
        text.starts_with(['/', '*']).then(|| Self(text.into()))
    }

    /// Whether a name below the root matches all of it.
    pub(super) fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let path = ["/", name].concat();
        let Some(mut rest) = path.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // The first place for each is as good as any: what follows has the most room then.
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_as_a_table() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "a/b.css", true),
            ("/*", "a/b.css", true),
            ("/a.css", "a.css", true),
            ("/a.css", "a.cssx", false),
            ("/a.css", "b/a.css", false),
            ("*.css", "a/b.css", true),
            ("*.css", "a/b.css.map", false),
            ("/a/*", "a/b/c", true),
            ("/a/*", "a", false),
            ("/a/*", "ab/c", false),
            ("/a/*.css", "a/b/c.css", true),
            ("/a/*.css", "a/.css", true),
            ("/a*a", "a", false),
            ("/a*a", "aa", true),
            ("*a*b*", "xaxbx", true),
            ("*a*b*", "xbxax", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("**", "x", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(name), matches, "{pattern} {name}");
        }
        assert!(Pattern::new("").is_none() && Pattern::new("a/*").is_none());
    }
}
