//! Who is chosen, by each policy.

use super::*;
use crate::{Admin, Counted, HealthPolicy, Limits, Member, Permit};
use std::time::Duration;

const WAYS: [Balance; 4] =
    [Balance::RoundRobin, Balance::LeastConnections, Balance::TwoChoices, Balance::Hash];

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn group(weights: &[u16], backups: usize, policy: HealthPolicy, limits: Limits) -> Arc<Group> {
    let server = |(n, weight): (usize, &u16)| Member::new(format!("s{n}")).weight(*weight);
    let mut servers: Vec<_> = weights.iter().enumerate().map(server).collect();
    let count = servers.len();
    servers.iter_mut().skip(count - backups).for_each(|it| it.is_backup = true);
    Arc::new(Group::new("g", servers, policy, limits).unwrap())
}

fn plain(weights: &[u16], policy: Balance) -> Balancer {
    let group = group(weights, 0, HealthPolicy::default(), Limits::default());
    let balancer = Plan::new(group, policy).balancer(1);
    balancer.turns.iter().for_each(|(_, turn)| turn.set(0));
    balancer
}

fn take_out(balancer: &Balancer, server: usize) {
    assert!(balancer.health().set_admin(server, Admin::Down, at(0)).is_some_and(|it| !it.is_fit));
}

fn ask(n: u64) -> Wanted {
    Wanted { key: Some(mixed(n)), chance: mixed(n), ..Wanted::default() }
}

fn chosen(balancer: &Balancer, asks: std::ops::Range<u64>) -> Vec<usize> {
    asks.map(|n| balancer.choose(&ask(n), at(0)).unwrap().server).collect()
}

fn shares(chosen: &[usize], count: usize) -> Vec<usize> {
    (0..count).map(|server| chosen.iter().filter(|it| **it == server).count()).collect()
}

/// Five turns of the first are not five in a row.
#[test]
fn turns_are_spread() {
    let balancer = plain(&[5, 1, 1], Balance::RoundRobin);
    assert_eq!(chosen(&balancer, 0..14), [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
    take_out(&balancer, 0);
    assert_eq!(shares(&chosen(&balancer, 0..10), 3), [0, 5, 5]);
}

#[test]
fn weights_are_what_is_chosen() {
    for policy in WAYS {
        let balancer = plain(&[1, 1, 1, 1], policy);
        for share in shares(&chosen(&balancer, 0..4000), 4) {
            assert!((900..1100).contains(&share), "{policy:?} {share}");
        }
    }
    for policy in [Balance::RoundRobin, Balance::LeastConnections, Balance::Hash] {
        let shares = shares(&chosen(&plain(&[1, 3, 6], policy), 0..10_000), 3);
        for (share, expected) in shares.iter().zip([1000i64, 3000, 6000]) {
            assert!((*share as i64 - expected).abs() < 250, "{policy:?} {shares:?}");
        }
    }
}

#[test]
fn those_with_the_fewest_requests_for_their_weight_are_chosen() {
    let balancer = plain(&[1, 2, 4], Balance::LeastConnections);
    let mut permits = Vec::new();
    for n in 0..70 {
        let server = balancer.choose(&ask(n), at(0)).unwrap().server;
        permits.push(Permit::new(&*balancer, Counted::UnderWay(server)).unwrap());
    }
    assert_eq!([0, 1, 2].map(|server| balancer.breaker().load(server)), [10, 20, 40]);
    permits.clear();
    // The better of two never is the worst of all.
    let balancer = plain(&[1, 1, 1], Balance::TwoChoices);
    let _busy: Vec<_> = (0..5).map(|_| Permit::new(&*balancer, Counted::UnderWay(1))).collect();
    assert_eq!(shares(&chosen(&balancer, 0..1000), 3)[1], 0);
    assert_eq!(chosen(&plain(&[1], Balance::TwoChoices), 0..3), [0, 0, 0]);
}

/// Minimal movement: while a server is not fit, its keys alone go elsewhere, to all others, and come back.
#[test]
fn keys_stay() {
    for count in [2, 3, 10, 40] {
        let balancer = plain(&vec![1; count], Balance::Hash);
        let before = chosen(&balancer, 0..5000);
        take_out(&balancer, 1);
        let during = chosen(&balancer, 0..5000);
        let moved: Vec<_> = (0..5000).filter(|n| before[*n] != during[*n]).collect();
        assert!(moved.iter().all(|n| before[*n] == 1) && !during.contains(&1), "{count}");
        let new_homes = shares(&moved.iter().map(|n| during[*n]).collect::<Vec<_>>(), count);
        let homes = new_homes.iter().filter(|share| **share > 0).count();
        assert!(homes == count - 1 || count > 10 && homes > count / 2, "{new_homes:?}");
        let _ = balancer.health().set_admin(1, Admin::Serving, at(0));
        assert_eq!(chosen(&balancer, 0..5000), before);
    }
    // Few are left of many: still one is found, and always the same.
    let balancer = plain(&[1; 200], Balance::Hash);
    (0..199).for_each(|server| take_out(&balancer, server));
    assert_eq!(chosen(&balancer, 0..50), [199; 50]);
    // Without a key they take turns.
    let balancer = plain(&[1, 1], Balance::Hash);
    let servers = [0, 1].map(|_| balancer.choose(&Wanted::default(), at(0)).unwrap().server);
    assert_eq!(servers, [0, 1]);
}

#[test]
fn backups_and_those_that_were_tried() {
    for policy in WAYS {
        let group = group(&[1, 1, 1], 1, HealthPolicy::default(), Limits::default());
        let balancer = Plan::new(group, policy).balancer(7);
        assert_eq!(shares(&chosen(&balancer, 0..100), 3)[2], 0, "{policy:?}");
        let mut ask = ask(1);
        let mut seen = Vec::new();
        while let Ok(choice) = balancer.choose(&ask, at(0)) {
            seen.push(choice.server);
            ask.tried = ask.tried.with(choice.server);
        }
        assert_eq!((seen.len(), seen[2]), (3, 2), "{policy:?}: the backup is the last");
        assert_eq!(balancer.choose(&ask, at(0)), Err(NoServer::Unfit));
    }
}

#[test]
fn all_down_or_full() {
    for policy in WAYS {
        let limits = Limits { a_server: 1, ..Limits::default() };
        let health = HealthPolicy { fall: 1, ..HealthPolicy::default() };
        let group = group(&[1, 1], 0, health, limits);
        let plan = Plan::new(group, policy);
        let balancer = plan.balancer(0);
        let permits: Vec<_> = (0..2)
            .map(|n| {
                let server = balancer.choose(&ask(n), at(0)).unwrap().server;
                Permit::new(&*balancer, Counted::UnderWay(server)).unwrap()
            })
            .collect();
        assert_eq!(balancer.choose(&ask(2), at(0)), Err(NoServer::Full), "{policy:?}");
        drop(permits);
        for server in 0..2 {
            assert!(balancer.health().checked(server, false, at(0)).is_some());
        }
        assert_eq!(balancer.choose(&ask(2), at(0)), Err(NoServer::Unfit), "{policy:?}");
        let daring = plan.clone().try_unfit(true).balancer(0);
        assert!(daring.choose(&ask(2), at(0)).is_ok(), "{policy:?}");
        for server in 0..2 {
            let _ = balancer.health().set_admin(server, Admin::Down, at(0));
        }
        assert_eq!(daring.choose(&ask(2), at(0)), Err(NoServer::Unfit), "{policy:?}");
    }
}

#[test]
fn a_request_that_may_be_made_again_tries_who_was_ejected() {
    let balancer = plain(&[1, 1, 1], Balance::RoundRobin);
    let _ = [(); 3].map(|()| balancer.health().failed(2, at(0)));
    assert_eq!(shares(&chosen(&balancer, 0..10), 3)[2], 0);
    let once = Wanted::default();
    assert_ne!(balancer.choose(&once, at(20)).unwrap().server, 2);
    let again = Wanted { is_repeatable: true, ..once };
    assert_eq!(balancer.choose(&again, at(20)), Ok(Choice { server: 2, is_trial: true }));
    assert!(!balancer.choose(&again, at(20)).unwrap().is_trial);
    assert!(balancer.health().succeeded(2, at(20)).is_some());
    assert_eq!(shares(&chosen(&balancer, 0..9), 3), [3, 3, 3]);
}

#[test]
fn who_is_back_begins_slowly() {
    let slow_start = Duration::from_secs(100);
    let group = group(
        &[1, 1],
        0,
        HealthPolicy { slow_start, ..HealthPolicy::default() },
        Limits::default(),
    );
    let balancer = Plan::new(group, Balance::RoundRobin).balancer(0);
    take_out(&balancer, 0);
    let _ = balancer.health().set_admin(0, Admin::Serving, at(0));
    for (seconds, range) in [(10, 80..120), (50, 310..350), (100, 499..502)] {
        let share =
            (0..1000).filter(|n| balancer.choose(&ask(*n), at(seconds)).unwrap().server == 0);
        let share = share.count();
        assert!(range.contains(&share), "{seconds} s: {share}");
    }
}
