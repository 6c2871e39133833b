//! Traces (FEATURES W6): taken from requests over every protocol, begun where there is none, and in every line that a handler logs.

use trilane::{Request, Router, Trace, get};

use super::super::parity::{Ask, Client, House, LANES, Lane, eventually};
use super::lines::lines;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn house() -> House {
    House::serving(|_| {
        let logs = |request: Request| async move {
            deeper();
            request.shard().sleep(std::time::Duration::from_millis(1)).await;
            deeper();
            "logged"
        };
        Router::new().route("/logs", get(logs)).layer(Trace::new().respond().x_trace_id())
    })
}

/// Nobody has told it which request this is for.
fn deeper() {
    trilane::tracing::info!(target: "it::trace", "here");
}

#[test]
fn a_trace_goes_through_and_into_the_lines_of_handlers() {
    let (house, lines) = (house(), lines());
    for lane in LANES {
        let id = format!("trace-{}", lane.name());
        let mut client = lane.open(&house);
        let ask = Ask::get("/logs").field("traceparent", PARENT).field("x-request-id", &id);
        let answer = client.ask(&ask).status(200);
        let told = answer.head.field("traceresponse").unwrap().to_owned();
        assert!(told.starts_with(&PARENT[..36]) && told.ends_with("-01"), "{told}");
        assert_ne!(told[36..52], PARENT[36..52]);
        assert_eq!(answer.head.field("x-trace-id"), Some(&PARENT[3..35]));
        let lines = lines.lock().unwrap();
        let own: Vec<_> = lines.iter().filter(|line| line["request_id"] == *id).collect();
        assert_eq!(own.len(), 2, "{}", lane.name());
        for line in own {
            assert_eq!(
                (&line["trace_id"], &line["span_id"]),
                (&told[3..35].into(), &told[36..52].into())
            );
            assert_eq!((&line["route"], &line["message"]), (&"/logs".into(), &"here".into()));
        }
    }
}

#[test]
fn a_bad_trace_is_none_and_another_id_is_kept() {
    let house = house();
    for lane in LANES {
        let mut client = lane.open(&house);
        for bad in [PARENT.replacen("00", "ff", 1), PARENT.to_uppercase(), "00-x".to_owned()] {
            let answer = client_of(&mut client, *lane, &house)
                .ask(&Ask::get("/logs").field("traceparent", bad));
            let told = answer.head.field("traceresponse").unwrap();
            assert!(told.len() == 55 && told[3..35] != PARENT[3..35], "{told}");
        }
        let answer = client_of(&mut client, *lane, &house)
            .ask(&Ask::get("/nowhere").field("x-trace-id", "17"));
        assert_eq!((answer.head.status, answer.head.field("x-trace-id")), (404, Some("17")));
        let told = answer.head.field("traceresponse").unwrap();
        assert!(told.starts_with("00-00000000000000000000000000000017-"), "{told}");
    }
    eventually("all is over", || house.sum(|stats| stats.open.get()) == 0);
}

/// A connection that can still be used.
fn client_of<'a>(
    client: &'a mut Box<dyn Client>,
    lane: &dyn Lane,
    house: &House,
) -> &'a mut (dyn Client + 'static) {
    if !client.is_open() {
        *client = lane.open(house);
    }
    &mut **client
}
