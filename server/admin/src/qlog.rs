//! The qlog of one QUIC connection (FEATURES Q6), as it comes: POST begins it, GET reads it from there on, in the form that qvis reads
//! (JSON-SEQ, draft-ietf-quic-qlog-main-schema).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use trilane_semantics::Known;
use trilane_service::{Error, Json, Outgoing, Request, Response, StatusCode};
use trilane_shard::{ConnectionId, Inspector, Tap};

use crate::actions::{self, Done};

/// Connections that are logged, and that nobody reads yet. Each may hold a MiB.
const WAITING: usize = 8;

/// What was begun, and waits to be read.
#[derive(Clone)]
pub(crate) struct Qlogs {
    inspector: Inspector,
    waiting: Rc<RefCell<VecDeque<(ConnectionId, Tap)>>>,
}

impl Qlogs {
    pub(crate) fn new(inspector: Inspector) -> Self {
        Self { inspector, waiting: Rc::default() }
    }

    /// Begins. Of several that nobody reads the oldest is given up.
    pub(crate) async fn begin(self, mut request: Request) -> Result<Json<Done>, Error> {
        let id = actions::named(&mut request)?;
        if !id.is_quic() {
            let error = Error::new(StatusCode::BAD_REQUEST);
            return Err(error.message("only connections over QUIC have a qlog"));
        }
        let tap = self.inspector.qlog(request.shard(), id).await.map_err(actions::silent)?;
        let tap = tap.ok_or_else(actions::unknown)?;
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|(known, _)| *known != id);
        if waiting.len() >= WAITING {
            waiting.pop_front();
        }
        waiting.push_back((id, tap));
        Ok(Done::new("its qlog has begun: GET the same, to read it"))
    }

    /// Reads, until the connection or the reader is gone.
    pub(crate) async fn read(self, mut request: Request) -> Result<Response, Error> {
        let id = actions::named(&mut request)?;
        let mut waiting = self.waiting.borrow_mut();
        let at = waiting.iter().position(|(known, _)| *known == id);
        let Some((_, mut tap)) = at.and_then(|at| waiting.remove(at)) else {
            let error = Error::new(StatusCode::NOT_FOUND);
            return Err(error.message("no qlog of it has begun: POST the same, to begin"));
        };
        let content = Outgoing::write(move |writer| async move {
            while let Some(lines) = tap.read().await {
                writer.send(lines).await;
            }
            Ok(())
        });
        Ok(Response::new(StatusCode::OK)
            .field(Known::ContentType, "application/qlog+json-seq")
            .field(Known::ContentDisposition, format!("attachment; filename=\"{id}.sqlog\""))
            .field(Known::CacheControl, "no-store")
            .body(content))
    }
}
