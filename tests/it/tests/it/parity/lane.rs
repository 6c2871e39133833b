//! What a case may ask of a protocol: open a connection, begin requests on it, send and take content, leave.
//!
//! Every wait has an end: silence is [`Got::Nothing`], never a test that hangs.

use std::net::SocketAddr;
use std::time::Duration;

use super::h1::H1;
use super::h2::H2;
use super::h3::H3;

/// How long a case waits for something that must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The protocols. HTTP/1.0 is here because its answers must be the same ones.
pub(crate) const LANES: &[&dyn Lane] =
    &[&H1::V11, &H1::V10, &H1::TLS, &H2(Over::Tcp), &H2(Over::Tls), &H3];

/// What a protocol is spoken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// TCP, in clear.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// QUIC.
    Quic,
}

/// What not every protocol can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// Interim responses (RFC 9110 §15.2).
    Interim,
    /// Several requests under way, or on their way.
    Many,
    /// Content whose length is not said before, with trailers after it.
    Unknown,
    /// Files as they are, without a look at their bytes.
    Files,
    /// Memory by the kernel, without a copy.
    Uncopied,
    /// Heads whose ends do not wait for each other.
    Apart,
    /// What was sent before an answer is cut comes before the cut.
    Ordered,
}

/// A protocol.
pub(crate) trait Lane: Sync {
    /// For messages.
    fn name(&self) -> &'static str;
    /// What `/headers` calls it (RFC 9110 §2.5).
    fn protocol(&self) -> &'static str;
    /// Whether it can do that.
    fn can(&self, ability: Ability) -> bool;
    /// A new connection.
    fn open(&self, server: &dyn Place) -> Box<dyn Client>;
}

/// Where a server is to be found.
pub(crate) trait Place {
    /// Where it speaks over that.
    fn address(&self, over: Over) -> SocketAddr;
}

/// How long the content of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is none.
    None,
    /// That many bytes, said in the head.
    Exact(u64),
    /// Nobody says.
    Unknown,
}

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) length: Length,
    /// It asks for a WebSocket, in the words that the protocol has for that.
    pub(crate) is_websocket: bool,
}

impl Ask {
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        let (target, fields, length) = (target.into(), Vec::new(), Length::None);
        Self { method, target, fields, length, is_websocket: false }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// What comes for it is a tunnel, after 101 or 200.
    pub(crate) fn websocket(target: impl Into<String>) -> Self {
        let ask = Self { length: Length::Unknown, is_websocket: true, ..Self::get(target) };
        ask.field("sec-websocket-version", "13")
    }

    pub(crate) fn post(target: impl Into<String>, length: Length) -> Self {
        Self { length, ..Self::new("POST", target) }
    }

    pub(crate) fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

/// The head of a response. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// The value of a field that comes once; a second one is a failure.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice in {self:?}");
        value
    }
}

/// What came for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// An interim response.
    Interim(Head),
    /// The final response begins.
    Head(Head),
    /// Content, at least a byte.
    Data(Vec<u8>),
    /// Trailer fields.
    Trailers(Vec<(String, String)>),
    /// The response is complete.
    End,
    /// The response will never be complete: a reset, or the connection is gone.
    Cut,
    /// Nothing came in that time.
    Nothing,
}

impl Got {
    /// 100 (Continue), which has no fields of ours.
    pub(crate) const fn proceed() -> Self {
        Self::Interim(Head { status: 100, fields: Vec::new() })
    }
}

/// A request of a connection.
pub(crate) type Id = usize;

/// The peer takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// One connection, used by one thread.
pub(crate) trait Client {
    /// Sends the head of a request.
    fn begin(&mut self, ask: &Ask) -> Id;
    /// Sends a head but for its end, and no more of it ever.
    fn dangle(&mut self, ask: &Ask);
    /// Sends content; takes in, and keeps, what comes meanwhile.
    fn send(&mut self, id: Id, data: &[u8]) -> Result<(), Gone>;
    /// Ends content of unknown length.
    fn finish(&mut self, id: Id, trailers: &[(&str, &str)]) -> Result<(), Gone>;
    /// What comes next for that request, waiting that long for it.
    fn next_within(&mut self, id: Id, patience: Duration) -> Got;
    /// What the server counts against its limits for this head: bytes, with what a line costs, and lines.
    fn cost(&self, ask: &Ask) -> (usize, usize);
    /// Whether the server closes the connection within that time.
    fn is_closed_within(&mut self, patience: Duration) -> bool;
    /// Says, where the protocol has a word for it, that no request will follow.
    fn ask_no_more(&mut self);
    /// Whether another request may be begun.
    fn is_open(&self) -> bool;
    /// Closes the connection.
    fn leave(self: Box<Self>);
}

impl dyn Client + '_ {
    /// What comes next for that request.
    pub(crate) fn next(&mut self, id: Id) -> Got {
        self.next_within(id, SOON)
    }

    /// The rest of an answer.
    pub(crate) fn answer(&mut self, id: Id) -> Answer {
        let mut answer = Answer::default();
        loop {
            match self.next(id) {
                Got::Interim(head) => answer.interim.push(head),
                Got::Head(head) => answer.head = head,
                Got::Data(data) => answer.body.extend_from_slice(&data),
                Got::Trailers(fields) => answer.trailers = fields,
                Got::End => return Answer { is_whole: true, ..answer },
                Got::Cut => return answer,
                Got::Nothing => panic!("request {id} hangs after {answer:?}"),
            }
        }
    }

    /// A request without content, and its whole answer.
    pub(crate) fn ask(&mut self, ask: &Ask) -> Answer {
        let id = self.begin(ask);
        self.answer(id).whole()
    }

    /// A request with that content, and its answer. A server that takes no more of it is no failure.
    pub(crate) fn ask_with(&mut self, ask: &Ask, content: &[u8]) -> Answer {
        let id = self.begin(ask);
        let sent = self.send(id, content);
        if sent.is_ok() && ask.length == Length::Unknown {
            let _ = self.finish(id, &[]);
        }
        self.answer(id).whole()
    }
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) interim: Vec<Head>,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) is_whole: bool,
}

impl Answer {
    /// Itself, which must be complete.
    #[track_caller]
    pub(crate) fn whole(self) -> Self {
        assert!(self.is_whole, "cut: {} {:?}", self.head.status, self.head.fields);
        self
    }

    /// Itself, which must have that status.
    #[track_caller]
    pub(crate) fn status(self, status: u16) -> Self {
        assert_eq!(self.head.status, status, "{}", self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }
}
