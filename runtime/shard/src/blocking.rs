//! Threads for work that may block: started when there is work, gone when there was none for a while.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Threads at most, a server.
const MOST: usize = 64;
/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// The threads of a server. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Blocking {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    came: Condvar,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

impl Shared {
    /// Work runs outside the lock, so that a panic leaves the queue whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocking {
    /// Runs `work` on some thread, after what was asked before if all are busy.
    pub(crate) fn run(&self, work: Work) {
        let mut queue = self.shared.lock();
        queue.work.push_back(work);
        if queue.idle >= queue.work.len() {
            self.shared.came.notify_one();
        } else if queue.threads < MOST {
            queue.threads += 1;
            let shared = Arc::clone(&self.shared);
            let builder = thread::Builder::new().name("trilane-blocking".to_owned());
            if builder.spawn(move || serve(&shared)).is_err() {
                // The work waits for a thread that there is; without any it is tried again with the next.
                queue.threads -= 1;
            }
        }
    }
}

fn serve(shared: &Shared) {
    let mut queue = shared.lock();
    loop {
        if let Some(work) = queue.work.pop_front() {
            drop(queue);
            // `Shard::blocking` catches panics and hands them on.
            work();
            queue = shared.lock();
            continue;
        }
        queue.idle += 1;
        let (woken, timeout) =
            shared.came.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        queue.idle -= 1;
        if timeout.timed_out() && queue.work.is_empty() {
            queue.threads -= 1;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn work_runs_beside_work() {
        let blocking = Blocking::default();
        let (send, receive) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let done = send.clone();
        blocking.run(Box::new(move || {
            wait.recv().unwrap();
            done.send(1).unwrap();
        }));
        blocking.run(Box::new(move || send.send(2).unwrap()));
        assert_eq!(receive.recv(), Ok(2));
        go.send(()).unwrap();
        assert_eq!(receive.recv(), Ok(1));
    }
}
