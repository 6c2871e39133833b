//! gRPC-style calls (FEATURES P8): messages with a length before them, `te: trailers`, and how it went in trailers.
//!
//! Over what has trailers everywhere: gRPC is not spoken over HTTP/1.1.

use trilane::{
    BodyError, Error, Fields, Frame, Incoming, Known, Outgoing, Request, Response, Router,
    StatusCode, Writer, post,
};

use super::{Ask, Got, House, LANES, Lane, Length};

/// A server of three methods.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/it.Talk/Reverse", post(reverse))
        .route("/it.Talk/Chat", post(chat))
        .route("/it.Talk/Refuse", post(refuse))
}

fn response() -> Response {
    Response::new(StatusCode::OK).field(Known::ContentType, "application/grpc+proto")
}

/// How it went, 0 is well.
fn status(code: &str) -> Fields {
    let mut fields = Fields::new();
    // Both are names and values that any field may have.
    fields.append("grpc-status", code).unwrap();
    fields.append("grpc-message", "so it went").unwrap();
    fields
}

/// One message, and its answer.
async fn reverse(request: Request) -> Result<Response, Error> {
    if request.head().fields.get_str("te") != Some("trailers") {
        return Err(Error::new(StatusCode::BAD_REQUEST));
    }
    let mut messages = Messages { incoming: request.body, waiting: Vec::new() };
    let first = messages.next().await.map_err(|error| Error::from(error.reason()))?;
    let Some(first) = first else { return Err(Error::new(StatusCode::BAD_REQUEST)) };
    Ok(response().body(Outgoing::write(|writer: Writer| async move {
        writer.send(message(&reversed(&first))).await;
        writer.trailers(status("0")).await;
        Ok(())
    })))
}

/// An answer to each message as it comes.
async fn chat(incoming: Incoming) -> Response {
    let mut messages = Messages { incoming, waiting: Vec::new() };
    response().body(Outgoing::write(|writer: Writer| async move {
        while let Some(text) = messages.next().await? {
            writer.send(message(&reversed(&text))).await;
        }
        writer.trailers(status("0")).await;
        Ok(())
    }))
}

/// No message: how it went is all, and stands in the head.
async fn refuse() -> Response {
    response().field("grpc-status", "7")
}

/// The messages of a request.
struct Messages {
    incoming: Incoming,
    waiting: Vec<u8>,
}

impl Messages {
    async fn next(&mut self) -> Result<Option<String>, BodyError> {
        loop {
            if let Some((text, n)) = taken(&self.waiting) {
                self.waiting.drain(..n);
                return Ok(Some(text));
            }
            match self.incoming.frame().await? {
                Some(Frame::Data(data)) => self.waiting.extend_from_slice(data.as_ref()),
                Some(Frame::Trailers(_)) => {}
                None => return Ok(None),
            }
        }
    }
}

/// A message: not compressed, so long, and itself.
fn message(text: &str) -> Vec<u8> {
    [&[0][..], &(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

/// The message at the front of `bytes`, and how long it is there.
fn taken(bytes: &[u8]) -> Option<(String, usize)> {
    let (head, rest) = bytes.split_first_chunk::<5>()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let text = String::from_utf8_lossy(rest.get(..length)?).into_owned();
    Some((text, length + 5))
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn lanes() -> impl Iterator<Item = &'static dyn Lane> {
    LANES.iter().copied().filter(|lane| !lane.protocol().starts_with("HTTP/1"))
}

fn call(method: &str) -> Ask {
    Ask::post(format!("/it.Talk/{method}"), Length::Unknown)
        .field("content-type", "application/grpc+proto")
        .field("te", "trailers")
        .field("grpc-timeout", "5S")
}

fn went_well() -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![pair("grpc-status", "0"), pair("grpc-message", "so it went")]
}

#[test]
fn a_call_has_one_message_each_way() {
    for lane in lanes() {
        let mut client = lane.open(House::shared());
        for text in ["", "hello", &"long ".repeat(20_000)] {
            let id = client.begin(&call("Reverse"));
            let whole = message(text);
            let (front, rest) = whole.split_at(3);
            client.send(id, front).unwrap();
            client.send(id, rest).unwrap();
            client.finish(id, &[]).unwrap();
            let answer = client.answer(id).whole().status(200);
            assert_eq!(answer.head.field("content-type"), Some("application/grpc+proto"));
            assert!(answer.body == message(&reversed(text)), "{}", lane.name());
            // RFC 9110 §6.5.
            assert_eq!(answer.trailers, went_well(), "{}", lane.name());
        }
    }
}

#[test]
fn messages_go_both_ways_at_once() {
    for lane in lanes() {
        let mut client = lane.open(House::shared());
        // Two calls beside each other: neither waits for the other.
        let calls = [client.begin(&call("Chat")), client.begin(&call("Chat"))];
        for (round, id) in (0..10).flat_map(|round| calls.map(|id| (round, id))) {
            client.send(id, &message(&format!("{round} said"))).unwrap();
            if round == 0 {
                let Got::Head(head) = client.next(id) else { panic!("no head") };
                assert_eq!(head.status, 200);
            }
            let expected = Got::Data(message(&format!("dias {round}")));
            assert_eq!(client.next(id), expected, "{}", lane.name());
        }
        for id in calls {
            client.finish(id, &[]).unwrap();
            assert_eq!(client.next(id), Got::Trailers(went_well()), "{}", lane.name());
            assert_eq!(client.next(id), Got::End);
        }
    }
}

#[test]
fn a_call_that_fails_at_once_says_so_in_its_head() {
    for lane in lanes() {
        let mut client = lane.open(House::shared());
        let id = client.begin(&call("Refuse"));
        client.finish(id, &[]).unwrap();
        let answer = client.answer(id).whole().status(200);
        assert_eq!(answer.head.field("grpc-status"), Some("7"), "{}", lane.name());
        assert!(answer.body.is_empty() && answer.trailers.is_empty());
    }
}
