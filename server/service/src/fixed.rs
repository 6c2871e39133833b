//! The routes without parameters: found by comparing whole paths, a fifth of what the tree costs.
//!
//! Nothing is decided here that the tree would decide otherwise: of two routes for one path, the one without
//! parameters comes first.

/// Paths that stand for themselves, each with the number of its route.
#[derive(Debug, Default)]
pub(crate) struct FixedPaths {
    /// By length, then sorted: most lengths have few paths.
    by_length: Vec<Vec<(Box<str>, usize)>>,
}

impl FixedPaths {
    /// Those of all routes, in order, that have neither parameters nor braces to be unescaped.
    pub(crate) fn new<'a>(routes: impl Iterator<Item = &'a str>) -> Self {
        let mut by_length: Vec<Vec<(Box<str>, usize)>> = Vec::new();
        for (at, path) in routes.enumerate().filter(|(_, path)| !path.contains(['{', '}'])) {
            if by_length.len() <= path.len() {
                by_length.resize_with(path.len() + 1, Vec::new);
            }
            by_length[path.len()].push((path.into(), at));
        }
        by_length.iter_mut().for_each(|paths| paths.sort_unstable());
        Self { by_length }
    }

    /// The number of the route whose path that is.
    pub(crate) fn at(&self, path: &str) -> Option<usize> {
        let paths = self.by_length.get(path.len())?;
        let at = paths.binary_search_by(|(other, _)| (**other).cmp(path)).ok()?;
        paths.get(at).map(|(_, route)| *route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_paths_only() {
        let routes = ["/", "/b", "/{id}", "/a", "/{{}}", "/a/b", "/c/{*rest}"];
        let fixed = FixedPaths::new(routes.into_iter());
        for (path, route) in [
            ("/", Some(0)),
            ("/b", Some(1)),
            ("/a", Some(3)),
            ("/a/b", Some(5)),
            ("/{id}", None),
            ("/{}", None),
            ("/c", None),
            ("/A", None),
            ("", None),
            ("/a/b/", None),
            ("/longer than all of them", None),
        ] {
            assert_eq!(fixed.at(path), route, "{path}");
        }
        assert_eq!(FixedPaths::default().at("/"), None);
    }
}
