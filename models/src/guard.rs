//! Bounds for what a graph may do while it is loaded and run for the first time.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most memory that loading a graph, or its first run, may add to the process.
const MOST: u64 = 6 << 30;
/// Least that it may, however little is free: the limit counts what is reserved, not only what is used.
const LEAST: u64 = 1 << 30;

/// The limit holds for the whole process, so one load at a time sets it and takes it back.
static LIMITED: Mutex<()> = Mutex::new(());

/// Does `work` with the process's address space limited to what it has now and at most six gibibytes more, or what the
/// machine has free.
///
/// A graph can ask for any amount at any node, which only its run tells. With the limit that node's allocation fails, and
/// ONNX Runtime answers with an error; without it the kernel would end the process, or another. Other threads share the
/// limit while it holds; they are far from it. Where the sizes cannot be read there is no limit.
pub(crate) fn in_bounded_memory<T>(work: impl FnOnce() -> T) -> T {
    let _one_at_a_time = LIMITED.lock().unwrap_or_else(PoisonError::into_inner);
    let _limit = kibibytes("/proc/self/status", "VmSize:").map(|size| {
        let free = kibibytes("/proc/meminfo", "MemAvailable:").unwrap_or(MOST);
        Limit::set(size.saturating_add(free.clamp(LEAST, MOST)))
    });
    work()
}

/// A line `Name:   123 kB`, in bytes.
fn kibibytes(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Takes the limit back when it goes, also when `work` panics.
struct Limit(Rlimit);

impl Limit {
    fn set(bytes: u64) -> Self {
        let before = getrlimit(Resource::As);
        let current = Some(before.current.map_or(bytes, |own| own.min(bytes)));
        if let Err(error) = setrlimit(Resource::As, Rlimit { current, maximum: before.maximum }) {
            tracing::debug!(%error, "memory is not limited while a model is loaded");
        }
        Self(before)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Err(error) = setrlimit(Resource::As, self.0) {
            tracing::warn!(%error, "the limit of memory for loading a model is still in force");
        }
    }
}

/// Calls `stop` once when it lives longer than its limit.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Never sent to: its end tells that the work is done.
    done: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(limit: Duration, stop: impl FnOnce() + Send + 'static) -> Self {
        let (done, wait) = sync_channel::<()>(0);
        let watch = move || {
            if wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                stop();
            }
        };
        let thread = std::thread::Builder::new().name("model-watch".to_owned()).spawn(watch);
        if let Err(error) = &thread {
            tracing::warn!(%error, "nothing watches how long a model takes to load");
        }
        Self { done: Some(done), thread: thread.ok() }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the watch over a model's loading panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_watch_stops_what_takes_too_long_and_leaves_alone_what_does_not() {
        for (limit, expected) in [(Duration::ZERO, true), (Duration::from_secs(600), false)] {
            let stopped = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&stopped);
            let watch = Watch::start(limit, move || flag.store(true, Ordering::SeqCst));
            let patience = std::time::Instant::now();
            while expected && !stopped.load(Ordering::SeqCst) && patience.elapsed() < Duration::from_secs(60)
            {
                std::thread::yield_now();
            }
            drop(watch);
            assert_eq!(stopped.load(Ordering::SeqCst), expected);
        }
    }

    #[test]
    fn the_limit_holds_during_the_work_and_is_taken_back_after() {
        let before = getrlimit(Resource::As);
        let within = in_bounded_memory(|| getrlimit(Resource::As));
        assert!(within.current.is_some_and(|limit| limit > LEAST), "{within:?}");
        assert_eq!(getrlimit(Resource::As).current, before.current);
    }
}
