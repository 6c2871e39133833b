//! The one form of errors (FEATURES W4): JSON, or RFC 9457 problem details for who asks for them.

use trilane_exchange::{Error, Exchange, Outgoing, Refusal, Response, Shard};
use trilane_semantics::Known;

use crate::accept::accepts;
use crate::layer::{Hook, Phases};
use crate::text::{number, since_epoch, string};

const PROBLEM: &str = "application/problem+json";

/// Gives errors without content theirs:
/// `{"error":{"code":..,"message":..,"details":{..},"timestamp":..,"request_id":..}}`. The
/// timestamp is Unix seconds. A request whose Accept names `application/problem+json` gets that
/// (RFC 9457 §3), with the same members beside its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelope;

impl Hook for Envelope {
    fn phases(&self) -> Phases {
        Phases::AFTER
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        if response.error.is_some() {
            render(response, Form::asked_for(exchange), exchange.shard(), exchange.request_id());
        }
    }

    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        // The layer of request ids, further out, has given the response its id.
        let id = response.head.fields.get_str(Known::XRequestId).map(ToOwned::to_owned);
        // Of a head that could not be read nobody knows what it asks for.
        let form = refusal.exchange.map_or(Form::Envelope, Form::asked_for);
        render(response, form, refusal.shard, id.as_deref());
    }
}

#[derive(Clone, Copy)]
enum Form {
    Envelope,
    Problem,
}

impl Form {
    fn asked_for(exchange: &Exchange) -> Self {
        let wants_problem = accepts(&exchange.head().fields, PROBLEM.as_bytes());
        if wants_problem { Self::Problem } else { Self::Envelope }
    }
}

fn render(response: &mut Response, form: Form, shard: &Shard, id: Option<&str>) {
    let Some(error) = &response.error else { return };
    if !matches!(response.body, Outgoing::Empty) {
        return;
    }
    let mut out = String::with_capacity(256);
    out.push('{');
    let content_type = match form {
        Form::Envelope => {
            out.push_str("\"error\":{");
            members(&mut out, error, error.text(), "message");
            common(&mut out, error, shard, id);
            out.push('}');
            "application/json"
        }
        Form::Problem => {
            out.push_str("\"type\":");
            string(&mut out, error.kind_uri());
            out.push_str(",\"title\":");
            string(&mut out, error.title());
            out.push_str(",\"status\":");
            number(&mut out, error.status().as_u16());
            out.push(',');
            members(&mut out, error, error.text(), "detail");
            common(&mut out, error, shard, id);
            PROBLEM
        }
    };
    out.push('}');
    let fields = &mut response.head.fields;
    // Both values are valid (RFC 9110 §5.5). Errors are not to be stored (RFC 9111 §5.2.2.5).
    let _ = fields.set(Known::ContentType, content_type);
    let _ = fields.set(Known::CacheControl, "no-store");
    response.body = out.into();
}

/// Code and message.
fn members(out: &mut String, error: &Error, text: &str, name: &str) {
    out.push_str("\"code\":");
    string(out, error.code());
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    string(out, text);
}

/// Details, time and id.
fn common(out: &mut String, error: &Error, shard: &Shard, id: Option<&str>) {
    out.push_str(",\"details\":{");
    for (at, (name, values)) in error.details().iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        string(out, name);
        out.push_str(":[");
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            string(out, value);
        }
        out.push(']');
    }
    out.push_str("},\"timestamp\":");
    number(out, since_epoch(shard.wall()).as_secs());
    out.push_str(",\"request_id\":");
    match id {
        Some(id) => string(out, id),
        None => out.push_str("null"),
    }
}
