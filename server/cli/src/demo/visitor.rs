//! What browsers bring: forms (`/form`), cookies (`/cookies`); and where they are sent (`/redirect/{status}`).

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use trilane::{
    CookieJar, CookieKeyError, CookieKeys, Error, Form, FromRequest, Html, IntoResponse, Json,
    Known, Multipart, Path, Query, Request, Response, Router, Shard, SignedCookies, StatusCode,
    any, get,
};

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Form</title>\n\
                    <form method=\"post\" enctype=\"multipart/form-data\">\n<input name=\"note\">\n\
                    <input name=\"file\" type=\"file\">\n<button>Send</button>\n</form>\n";
/// Where `/redirect` leads to: a route for GET and POST.
const TARGET: &str = "/form";
/// What the demo counts in a signed cookie.
const VISITS: &str = "visits";

/// The keys of signed cookies: made by the first shard, and gone with the process.
#[derive(Clone, Default)]
pub(super) struct Secret(Arc<OnceLock<CookieKeys>>);

impl Secret {
    fn keys(&self, shard: &Shard) -> Result<CookieKeys, CookieKeyError> {
        let secret: Vec<u8> = (0..8).flat_map(|_| shard.random().to_ne_bytes()).collect();
        let keys = CookieKeys::new(&secret)?;
        Ok(self.0.get_or_init(|| keys).clone())
    }
}

pub(super) fn routes(shard: &Shard, secret: &Secret) -> Router {
    let router = Router::new()
        .route("/form", get(|| async { Html(PAGE) }).post(form))
        .route("/redirect/{status}", any(redirect));
    match secret.keys(shard) {
        Ok(keys) => router.merge(Router::new().route("/cookies", get(cookies)).with_state(keys)),
        // 64 bytes are enough.
        Err(_) => router,
    }
}

/// A field of a form; `value` is what is no file.
#[derive(Default, Serialize)]
struct Received {
    name: String,
    value: Option<String>,
    file: Option<String>,
    content_type: Option<String>,
    bytes: usize,
}

/// What a form has brought, by either of its content types. Files are counted, not kept.
async fn form(request: Request) -> Result<Json<Vec<Received>>, Error> {
    let kind = request.head().fields.get_str(Known::ContentType).unwrap_or_default();
    let is_multipart = kind.to_ascii_lowercase().starts_with("multipart/");
    let mut all = Vec::new();
    if !is_multipart {
        let Form(fields): Form<Vec<(String, String)>> = Form::from_request(request, &()).await?;
        all.extend(fields.into_iter().map(|(name, value)| Received {
            name,
            bytes: value.len(),
            value: Some(value),
            ..Received::default()
        }));
        return Ok(Json(all));
    }
    let mut form = Multipart::from_request(request, &()).await?;
    while let Some(mut field) = form.next_field().await? {
        let mut received = Received {
            name: field.name().to_owned(),
            file: field.file_name().map(ToOwned::to_owned),
            content_type: field.content_type().map(ToOwned::to_owned),
            ..Received::default()
        };
        if received.file.is_none() {
            let value = field.text().await?;
            (received.bytes, received.value) = (value.len(), Some(value));
        } else {
            while let Some(chunk) = field.chunk().await? {
                received.bytes += chunk.len();
            }
        }
        all.push(received);
    }
    Ok(Json(all))
}

#[derive(Serialize)]
struct Brought {
    cookies: BTreeMap<String, String>,
    /// How often this visitor was here, by a cookie that is signed.
    visits: u32,
}

/// The cookies that came; those of the query are set, and one that is signed.
async fn cookies(
    jar: CookieJar,
    signed: SignedCookies,
    Query(set): Query<Vec<(String, String)>>,
) -> Response {
    let visits = signed.get(VISITS).and_then(|text| text.parse().ok()).unwrap_or(0_u32);
    let sent = jar.sent().iter();
    let cookies = sent.map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
    let jar = set.into_iter().fold(jar, |jar, (name, value)| jar.add((name, value)));
    let signed = signed.add((VISITS, visits.saturating_add(1).to_string()));
    (jar, (signed, Json(Brought { cookies, visits }))).into_response()
}

/// A redirect with that status, of any method.
async fn redirect(Path(status): Path<u16>) -> Result<Response, Error> {
    match StatusCode::from_u16(status) {
        Ok(status) if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) => {
            Ok(Response::new(status).field(Known::Location, TARGET))
        }
        _ => Err(Error::new(StatusCode::BAD_REQUEST).message("no status of a redirect")),
    }
}
