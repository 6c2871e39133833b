//! Who asks: a password is changed for a signed token, the token opens the API, and a scope what is behind it.
//!
//!     cargo run --example auth
//!     curl -u ann:secret -X POST http://127.0.0.1:8080/login
//!     curl -H 'authorization: Bearer TOKEN' http://127.0.0.1:8080/api/me

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};
use trilane::{
    Auth, Error, Json, Jwt, JwtAlgorithm, JwtKey, JwtKeyError, JwtKeys, Principal, RequireScope,
    Router, Server, Shard, StatusCode, User, get, post,
};

/// For how long a token is good.
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Claims {
    sub: String,
    scope: String,
    exp: u64,
}

#[derive(Serialize)]
struct Token {
    token: String,
}

/// What tokens are signed with. A real server has it from elsewhere.
const SECRET: &[u8] = b"an example's secret, of 32 bytes or more";

/// What looks at signatures.
pub fn keys() -> Result<Arc<JwtKeys>, JwtKeyError> {
    Ok(Arc::new(JwtKeys::from([JwtKey::secret(JwtAlgorithm::HS256, SECRET)?])))
}

/// Made once on each shard.
pub fn app(keys: Arc<JwtKeys>) -> impl Fn(Shard) -> Router + Send + Sync + 'static {
    move |_| {
        let login = Router::new()
            .route("/login", post(login))
            .layer(Auth::users([("ann", "secret"), ("root", "more secret")]).realm("example"));
        let api = Router::new()
            .route("/me", get(|User(claims): User<Claims>| async move { Json(claims) }))
            .route("/admin", get(|| async { "welcome" }).layer(RequireScope::new("admin")))
            .layer(Auth::new(Jwt::<Claims>::new(Arc::clone(&keys))).realm("example"));
        Router::new().merge(login).nest("/api", api)
    }
}

async fn login(shard: Shard, User(Principal(name)): User<Principal>) -> Result<Json<Token>, Error> {
    let now = shard.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let scope = if &*name == "root" { "admin" } else { "" };
    let claims = Claims { sub: name.into(), scope: scope.to_owned(), exp: (now + HOUR).as_secs() };
    let signed = encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET));
    let failed = |error| Error::new(StatusCode::INTERNAL_SERVER_ERROR).internal(format!("{error}"));
    Ok(Json(Token { token: signed.map_err(failed)? }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = keys()?;
    Server::new(app(keys)).listen("127.0.0.1:8080").run()?;
    Ok(())
}
