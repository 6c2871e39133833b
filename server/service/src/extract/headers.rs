//! Fields that many handlers ask for, as values: what the content is, what is wanted, which token or password came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use trilane_semantics::{Fields, Known};

use crate::auth::bearer::credentials;
use crate::coding::weighted;
use crate::extract::Header;

/// `Content-Type` (RFC 9110 §8.3).
///
/// ```
/// use trilane_service::{ContentType, TypedHeader, Router, put};
/// let kind = |TypedHeader(kind): TypedHeader<ContentType>| async move { kind.essence() };
/// let router: Router = Router::new().route("/", put(kind));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(pub String);

impl ContentType {
    /// Type and subtype, in lower case, without parameters.
    #[must_use]
    pub fn essence(&self) -> String {
        self.0.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

impl Header for ContentType {
    const NAME: &'static str = "Content-Type";

    fn parse(fields: &Fields) -> Option<Self> {
        let value = fields.get_str(Known::ContentType)?;
        let (kind, subtype) = value.split(';').next()?.trim().split_once('/')?;
        let is_one =
            !kind.is_empty() && !subtype.is_empty() && !fields.is_repeated(Known::ContentType);
        is_one.then(|| Self(value.to_owned()))
    }
}

/// `Accept` (RFC 9110 §12.5.1): which types of content are wanted; all, where the field is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    /// Ranges in lower case, with their weights in thousandths.
    ranges: Vec<(String, u16)>,
    is_limited: bool,
}

impl Accept {
    /// Which of these types is wanted most, the first of those that are wanted alike; `None` when none is wanted, for 406. Types are
    /// in lower case, without parameters.
    ///
    /// ```
    /// use trilane_service::{Accept, Fields, Header};
    /// let mut fields = Fields::new();
    /// fields.append("accept", "text/*;q=0.5, application/json, text/plain;q=0")?;
    /// let accept = Accept::parse(&fields).unwrap_or_default();
    /// assert_eq!(accept.best(&["text/html", "application/json"]), Some("application/json"));
    /// assert_eq!(accept.best(&["text/plain"]), None);
    /// # Ok::<(), trilane_semantics::InvalidField>(())
    /// ```
    #[must_use]
    pub fn best<'a>(&self, offered: &[&'a str]) -> Option<&'a str> {
        let weighed = offered.iter().rev().map(|kind| (self.weight(kind), *kind));
        weighed
            .filter(|(weight, _)| *weight > 0)
            .max_by_key(|(weight, _)| *weight)
            .map(|(_, kind)| kind)
    }

    /// That of the most specific range which a type fits (RFC 9110 §12.5.1).
    fn weight(&self, kind: &str) -> u16 {
        let is_within = |range: &str| {
            range
                .strip_suffix('*')
                .is_some_and(|start| start.ends_with('/') && kind.starts_with(start))
        };
        let of = |fits: &dyn Fn(&str) -> bool| {
            self.ranges.iter().find(|(range, _)| fits(range)).map(|(_, weight)| *weight)
        };
        let exact =
            of(&|range| range == kind).or_else(|| of(&|range| range != "*/*" && is_within(range)));
        let default = if self.is_limited { 0 } else { 1000 };
        exact.or_else(|| of(&|range| range == "*/*")).unwrap_or(default)
    }
}

impl Header for Accept {
    const NAME: &'static str = "Accept";

    /// Ranges with parameters fit none of what [`Accept::best`] is asked for, and are left out.
    fn parse(fields: &Fields) -> Option<Self> {
        let text = |(kind, weight): (&[u8], u16)| {
            Some((std::str::from_utf8(kind).ok()?.to_ascii_lowercase(), weight))
        };
        let ranges = fields.list(Known::Accept).filter_map(weighted).filter_map(text).collect();
        Some(Self { ranges, is_limited: fields.list(Known::Accept).next().is_some() })
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 §2.1), for handlers that look at it themselves; [`Auth`](crate::Auth) asks for it.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(pub String);

impl Header for BearerToken {
    const NAME: &'static str = "Authorization";

    fn parse(fields: &Fields) -> Option<Self> {
        credentials(fields, "bearer").ok().map(|token| Self(token.to_owned()))
    }
}

/// Name and password of `Authorization: Basic` (RFC 7617), for handlers that look at them themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicCredentials {
    /// The name, which has no colon.
    pub name: String,
    /// The password.
    pub password: String,
}

impl Header for BasicCredentials {
    const NAME: &'static str = "Authorization";

    fn parse(fields: &Fields) -> Option<Self> {
        let bytes = STANDARD.decode(credentials(fields, "basic").ok()?).ok()?;
        let pair = String::from_utf8(bytes).ok()?;
        // RFC 7617 §2: no control characters.
        let (name, password) =
            pair.split_once(':').filter(|_| !pair.chars().any(char::is_control))?;
        Some(Self { name: name.to_owned(), password: password.to_owned() })
    }
}

/// Says nothing of the token.
impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerToken")
    }
}

/// Says nothing of the password.
impl std::fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BasicCredentials({:?})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<T: Header>(name: &str, values: &[&str]) -> Option<T> {
        let mut fields = Fields::new();
        for value in values {
            fields.append(name, value).unwrap();
        }
        T::parse(&fields)
    }

    #[test]
    fn the_type_that_is_wanted_most() {
        const OFFERED: &[&str] = &["text/html", "application/json", "image/png"];
        for (values, best) in [
            (&[][..], Some("text/html")),
            (&["*/*"], Some("text/html")),
            (&["application/json"], Some("application/json")),
            (&["text/html;q=0.5", "image/*"], Some("image/png")),
            (&["text/*;q=0.3, */*;q=0.4"], Some("application/json")),
            // The more specific range counts, whatever its weight.
            (&["*/*, text/*;q=0.5, application/json;q=0.6"], Some("image/png")),
            (&["*/*;q=0.1, text/html;q=0, application/*;q=0"], Some("image/png")),
            (&["TEXT/HTML"], Some("text/html")),
            (&["text/plain, image/png;q=0"], None),
            (&["text/html;level=1"], None),
            (&["text/html;level=1, image/png"], Some("image/png")),
            (&["text"], None),
        ] {
            assert_eq!(of::<Accept>("accept", values).unwrap().best(OFFERED), best, "{values:?}");
        }
    }

    #[test]
    fn content_types_and_credentials() {
        let kind =
            |values: &[&str]| of::<ContentType>("content-type", values).map(|it| it.essence());
        assert_eq!(kind(&["Text/HTML ; charset=utf-8"]).as_deref(), Some("text/html"));
        for bad in [&[][..], &["text"], &["/"], &["text/"], &["text/html", "text/html"]] {
            assert_eq!(kind(bad), None, "{bad:?}");
        }
        let token = of::<BearerToken>("authorization", &["bearer a.b-c=="]).unwrap();
        assert_eq!((&*token.0, format!("{token:?}")), ("a.b-c==", "BearerToken".into()));
        assert_eq!(of::<BearerToken>("authorization", &["Basic YTpi"]), None);
        let pair = of::<BasicCredentials>("authorization", &["Basic YTpiOmM="]).unwrap();
        assert_eq!((&*pair.name, &*pair.password), ("a", "b:c"));
        assert!(!format!("{pair:?}").contains("b:c"));
        for bad in ["Basic YQ==", "Basic YQA6Yg==", "Basic !", "Basic"] {
            assert_eq!(of::<BasicCredentials>("authorization", &[bad]), None, "{bad}");
        }
    }
}
