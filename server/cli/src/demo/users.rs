//! A REST collection, `/api/v1/users`: in memory, one for all shards of the process, gone with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use trilane::{
    BodyLimit, Error, IntoResponse, Json, Known, Path, Query, Response, Router, State, StatusCode,
    get,
};

/// Users at most; past that, POST is 507.
const MOST: usize = 10_000;
/// Characters of a name or an address at most.
const LONGEST: usize = 200;
/// Users in a list, unless `limit` says otherwise, and at most.
const PAGE: Page = Page { usual: 20, most: 100 };
/// Bytes of content at most.
const CONTENT: u64 = 16 << 10;

struct Page {
    usual: usize,
    most: usize,
}

/// The collection. Clones share it.
///
/// The shards of a process share nothing on the way of a request, but this is data, not a cache:
/// every shard must see what another has written, at once. A mutex is right for it: it is held for
/// a map operation, or for one pass over the names at most, and never while anything is awaited,
/// parsed or rendered. Sending each request to a shard that owns the data would cost a wake-up of
/// that shard, every time.
#[derive(Clone, Default)]
pub(super) struct Users(Arc<Mutex<Collection>>);

#[derive(Default)]
struct Collection {
    users: BTreeMap<u64, Wanted>,
    /// The id given last; none is given twice.
    last: u64,
}

/// A user as it is shown.
#[derive(Serialize)]
struct User {
    id: u64,
    #[serde(flatten)]
    is: Wanted,
}

/// What makes a user.
#[derive(Clone, Serialize)]
struct Wanted {
    name: String,
    email: String,
}

/// The same as it comes. All that is missing is told at once, so nothing is required here.
#[derive(Deserialize)]
struct Draft {
    name: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Filter {
    /// A part of the name, in any case.
    name: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

#[derive(Serialize)]
struct List {
    users: Vec<User>,
    /// How many the filter lets through.
    total: usize,
    limit: usize,
    offset: usize,
}

/// The routes of that collection.
pub(super) fn routes(users: Users) -> Router {
    Router::new()
        .route("/api/v1/users", get(list).post(create))
        .route("/api/v1/users/{id}", get(show).put(replace).delete(remove))
        .layer(BodyLimit::new(CONTENT))
        .with_state(users)
}

async fn list(State(users): State<Users>, Query(filter): Query<Filter>) -> Result<Response, Error> {
    let limit = filter.limit.unwrap_or(PAGE.usual);
    if !(1..=PAGE.most).contains(&limit) {
        return Err(Error::new(StatusCode::BAD_REQUEST)
            .message("limit is from 1 to 100")
            .detail("limit", vec![limit.to_string()]));
    }
    let part = filter.name.unwrap_or_default().to_lowercase();
    let (mut total, mut shown) = (0, Vec::new());
    for (id, user) in &users.lock().users {
        if part.is_empty() || user.name.to_lowercase().contains(&part) {
            if total >= filter.offset && shown.len() < limit {
                shown.push(User { id: *id, is: user.clone() });
            }
            total += 1;
        }
    }
    let list = List { users: shown, total, limit, offset: filter.offset };
    Ok(Json(list).into_response())
}

/// 201 with Location (RFC 9110 §15.3.2).
async fn create(State(users): State<Users>, Json(draft): Json<Draft>) -> Result<Response, Error> {
    let is = draft.checked()?;
    let id = users.add(is.clone())?;
    let location = [(Known::Location, format!("/api/v1/users/{id}"))];
    Ok((StatusCode::CREATED, location, Json(User { id, is })).into_response())
}

async fn show(State(users): State<Users>, Path(id): Path<u64>) -> Result<Json<User>, Error> {
    let found = users.lock().users.get(&id).cloned();
    found.map(|is| Json(User { id, is })).ok_or_else(missing)
}

async fn replace(
    State(users): State<Users>,
    Path(id): Path<u64>,
    Json(draft): Json<Draft>,
) -> Result<Json<User>, Error> {
    let is = draft.checked()?;
    let mut collection = users.lock();
    let place = collection.users.get_mut(&id).ok_or_else(missing)?;
    place.clone_from(&is);
    drop(collection);
    Ok(Json(User { id, is }))
}

async fn remove(State(users): State<Users>, Path(id): Path<u64>) -> Result<StatusCode, Error> {
    users.lock().users.remove(&id).map(|_| StatusCode::NO_CONTENT).ok_or_else(missing)
}

fn missing() -> Error {
    Error::new(StatusCode::NOT_FOUND).message("there is no user with that id")
}

impl Users {
    /// Every change of the collection is one map operation, so that a panic leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Collection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, user: Wanted) -> Result<u64, Error> {
        let mut collection = self.lock();
        if collection.users.len() >= MOST {
            return Err(Error::new(StatusCode::INSUFFICIENT_STORAGE)
                .message("the collection is full; delete a user first"));
        }
        collection.last += 1;
        let id = collection.last;
        collection.users.insert(id, user);
        Ok(id)
    }
}

impl Draft {
    /// Complete and well-formed, or the 422 that says what is not.
    fn checked(self) -> Result<Wanted, Error> {
        let invalid =
            |message: &'static str| Error::new(StatusCode::UNPROCESSABLE_ENTITY).message(message);
        let missing: Vec<_> = [("name", &self.name), ("email", &self.email)]
            .into_iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_owned())
            .collect();
        let (Some(name), Some(email)) = (self.name, self.email) else {
            return Err(invalid("a field is missing").detail("required_fields", missing));
        };
        let is_short = |text: &str| (1..=LONGEST).contains(&text.chars().count());
        let refused = |field: &str, message| {
            invalid(message).detail("invalid_fields", vec![field.to_owned()])
        };
        if name.trim().is_empty() || !is_short(&name) {
            return Err(refused("name", "a name has 1 to 200 characters"));
        }
        let parts = email.split_once('@');
        let is_address = parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
        if !is_address || !is_short(&email) {
            return Err(refused("email", "an address has an @ and at most 200 characters"));
        }
        Ok(Wanted { name, email })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(length: usize) -> Result<Wanted, Error> {
        let email = Some("a@b".to_owned());
        Draft { name: Some("n".repeat(length)), email }.checked()
    }

    #[test]
    fn the_bounds_hold_at_their_edges() {
        let lengths = [0, 1, LONGEST - 1, LONGEST, LONGEST + 1];
        assert_eq!(lengths.map(|length| named(length).is_ok()), [false, true, true, true, false]);
        let users = Users::default();
        for at in 0..MOST {
            assert_eq!(users.add(named(1).unwrap()).unwrap(), at as u64 + 1);
        }
        let full = users.add(named(1).unwrap()).err().unwrap();
        assert_eq!(full.status(), StatusCode::INSUFFICIENT_STORAGE);
        users.lock().users.remove(&7);
        assert_eq!(users.add(named(1).unwrap()).unwrap(), MOST as u64 + 1, "no id comes twice");
    }
}
