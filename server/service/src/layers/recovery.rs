//! The last word on panics: whatever the layers made of one, the client sees a 500.
//!
//! Panics are caught where they happen, around handlers and hooks, and counted by the connection;
//! not here.

use trilane_exchange::{Exchange, Outgoing, Response};
use trilane_semantics::StatusCode;

use crate::layer::{Hook, Phases};

/// Makes sure that a panic is answered with 500, and with no content but that of the error
/// envelope.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recovery;

impl Hook for Recovery {
    fn phases(&self) -> Phases {
        Phases::AFTER
    }

    fn after(&self, _: &Exchange, response: &mut Response) {
        if response.error.as_ref().is_none_or(|error| !error.is_panic()) {
            return;
        }
        response.head.status = StatusCode::INTERNAL_SERVER_ERROR;
        // The envelope is one piece; a stream is not what an error is rendered as.
        if matches!(response.body, Outgoing::Stream { .. }) {
            response.body = Outgoing::Empty;
        }
    }
}
