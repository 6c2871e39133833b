//! Names: looked up once for all, remembered, and believed for longer if need be.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use trilane_exchange::JoinHandle;

use super::*;
use crate::tests::world::{World, over};

type Resolved = JoinHandle<Result<Vec<SocketAddr>, DialError>>;

struct Case {
    world: std::rc::Rc<World>,
    shard: Shard,
    resolver: Arc<Resolver>,
    asked: Arc<AtomicUsize>,
    is_down: Arc<AtomicUsize>,
}

impl Case {
    fn new() -> Self {
        let (world, shard) = World::new();
        let (asked, is_down) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (count, down) = (Arc::clone(&asked), Arc::clone(&is_down));
        let lookup = move |name: &str| {
            count.fetch_add(1, SeqCst);
            match name {
                _ if down.load(SeqCst) > 0 => Err(io::Error::other("down")),
                "nowhere" => Ok(vec![]),
                _ => Ok(vec![[127, 0, 0, 1].into()]),
            }
        };
        let fixed = [("fixed".into(), vec![([1, 1, 1, 1], 0).into(), ([2, 2, 2, 2], 9).into()])];
        let remember = Duration::from_secs(30);
        let resolver = Resolver::new(Arc::new(lookup), fixed.into(), remember);
        Self { world, shard, resolver: Arc::new(resolver), asked, is_down }
    }

    fn begin(&self, name: &str) -> Resolved {
        let resolver = Arc::clone(&self.resolver);
        self.shard.spawn(resolver.resolve(self.shard.clone(), name.into(), 80))
    }

    fn resolve(&self, name: &str) -> Result<String, DialError> {
        let mut handle = self.begin(name);
        self.world.run();
        let found = over(&mut handle).expect("not over")?;
        Ok(found.iter().map(|it| format!("{it} ")).collect())
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

#[test]
fn what_needs_no_look() {
    let case = Case::new();
    assert_eq!(case.resolve("::1").unwrap(), "[::1]:80 ");
    assert_eq!(case.resolve("10.0.0.1").unwrap(), "10.0.0.1:80 ");
    assert_eq!(case.resolve("fixed").unwrap(), "1.1.1.1:80 2.2.2.2:9 ");
    assert_eq!(case.asked(), 0);
}

#[test]
fn one_look_is_for_all() {
    let case = Case::new();
    let mut handles: Vec<Resolved> = (0..5).map(|_| case.begin("a")).collect();
    case.world.run();
    assert!(handles.iter_mut().all(|it| over(it).unwrap().is_ok()));
    assert_eq!(case.asked(), 1);
    case.world.pass(29_999);
    assert_eq!((case.resolve("a").is_ok(), case.asked()), (true, 1));
    case.world.pass(1);
    assert_eq!((case.resolve("a").is_ok(), case.asked()), (true, 2));
    // Who asked first may go.
    drop(case.begin("b").abort_on_drop());
    case.world.run();
    assert_eq!((case.resolve("b").is_ok(), case.asked()), (true, 3));
}

#[test]
fn what_is_not_found_is_asked_for_again_soon() {
    let case = Case::new();
    for name in ["nowhere", "a"] {
        case.is_down.store(usize::from(name == "a"), SeqCst);
        let before = case.asked();
        for _ in 0..3 {
            assert!(matches!(case.resolve(name), Err(DialError::Name(_))), "{name}");
        }
        assert_eq!(case.asked(), before + 1);
        case.world.pass(1_000);
        assert!(case.resolve(name).is_err());
        assert_eq!(case.asked(), before + 2);
    }
}

#[test]
fn what_was_found_before_is_better_than_nothing() {
    let case = Case::new();
    case.resolve("a").unwrap();
    case.is_down.store(1, SeqCst);
    case.world.pass(60_000);
    assert_eq!((case.resolve("a").unwrap().as_str(), case.asked()), ("127.0.0.1:80 ", 2));
    case.world.pass(24 * 60 * 60 * 1000);
    assert!(case.resolve("a").is_err());
}

#[test]
fn names_are_forgotten() {
    let case = Case::new();
    for number in 0..NAMES + 10 {
        case.resolve(&format!("n{number}")).unwrap();
        case.world.pass(1);
    }
    assert_eq!((case.resolver.lock().len(), case.asked()), (NAMES, NAMES + 10));
    case.resolve("n1033").unwrap();
    assert_eq!(case.asked(), NAMES + 10);
    case.resolve("n0").unwrap();
    assert_eq!(case.asked(), NAMES + 11);
}

#[test]
fn families_take_turns() {
    let of = |text: &str| {
        let all: Vec<IpAddr> = text.split(' ').filter_map(|it| it.parse().ok()).collect();
        interleaved(&all).map(|it| it.to_string()).collect::<Vec<_>>().join(" ")
    };
    for (given, expected) in [
        ("", ""),
        ("::1 ::2 1.1.1.1", "::1 1.1.1.1 ::2"),
        ("1.1.1.1 1.1.1.2 1.1.1.3 ::1", "1.1.1.1 ::1 1.1.1.2 1.1.1.3"),
        ("::1 1.1.1.1 1.1.1.2 1.1.1.3", "::1 1.1.1.1 1.1.1.2 1.1.1.3"),
    ] {
        assert_eq!(of(given), expected);
    }
}
