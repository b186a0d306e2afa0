//! Whether the store of the detection log takes what is logged.

use super::Finding;
use citybrain_dispatcher::log::LogStore;
use citybrain_ingest_config::City;
use std::time::Duration;
use tokio::time::timeout;

const CHECK: &str = "detection log";
/// Longest wait for all that is tried.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tries the store where the log goes, where that is not the data folder, which is looked at in any case.
pub(super) async fn check(city: &City) -> Option<Finding> {
    let url = city.log.url.as_ref().filter(|_| city.dispatch.log_budget_bytes > 0)?;
    let tried = match LogStore::of(city) {
        Ok(store) => timeout(PATIENCE, store.probe())
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))),
        Err(error) => Err(error.to_string()),
    };
    Some(match tried {
        Ok(()) => Finding::ok(CHECK, format!("{url} lists, takes and gives up files")),
        Err(why) => Finding::failure(
            CHECK,
            format!("{url}: {why}"),
            "until it answers, detections wait in the data folder, within dispatch.log_budget_bytes",
        ),
    })
}
