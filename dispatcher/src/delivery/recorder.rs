//! Writes down how attempts ended: those that wait share one transaction, so that a burst of acknowledgements does not
//! hold up the commits of new cases.

use super::mailroom::Tools;
use crate::store::Record;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Attempts that wait to be written down. Workers hold fewer under way; one that finds it full waits.
pub(super) const QUEUE: usize = 256;
/// Attempts in one transaction.
const AT_ONCE: usize = 64;
/// Wait before a transaction that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// One attempt, and who waits for it to be on disk.
pub(super) type Wanted = (Record, oneshot::Sender<()>);

/// Writes until every worker is gone. What cannot be written is tried again; whoever gives up waiting is sent again
/// after the next start, under its key.
pub(super) async fn run(tools: Tools, mut wanted: mpsc::Receiver<Wanted>) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    while wanted.recv_many(&mut batch, AT_ONCE).await > 0 {
        loop {
            // Nobody waits any more for those of a worker that was cut off.
            batch.retain(|(_, waiting)| !waiting.is_closed());
            let records: Vec<Record> = batch.iter().map(|(record, _)| record.clone()).collect();
            if records.is_empty() {
                break;
            }
            match tools.store.record_all(&records).await {
                Ok(()) => break,
                Err(error) => {
                    tools.metrics.store_failed(&error);
                    let (reason, count) = (error.name(), records.len());
                    tracing::error!(reason, %error, count, "attempts cannot be written down; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        for (_, waiting) in batch.drain(..) {
            // A worker that was cut off does not wait.
            let _ = waiting.send(());
        }
    }
}
