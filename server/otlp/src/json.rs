//! Batches of spans as OTLP writes them in JSON: ids in hexadecimal digits, numbers of 64 bits as text.

use serde_json::{Value as Json, json};

use crate::settings::Settings;
use crate::span::{Span, Value};

/// Who has made them.
pub(crate) fn scope() -> Json {
    json!({ "name": "trilane", "version": env!("CARGO_PKG_VERSION") })
}

/// What is known of this service.
pub(crate) fn resource(settings: &Settings) -> Json {
    let own = [
        ("service.name", &*settings.service),
        ("telemetry.sdk.name", "trilane"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let said = settings.attributes.iter().map(|(name, value)| (&**name, &**value));
    let all: Vec<Json> =
        own.into_iter().chain(said).map(|(name, value)| text(name, value)).collect();
    json!({ "attributes": all })
}

/// A request to export these.
pub(crate) fn spans(resource: &Json, spans: &[Span]) -> Vec<u8> {
    let spans: Vec<Json> = spans.iter().map(span).collect();
    let scopes = json!([{ "scope": scope(), "spans": spans }]);
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": scopes }] })
        .to_string()
        .into_bytes()
}

fn span(span: &Span) -> Json {
    let attributes: Vec<Json> = span.attributes.iter().map(attribute).collect();
    let parent = span.trace.parent().map(|parent| parent.to_string());
    // SERVER. Of a status only an error is said: whether all is well is for others to judge.
    json!({
        "traceId": span.trace.trace_id().to_string(),
        "spanId": span.trace.span_id().to_string(),
        "parentSpanId": parent.unwrap_or_default(),
        "traceState": span.state.as_deref().unwrap_or_default(),
        "flags": 1,
        "name": span.name,
        "kind": 2,
        "startTimeUnixNano": span.start.to_string(),
        "endTimeUnixNano": span.end.to_string(),
        "attributes": attributes,
        "status": if span.is_error { json!({ "code": 2 }) } else { json!({}) },
    })
}

fn attribute((name, value): &(&'static str, Value)) -> Json {
    match value {
        Value::Text(value) => text(name, value),
        Value::Number(value) => json!({ "key": name, "value": { "intValue": value.to_string() } }),
    }
}

pub(crate) fn text(name: &str, value: &str) -> Json {
    json!({ "key": name, "value": { "stringValue": value } })
}
