//! What is wrong with a connection when it is over, if anything: every stream has come to what its plan says, and the
//! connection to what its own says. It changes nothing.

use crate::h2::peer::{Peer, Stream};
use crate::h2::plan::{Ending, Fate, Job, Kind, Plan, Verdict};
use crate::plan::{End, Reading};

/// How far a drain of the server excuses what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// There is none.
    No,
    /// Streams that it has taken are answered, all others are said to be none.
    Running,
    /// Its deadline has cut what was left.
    Cut,
}

/// What is wrong; `ids` are the streams of the plan's jobs, `pinged` how often we have said PING.
#[must_use]
pub fn wrong(
    (plan, ids): (&Plan, &[Option<u32>]),
    peer: &Peer,
    pinged: usize,
    (end, drain): (End, Drain),
) -> Option<String> {
    if plan.verdict == Verdict::Silence {
        return (end == End::Ours).then(|| "it was never closed".to_owned());
    }
    // Who reads more slowly than a connection lingers may lose the end of it.
    let is_slow = end == End::Reset && plan.reading != Reading::Eagerly;
    let drain = if drain == Drain::Running && is_slow { Drain::Cut } else { drain };
    let rest = if end == End::Fin { peer.rest() } else { None };
    if let Some(error) = peer.error.clone().or(rest) {
        return Some(error);
    }
    for (job, id) in plan.jobs.iter().zip(ids) {
        let Some((id, stream)) = id.and_then(|id| Some((id, peer.streams.get(&id)?))) else {
            if plan.verdict == Verdict::Good && plan.patience.is_none() && drain == Drain::No {
                return Some("a stream was never begun".to_owned());
            }
            continue;
        };
        if let Some(wrong) = one(plan, job, (id, stream), peer, drain) {
            return Some(format!("stream {id}: {wrong}"));
        }
    }
    whole(plan, peer, pinged, end, drain)
}

fn one(
    plan: &Plan,
    job: &Job,
    (id, stream): (u32, &Stream),
    peer: &Peer,
    drain: Drain,
) -> Option<String> {
    if let Some(wrong) = job.request.wrong(stream) {
        return Some(wrong);
    }
    let last = peer.goaways.last().map_or(u32::MAX, |goaway| goaway.0);
    if id > last {
        // RFC 9113 §6.8: it was not taken; it may be made again elsewhere.
        let was_taken = stream.has_head || stream.reset.is_some();
        return was_taken.then(|| format!("is past the last one, {last}, and answered"));
    }
    if plan.verdict == Verdict::Partly || drain == Drain::Cut {
        return None;
    }
    let (is_whole, reset) = (stream.answer.is_complete, stream.reset);
    let is_right = match job.fate {
        _ if stream.is_given_up => true,
        // RFC 9113 §8.1: NO_ERROR only says that no more content is wanted.
        Fate::Answered
        | Fate::GivenUpAfter(_)
        | Fate::GivenUpInAnswer(_)
        | Fate::GivenUpLater(_) => is_whole && matches!(reset, None | Some(0)),
        // The reset need not have come yet, or there was nothing to reset.
        Fate::Refused(code, _) => is_whole && (reset.is_none() || reset == Some(code)),
        Fate::Cut(code) => !is_whole && reset == Some(code),
        Fate::Any => true,
    };
    let (status, fate) = (stream.answer.status, job.fate);
    (!is_right).then(|| format!("{fate:?}: {status}, whole {is_whole}, reset {reset:?}"))
}

/// The connection, whose streams are right.
fn whole(plan: &Plan, peer: &Peer, pinged: usize, end: End, drain: Drain) -> Option<String> {
    let goaway = peer.goaways.last().map(|goaway| goaway.1);
    let is_excused = drain != Drain::No;
    let is_right = match plan.verdict {
        Verdict::Partly | Verdict::Silence => true,
        _ if is_excused => end != End::Reset || drain == Drain::Cut,
        Verdict::Closed(code) => end == End::Fin && goaway == Some(code),
        Verdict::Good if plan.ending == Ending::GoAway => end == End::Fin && goaway == Some(0),
        Verdict::Good => end == End::Ours && goaway.is_none(),
    };
    if !is_right {
        return Some(format!("{:?}: {end:?}, {goaway:?}", plan.verdict));
    }
    if is_excused || plan.verdict != Verdict::Good || plan.ending == Ending::GoAway {
        return None;
    }
    if peer.unheard() > 0 || peer.pongs != pinged {
        return Some(format!("{} SETTINGS, {} of {pinged} PINGs", peer.unheard(), peer.pongs));
    }
    (plan.kind == Kind::Urgent).then(|| starved(peer)).flatten()
}

/// RFC 9218 §10: who is not urgent gets something too. Its stream is the only one that is answered by so many bytes.
fn starved(peer: &Peer) -> Option<String> {
    let is_late = |id: &u32| peer.streams[id].answer.body.len() == crate::h2::plan::LATE;
    let at = peer.done.iter().position(is_late)?;
    (at + 4 >= peer.done.len()).then(|| format!("it came as number {at} of {}", peer.done.len()))
}
