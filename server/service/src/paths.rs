//! Lists of paths that a layer leaves alone.

/// Paths as they are sent: percent-encoding is neither done nor undone, as routes are matched ([`path`](crate::path)).
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths(Vec<Box<str>>);

impl Paths {
    /// Adds that path; all that begin with it, if it ends with a slash, but is no lone one: that is the root, not everything.
    pub(crate) fn add(&mut self, path: &str) {
        self.0.push(path.into());
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        let fits = |one: &str| {
            *one == *path || one.len() > 1 && one.ends_with('/') && path.starts_with(one)
        };
        self.0.iter().any(|one| fits(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_or_below() {
        let mut paths = Paths::default();
        paths.add("/health");
        paths.add("/public/");
        for (path, is) in [
            ("/health", true),
            ("/health/", false),
            ("/healthy", false),
            ("/public/", true),
            ("/public/a/b", true),
            ("/public", false),
            ("/Public/", false),
            ("/", false),
        ] {
            assert_eq!(paths.has(path), is, "{path}");
        }
        paths.add("/");
        assert!(paths.has("/"));
        assert!(!paths.has("/admin") && !paths.has("//") && !paths.has(""), "the root alone");
    }
}
