//! A response to a request of ours.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use trilane_exchange::{Answer, BodyError, Frame, Incoming, Shard};
use trilane_semantics::{Fields, Instant, Payload, Protocol, ResponseHead, StatusCode};

use crate::error::{ClientError, Failure};
use crate::url::Url;

/// A response: its head is here, its content is read frame by frame or whole. Dropping it before the end of its content gives the
/// exchange up.
pub struct ClientResponse {
    head: ResponseHead,
    body: Incoming,
    protocol: Protocol,
    url: Url,
    limit: u64,
    deadline: Option<(Shard, Instant)>,
}

impl ClientResponse {
    pub(crate) fn new(answer: Answer, protocol: Protocol, url: Url) -> Self {
        let Answer { head, body } = answer;
        Self { head, body, protocol, url, limit: u64::MAX, deadline: None }
    }

    pub(crate) fn within(mut self, deadline: Option<(Shard, Instant)>, limit: u64) -> Self {
        (self.deadline, self.limit) = (deadline, limit);
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The fields.
    #[must_use]
    pub const fn headers(&self) -> &Fields {
        &self.head.fields
    }

    /// The value of a field, if it is there and is text; of several lines the first.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.fields.get_str(name)
    }

    /// The protocol that it came over.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Where it comes from, after all redirects.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// How long its content is, if that is known: after decoding it is not.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.body.promised()
    }

    /// At most so many bytes of content, in place of what [the client](crate::ClientBuilder::content_limit) says, for
    /// [`json`](Self::json), [`text`](Self::text) and [`bytes`](Self::bytes).
    #[must_use]
    pub const fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// The response, unless its status is an error: 400 and more.
    ///
    /// # Errors
    /// The status is one.
    pub fn error_for_status(self) -> Result<Self, ClientError> {
        let status = self.status();
        if status.is_client_error() || status.is_server_error() {
            return Err(ClientError::new(Failure::Status(status)).at(&self.url));
        }
        Ok(self)
    }

    /// The next frame of content, or the trailer fields, the last of all; nothing after the end. There is no limit: a server gets no
    /// further than its reader.
    ///
    /// # Errors
    /// The content ended early, is not coded as it says, or took too long.
    pub async fn frame(&mut self) -> Result<Option<Frame>, ClientError> {
        let left = self.left();
        let shard = self.deadline.as_ref().map(|(shard, _)| shard.clone());
        let frame = self.body.frame();
        within(shard.zip(left), frame).await.map_err(|why| ClientError::new(why).at(&self.url))
    }

    /// All content as bytes; trailers are dropped.
    ///
    /// # Errors
    /// It ended early, is longer than the limit, not coded as it says, or took too long.
    pub async fn bytes(self) -> Result<Bytes, ClientError> {
        self.payload().await.map(Payload::into_bytes)
    }

    /// All content as text. It is taken for UTF-8, whatever its type says; what is none is replaced (U+FFFD).
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub async fn text(self) -> Result<String, ClientError> {
        let content = self.payload().await?;
        Ok(String::from_utf8_lossy(content.as_ref()).into_owned())
    }

    /// All content, read as JSON, whatever its type says.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and it may not be JSON, or not of that type.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let url = self.url.clone();
        let content = self.payload().await?;
        let value = serde_json::from_slice(content.as_ref());
        value.map_err(|error| ClientError::new(Failure::Json(error)).at(&url))
    }

    /// Its head and its content, to be passed on: `Outgoing::frames` sends what comes, trailers too. The timeout does not go with it.
    #[must_use]
    pub fn into_parts(self) -> (ResponseHead, Incoming) {
        (self.head, self.body)
    }

    async fn payload(mut self) -> Result<Payload, ClientError> {
        self.body.set_limit(self.limit);
        let (left, shard) = (self.left(), self.deadline.take().map(|(shard, _)| shard));
        let content = self.body.collect_payload();
        within(shard.zip(left), content).await.map_err(|why| ClientError::new(why).at(&self.url))
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.as_ref().map(|(shard, at)| at.since(shard.now()))
    }
}

/// What `content` gives, if it does so in time.
async fn within<T>(
    left: Option<(Shard, Duration)>,
    content: impl Future<Output = Result<T, BodyError>>,
) -> Result<T, Failure> {
    let outcome = match left {
        None => content.await,
        Some((shard, left)) => shard.timeout(left, content).await.ok_or(Failure::Timeout)?,
    };
    outcome.map_err(Failure::Body)
}

impl fmt::Debug for ClientResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientResponse");
        debug.field("url", &self.url).field("protocol", &self.protocol);
        debug.field("head", &self.head).finish_non_exhaustive()
    }
}
