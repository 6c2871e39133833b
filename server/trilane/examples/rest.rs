//! A REST collection: JSON in and out, typed paths and queries, errors with codes, one list for all shards.
//!
//!     cargo run --example rest
//!     curl http://127.0.0.1:8080/notes --json '{"title":"write"}'
//!     curl 'http://127.0.0.1:8080/notes?done=false'

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use trilane::{
    BodyLimit, Error, IntoResponse, Json, Known, Path, Query, Response, Router, RunError, Server,
    Shard, State, StatusCode, get,
};

/// Notes, for all shards of the process: shards share nothing on the way of a request, but this is data.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<BTreeMap<u64, Note>>>);

#[derive(Clone, Debug, Serialize)]
struct Note {
    id: u64,
    title: String,
    done: bool,
}

#[derive(Deserialize)]
struct Draft {
    title: Option<String>,
    #[serde(default)]
    done: bool,
}

#[derive(Deserialize)]
struct Filter {
    done: Option<bool>,
}

/// The routes of a list.
pub fn app(notes: Notes) -> impl Fn(Shard) -> Router + Send + Sync + 'static {
    move |_| {
        Router::new()
            .route("/notes", get(list).post(create))
            .route("/notes/{id}", get(show).put(replace).delete(remove))
            .layer(BodyLimit::new(16 << 10))
            .with_state(notes.clone())
    }
}

async fn list(State(notes): State<Notes>, Query(filter): Query<Filter>) -> Response {
    let notes = notes.lock();
    let wanted = notes.values().filter(|note| filter.done.is_none_or(|done| note.done == done));
    Json(wanted.collect::<Vec<_>>()).into_response()
}

/// 201, and where it is now (RFC 9110 §15.3.2).
async fn create(State(notes): State<Notes>, Json(draft): Json<Draft>) -> Result<Response, Error> {
    let mut notes = notes.lock();
    let id = notes.last_key_value().map_or(1, |(last, _)| last + 1);
    let note = draft.checked(id)?;
    notes.insert(id, note.clone());
    let location = [(Known::Location, format!("/notes/{id}"))];
    Ok((StatusCode::CREATED, location, Json(note)).into_response())
}

async fn show(State(notes): State<Notes>, Path(id): Path<u64>) -> Result<Json<Note>, Error> {
    notes.lock().get(&id).cloned().map(Json).ok_or_else(|| unknown(id))
}

async fn replace(
    State(notes): State<Notes>,
    Path(id): Path<u64>,
    Json(draft): Json<Draft>,
) -> Result<Json<Note>, Error> {
    let note = draft.checked(id)?;
    let mut notes = notes.lock();
    let place = notes.get_mut(&id).ok_or_else(|| unknown(id))?;
    place.clone_from(&note);
    Ok(Json(note))
}

async fn remove(State(notes): State<Notes>, Path(id): Path<u64>) -> Result<StatusCode, Error> {
    notes.lock().remove(&id).map(|_| StatusCode::NO_CONTENT).ok_or_else(|| unknown(id))
}

fn unknown(id: u64) -> Error {
    Error::new(StatusCode::NOT_FOUND).with_code("NO_SUCH_NOTE").message(format!("no note {id}"))
}

impl Notes {
    /// A handler that panicked has left the map as it was before or after, never in between.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Draft {
    fn checked(self, id: u64) -> Result<Note, Error> {
        match self.title {
            Some(title) if !title.trim().is_empty() => Ok(Note { id, title, done: self.done }),
            _ => Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY)
                .message("a note has a title")
                .detail("required_fields", vec!["title".to_owned()])),
        }
    }
}

fn main() -> Result<(), RunError> {
    Server::new(app(Notes::default())).listen("127.0.0.1:8080").run()
}
