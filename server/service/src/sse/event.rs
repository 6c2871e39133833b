//! One event of a stream as text (HTML Living Standard §9.2.6): lines of `name: value`, and an empty line after them.

use std::time::Duration;

use serde::Serialize;

/// An event. What it is made of cannot break out of its line: line ends in data begin a new line of data, elsewhere they
/// are left out.
///
/// ```
/// use trilane_service::Event;
/// let event = Event::new().event("news").id("7").data("one\ntwo");
/// assert_eq!(event.as_str(), "event: news\nid: 7\ndata: one\ndata: two\n\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Always with the empty line at its end.
    text: String,
}

impl Default for Event {
    fn default() -> Self {
        Self { text: "\n".to_owned() }
    }
}

impl Event {
    /// An event without anything. A client tells its page of it only once it has data.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this data; what a second call gives comes on a line of its own.
    #[must_use]
    pub fn data(mut self, data: impl AsRef<str>) -> Self {
        each_line(data.as_ref(), |line| self.line("data", [line]));
        self
    }

    /// With data as JSON, in one line.
    ///
    /// # Errors
    /// It cannot be said in JSON.
    pub fn json(self, data: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(data).map(|text| self.data(text))
    }

    /// With a type, which pages listen for; without one it is `message`. To be called once.
    #[must_use]
    pub fn event(mut self, kind: impl AsRef<str>) -> Self {
        self.line("event", kind.as_ref().split(['\r', '\n']));
        self
    }

    /// With an id, which a client that comes back names in [`LastEventId`](crate::LastEventId). NUL is left out, since
    /// clients ignore an id that has one. To be called once.
    #[must_use]
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.line("id", id.as_ref().split(['\r', '\n', '\0']));
        self
    }

    /// How long a client is to wait before it comes back, in whole milliseconds.
    #[must_use]
    pub fn retry(mut self, after: Duration) -> Self {
        self.line("retry", [itoa::Buffer::new().format(after.as_millis())]);
        self
    }

    /// With a comment, which clients pass over; a line for each of its lines.
    #[must_use]
    pub fn comment(mut self, text: impl AsRef<str>) -> Self {
        each_line(text.as_ref(), |line| self.line("", [line]));
        self
    }

    /// It as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A line before the empty one, of parts without line ends.
    fn line<'a>(&mut self, name: &str, parts: impl IntoIterator<Item = &'a str>) {
        self.text.pop();
        self.text.push_str(name);
        // One space after the colon is no part of the value, so that a value may begin with one.
        self.text.push_str(": ");
        self.text.extend(parts);
        self.text.push_str("\n\n");
    }
}

impl From<Event> for String {
    fn from(event: Event) -> Self {
        event.text
    }
}

/// The lines of a text, ended by CRLF, LF or CR alone, as clients see it; a text that ends in one has an empty line after it.
fn each_line(text: &str, mut of: impl FnMut(&str)) {
    let mut rest = text;
    while let Some(end) = rest.find(['\r', '\n']) {
        let (line, after) = rest.split_at(end);
        of(line);
        let after_crlf = after.strip_prefix("\r\n");
        rest = after_crlf.unwrap_or_else(|| after.get(1..).unwrap_or_default());
    }
    of(rest);
}
