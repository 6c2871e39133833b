//! What shards are at (`goroutine`), and what keeps them from everything else (`block` and `mutex`): as profiles, and as text with `debug`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::future::Future;

use serde::Deserialize;
use trilane_exchange::{Request, Response, Shard, join_all};
use trilane_service::{IntoResponse, Query};
use trilane_shard::{Inspector, Silent, Stall, TaskEntry, Work};

use crate::answer::download;
use crate::profile::{Kind, Place, Profile, Symbols};

/// Whether it is to be text: 1 is added up, 2 is everything.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    debug: Option<u8>,
}

/// What shards have told, those that have.
type Told<T> = Vec<(usize, Result<T, Silent>)>;

/// Asks all shards at once.
pub(crate) async fn ask<T, F>(inspector: &Inspector, ask: impl Fn(usize) -> F) -> Told<T>
where
    F: Future<Output = Result<T, Silent>>,
{
    (0..inspector.shards()).zip(join_all((0..inspector.shards()).map(ask)).await).collect()
}

/// The exchanges and tasks of all shards.
pub(crate) async fn tasks(
    inspector: Inspector,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Response {
    let told = ask(&inspector, |shard| inspector.tasks(request.shard(), shard)).await;
    match wanted.debug.unwrap_or(0) {
        0 => {
            let rows = told.into_iter().flat_map(|(shard, tasks)| {
                let added = added_up(tasks.as_deref().unwrap_or_default());
                added.into_iter().map(move |(stack, count)| (shard, stack, vec![count]))
            });
            profile(request.shard(), "goroutine", &[("goroutine", "count")], rows.collect()).await
        }
        1 => as_text(&told, |text, tasks| {
            for ([waits, what], count) in added_up(tasks) {
                let _ = writeln!(text, "{count:>8}  {what}  waits for: {waits}");
            }
        }),
        _ => as_text(&told, |text, tasks| {
            for task in tasks {
                let kind = if task.is_task { "task" } else { "exchange" };
                let (what, waits, age) = (&task.what, task.waits, task.age.as_secs_f64());
                let _ = writeln!(text, "{kind:<8}  {what}  waits for: {waits}  age: {age:.3} s");
            }
        }),
    }
}

/// How many are the same: what they wait for, and what they are.
fn added_up(tasks: &[TaskEntry]) -> BTreeMap<[String; 2], u64> {
    let mut counts = BTreeMap::new();
    for task in tasks {
        *counts.entry([task.waits.to_owned(), task.what.clone()]).or_default() += 1;
    }
    counts
}

/// The stalls of all shards.
pub(crate) async fn stalls(
    inspector: Inspector,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Response {
    let told = ask(&inspector, |shard| inspector.stalls(request.shard(), shard)).await;
    if wanted.debug.unwrap_or(0) > 0 {
        return as_text(&told, |text, stalls| {
            for (work, Stall { count, total, longest }) in stalls {
                let (total, longest) = (total.as_secs_f64(), longest.as_secs_f64());
                let _ = writeln!(
                    text,
                    "{count:>8}  {work}  total: {total:.3} s  longest: {longest:.3} s"
                );
            }
        });
    }
    let row = |(work, stall): (Work, Stall)| {
        let total = u64::try_from(stall.total.as_nanos()).unwrap_or(u64::MAX);
        ([work.to_string(), "turn of the loop".to_owned()], vec![stall.count, total])
    };
    let rows = told.into_iter().flat_map(|(shard, stalls)| {
        let rows = stalls.unwrap_or_default().into_iter().map(row);
        rows.map(move |(stack, values)| (shard, stack, values))
    });
    let kinds = [("contentions", "count"), ("delay", "nanoseconds")];
    profile(request.shard(), "block", &kinds, rows.collect()).await
}

/// A profile of what is no code: a shard, a stack, values.
async fn profile(
    shard: &Shard,
    name: &str,
    kinds: &[Kind],
    rows: Vec<(usize, [String; 2], Vec<u64>)>,
) -> Response {
    let mut profile = Profile::new(kinds);
    profile.taken(shard.wall(), std::time::Duration::ZERO);
    let symbols = Symbols::of([]);
    for (number, stack, values) in rows {
        let number = format!("shard-{number}");
        let stack = stack.into_iter().chain([number.clone()]).map(Place::Named);
        profile.sample(stack, &values, &[("shard", &number)], &symbols);
    }
    // Some thousands of samples at most, without a symbol to look up, but gzip takes its time.
    download(name, shard.blocking(move || profile.into_bytes()).await)
}

/// What each shard has told, under its number.
fn as_text<T>(told: &Told<Vec<T>>, write: impl Fn(&mut String, &[T])) -> Response {
    let mut text = String::new();
    for (shard, entries) in told {
        // Writing to a string does not fail.
        match entries {
            Ok(entries) => {
                let _ = writeln!(text, "shard-{shard}: {}", entries.len());
                write(&mut text, entries);
            }
            Err(silent) => {
                let _ = writeln!(text, "shard-{shard}: {silent}");
            }
        }
    }
    text.into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn those_that_are_the_same_are_one_row() {
        let task = |what: &str, waits, age| TaskEntry {
            what: what.to_owned(),
            is_task: false,
            waits,
            age: Duration::from_secs(age),
        };
        let tasks =
            [task("GET /a", "handler", 1), task("GET /a", "handler", 2), task("GET /a", "x", 3)];
        let added: Vec<_> = added_up(&tasks).into_iter().collect();
        let row = |waits: &str, count| ([waits.to_owned(), "GET /a".to_owned()], count);
        assert_eq!(added, [row("handler", 2), row("x", 1)]);
    }

    #[test]
    fn shards_that_do_not_answer_are_named() {
        let told = vec![(0, Ok(vec!['a', 'b'])), (1, Err(Silent::Stalled))];
        let response = as_text(&told, |text, entries| text.extend(entries));
        let trilane_exchange::Outgoing::Full(text) = response.body else { panic!("no text") };
        assert_eq!(text.as_ref(), b"shard-0: 2\nabshard-1: the shard does not turn\n");
    }
}
