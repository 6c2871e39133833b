//! The REST collection: what each method does, what is refused and how, and that all shards have
//! one.

use serde_json::json;

use super::{Answer, Ask, Client, House, LANES, Length};

const USERS: &str = "/api/v1/users";

fn send(client: &mut dyn Client, method: &'static str, target: &str, content: &str) -> Answer {
    let length = Length::Exact(content.len() as u64);
    let ask = Ask { length, ..Ask::new(method, target).field("content-type", "application/json") };
    client.ask_with(&ask, content.as_bytes())
}

#[track_caller]
fn error(answer: &Answer, status: u16, code: &str) -> serde_json::Value {
    assert_eq!(answer.head.status, status, "{}", answer.text());
    let mut error = answer.json();
    assert_eq!(error["error"]["code"], code);
    error["error"]["details"].take()
}

#[test]
fn a_user_from_its_creation_to_its_end() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let ann = r#"{"name":"Ann","email":"ann@a.example"}"#;
        let made = send(&mut *client, "POST", USERS, ann).status(201);
        let id = made.json()["id"].as_u64().unwrap();
        let place = format!("{USERS}/{id}");
        // RFC 9110 §15.3.2: Location names what was created.
        assert_eq!(made.head.field("location"), Some(&*place), "{}", lane.name());
        let whole = json!({"id": id, "name": "Ann", "email": "ann@a.example"});
        assert_eq!(made.json(), whole);
        assert_eq!(client.ask(&Ask::get(&*place)).status(200).json(), whole);
        let bob = r#"{"name":"Bob","email":"bob@a.example"}"#;
        let put = send(&mut *client, "PUT", &place, bob).status(200);
        assert_eq!(put.json()["name"], "Bob");
        assert_eq!(client.ask(&Ask::get(&*place)).status(200).json(), put.json());
        let gone = client.ask(&Ask::new("DELETE", &*place)).status(204);
        assert_eq!(gone.body, b"");
        for method in ["GET", "DELETE"] {
            error(&client.ask(&Ask::new(method, &*place)), 404, "NOT_FOUND");
        }
        error(&send(&mut *client, "PUT", &place, bob), 404, "NOT_FOUND");
    }
}

#[test]
fn what_is_refused() {
    for lane in LANES {
        let mut client = lane.open(House::shared());
        let nobody = send(&mut *client, "POST", USERS, "{}");
        let details = error(&nobody, 422, "VALIDATION_ERROR");
        assert_eq!(details["required_fields"], json!(["name", "email"]), "{}", lane.name());
        let half = send(&mut *client, "POST", USERS, r#"{"name":"a"}"#);
        let details = error(&half, 422, "VALIDATION_ERROR");
        assert_eq!(details["required_fields"], json!(["email"]));
        for content in [r#"{"name":"","email":"a@b"}"#, r#"{"name":"a","email":"b"}"#, "[1]"] {
            error(&send(&mut *client, "POST", USERS, content), 422, "VALIDATION_ERROR");
        }
        error(&send(&mut *client, "POST", USERS, "{"), 400, "INVALID_REQUEST");
        let plain = client.ask_with(&Ask::post(USERS, Length::Exact(2)), b"{}");
        error(&plain, 415, "UNSUPPORTED_MEDIA_TYPE");
        for target in ["/x", "/-1", "/18446744073709551616", "?limit=0", "?limit=101", "?offset=x"]
        {
            let answer = client.ask(&Ask::get(format!("{USERS}{target}")));
            error(&answer, 400, "INVALID_REQUEST");
        }
        error(&client.ask(&Ask::get(format!("{USERS}/0"))), 404, "NOT_FOUND");
        let wrong = client.ask(&Ask::new("PATCH", USERS));
        error(&wrong, 405, "METHOD_NOT_ALLOWED");
        assert_eq!(wrong.head.field("allow"), Some("GET, HEAD, POST, OPTIONS"));
        let wrong = client.ask(&Ask::new("POST", format!("{USERS}/1")));
        assert_eq!(wrong.head.field("allow"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
        // RFC 9110 §15.5.14, past 16 KiB.
        let mut client = lane.open(House::shared());
        let large = format!(r#"{{"name":"{}","email":"a@b"}}"#, "n".repeat(16 << 10));
        error(&send(&mut *client, "POST", USERS, &large), 413, "CONTENT_TOO_LARGE");
    }
}

#[test]
fn lists_are_filtered_and_cut_and_the_same_on_every_shard() {
    // A collection of its own.
    let house = House::new(|_| {});
    for lane in LANES {
        let mark = lane.name().replace('.', "-");
        // More connections than shards: some are on each.
        let mut clients: Vec<_> = (0..8).map(|_| lane.open(&house)).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            let content = format!(r#"{{"name":"Some {mark} {at}","email":"a@b"}}"#);
            send(&mut **client, "POST", USERS, &content).status(201);
        }
        for client in &mut clients {
            let mut list = |query: &str| {
                let target = format!("{USERS}?name=SOME+{mark}+{query}");
                client.ask(&Ask::get(target)).status(200).json()
            };
            let all = list("");
            assert_eq!(
                (&all["total"], &all["limit"], &all["offset"]),
                (&json!(8), &json!(20), &json!(0))
            );
            assert_eq!(all["users"].as_array().unwrap().len(), 8);
            let part = list("&limit=3&offset=6");
            let names: Vec<_> =
                part["users"].as_array().unwrap().iter().map(|user| user["name"].clone()).collect();
            assert_eq!(names, [format!("Some {mark} 6"), format!("Some {mark} 7")]);
            assert_eq!(
                (&part["total"], list("&offset=8")["users"].clone()),
                (&json!(8), json!([]))
            );
            assert_eq!(list("7")["total"], 1);
        }
    }
}
