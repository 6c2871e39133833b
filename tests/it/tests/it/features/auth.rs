//! Who asks (FEATURES X7): passwords, tokens, signed tokens and keys; the challenge; public paths; the user in the handler.

use trilane::{
    ApiKeys, Auth, Denied, Grant, Jwt, JwtAlgorithm, JwtKey, JwtKeys, Principal, RequireScope,
    Router, Shard, User, get,
};

use crate::parity::{Ask, House, LANES, Over, curl_at};

/// `{"alg":"HS256"}`, `{"sub":"ann","exp":4102444800,"scope":"read"}`, signed with 32 times the letter k.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjQxMDI0NDQ4MDAsInNjb3BlIjoicmVhZCJ9.yVM7B6SfD4j63OG88M6KV2ekCpzjEyZEsDqs1DjRPxg";

#[derive(Clone, serde::Deserialize)]
struct Claims {
    sub: String,
}

fn named() -> Router {
    let name = |User(name): User<Principal>| async move { name.to_string() };
    Router::new().route("/", get(name)).route("/health", get(|| async { "fine" }))
}

fn house() -> House {
    House::serving(|shard: Shard| {
        let claims = |User(claims): User<Claims>| async move { claims.sub };
        let number = |User(number): User<u8>| async move { number.to_string() };
        let key = JwtKey::secret(JwtAlgorithm::HS256, &[b'k'; 32]).unwrap();
        let known = move |token: String| {
            let shard = shard.clone();
            async move {
                shard.sleep(std::time::Duration::from_millis(1)).await;
                if token == "open-sesame" {
                    Ok(Grant::new("ali", 40_u8))
                } else {
                    Err(Denied::Invalid("unknown"))
                }
            }
        };
        let signed = Router::new()
            .route("/", get(claims))
            .route("/admin", get(|| async {}).layer(RequireScope::new("admin")))
            .layer(Auth::new(Jwt::<Claims>::new(JwtKeys::from([key]))));
        let keys = ApiKeys::header("x-api-key").key("k-1", "billing");
        Router::new()
            .nest("/basic", named().layer(Auth::users([("ann", "secret")]).public("/basic/health")))
            .nest("/key", named().layer(Auth::new(keys).public("/key/health")))
            .nest("/later", Router::new().route("/", get(number)).layer(Auth::bearer_async(known)))
            .nest("/jwt", signed)
    })
}

#[test]
fn credentials_over_every_protocol() {
    let house = house();
    let signed = format!("Bearer {TOKEN}");
    for lane in LANES {
        let mut client = lane.open(&house);
        for (target, name, value, status, text) in [
            ("/basic", "authorization", "Basic YW5uOnNlY3JldA==", 200, "ann"),
            (
                "/basic",
                "authorization",
                "Basic YW5uOnNlY3JlZA==",
                401,
                "Basic realm=\"api\", charset=\"UTF-8\"",
            ),
            ("/basic", "x-none", "", 401, "Basic realm=\"api\", charset=\"UTF-8\""),
            ("/basic/health", "x-none", "", 200, "fine"),
            ("/key", "x-api-key", "k-1", 200, "billing"),
            ("/key", "x-api-key", "k-2", 401, "ApiKey realm=\"api\""),
            ("/key/health", "x-none", "", 200, "fine"),
            ("/later", "authorization", "Bearer open-sesame", 200, "40"),
            (
                "/later",
                "authorization",
                "Bearer shut",
                401,
                "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"unknown\"",
            ),
            (
                "/later",
                "authorization",
                "Bearer",
                400,
                "Bearer realm=\"api\", error=\"invalid_request\"",
            ),
            ("/jwt", "authorization", &signed, 200, "ann"),
            (
                "/jwt/admin",
                "authorization",
                &signed,
                403,
                "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"admin\"",
            ),
            ("/jwt", "x-none", "", 401, "Bearer realm=\"api\""),
        ] {
            let answer = client.ask(&Ask::get(target).field(name, value)).status(status);
            let challenge = answer.head.field("www-authenticate").map(ToOwned::to_owned);
            assert_eq!(
                challenge.unwrap_or_else(|| answer.text()),
                text,
                "{} {target} {value}",
                lane.name()
            );
            if status == 401 {
                assert_eq!(answer.json()["error"]["code"], "UNAUTHORIZED");
            }
        }
        let unsigned = signed.rsplit_once('.').unwrap().0;
        client
            .ask(&Ask::get("/jwt").field("authorization", format!("{unsigned}.AAAA")))
            .status(401);
    }
}

#[test]
fn curl_sends_a_password() {
    let house = house();
    for (over, arguments) in [
        (Over::Tcp, &["-u", "ann:secret"][..]),
        (Over::Tcp, &["--http2-prior-knowledge", "-u", "ann:secret"]),
        // curl asks without first, and answers the challenge.
        (Over::Tls, &["--anyauth", "-u", "ann:secret"]),
    ] {
        let Some(text) = curl_at(&house, over, arguments, "/basic", b"") else { return };
        assert!(text.ends_with("\r\n\r\nann"), "{arguments:?} {text}");
        let wrong: Vec<_> = arguments.iter().map(|it| it.replace("secret", "guess")).collect();
        let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
        let Some(text) = curl_at(&house, over, &wrong, "/basic", b"") else { return };
        assert!(text.contains("UNAUTHORIZED") && !text.ends_with("ann"), "{text}");
    }
}
