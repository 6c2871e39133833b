//! Which paths and methods a route has, and whose they are where two routes want the same.
//!
//! Of patterns the router takes the most specific. Of one path that has a route of its own and is the edge of a prefix, the route
//! of its own is the more specific.

use std::collections::HashMap;

use trilane::Method;

use super::schema::RouteSection;

/// What stands for all that is below a prefix.
const REST: &str = "{*rest}";

/// A pattern of the router's, and one method or all of them.
pub(crate) type Place = (String, Option<Method>);

/// The patterns of a route, as the router writes them.
///
/// # Errors
/// What is wrong with path or prefix, in words.
pub(crate) fn patterns(route: &RouteSection) -> Result<Vec<String>, String> {
    let prefix = match (&route.path, &route.prefix) {
        (Some(_), Some(_)) => return Err("path and prefix: it is one of the two".to_owned()),
        (Some(path), None) => return Ok(vec![path.clone()]),
        (None, prefix) => prefix.as_deref().unwrap_or("/"),
    };
    if !prefix.starts_with('/') || prefix.contains("{*") {
        return Err(format!("prefix: '{prefix}' is none"));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let below = [format!("{prefix}/"), format!("{prefix}/{REST}")];
    let itself = (!prefix.is_empty()).then(|| prefix.to_owned());
    Ok(itself.into_iter().chain(below).collect())
}

/// Which route has which place: its line, and whether it names that one path.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<Place, (usize, bool)>);

impl Places {
    /// Gives those of `wanted` to a route that no more specific one has. Routes with a path of their own come first.
    ///
    /// # Errors
    /// A route like it has one of them, in words.
    pub(crate) fn take(
        &mut self,
        route: &RouteSection,
        wanted: Vec<Place>,
    ) -> Result<Vec<Place>, String> {
        let is_exact = route.path.is_some();
        let mut mine = Vec::new();
        for place in wanted {
            let all = (place.0.clone(), None);
            match self.0.get(&place).or_else(|| self.0.get(&all)) {
                Some((_, true)) if !is_exact => continue,
                Some((line, _)) if self.0.contains_key(&place) => {
                    let (path, method) = &place;
                    let method = method.as_ref().map_or("", Method::as_str);
                    return Err(format!("{method} {path} is that of line {line} already"));
                }
                _ => (),
            }
            self.0.insert(place.clone(), (route.line.0, is_exact));
            mine.push(place);
        }
        Ok(mine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: Option<&str>, prefix: Option<&str>) -> RouteSection {
        let text = |text: Option<&str>| text.map(str::to_owned);
        RouteSection { path: text(path), prefix: text(prefix), ..RouteSection::default() }
    }

    #[test]
    fn a_prefix_is_three_patterns() {
        let of = |path, prefix| patterns(&route(path, prefix)).map(|all| all.join(" "));
        let all = Ok("/ /{*rest}".to_owned());
        assert_eq!((of(None, None), of(None, Some("/"))), (all.clone(), all));
        let api = Ok("/api /api/ /api/{*rest}".to_owned());
        assert_eq!((of(None, Some("/api")), of(None, Some("/api/"))), (api.clone(), api));
        assert_eq!(of(Some("/a/{id}"), None), Ok("/a/{id}".to_owned()));
        for (path, prefix) in [(Some("/"), Some("/")), (None, Some("api")), (None, Some("/{*a}"))] {
            assert!(of(path, prefix).is_err(), "{path:?} {prefix:?}");
        }
    }

    #[test]
    fn a_path_of_its_own_comes_before_a_prefix() {
        let mut places = Places::default();
        let (exact, prefix) = (route(Some("/a"), None), route(None, Some("/a")));
        let at = |path: &str, method: Option<Method>| (path.to_owned(), method);
        let (get, post) = (Some(Method::GET), Some(Method::POST));
        assert_eq!(places.take(&exact, vec![at("/a", get.clone())]).unwrap().len(), 1);
        // The other methods of that path are the prefix's.
        let wanted = vec![at("/a", get.clone()), at("/a", None), at("/a/", get.clone())];
        let taken = places.take(&prefix, wanted).unwrap();
        assert_eq!(taken, [at("/a", None), at("/a/", get)]);
        let error = places.take(&prefix, vec![at("/a", None)]).unwrap_err();
        assert!(error.contains("/a is that of line 0"), "{error}");
        let all = route(Some("/b"), None);
        assert!(places.take(&all, vec![at("/b", None)]).is_ok());
        assert_eq!(places.take(&prefix, vec![at("/b", post.clone())]).unwrap(), []);
        assert!(places.take(&all, vec![at("/b", post)]).is_ok(), "one method is more specific");
    }
}
