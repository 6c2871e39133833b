//! Request ids: taken from the request if they are sane, else made (FEATURES W6).

use std::cell::Cell;

use trilane_exchange::{Exchange, Refusal, Request, Response, Shard};
use trilane_semantics::Known;

use crate::layer::{Hook, Phases};

/// The longest id that is taken from a request, in bytes.
const LONGEST: usize = 64;

/// Gives each exchange an id, and its response an `X-Request-Id`. An id in the request is kept when
/// it is 1 to 64 visible ASCII characters; else it is 128 bits in hexadecimal: 64 random ones that the ids of one shard
/// share, and a count from a random start, mixed. Unique, and not a secret.
#[derive(Clone, Debug, Default)]
pub struct RequestId {
    /// The digits of the first half, and the count.
    made: Cell<Option<([u8; 16], u64)>>,
}

impl Hook for RequestId {
    fn phases(&self) -> Phases {
        Phases::BEFORE | Phases::AFTER
    }

    fn before(&self, request: &mut Request) -> Option<Response> {
        let given = request.head().fields.get(Known::XRequestId).filter(|id| is_sane(id));
        match given {
            Some(given) => {
                // Copied out: it lies in the request that is changed.
                let mut copy = [0; LONGEST];
                let copy = &mut copy[..given.len()];
                copy.copy_from_slice(given);
                request.set_request_id(copy);
            }
            None => {
                let id = self.make(request.shard());
                request.set_request_id(&id);
            }
        }
        None
    }

    fn after(&self, exchange: &Exchange, response: &mut Response) {
        match exchange.request_id_bytes() {
            [] => set(response, &self.make(exchange.shard())),
            id => set(response, id),
        }
    }

    fn refused(&self, refusal: &Refusal<'_>, response: &mut Response) {
        let id = self.make(refusal.shard);
        if let Some(exchange) = refusal.exchange {
            exchange.note_request_id(&id);
        }
        set(response, &id);
    }
}

impl RequestId {
    fn make(&self, shard: &Shard) -> [u8; 32] {
        let made = self.made.get();
        let (first, count) = made.unwrap_or_else(|| (hex(shard.random()), shard.random()));
        self.made.set(Some((first, count.wrapping_add(1))));
        let mut id = [0; 32];
        id[..16].copy_from_slice(&first);
        id[16..].copy_from_slice(&hex(mixed(count)));
        id
    }
}

fn set(response: &mut Response, id: &[u8]) {
    // An id of a layer that gave a bad one is left out.
    let _ = response.head.fields.set(Known::XRequestId, id);
}

fn is_sane(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// Another number for each number: neighbours look nothing alike.
const fn mixed(mut number: u64) -> u64 {
    // Odd factors and shifted exclusive ors can be undone, so no two numbers become one.
    number = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 29)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    number ^ (number >> 32)
}

/// The sixteen hexadecimal digits of a number.
fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&eight_digits((number >> 32) as u32));
    digits[8..].copy_from_slice(&eight_digits(number as u32));
    digits
}

/// All at once: each half byte is moved to a byte of its own, then becomes a digit or a letter.
const fn eight_digits(number: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut x = number as u64;
    x = (x & 0xffff) | ((x & 0xffff_0000) << 16);
    x = (x & 0x0000_00ff_0000_00ff) | ((x & 0x0000_ff00_0000_ff00) << 8);
    x = (x & 0x000f_000f_000f_000f) | ((x & 0x00f0_00f0_00f0_00f0) << 4);
    let is_letter = ((x + 6 * ONES) >> 4) & ONES;
    (x + b'0' as u64 * ONES + is_letter * (b'a' - b'0' - 10) as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_formatter() {
        for number in [0, 1, 0x9abc_def0_1234_5678, 0xa0f9, u64::MAX, 0x0f0f_f0f0_9a9a_a9a9] {
            assert_eq!(hex(number), *format!("{number:016x}").as_bytes());
        }
    }
}
