//! The task that lets time pass: cases whose clocks are due are read, decided and written.
//!
//! Nothing is held in memory: what is due stands in the store, so a restart loses no timer and needs no time. A clock
//! that is moved forward shows what has become due; one that is moved back makes them wait, and shows nothing twice,
//! since a card that was shown is written on the case.

use super::desk::Desk;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Cases in one transaction: one sync of the disk serves them all.
const AT_ONCE: u32 = 128;
/// The longest sleep: a case may have come meanwhile, or the machine's clock may have been moved.
const LONGEST_SLEEP: Duration = Duration::from_millis(250);
/// The shortest, so that a store that fails is not asked in a tight loop.
const SHORTEST_SLEEP: Duration = Duration::from_millis(10);

/// Runs until stopped.
pub(crate) async fn run(desk: Desk, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let sleep = match round(&desk).await {
            Ok(sleep) => sleep,
            Err(error) => {
                desk.metrics.store_failed(&error);
                tracing::error!(reason = error.name(), %error, "clocks cannot be kept; trying again");
                LONGEST_SLEEP
            }
        };
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// One look; says how long to sleep.
async fn round(desk: &Desk) -> Result<Duration, crate::store::StoreError> {
    let now = desk.clock.now();
    let due = desk.store.due_cases(now, AT_ONCE).await?;
    if due.is_empty() {
        let next = desk.store.next_timer().await?;
        return Ok(next.map_or(LONGEST_SLEEP, |next| next.since(now).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)));
    }
    let late = due.iter().filter_map(super::clocks::next_at).map(|at| now.since(at)).max();
    desk.metrics.timer_lateness(late.unwrap_or_default());
    let done = desk.tick(&due).await?;
    // What is left was changed by somebody else; it is read again.
    Ok(if done == 0 { LONGEST_SLEEP } else { Duration::ZERO })
}
