//! `/events`: an event at once and one a second, each with its number as id. Who comes back gets the next number. A server that
//! goes down ends it, and the client comes back to another.

use std::time::Duration;

use trilane::{Event, LastEventId, Shard, Sse};

/// Between two events.
const BETWEEN: Duration = Duration::from_secs(1);

pub(super) async fn events(shard: Shard, last: LastEventId) -> Sse {
    let last: Option<u64> = last.as_str().and_then(|id| id.parse().ok());
    let first = last.map_or(0, |last| last.saturating_add(1));
    let mut seconds = shard.interval(BETWEEN);
    Sse::write(&shard.clone(), move |events| async move {
        for number in first.. {
            seconds.tick().await;
            if shard.is_draining() {
                break;
            }
            let number = number.to_string();
            events.send(Event::new().id(&number).data(format!("event {number}"))).await;
        }
        Ok(())
    })
}
