//! Errors of the server and of users, in the form that was asked for.

use serde_json::{Value, json};

use trilane_semantics::Limits;

use crate::testing::TestClient;
use crate::{Error, ErrorCode, Json, Router, StatusCode, default_layers, get, post};

struct SoldOut;

impl ErrorCode for SoldOut {
    fn status(&self) -> StatusCode {
        StatusCode::CONFLICT
    }

    fn code(&self) -> &'static str {
        "SOLD_OUT"
    }

    fn put_into(&self, error: Error) -> Error {
        error
            .message("none is left")
            .detail("left", vec!["0".to_owned()])
            .kind("https://shop.example/sold-out", "Sold out")
            .internal("table 7")
    }
}

fn buy() -> Result<u32, SoldOut> {
    Err(SoldOut)
}

#[derive(serde::Deserialize)]
struct Order {
    item: String,
}

fn client() -> TestClient {
    let sold = || async { Ok::<_, Error>(buy()?.to_string()) };
    let order = |Json(order): Json<Order>| async move { order.item };
    let never = || async { std::future::pending::<()>().await };
    let router = Router::new()
        .route("/buy", get(sold))
        .route("/orders", post(order))
        .route("/never", get(never));
    let mut limits = Limits::default();
    limits.body = 100;
    TestClient::new(router.layer(default_layers(None))).unwrap().limits(limits)
}

const PROBLEM: &str = "application/problem+json";

#[test]
fn errors_of_users_in_both_forms() {
    let client = client();
    let mut answer = client.get("/buy").send();
    assert_eq!(answer.status(), 409);
    let error = answer.json::<Value>().unwrap()["error"].clone();
    assert_eq!((&error["code"], &error["message"]), (&"SOLD_OUT".into(), &"none is left".into()));
    assert_eq!(error["details"], json!({"left": ["0"]}));
    let mut answer = client.get("/buy").field("accept", PROBLEM).send();
    let problem: Value = answer.json().unwrap();
    assert_eq!(problem["type"], "https://shop.example/sold-out");
    assert_eq!(
        (&problem["title"], &problem["detail"]),
        (&"Sold out".into(), &"none is left".into())
    );
    assert_eq!((&problem["status"], &problem["code"]), (&409.into(), &"SOLD_OUT".into()));
    assert!(!answer.text().contains("table 7"));
    assert_eq!(answer.error().and_then(|error| error.internal_text()), Some("table 7"));
}

/// Status, code, and details of every error that the server itself can make of a request.
#[test]
fn errors_of_the_server_in_both_forms() {
    let client = client();
    let long = "x".repeat(101);
    let asked = || {
        [
            (client.get("/no"), 404, "NOT_FOUND", json!({})),
            (
                client.put("/buy"),
                405,
                "METHOD_NOT_ALLOWED",
                json!({"allowed_methods": ["GET", "HEAD", "OPTIONS"]}),
            ),
            (client.get("/%ff%"), 400, "INVALID_REQUEST", json!({})),
            (client.get("/never"), 504, "GATEWAY_TIMEOUT", json!({})),
            (client.post("/orders").body("x"), 415, "UNSUPPORTED_MEDIA_TYPE", Value::Null),
            (
                client.post("/orders").json(&json!({"item": &long})),
                413,
                "CONTENT_TOO_LARGE",
                Value::Null,
            ),
            (
                client.post("/orders").json(&json!({})),
                422,
                "VALIDATION_ERROR",
                json!({"reason": ["missing field `item` at line 1 column 2"], "required_fields": ["item"]}),
            ),
        ]
    };
    for (request, status, code, details) in asked() {
        let mut answer = request.send();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        let error = answer.json::<Value>().unwrap()["error"].clone();
        assert_eq!(error["code"], code);
        assert!(
            error["timestamp"].is_u64()
                && error["request_id"] == answer.field("x-request-id").unwrap()
        );
        assert!(details.is_null() || error["details"] == details, "{error}");
    }
    for (request, status, code, _) in asked() {
        let mut answer = request.field("accept", PROBLEM).send();
        assert_eq!((answer.status(), answer.field("content-type")), (status, Some(PROBLEM)));
        let problem = answer.json::<Value>().unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()));
        assert_eq!(problem["type"], "about:blank");
    }
}
