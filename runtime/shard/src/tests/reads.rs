//! Reads by a real ring: what comes, in what order, and no more of them than the bound.

use std::cell::RefCell;
use std::fs::File;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use super::*;
use crate::ring::RingConfig;

type Got = Rc<RefCell<Vec<(u64, io::Result<Vec<u8>>)>>>;

fn file(content: &[u8]) -> Rc<dyn AsFd> {
    let name = format!("trilane-reads-{}-{}", std::process::id(), content.len());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, content).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    Rc::new(file)
}

fn wanted(file: &Rc<dyn AsFd>, at: u64, most: usize, got: &Got) -> Wanted {
    let got = Rc::clone(got);
    let done = Box::new(move |result| got.borrow_mut().push((at, result)));
    Wanted { file: Rc::clone(file), at, most, reader: Reader::Task(done) }
}

/// Turns until nothing is under way.
fn finish(reads: &mut Reads, ring: &mut Ring) {
    let mut completions = Vec::new();
    for _ in 0..5000 {
        ring.turn(&mut completions).unwrap();
        for completion in completions.drain(..) {
            if let Some((Reader::Task(done), result)) = reads.finish(&completion, ring) {
                done(result);
            }
        }
        if reads.is_empty() {
            return;
        }
        sleep(Duration::from_millis(1));
    }
    panic!("reads do not end");
}

#[test]
fn a_read_brings_what_is_there() {
    let mut ring = Ring::new(RingConfig::default()).unwrap();
    let (mut reads, got) = (Reads::new(), Got::default());
    let content: Vec<u8> = (0..100_000_u32).map(|at| at as u8).collect();
    let file = file(&content);
    for (at, most, end) in [(0, 10, 10), (99_990, 100, 100_000), (100_000, 10, 100_000)] {
        reads.start(wanted(&file, at, most, &got), &mut ring);
        finish(&mut reads, &mut ring);
        let (_, result) = got.borrow_mut().pop().unwrap();
        assert_eq!(result.unwrap(), content[at as usize..end]);
    }
    // What cannot be read says why.
    let directory: Rc<dyn AsFd> = Rc::new(File::open("/").unwrap());
    reads.start(wanted(&directory, 0, 10, &got), &mut ring);
    finish(&mut reads, &mut ring);
    let (_, result) = got.borrow_mut().pop().unwrap();
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::IsADirectory);
}

#[test]
fn no_more_are_under_way_than_the_bound() {
    for count in [MOST - 1, MOST, MOST + 1, 2 * MOST] {
        let mut ring = Ring::new(RingConfig::default()).unwrap();
        let (mut reads, got) = (Reads::new(), Got::default());
        let file = file(&vec![1; 300 + count]);
        for at in 0..count {
            reads.start(wanted(&file, at as u64, 7, &got), &mut ring);
            assert_eq!(reads.under_way.len(), (at + 1).min(MOST));
        }
        assert_eq!(reads.waiting.len(), count.saturating_sub(MOST));
        finish(&mut reads, &mut ring);
        assert!(reads.waiting.is_empty());
        assert_eq!(got.borrow().len(), count);
        assert!(got.borrow().iter().all(|(_, result)| result.as_ref().unwrap() == &[1; 7]));
    }
}
