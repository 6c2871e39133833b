//! Who asks: every scheme, what is answered to whom, public paths, scopes, and what handlers are told.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Deserialize;
use serde_json::json;
use trilane_semantics::Known;

use super::support::{NOW_MILLIS, built, pause, request, seen, send};
use super::tokens::{ED_PEM, KEYS, TOKENS};
use crate::{
    ApiKeys, App, Auth, Cache, CacheConfig, Denied, Error, Grant, Jwt, JwtAlgorithm, JwtKey,
    JwtKeyError, JwtKeys, Layer, Principal, Request, RequireScope, RouteError, Router, StatusCode,
    User, Verify, delete, get,
};

/// Seconds since 1970.
const NOW: u64 = NOW_MILLIS / 1000;

fn app<T: Clone + ToString + 'static>(auth: impl Layer) -> App {
    let name = |user: Option<User<T>>| async move {
        user.map_or_else(|| "nobody".to_owned(), |User(user)| user.to_string())
    };
    let must = |User(user): User<T>| async move { user.to_string() };
    let router = Router::new()
        .route("/", get(name))
        .route("/must", get(must))
        .route("/health", get(must))
        .route("/open/{x}", get(name))
        .route("/admin", delete(|| async {}).layer(RequireScope::new("admin")))
        .route("/open/admin", delete(|| async {}).layer(RequireScope::new("admin")));
    built(router.layer(auth))
}

/// Status, challenge and content.
fn ask(app: &App, method: &str, target: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
    let response = send(app, request(method, target, fields, ""));
    let challenge =
        response.head.fields.get_str(Known::WwwAuthenticate).unwrap_or_default().to_owned();
    let (status, text) = seen(response);
    (status, challenge, text)
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

#[test]
fn names_and_passwords() {
    let users =
        || Auth::users([("ann", "a:b"), ("bob", ""), ("\u{e9}", "\u{fc}")]).realm("st\"aff\\");
    let by_list = app::<Principal>(users().public("/health").public("/open/"));
    let by_function = app::<String>(
        Auth::basic(|name, password| (name == "ann" && password == "a:b").then(|| name.to_owned()))
            .realm("st\"aff\\")
            .public("/health")
            .public("/open/"),
    );
    let challenge = "Basic realm=\"st\\\"aff\\\\\", charset=\"UTF-8\"";
    for app in [&by_list, &by_function] {
        let good = [("authorization", &*basic("ann:a:b"))];
        assert_eq!(ask(app, "GET", "/", &good), (200, String::new(), "ann".into()));
        let lower = good[0].1.replace("Basic", "bASIC");
        assert_eq!(ask(app, "GET", "/", &[("authorization", &lower)]).0, 200);
        for value in [
            "",
            "Basic",
            "Basic ",
            "Basic !",
            "Basic YW5u",
            "Bearer abc",
            "Basic YW5uOmE6Yg",
            "Basic YW5uOmE6Yg== x",
            &basic("ann:"),
            &basic("ann:a:c"),
            &basic("ann:a:bb"),
            &basic("an:a:b"),
            &basic("zoe:a:b"),
            &basic(":"),
            &basic("ann\0:a:b"),
        ] {
            let (status, told, _) = ask(app, "GET", "/must", &[("authorization", value)]);
            assert_eq!((status, &*told), (401, challenge), "{value}");
        }
        assert_eq!(ask(app, "GET", "/", &[good[0], good[0]]).0, 401);
        assert_eq!(ask(app, "GET", "/nowhere", &[]).0, 401);
        assert_eq!(ask(app, "GET", "/open/x", &[]), (200, String::new(), "nobody".into()));
        // A public path where a handler asks for a user all the same.
        assert_eq!(ask(app, "GET", "/health", &[]).0, 401);
        assert_eq!(ask(app, "GET", "/health", &[]).1, challenge);
    }
    assert_eq!(ask(&by_list, "GET", "/", &[("authorization", &basic("bob:"))]).2, "bob");
    assert_eq!(
        ask(&by_list, "GET", "/", &[("authorization", &basic("\u{e9}:\u{fc}"))]).2,
        "\u{e9}"
    );
    let optional = app::<Principal>(users().optional());
    assert_eq!(ask(&optional, "GET", "/", &[]), (200, String::new(), "nobody".into()));
    assert_eq!(ask(&optional, "GET", "/must", &[]).0, 401);
    assert_eq!(ask(&optional, "GET", "/", &[("authorization", &basic("ann:"))]).0, 401);
}

fn known(token: &str) -> Result<Grant<u32>, Denied> {
    match token {
        "good" => Ok(Grant::new("ann", 7).scopes("read admin")),
        "weak" => Ok(Grant::new("bob", 8).scopes("read administrator")),
        "down" => Err(Denied::Failed(Error::new(StatusCode::SERVICE_UNAVAILABLE))),
        _ => Err(Denied::Invalid("unknown token")),
    }
}

#[test]
fn bearer_tokens_and_their_scopes() {
    let later = |token: String| async move {
        pause().await;
        known(&token)
    };
    for app in [
        app::<u32>(Auth::bearer(known).public("/open/")),
        app::<u32>(Auth::bearer_async(later).public("/open/")),
    ] {
        let ask = |method: &str, target: &str, value: &str| {
            ask(&app, method, target, &[("authorization", value)])
        };
        assert_eq!(ask("GET", "/", "Bearer good").2, "7");
        assert_eq!(ask("GET", "/", "bearer   good").2, "7");
        assert_eq!(ask("DELETE", "/admin", "Bearer good").0, 200);
        let plain = "Bearer realm=\"api\"";
        for (method, target, value, status, more) in [
            ("GET", "/", "", 401, ""),
            ("GET", "/", "Basic good", 401, ""),
            (
                "GET",
                "/",
                "Bearer bad",
                401,
                ", error=\"invalid_token\", error_description=\"unknown token\"",
            ),
            ("GET", "/", "Bearer", 400, ", error=\"invalid_request\""),
            ("GET", "/", "Bearer a b", 400, ", error=\"invalid_request\""),
            ("GET", "/", "Bearer \"good\"", 400, ", error=\"invalid_request\""),
            ("GET", "/", "Bearer =", 400, ", error=\"invalid_request\""),
            (
                "DELETE",
                "/admin",
                "Bearer weak",
                403,
                ", error=\"insufficient_scope\", scope=\"admin\"",
            ),
            ("DELETE", "/open/admin", "Bearer good", 401, ""),
        ] {
            let (got, challenge, _) = ask(method, target, value);
            assert_eq!((got, challenge), (status, format!("{plain}{more}")), "{target} {value}");
        }
        let (status, challenge, _) = ask("GET", "/", "Bearer down");
        assert_eq!((status, &*challenge), (503, ""));
    }
    // Without a layer, nobody can be told.
    let alone = built(
        Router::new().route("/", get(|User(user): User<u32>| async move { user.to_string() })),
    );
    assert_eq!(super::support::ask(&alone, "GET", "/").0, 500);
    let alone = built(Router::new().route("/", get(|| async {}).layer(RequireScope::new("x"))));
    assert_eq!(super::support::ask(&alone, "GET", "/").0, 500);
}

#[test]
fn keys_in_a_field_or_in_the_query() {
    let keys = |keys: ApiKeys| {
        app::<Principal>(Auth::new(keys.key("k-1", "billing").key("k 2", "reports").key("", "x")))
    };
    let header = keys(ApiKeys::header("X-Api-Key"));
    assert_eq!(ask(&header, "GET", "/", &[("x-api-key", "k-1")]).2, "billing");
    assert_eq!(ask(&header, "GET", "/", &[("x-api-key", "k 2")]).2, "reports");
    for fields in [
        &[][..],
        &[("x-api-key", "")],
        &[("x-api-key", "k-2")],
        &[("x-api-key", "k-1"), ("x-api-key", "k-1")],
    ] {
        let (status, challenge, _) = ask(&header, "GET", "/?key=k-1", fields);
        assert_eq!((status, &*challenge), (401, "ApiKey realm=\"api\""), "{fields:?}");
    }
    let query = keys(ApiKeys::query("key"));
    assert_eq!(ask(&query, "GET", "/?a=b&key=k%202", &[]).2, "reports");
    for target in [
        "/",
        "/?",
        "/?key",
        "/?key=",
        "/?key=k-2",
        "/?key=k-1&key=k-1",
        "/?key=%",
        "/?xkey=k-1",
        "/?keys=k-1",
    ] {
        assert_eq!(ask(&query, "GET", target, &[("x-api-key", "k-1")]).0, 401, "{target}");
    }
    // Caches know of `Authorization` alone (RFC 9111 §3.5).
    let control = |key: &str| {
        let response = send(&header, request("GET", "/", &[("x-api-key", key)], ""));
        response.head.fields.get_str(Known::CacheControl).map(ToOwned::to_owned)
    };
    assert_eq!((control("k-1").as_deref(), control("?")), (Some("private"), None));
}

/// Whoever says a name in a field of our own; limits and logs are told none.
struct BySaying;

impl Verify for BySaying {
    type User = String;
    const SCHEME: &'static str = "Saying";

    fn verify(&self, request: &Request) -> Result<Grant<String>, Denied> {
        let name = request.head().fields.get_str("x-name").ok_or(Denied::Missing)?;
        Ok(Grant::new("", name.to_owned()))
    }
}

#[test]
fn what_a_scheme_of_ones_own_lets_in_is_nobody_elses() {
    let name = get(|User(name): User<String>| async move { name });
    let router = Router::new().route("/", name).layer(Auth::new(BySaying));
    let control = |app: &App| {
        let response = send(app, request("GET", "/", &[("x-name", "ann")], ""));
        response.head.fields.get_str(Known::CacheControl).map(ToOwned::to_owned)
    };
    assert_eq!(control(&built(router)).as_deref(), Some("private"), "unless it says otherwise");
    // A cache of ours knows it by itself, inside and outside of the layer, whatever the handler says.
    let fresh = |User(name): User<String>| async move { ([("cache-control", "max-age=60")], name) };
    let route = || Router::new().route("/", get(fresh));
    let response = send(
        &built(route().layer(Auth::new(BySaying))),
        request("GET", "/", &[("x-name", "ann")], ""),
    );
    let said: Vec<_> = response.head.fields.all(Known::CacheControl).collect();
    assert_eq!(said, [b"max-age=60"], "its handler has said it");
    for router in [
        route().layer(Cache::new(CacheConfig::new())).layer(Auth::new(BySaying)),
        route().layer(Auth::new(BySaying)).layer(Cache::new(CacheConfig::new())),
    ] {
        let app = built(router);
        for name in ["ann", "bob"] {
            assert_eq!(ask(&app, "GET", "/", &[("x-name", name)]).2, name);
        }
        assert_eq!(ask(&app, "GET", "/", &[]).0, 401);
    }
}

#[derive(Clone, Deserialize)]
struct Claims {
    sub: String,
}

impl std::fmt::Display for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sub)
    }
}

fn bearer(app: &App, token: &str) -> (u16, String) {
    let (status, challenge, text) =
        ask(app, "GET", "/", &[("authorization", &format!("Bearer {token}"))]);
    (status, if status == 200 { text } else { challenge })
}

#[test]
fn tokens_that_others_have_signed() {
    let all = JwtKeys::jwks(KEYS.as_bytes()).unwrap();
    let everyone = app::<Claims>(Auth::new(Jwt::<Claims>::new(all)));
    for (name, token) in TOKENS {
        assert_eq!(bearer(&everyone, token), (200, "ann".into()), "{name}");
        // Another signature, other claims, none at all.
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        for wrong in [
            format!("{signed}.{other}{}", &signature[1..]),
            format!("{header}.eyJzdWIiOiJldmUiLCJleHAiOjQxMDI0NDQ4MDB9.{signature}"),
            format!("{signed}."),
            signed.to_owned(),
            format!("{token}.{token}"),
        ] {
            assert_eq!(bearer(&everyone, &wrong).0, 401, "{name} {wrong}");
        }
    }
    // RFC 7517 §4.2: a key for encryption has signed nothing.
    let enc = JwtKeys::jwks(KEYS.replace("\"sig\"", "\"enc\"").as_bytes()).unwrap();
    assert_eq!(bearer(&app::<Claims>(Auth::new(Jwt::<Claims>::new(enc))), TOKENS[0].1).0, 401);
    let ed = JwtKey::pem(JwtAlgorithm::EdDSA, ED_PEM.as_bytes()).unwrap();
    let named = JwtKeys::from([ed.clone().name("other")]);
    // A token that names a key wants that one; a key without a name is for all.
    for (keys, status) in [(JwtKeys::from([ed]), 200), (named, 401), (JwtKeys::default(), 401)] {
        let app = app::<Claims>(Auth::new(Jwt::<Claims>::new(keys)));
        assert_eq!(bearer(&app, TOKENS[4].1).0, status);
        assert_eq!(bearer(&app, TOKENS[0].1).0, 401);
    }
}

/// Header and claims, signed with a secret that is known.
fn sign(algorithm: JwtAlgorithm, secret: &[u8], claims: &serde_json::Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
}

#[test]
fn a_token_cannot_choose_its_algorithm() {
    let claims = json!({"sub": "eve", "exp": NOW + 60});
    let ed = JwtKey::pem(JwtAlgorithm::EdDSA, ED_PEM.as_bytes()).unwrap();
    let secret = JwtKey::secret(JwtAlgorithm::HS384, &[7; 48]).unwrap();
    let app = app::<Claims>(Auth::new(Jwt::<Claims>::new(JwtKeys::from([ed, secret]))));
    assert_eq!(bearer(&app, &sign(JwtAlgorithm::HS384, &[7; 48], &claims)).0, 200);
    // RFC 8725 §2.1: the public key as a secret, another hash, no signature.
    let encoded = sign(JwtAlgorithm::HS256, &[7; 48], &claims);
    let (_, body) = encoded.split_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{}.", body.split('.').next().unwrap());
    for wrong in [
        sign(JwtAlgorithm::HS256, ED_PEM.as_bytes(), &claims),
        sign(JwtAlgorithm::HS384, ED_PEM.as_bytes(), &claims),
        sign(JwtAlgorithm::HS512, &[7; 48], &claims),
        encoded.clone(),
        none,
    ] {
        assert_eq!(bearer(&app, &wrong).0, 401, "{wrong}");
    }
    // RFC 7515 §4.1.11.
    let mut header = Header::new(JwtAlgorithm::HS384);
    header.crit = Some(vec!["exp".into()]);
    let critical = encode(&header, &claims, &EncodingKey::from_secret(&[7; 48])).unwrap();
    assert_eq!(bearer(&app, &critical).0, 401);
}

#[test]
fn claims_are_checked_by_the_clock_of_the_shard() {
    let key = || JwtKeys::from([JwtKey::secret(JwtAlgorithm::HS256, &[7; 32]).unwrap()]);
    let told = |jwt: Jwt<Claims>, claims: serde_json::Value| {
        let (status, text) =
            bearer(&app::<Claims>(Auth::new(jwt)), &sign(JwtAlgorithm::HS256, &[7; 32], &claims));
        let why = text.split("error_description=").nth(1).unwrap_or_default();
        (status, why.trim_matches('"').to_owned())
    };
    let strict =
        || Jwt::new(key()).leeway(Duration::ZERO).audience("api").audience("app").issuer("us");
    let good = json!({"sub": "a", "exp": NOW + 1, "nbf": NOW, "aud": "api", "iss": "us"});
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    for (claims, why) in [
        (good.clone(), ""),
        (with("exp", json!(NOW as f64 + 0.5)), ""),
        (with("aud", json!(["x", "app"])), ""),
        (with("exp", json!(NOW)), "expired"),
        (with("exp", json!(NOW_MILLIS as f64 / 1000.0)), "expired"),
        (with("exp", json!(0)), "expired"),
        (with("exp", json!(-1)), "expired"),
        (with("exp", json!("4102444800")), "a date is no number"),
        (with("exp", json!(null)), "a date is no number"),
        (with("nbf", json!(NOW + 1)), "not good yet"),
        (with("nbf", json!("0")), "a date is no number"),
        (with("aud", json!("other")), "for somebody else"),
        (with("aud", json!(["other", 1])), "for somebody else"),
        (with("aud", json!([])), "for somebody else"),
        (with("iss", json!("them")), "from somebody else"),
        (with("iss", json!(["us"])), "from somebody else"),
        (with("sub", json!(1)), "claims are missing"),
        (json!({"sub": "a", "exp": NOW + 1, "iss": "us"}), "for somebody else"),
        (json!({"sub": "a", "exp": NOW + 1, "aud": "api"}), "from somebody else"),
        (json!({"sub": "a", "aud": "api", "iss": "us"}), "without an end"),
        (json!({"exp": NOW + 1, "aud": "api", "iss": "us"}), "claims are missing"),
    ] {
        let status = if why.is_empty() { 200 } else { 401 };
        assert_eq!(told(strict(), claims.clone()), (status, why.into()), "{claims}");
    }
    // Clocks may be a minute apart, and no more.
    let usual = || Jwt::new(key());
    assert_eq!(told(usual(), json!({"sub": "a", "exp": NOW - 59})).0, 200);
    assert_eq!(told(usual(), json!({"sub": "a", "exp": NOW - 60})).0, 401);
    assert_eq!(told(usual(), json!({"sub": "a", "exp": NOW, "nbf": NOW + 60})).0, 200);
    assert_eq!(told(usual(), json!({"sub": "a", "exp": NOW, "nbf": NOW + 61})).0, 401);
    // RFC 7519 §4.1.3: whoever is not named refuses.
    assert_eq!(told(usual(), good).1, "for somebody else");
    assert_eq!(told(usual().without_expiry(), json!({"sub": "a"})).0, 200);
}

#[test]
fn what_is_no_key_is_found_at_the_start() {
    use JwtAlgorithm::{EdDSA, HS256, HS512, RS256};
    assert_eq!(JwtKey::secret(HS256, &[7; 31]).unwrap_err(), JwtKeyError::Short(32));
    assert_eq!(JwtKey::secret(HS512, &[7; 63]).unwrap_err(), JwtKeyError::Short(64));
    assert_eq!(JwtKey::secret(RS256, &[7; 99]).unwrap_err(), JwtKeyError::Kind);
    assert_eq!(JwtKey::pem(HS256, ED_PEM.as_bytes()).unwrap_err(), JwtKeyError::Kind);
    assert!(JwtKey::pem(RS256, ED_PEM.as_bytes()).is_err() && JwtKey::pem(EdDSA, b"x").is_err());
    assert!(JwtKeys::jwks(b"{}").is_err());
    let confused = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","alg":"RS256"}]}"#;
    assert_eq!(JwtKeys::jwks(confused).unwrap_err(), JwtKeyError::Kind);
    let wrong = Router::<()>::new().layer(Auth::users([("a", "b")]).realm("\n")).build().err();
    assert!(matches!(wrong, Some(RouteError::Layer { layer: "Auth", .. })));
    let later = Auth::bearer_async(|_| async { known("") }).realm("\0");
    assert!(Router::<()>::new().layer(later).build().is_err());
}

#[test]
fn the_name_is_left_for_limits_and_logs() {
    let token =
        sign(JwtAlgorithm::HS256, &[7; 32], &json!({"sub": "ann", "exp": NOW + 1, "scope": "a b"}));
    let keys = JwtKeys::from([JwtKey::secret(JwtAlgorithm::HS256, &[7; 32]).unwrap()]);
    let app = built(
        Router::new()
            .route("/", get(|| async {}).layer(RequireScope::new("b")))
            .layer(Auth::new(Jwt::<Claims>::new(keys))),
    );
    let request = request("GET", "/", &[("authorization", &format!("Bearer {token}"))], "");
    let exchange = std::rc::Rc::clone(request.exchange());
    assert_eq!(send(&app, request).head.status, 200);
    assert_eq!(exchange.noted::<Principal>().as_deref(), Some(&Principal::from("ann")));
}
