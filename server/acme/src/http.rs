//! instant-acme's requests, by errands. Its futures never wait: whoever polls them does.

use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::Body;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use trilane_errand::{Errand, Errands};
use trilane_semantics::Fields;

use crate::error::AcmeError;

/// Errands, as instant-acme sends them.
pub(crate) struct Http(pub(crate) Errands);

type Boxed = Box<dyn std::error::Error + Send + Sync>;

impl HttpClient for Http {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(ready(self.send(request).map_err(Error::Other)))
    }
}

impl Http {
    fn send(&self, request: http::Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Boxed> {
        let (head, mut body) = request.into_parts();
        let (url, mut fields, mut content) = (head.uri.to_string(), Fields::new(), Vec::new());
        for (name, value) in &head.headers {
            fields.append(name.as_str(), value.as_bytes())?;
        }
        let mut waker = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut waker) {
            content.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        let errand = Errand { method: head.method, url: &url, fields, content };
        let answer = self.0.send(errand).map_err(|error| format!("{url}: {error}"))?;
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in answer.fields.iter() {
            response = response.header(name, value);
        }
        let (parts, ()) = response.body(())?.into_parts();
        Ok(BytesResponse { parts, body: Box::new(Bytes::from(answer.content)) })
    }
}

/// What a future gives that never waits.
pub(crate) fn settle<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, AcmeError> {
    Ok(given(future)??)
}

/// The same of one more of several.
pub(crate) fn next<T>(
    future: impl Future<Output = Option<Result<T, Error>>>,
) -> Result<Option<T>, AcmeError> {
    Ok(given(future)?.transpose()?)
}

fn given<T>(future: impl Future<Output = T>) -> Result<T, AcmeError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(AcmeError::Late),
    }
}
