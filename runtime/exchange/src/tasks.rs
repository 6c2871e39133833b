//! Spawned tasks of a shard: a slab of futures, polled when the wake queue names them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};

use trilane_semantics::Instant;

use crate::shard::LocalTask;
use crate::wake::{Wake, WakeQueue};

/// The spawned tasks of one shard.
#[derive(Debug)]
pub struct Tasks {
    queue: WakeQueue,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    task: Option<(LocalTask, Waker)>,
    name: &'static str,
    since: Instant,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({}, busy: {})", self.generation, self.task.is_some())
    }
}

/// A task taken out to be polled: the slab is not borrowed meanwhile, so that it may spawn others.
#[derive(Debug)]
pub struct Polling {
    key: u64,
    task: Option<(LocalTaskDebug, Waker)>,
}

struct LocalTaskDebug(LocalTask);

impl std::fmt::Debug for LocalTaskDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("task")
    }
}

impl Polling {
    /// Polls it; `false` when it panicked, which ends it.
    pub fn poll(&mut self) -> bool {
        let Some((task, waker)) = &mut self.task else { return true };
        let mut cx = Context::from_waker(waker);
        let polled = catch_unwind(AssertUnwindSafe(|| task.0.as_mut().poll(&mut cx)));
        match polled {
            Ok(std::task::Poll::Pending) => true,
            Ok(std::task::Poll::Ready(())) => self.end(),
            Err(_) => {
                self.end();
                false
            }
        }
    }
}

impl Polling {
    /// Drops the task; `false` when that panicked.
    fn end(&mut self) -> bool {
        let task = self.task.take();
        catch_unwind(AssertUnwindSafe(|| drop(task))).is_ok()
    }
}

impl Tasks {
    /// No tasks; their wakers go to `queue`.
    #[must_use]
    pub const fn new(queue: WakeQueue) -> Self {
        Self { queue, slots: Vec::new(), free: Vec::new() }
    }

    /// Adds a task and wakes it.
    pub fn spawn(&mut self, task: LocalTask) {
        self.spawn_as("task", Instant::default(), task);
    }

    /// The same; its name and its beginning are for those who look.
    pub fn spawn_as(&mut self, name: &'static str, since: Instant, task: LocalTask) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        let key = u64::from(slot.generation) << 32 | u64::from(index);
        let waker = self.queue.waker(Wake::Task(key));
        waker.wake_by_ref();
        (slot.task, slot.name, slot.since) = (Some((task, waker)), name, since);
    }

    /// Those that are there, by name, and since when.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Instant)> {
        let there = self.slots.iter().filter(|slot| slot.task.is_some());
        there.map(|slot| (slot.name, slot.since))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all tasks out, to be dropped: they may hold what holds this.
    #[must_use]
    pub fn take_all(&mut self) -> Vec<Polling> {
        let keys: Vec<u64> = (0..)
            .zip(&self.slots)
            .map(|(index, slot)| u64::from(slot.generation) << 32 | index)
            .collect();
        keys.into_iter().filter_map(|key| self.take(key)).collect()
    }

    /// Takes a woken task out, to be polled and then [`put back`](Tasks::put_back).
    #[must_use]
    pub fn take(&mut self, key: u64) -> Option<Polling> {
        let slot = self.slots.get_mut(key as u32 as usize)?;
        if u64::from(slot.generation) != key >> 32 {
            return None;
        }
        let (task, waker) = slot.task.take()?;
        Some(Polling { key, task: Some((LocalTaskDebug(task), waker)) })
    }

    /// Puts a polled task back, or frees its place if it has ended.
    pub fn put_back(&mut self, polling: Polling) {
        let index = polling.key as u32;
        let slot = &mut self.slots[index as usize];
        match polling.task {
            Some((task, waker)) => slot.task = Some((task.0, waker)),
            None => {
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    fn run(queue: &WakeQueue, tasks: &RefCell<Tasks>) {
        for _ in 0..10 {
            let mut woken = Vec::new();
            queue.drain(&mut woken);
            for wake in woken {
                let Wake::Task(key) = wake else { panic!("{wake:?}") };
                let Some(mut polling) = tasks.borrow_mut().take(key) else { continue };
                polling.poll();
                tasks.borrow_mut().put_back(polling);
            }
        }
    }

    #[test]
    fn those_that_are_there_have_names() {
        let queue = WakeQueue::new(|| ());
        let tasks = RefCell::new(Tasks::new(queue.clone()));
        let since = Instant::from_nanos(7);
        tasks.borrow_mut().spawn_as("waits", since, Box::pin(std::future::pending()));
        tasks.borrow_mut().spawn(Box::pin(async {}));
        assert_eq!(tasks.borrow().all().count(), 2);
        run(&queue, &tasks);
        assert_eq!(tasks.borrow().all().collect::<Vec<_>>(), [("waits", since)]);
    }

    #[test]
    fn a_task_may_spawn_and_its_place_is_used_again() {
        let queue = WakeQueue::new(|| ());
        let tasks = Rc::new(RefCell::new(Tasks::new(queue.clone())));
        let (seen, inner) = (Rc::new(RefCell::new(Vec::new())), Rc::clone(&tasks));
        let log = Rc::clone(&seen);
        tasks.borrow_mut().spawn(Box::pin(async move {
            log.borrow_mut().push(1);
            let log = Rc::clone(&log);
            inner.borrow_mut().spawn(Box::pin(async move { log.borrow_mut().push(2) }));
        }));
        tasks.borrow_mut().spawn(Box::pin(async { panic!("on purpose") }));
        run(&queue, &tasks);
        assert_eq!(*seen.borrow(), [1, 2]);
        assert!(tasks.borrow().is_empty());
        assert!(tasks.borrow().slots.len() <= 3);
    }
}
