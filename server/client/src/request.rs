//! A request while it is put together. What is wrong with it is told when it is sent.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use trilane_exchange::Outgoing;
use trilane_semantics::{Fields, Known, Method, NameRef, ResponseHead};

use crate::client::Client;
use crate::error::ClientError;
use crate::response::ClientResponse;
use crate::send::Sending;
use crate::url::{InvalidUrl, Url};

/// Hears interim responses.
pub(crate) type OnInterim = Box<dyn FnMut(ResponseHead)>;

/// A request to be sent: [`Client::get`] and the like.
#[must_use = "`send` sends it"]
pub struct RequestBuilder {
    client: Client,
    draft: Result<Draft, ClientError>,
}

/// A request that is good so far.
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) fields: Fields,
    pub(crate) body: Outgoing,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_interim: Option<OnInterim>,
}

impl RequestBuilder {
    pub(crate) fn new(client: &Client, method: Method, url: Result<Url, InvalidUrl>) -> Self {
        let draft = url.map_err(ClientError::from).map(|url| Draft {
            method,
            url,
            fields: Fields::new(),
            body: Outgoing::Empty,
            timeout: client.config().timeout,
            on_interim: None,
        });
        let mut builder = Self { client: client.clone(), draft };
        let user = builder.draft.as_mut().ok().and_then(|draft| draft.url.take_user());
        if let Some((user, password)) = user {
            builder = builder.basic(&user, Some(&password));
        }
        builder
    }

    /// The same, if nothing was wrong before, and nothing is in this.
    fn with(mut self, change: impl FnOnce(&mut Draft) -> Result<(), ClientError>) -> Self {
        if let Ok(draft) = &mut self.draft
            && let Err(error) = change(draft)
        {
            self.draft = Err(error);
        }
        self
    }

    fn set(self, name: Known, value: String) -> Self {
        self.with(|draft| draft.fields.set(name, value).map_err(ClientError::request))
    }

    /// Adds a field. Those about the length and the connection are not to be said: they are left out.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.with(|draft| draft.fields.append(name, value).map_err(ClientError::request))
    }

    /// Adds all these fields.
    pub fn headers(self, fields: &Fields) -> Self {
        self.with(|draft| {
            let mut lines = fields.iter();
            lines
                .try_for_each(|(name, value)| draft.fields.append(NameRef::new(name), value))
                .map_err(ClientError::request)
        })
    }

    /// Says who we are with a token (RFC 6750 §2.1).
    pub fn bearer(self, token: &str) -> Self {
        self.set(Known::Authorization, format!("Bearer {token}"))
    }

    /// Says who we are with a name and a password (RFC 7617 §2). The name must have no colon.
    pub fn basic(self, user: &str, password: Option<&str>) -> Self {
        if user.contains(':') {
            return self.with(|_| Err(ClientError::request("a name with a colon")));
        }
        let text = STANDARD.encode(format!("{user}:{}", password.unwrap_or_default()));
        self.set(Known::Authorization, format!("Basic {text}"))
    }

    /// Adds to the URL's query: a struct, a map or a list of pairs, encoded as forms are.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.with(|draft| {
            let text = serde_urlencoded::to_string(query).map_err(ClientError::request)?;
            draft.url.add_query(&text);
            Ok(())
        })
    }

    /// Content in JSON, and its type if none was said.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|draft| {
            let text = serde_json::to_vec(value).map_err(ClientError::request)?;
            content(draft, "application/json", text)
        })
    }

    /// Content as forms send it, and its type if none was said.
    pub fn form<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|draft| {
            let text = serde_urlencoded::to_string(value).map_err(ClientError::request)?;
            content(draft, "application/x-www-form-urlencoded", text.into_bytes())
        })
    }

    /// Content: bytes, which are sent again where that is asked for, or what is made while it is sent, which cannot be.
    pub fn body(self, body: impl Into<Outgoing>) -> Self {
        self.with(|draft| {
            draft.body = body.into();
            Ok(())
        })
    }

    /// How long all of it may take, in place of what [the client](crate::ClientBuilder::timeout) says.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|draft| {
            draft.timeout = Some(timeout);
            Ok(())
        })
    }

    /// Has `hear` told of interim responses, such as 103 (RFC 8297). The last 16 that nobody has looked at are kept.
    pub fn on_interim(self, hear: impl FnMut(ResponseHead) + 'static) -> Self {
        self.with(|draft| {
            draft.on_interim = Some(Box::new(hear));
            Ok(())
        })
    }

    /// Sends it. The response is there when its head is. Dropping the future gives the request up: the stream is reset, or the
    /// connection closed.
    ///
    /// # Errors
    /// [`ClientError`]: it is malformed, or there is no response. A status is no error: see
    /// [`error_for_status`](ClientResponse::error_for_status).
    pub async fn send(self) -> Result<ClientResponse, ClientError> {
        Sending::new(self.client, self.draft?)?.run().await
    }
}

fn content(draft: &mut Draft, kind: &'static str, text: Vec<u8>) -> Result<(), ClientError> {
    if !draft.fields.contains(Known::ContentType) {
        draft.fields.append_static(Known::ContentType, kind);
    }
    draft.body = text.into();
    Ok(())
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.draft {
            Ok(draft) => write!(f, "{} {}", draft.method, draft.url),
            Err(error) => write!(f, "{error:?}"),
        }
    }
}
