//! Request ids: taken from the request if they are sane, else made (FEATURES W6).

use trilane_exchange::{Exchange, Request, Response, Shard};
use trilane_semantics::{Known, Reason};

use crate::layer::Hook;

/// The longest id that is taken from a request, in bytes.
const LONGEST: usize = 64;

/// Gives each exchange an id, and its response an `X-Request-Id`. An id in the request is kept when
/// it is 1 to 64 visible ASCII characters; else it is 128 random bits in hexadecimal.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestId;

impl Hook for RequestId {
    fn before(&self, request: &mut Request) -> Option<Response> {
        let given = request.head().fields.get(Known::XRequestId).filter(|id| is_sane(id));
        match given {
            Some(given) => {
                // Copied out: it lies in the request that is changed.
                let mut copy = [0; LONGEST];
                let copy = &mut copy[..given.len()];
                copy.copy_from_slice(given);
                // Visible ASCII is UTF-8.
                request.set_request_id(std::str::from_utf8(copy).unwrap_or_default());
            }
            None => {
                let id = make(request.shard());
                request.set_request_id(text(&id));
            }
        }
        None
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        match exchange.request_id() {
            Some(id) => set(response, id),
            None => set(response, text(&make(exchange.shard()))),
        }
    }

    fn refused(&self, _: Reason, shard: &Shard, response: &mut Response) {
        set(response, text(&make(shard)));
    }
}

fn set(response: &mut Response, id: &str) {
    // An id is visible ASCII, which is a valid value (RFC 9110 §5.5).
    let _ = response.head.fields.set(Known::XRequestId, id);
}

fn is_sane(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// 128 random bits in hexadecimal.
fn make(shard: &Shard) -> [u8; 32] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bits = u128::from(shard.random()) << 64 | u128::from(shard.random());
    let mut id = [0; 32];
    for (place, digit) in id.iter_mut().rev().enumerate() {
        *digit = HEX[(bits >> (4 * place)) as usize & 15];
    }
    id
}

/// Hexadecimal digits are UTF-8.
fn text(id: &[u8; 32]) -> &str {
    std::str::from_utf8(id).unwrap_or_default()
}
