//! What an origin server adds to every final response: Date and Server (RFC 9110 §6.6.1, §10.2.4).

use std::rc::Rc;

/// Rendered once a second by whoever has a clock. Clones share the text.
///
/// ```
/// use trilane_semantics::Stamp;
/// let stamp = Stamp::new("Thu, 01 Jan 1970 00:00:00 GMT", "trilane");
/// assert_eq!(stamp.lines(), "date: Thu, 01 Jan 1970 00:00:00 GMT\r\nserver: trilane\r\n");
/// assert_eq!((stamp.date(), stamp.server()), ("Thu, 01 Jan 1970 00:00:00 GMT", "trilane"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    lines: Rc<str>,
    date_end: usize,
}

const DATE: &str = "date: ";
const SERVER: &str = "\r\nserver: ";
const END: &str = "\r\n";

impl Stamp {
    /// A stamp of that date, an IMF-fixdate (RFC 9110 §5.6.7), and that Server field, empty for none.
    #[must_use]
    pub fn new(date: &str, server: &str) -> Self {
        let between = if server.is_empty() { "" } else { SERVER };
        let lines = [DATE, date, between, server, END].concat();
        Self { lines: lines.into(), date_end: DATE.len() + date.len() }
    }

    /// Both as field lines, with their ends (RFC 9112 §5).
    #[must_use]
    pub fn lines(&self) -> &str {
        &self.lines
    }

    /// The Date field's value.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.lines[DATE.len()..self.date_end]
    }

    /// The Server field's value; empty for none.
    #[must_use]
    pub fn server(&self) -> &str {
        let rest = &self.lines[self.date_end..];
        rest.strip_prefix(SERVER).and_then(|rest| rest.strip_suffix(END)).unwrap_or_default()
    }
}
