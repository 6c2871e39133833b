//! `headers`: fields of answers that are set, added and removed, and those of requests before anybody answers them.

use std::collections::BTreeMap;

use serde::Deserialize;
use trilane::{Exchange, Fields, Hook, Phases, Refusal, Request, Response};

/// Fields that say how a message is sent, which is not for a file to say (RFC 9110 §6.4, §7.6.1, RFC 9112 §6).
const OURS: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `headers` of a file or a route: of answers, errors and refusals too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersSection {
    /// These values in place of those that there are.
    pub set: BTreeMap<String, String>,
    /// These beside those that there are.
    pub add: BTreeMap<String, String>,
    /// None of these.
    pub remove: Vec<String>,
    /// The same of requests, before they are answered or passed on; other layers see them as they came.
    pub request: Changes,
}

/// What becomes of fields: first some are removed, then some set, then some added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// These values in place of those that there are.
    pub set: BTreeMap<String, String>,
    /// These beside those that there are.
    pub add: BTreeMap<String, String>,
    /// None of these.
    pub remove: Vec<String>,
}

impl HeadersSection {
    /// Of answers.
    pub(crate) fn answers(&self) -> Result<AnswerFields, String> {
        let Self { set, add, remove, .. } = self.clone();
        Changes { set, add, remove }.checked().map(AnswerFields)
    }

    /// Of requests; `None` if they stay as they are.
    pub(crate) fn requests(&self) -> Result<Option<RequestFields>, String> {
        let changes = self.request.clone().checked()?;
        Ok((changes != Changes::default()).then_some(RequestFields(changes)))
    }
}

impl Changes {
    fn checked(self) -> Result<Self, String> {
        let mut probe = Fields::new();
        let removed = self.remove.iter().map(|name| (name, ""));
        let given = self.set.iter().chain(&self.add).map(|(name, value)| (name, &**value));
        for (name, value) in removed.chain(given) {
            if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                return Err(format!("headers: {name} is not for a file to say"));
            }
            if probe.append(name.as_str(), value).is_err() {
                return Err(format!("headers: no field can be '{name}: {value}'"));
            }
        }
        Ok(self)
    }

    fn apply(&self, fields: &mut Fields) {
        for name in &self.remove {
            fields.remove(name.as_str());
        }
        for (name, value) in &self.set {
            // It was checked at the start, and so was the other.
            let _ = fields.set(name.as_str(), value);
        }
        for (name, value) in &self.add {
            let _ = fields.append(name.as_str(), value);
        }
    }
}

/// Changes the fields of answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnswerFields(Changes);

impl Hook for AnswerFields {
    fn phases(&self) -> Phases {
        Phases::AFTER
    }

    fn after(&self, _: &Exchange, response: &mut Response) {
        self.0.apply(&mut response.head.fields);
    }

    fn refused(&self, _: &Refusal<'_>, response: &mut Response) {
        self.0.apply(&mut response.head.fields);
    }
}

/// Changes the fields of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestFields(Changes);

impl Hook for RequestFields {
    fn phases(&self) -> Phases {
        Phases::BEFORE
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        self.0.apply(&mut request.head_mut().fields);
        None
    }
}
