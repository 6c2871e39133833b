//! `/debug/pprof/trace`: every step of all shards for some seconds, as the trace events that Perfetto and Chromium's `about:tracing` open.

use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;
use trilane_exchange::{Error, Outgoing, Request, Response};
use trilane_semantics::{Known, StatusCode};
use trilane_service::Query;
use trilane_shard::{Event, Inspector};

use crate::answer::within;
use crate::shards::ask;

/// How long is recorded, where nobody says: as Go does.
const SECONDS: u64 = 1;
/// The longest. There are some ten thousand events a shard at most.
const MOST_SECONDS: u64 = 60;

/// What is asked for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    seconds: Option<u64>,
}

/// Records, and answers with what there was.
pub(crate) async fn trace(
    inspector: Inspector,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Result<Response, Error> {
    let seconds = within("seconds", wanted.seconds.unwrap_or(SECONDS), MOST_SECONDS)?;
    let (shard, time) = (request.shard().clone(), Duration::from_secs(seconds));
    let body = Outgoing::write(move |writer| async move {
        // Who does not answer has no events.
        let _ = ask(&inspector, |number| inspector.record(&shard, number, time)).await;
        shard.sleep(time).await;
        let told = ask(&inspector, |number| inspector.recorded(&shard, number)).await;
        let told: Vec<_> =
            told.into_iter().map(|(number, events)| (number, events.unwrap_or_default())).collect();
        writer.send(shard.blocking(move || encode(&told)).await).await;
        Ok(())
    });
    Ok(Response::new(StatusCode::OK)
        .field(Known::ContentType, "application/json")
        .field(Known::ContentDisposition, "attachment; filename=\"trace.json\"")
        .body(body))
}

/// One process, a thread for each shard, and its events with beginning and length in microseconds.
fn encode(told: &[(usize, Vec<Event>)]) -> String {
    let mut text = "{\"traceEvents\":[".to_owned();
    for (shard, events) in told {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{}\n{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{shard},\"args\":{{\"name\":\"shard-{shard}\"}}}}",
            if text.ends_with('[') { "" } else { "," },
        );
        for event in events {
            let name = serde_json::Value::String(event.work.to_string());
            let (at, took) = (event.at.as_nanos() as f64 / 1e3, event.took.as_nanos() as f64 / 1e3);
            let _ = write!(
                text,
                ",\n{{\"ph\":\"X\",\"name\":{name},\"pid\":1,\"tid\":{shard},\"ts\":{at:.3},\"dur\":{took:.3}}}"
            );
        }
    }
    text + "\n]}\n"
}

#[cfg(test)]
mod tests {
    use trilane_semantics::Instant;
    use trilane_shard::Work;

    use super::*;

    #[test]
    fn events_are_json() {
        let event = |work, at, took| Event {
            work,
            at: Instant::from_nanos(at),
            took: Duration::from_nanos(took),
        };
        let told = [
            (
                0,
                vec![
                    event(Work::Handler(Some("/a\"{b}".into())), 1500, 250),
                    event(Work::Turn, 0, 9000),
                ],
            ),
            (1, Vec::new()),
        ];
        let parsed: serde_json::Value = serde_json::from_str(&encode(&told)).unwrap();
        let events = parsed["traceEvents"].as_array().unwrap();
        assert_eq!(events.len(), 4);
        assert_eq!(events[1]["name"], "handler /a\"{b}");
        assert_eq!((events[1]["ts"].as_f64(), events[1]["dur"].as_f64()), (Some(1.5), Some(0.25)));
        assert_eq!(events[3]["args"]["name"], "shard-1");
        let none: serde_json::Value = serde_json::from_str(&encode(&[])).unwrap();
        assert_eq!(none["traceEvents"].as_array().map(Vec::len), Some(0));
    }
}
