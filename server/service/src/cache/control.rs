//! Cache-Control (RFC 9111 §5.2), of requests and of responses.
//!
//! What cannot be read makes a response stale, or a request ask for a fresh one: never the other way round.

use trilane_semantics::field::{is_token, trim_ows};
use trilane_semantics::{Fields, Known};

/// A number of seconds that is too large to be meant (RFC 9111 §1.2.2).
const FOREVER: u64 = 1 << 31;

/// A directive: its name, and its value without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    name: &'a [u8],
    value: Value<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    None,
    Token(&'a [u8]),
    Quoted(&'a [u8]),
    /// As if it were not there (RFC 8941 §3.3.6).
    False,
    /// Something that is none of these.
    Broken,
}

impl<'a> Directive<'a> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The names of fields that are its value. A list of none is no list.
    fn names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (Value::Token(list) | Value::Quoted(list)) = self.value else { return names_in(&[]) };
        names_in(list)
    }

    /// Its seconds (RFC 9111 §1.2.2), as a token or as a string, for recipients ought to take both (§5.2). What is no number
    /// is 0 (§4.2.1).
    fn seconds(&self) -> u64 {
        let (Value::Token(digits) | Value::Quoted(digits)) = self.value else { return 0 };
        delta_seconds(digits).unwrap_or(0)
    }
}

fn names_in(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(trim_ows).filter(|name| is_token(name))
}

/// A number of seconds (RFC 9111 §1.2.2).
pub(super) fn delta_seconds(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add((digit - b'0').into());
    Some(digits.iter().fold(0, add).min(FOREVER))
}

/// The directives of one line.
struct Directives<'a> {
    line: &'a [u8],
    form: Form,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// RFC 9111 §5.2.
    List,
    /// RFC 9213 §2.1: with parameters, which say nothing, and booleans.
    Dictionary,
}

impl<'a> Iterator for Directives<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        while let [b',' | b' ' | b'\t', rest @ ..] = self.line {
            self.line = rest;
        }
        if self.line.is_empty() {
            return None;
        }
        let is_dictionary = self.form == Form::Dictionary;
        let end = self.line.iter().position(|byte| b"=,; \t".contains(byte));
        let (name, rest) = self.line.split_at(end.unwrap_or(self.line.len()));
        let (value, rest) = match rest {
            [b'=', b'"', quoted @ ..] => match closing(quoted) {
                Some(end) => (Value::Quoted(&quoted[..end]), &quoted[end + 1..]),
                None => (Value::Broken, &[][..]),
            },
            [b'=', rest @ ..] => {
                let is_end = |&byte: &u8| byte == b',' || (byte == b';' && is_dictionary);
                let end = rest.iter().position(is_end).unwrap_or(rest.len());
                let value = match trim_end(&rest[..end]) {
                    b"?0" if is_dictionary => Value::False,
                    b"?1" if is_dictionary => Value::None,
                    token if is_token(token) => Value::Token(token),
                    _ => Value::Broken,
                };
                (value, &rest[end..])
            }
            rest => (Value::None, rest),
        };
        // What stands between a directive and the next comma belongs to neither.
        let end = rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len());
        let after = trim_ows(&rest[..end]);
        let is_clean = after.is_empty() || (is_dictionary && after.starts_with(b";"));
        self.line = &rest[end..];
        Some(Directive { name, value: if is_clean { value } else { Value::Broken } })
    }
}

/// Where a quoted string ends.
fn closing(quoted: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match quoted.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

const fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn directives<'a>(fields: &'a Fields, name: &'a [u8]) -> impl Iterator<Item = Directive<'a>> {
    let form = if name == CACHE_CONTROL { Form::List } else { Form::Dictionary };
    let lines = fields.all(trilane_semantics::NameRef::new(name));
    lines.flat_map(move |line| Directives { line, form })
}

const CACHE_CONTROL: &[u8] = b"cache-control";

/// What a client asks of caches (RFC 9111 §5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asks {
    pub(super) no_cache: bool,
    pub(super) no_store: bool,
    pub(super) only_if_cached: bool,
    /// In seconds, as all of these.
    pub(super) max_age: Option<u64>,
    pub(super) min_fresh: Option<u64>,
    pub(super) max_stale: Option<u64>,
}

impl Asks {
    pub(super) fn of(fields: &Fields) -> Self {
        let mut asks = Self::default();
        if !fields.contains(Known::CacheControl) {
            // RFC 9111 §5.4: clients that say nothing else may be old.
            asks.no_cache = fields.list_has(Known::Pragma, "no-cache");
            return asks;
        }
        for directive in directives(fields, CACHE_CONTROL) {
            if directive.is("no-cache") {
                asks.no_cache = true;
            } else if directive.is("no-store") {
                asks.no_store = true;
            } else if directive.is("only-if-cached") {
                asks.only_if_cached = true;
            } else if directive.is("max-age") {
                asks.max_age.get_or_insert(directive.seconds());
            } else if directive.is("min-fresh") {
                asks.min_fresh.get_or_insert(directive.seconds());
            } else if directive.is("max-stale") {
                // RFC 9111 §5.2.1.2: without a value, however stale.
                let any = directive.value == Value::None;
                asks.max_stale.get_or_insert(if any { FOREVER } else { directive.seconds() });
            }
        }
        asks
    }
}

/// What a response lets a shared cache do (RFC 9111 §5.2.2, RFC 5861).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allows {
    pub(super) no_store: bool,
    /// Without field names.
    pub(super) no_cache: bool,
    /// Without field names.
    pub(super) private: bool,
    pub(super) public: bool,
    pub(super) must_revalidate: bool,
    pub(super) proxy_revalidate: bool,
    pub(super) must_understand: bool,
    /// There are `no-cache` or `private` with field names: see [`withheld`].
    pub(super) withholds: bool,
    /// In seconds, as all of these.
    pub(super) max_age: Option<u64>,
    pub(super) s_maxage: Option<u64>,
    pub(super) stale_while_revalidate: u64,
    pub(super) stale_if_error: Option<u64>,
    /// The field for caches like this one that stood in for Cache-Control and Expires (RFC 9213 §2.2).
    pub(super) targeted: Option<&'static str>,
}

impl Allows {
    /// What Cache-Control says, or the field named `targeted`, if there is one that can be read.
    pub(super) fn of(fields: &Fields, targeted: Option<&'static str>) -> Self {
        let targeted = targeted.filter(|name| is_dictionary(fields, name.as_bytes()));
        let mut allows = Self { targeted, ..Self::default() };
        let is_said = |directive: &Directive<'_>| directive.value != Value::False;
        for directive in directives(fields, allows.field()).filter(is_said) {
            allows.add(&directive);
        }
        allows
    }

    /// The name of the field that says all this.
    fn field(&self) -> &'static [u8] {
        self.targeted.map_or(CACHE_CONTROL, str::as_bytes)
    }

    fn add(&mut self, directive: &Directive<'_>) {
        let is_qualified = directive.names().next().is_some();
        // RFC 9111 §4.2.1: the first of several. Of a dictionary, the last (RFC 8941 §3.2).
        let is_last = self.targeted.is_some();
        let set = |place: &mut Option<u64>| {
            *place = Some(directive.seconds()).filter(|_| is_last || place.is_none()).or(*place);
        };
        if directive.is("max-age") {
            set(&mut self.max_age);
        } else if directive.is("s-maxage") {
            set(&mut self.s_maxage);
        } else if directive.is("no-store") {
            self.no_store = true;
        } else if directive.is("no-cache") {
            (self.withholds, self.no_cache) =
                (self.withholds | is_qualified, self.no_cache | !is_qualified);
        } else if directive.is("private") {
            (self.withholds, self.private) =
                (self.withholds | is_qualified, self.private | !is_qualified);
        } else if directive.is("public") {
            self.public = true;
        } else if directive.is("must-revalidate") {
            self.must_revalidate = true;
        } else if directive.is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if directive.is("must-understand") {
            self.must_understand = true;
        } else if directive.is("stale-while-revalidate") {
            self.stale_while_revalidate = directive.seconds();
        } else if directive.is("stale-if-error") {
            set(&mut self.stale_if_error);
        }
    }

    /// Whether a stale response must never be used (RFC 9111 §4.2.4).
    pub(super) const fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.no_cache
    }

    /// Whether it may answer those who are not, or not likewise, authorized (RFC 9111 §3.5).
    pub(super) const fn is_for_all(&self) -> bool {
        self.public || self.s_maxage.is_some() || self.must_revalidate
    }
}

/// The names of fields that must not be stored (`private`, RFC 9111 §5.2.2.7), or not be sent from the store without asking
/// again (`no-cache`, §5.2.2.4).
pub(super) fn withheld<'a>(fields: &'a Fields, allows: &Allows) -> impl Iterator<Item = &'a [u8]> {
    let lists = directives(fields, allows.field());
    lists.filter(|it| it.is("no-cache") || it.is("private")).flat_map(|it| it.names())
}

/// Whether that field is there, and a dictionary whose values are integers, tokens, strings or none (RFC 9213 §2.1, in terms
/// of RFC 8941 §3.2). One mistake, and it is ignored.
fn is_dictionary(fields: &Fields, name: &[u8]) -> bool {
    const NUMBERS: [&str; 4] = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];
    let mut members = directives(fields, name).peekable();
    let is_key = |name: &[u8]| {
        let is_first = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'*';
        let other = |byte: &u8| is_first(byte) || byte.is_ascii_digit() || b"_-.".contains(byte);
        name.first().is_some_and(is_first) && name.iter().all(other)
    };
    members.peek().is_some()
        && members.all(|member| {
            let is_number = NUMBERS.iter().any(|number| member.is(number));
            let fits = match member.value {
                Value::Broken => false,
                Value::Token(token) => !is_number || delta_seconds(token).is_some(),
                Value::None | Value::False | Value::Quoted(_) => !is_number,
            };
            fits && is_key(&member.name.to_ascii_lowercase())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: &str, values: &[&str]) -> Fields {
        let mut fields = Fields::new();
        for value in values {
            fields.append(name, value).unwrap();
        }
        fields
    }

    fn allows(values: &[&str]) -> Allows {
        Allows::of(&fields("Cache-Control", values), None)
    }

    #[test]
    fn lifetimes_however_they_are_written() {
        for (value, max_age) in [
            ("max-age=3600", Some(3600)),
            ("MaX-aGe=3600", Some(3600)),
            ("max-age=\"3600\"", Some(3600)),
            ("max-age=003600", Some(3600)),
            (",, max-age=3600 ,", Some(3600)),
            ("foobar, max-age=3600", Some(3600)),
            ("max-age=2147483648", Some(FOREVER)),
            ("max-age=99999999999", Some(FOREVER)),
            ("max-age=99999999999999999999999999", Some(FOREVER)),
            // RFC 9111 §4.2.1: what is no number makes it stale.
            ("max-age='3600'", Some(0)),
            ("max-age=-3600", Some(0)),
            ("max-age=3600.0", Some(0)),
            ("max-age=3600a", Some(0)),
            ("max-age=a3600", Some(0)),
            ("max-age=\"3600", Some(0)),
            ("max-age=\"3600\"0", Some(0)),
            ("max-age=3600 1", Some(0)),
            ("max-age =3600", Some(0)),
            ("max-age= 3600", Some(0)),
            ("max-age=", Some(0)),
            ("max-age", Some(0)),
            // RFC 9111 §4.2.1: the first of several.
            ("max-age=1, max-age=3600", Some(1)),
            ("max-age=3600, max-age=1", Some(3600)),
            // What stands in a string is no directive.
            ("extension=\"max-age=3600\", max-age=1", Some(1)),
            ("max-age=1, extension=\"max-age=3600\"", Some(1)),
            ("extension=\"a\\\", max-age=3600\"", None),
            ("extension=max-age=3600", None),
            ("xmax-age=3600", None),
            ("", None),
        ] {
            assert_eq!(allows(&[value]).max_age, max_age, "{value}");
        }
        let two = allows(&["max-age=3600", "s-maxage=1"]);
        assert_eq!((two.max_age, two.s_maxage), (Some(3600), Some(1)));
    }

    #[test]
    fn flags_and_names() {
        let all = allows(&["No-StOrE, nO-cache, PRIVATE", "public, must-understand"]);
        assert!(all.no_store && all.no_cache && all.private && all.public && all.must_understand);
        let named = allows(&["no-cache=\"a, B\", private=c"]);
        assert!(!named.no_cache && !named.private && named.withholds);
        let fields = fields("Cache-Control", &["no-cache=\"a, B\", private=c, x=\"d\""]);
        assert!(withheld(&fields, &named).eq([&b"a"[..], b"B", b"c"]));
        // A name that cannot be read forbids everything.
        assert!(allows(&["no-cache=\"a"]).no_cache && allows(&["private= a"]).private);
        assert!(allows(&["no-cache=\"\""]).no_cache && allows(&["private=\" , \""]).private);
        assert!(allows(&["no-store;a=b"]).no_store);
        for (value, stale, all) in [
            ("max-age=1", false, false),
            ("s-maxage=1", false, true),
            ("public", false, true),
            ("must-revalidate", true, true),
            ("proxy-revalidate", true, false),
        ] {
            let allows = allows(&[value]);
            assert_eq!((allows.forbids_stale(), allows.is_for_all()), (stale, all), "{value}");
        }
        let stale = allows(&["stale-while-revalidate=7, stale-if-error=8"]);
        assert_eq!((stale.stale_while_revalidate, stale.stale_if_error), (7, Some(8)));
    }

    #[test]
    fn every_cut_of_a_line_can_be_read() {
        let line = "max-age=\"36\\\"00\", private=\"a, b\" , no-cache=x;y, =, \"\", s-maxage=7";
        for end in 0..=line.len() {
            for start in 0..=end {
                let fields = fields("Cache-Control", &[&line[start..end]]);
                let allows = Allows::of(&fields, None);
                let _ = (Asks::of(&fields), withheld(&fields, &allows).count());
                let _ = is_dictionary(&fields, CACHE_CONTROL);
            }
        }
    }

    #[test]
    fn what_clients_ask() {
        let asks = |values: &[&str]| Asks::of(&fields("Cache-Control", values));
        assert!(asks(&["no-cache"]).no_cache && asks(&["no-store"]).no_store);
        assert!(asks(&["only-if-cached"]).only_if_cached);
        assert_eq!(asks(&["max-age=0"]).max_age, Some(0));
        assert_eq!(asks(&["max-stale"]).max_stale, Some(FOREVER));
        assert_eq!(asks(&["max-stale=5, min-fresh=6"]).max_stale, Some(5));
        assert_eq!(asks(&["max-stale=x"]).max_stale, Some(0));
        // RFC 9111 §5.4: Pragma counts alone only.
        assert!(Asks::of(&fields("Pragma", &["x, No-Cache"])).no_cache);
        let mut both = fields("Pragma", &["no-cache"]);
        both.append("Cache-Control", "max-age=5").unwrap();
        assert!(!Asks::of(&both).no_cache);
    }

    /// RFC 9213 §2.2.
    #[test]
    fn a_targeted_field_stands_in_for_the_others() {
        let of = |targeted: &str| {
            let mut fields = fields("CDN-Cache-Control", &[targeted]);
            fields.append("Cache-Control", "no-store").unwrap();
            Allows::of(&fields, Some("cdn-cache-control"))
        };
        assert_eq!((of("max-age=7").max_age, of("max-age=7").no_store), (Some(7), false));
        assert!(of("private").private && of("foo, max-age=7").targeted.is_some());
        // RFC 8941 §3.2: of two with one key the last counts, and parameters are nothing to us.
        assert_eq!(of("max-age=1, max-age=7").max_age, Some(7));
        assert_eq!(of("max-age=7;a=b, foo;c").max_age, Some(7));
        assert!(of("private=?1").private && !of("private=?0, max-age=7").private);
        let mut named = fields("CDN-Cache-Control", &["max-age=7, private=\"a\""]);
        named.append("Cache-Control", "private=\"b\"").unwrap();
        let allows = Allows::of(&named, Some("cdn-cache-control"));
        assert!(allows.withholds && withheld(&named, &allows).eq([b"a"]));
        for ignored in
            ["max-age=7, &&&", "max-age=\"7\"", "max-age=7.5", "max-age", "", "max-age =7"]
        {
            assert!(of(ignored).no_store && of(ignored).targeted.is_none(), "{ignored}");
        }
    }
}
