//! Errors (FEATURES W4, W5): those of users with codes of their own, and refusals in the form that was asked for, over every protocol.

use trilane::{Error, ErrorCode, Json, Outgoing, Router, StatusCode, get, post};

use super::super::parity::{Ask, Got, House, LANES, Length};

struct SoldOut(u32);

impl ErrorCode for SoldOut {
    fn status(&self) -> StatusCode {
        StatusCode::CONFLICT
    }

    fn code(&self) -> &'static str {
        "SOLD_OUT"
    }

    fn put_into(&self, error: Error) -> Error {
        let left =
            error.message("there are not that many").detail("left", vec![self.0.to_string()]);
        left.kind("https://shop.example/sold-out", "Sold out")
    }
}

#[derive(serde::Deserialize)]
struct Order {
    item: String,
}

fn house() -> House {
    House::serving(|_| {
        let buy = || async { Ok::<&str, Error>(Err(SoldOut(3))?) };
        let order = |Json(order): Json<Order>| async move { order.item };
        let half = || async {
            Outgoing::write(|writer| async move {
                writer.send("half").await;
                panic!("on purpose")
            })
        };
        Router::new()
            .route("/buy", get(buy))
            .route("/orders", post(order))
            .route("/half", get(half))
    })
}

#[test]
fn codes_and_kinds_of_users() {
    let house = house();
    for lane in LANES {
        let json = lane.open(&house).ask(&Ask::get("/buy")).status(409).json();
        let error = &json["error"];
        assert_eq!(
            (&error["code"], &error["details"]["left"][0]),
            (&"SOLD_OUT".into(), &"3".into())
        );
        assert!(error["timestamp"].is_u64() && error["request_id"].is_string());
        let ask = Ask::get("/buy").field("accept", "application/problem+json");
        let json = lane.open(&house).ask(&ask).status(409).json();
        assert_eq!(
            (&json["type"], &json["title"]),
            (&"https://shop.example/sold-out".into(), &"Sold out".into())
        );
        assert_eq!(
            (&json["status"], &json["detail"]),
            (&409.into(), &"there are not that many".into())
        );
    }
}

#[test]
fn what_is_missing_and_what_is_allowed_is_said() {
    let house = house();
    for lane in LANES {
        let ask = Ask::post("/orders", Length::Exact(2)).field("content-type", "application/json");
        let json = lane.open(&house).ask_with(&ask, b"{}").status(422).json();
        assert_eq!(json["error"]["details"]["required_fields"][0], "item", "{}", lane.name());
        let json = lane.open(&house).ask(&Ask::new("DELETE", "/orders")).status(405).json();
        assert_eq!(
            json["error"]["details"]["allowed_methods"],
            serde_json::json!(["POST", "OPTIONS"])
        );
    }
}

/// Heads that could be read, and were refused all the same before any layer saw them.
#[test]
fn refusals_have_the_form_that_was_asked_for() {
    let house = house();
    for lane in LANES {
        let ask = Ask::post("/orders", Length::Exact(1 << 40))
            .field("accept", "application/problem+json");
        let mut client = lane.open(&house);
        let ask = ask.field("content-type", "application/json");
        let id = client.begin(&ask);
        let answer = client.answer(id).whole().status(413);
        assert_eq!(
            answer.head.field("content-type"),
            Some("application/problem+json"),
            "{}",
            lane.name()
        );
        assert_eq!(answer.head.field("cache-control"), Some("no-store"));
        assert_eq!(answer.json()["code"], "CONTENT_TOO_LARGE");
    }
}

#[test]
fn a_panic_after_the_head_breaks_that_answer_off_and_is_counted() {
    let house = house();
    for (round, lane) in (1..).zip(LANES) {
        let mut client = lane.open(&house);
        let id = client.begin(&Ask::get("/half"));
        let mut last = client.next(id);
        while !matches!(last, Got::Cut | Got::End | Got::Nothing) {
            last = client.next(id);
        }
        // HTTP/1.0 has no word for it (RFC 1945 §7.2.2).
        let ended = if lane.name() == "h1.0" { Got::End } else { Got::Cut };
        assert_eq!(last, ended, "{}", lane.name());
        assert_eq!(house.sum(|stats| stats.panics.get()), round, "{}", lane.name());
        lane.open(&house).ask(&Ask::get("/buy")).status(409);
    }
}
