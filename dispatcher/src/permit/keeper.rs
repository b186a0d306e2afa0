//! Reads the registers at the start and again and again.

use super::read::{MAX_BYTES, parse};
use super::{MAX_ENTRIES, Register};
use crate::metrics::Metrics;
use crate::ruling::{Decided, Ruling};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{PermitAddress, PermitSource};
use citybrain_types::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The shortest wait before registers are read again.
const SHORTEST: Duration = Duration::from_secs(1);

/// Reads every register of a city.
pub(crate) async fn first_read(city: &City, metrics: &Metrics) -> Register {
    read_all(city, &Register::default(), metrics).await
}

/// What reads the registers again.
pub(crate) struct RegisterKeeper {
    pub(crate) city: watch::Receiver<Arc<City>>,
    /// As they were read first.
    pub(crate) first: Arc<Register>,
    /// Where it is said what they hold.
    pub(crate) rule: mpsc::Sender<Ruling>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
}

/// Reads them again as often as the configuration says; what cannot be read stays as it was read last.
pub(crate) async fn keep_read(keeper: RegisterKeeper) {
    let RegisterKeeper { mut city, first, rule, clock, metrics, stop } = keeper;
    let mut before = first;
    loop {
        let in_force = Arc::clone(&city.borrow_and_update());
        let every = in_force.permits.iter().map(|source| source.every).min().unwrap_or(Duration::MAX);
        let wait = async {
            match every {
                Duration::MAX => std::future::pending().await,
                every => tokio::time::sleep(every.max(SHORTEST)).await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = city.changed() => if changed.is_err() { return },
            () = wait => {}
        }
        let in_force = Arc::clone(&city.borrow_and_update());
        let read = read_all(&in_force, &before, &metrics).await;
        if read != *before {
            before = Arc::new(read);
            let ruling = Ruling { at: clock.now(), what: Decided::Permits { register: Arc::clone(&before) } };
            if rule.send(ruling).await.is_err() {
                return;
            }
        }
    }
}

async fn read_all(city: &City, before: &Register, metrics: &Metrics) -> Register {
    let mut register = Register::default();
    for source in &city.permits {
        match read(source, &city.site.time_zone).await {
            Ok((permits, faults)) => {
                for fault in &faults {
                    tracing::warn!(
                        register = source.name,
                        fault,
                        "an entry of the permit register is left out"
                    );
                }
                metrics.permits(&source.name, permits.len(), faults.len());
                register.names.push(source.name.clone());
                let room = MAX_ENTRIES - register.permits.len();
                register.permits.extend(permits.into_iter().take(room));
            }
            Err(why) => {
                tracing::error!(register = source.name, why, "the permit register cannot be read");
                metrics.permits_unread(&source.name);
                // One register that fails must not make the others' sites illegal: all stay as they were.
                if before.names.contains(&source.name) {
                    return before.clone();
                }
                register.unread.push(format!("register {} cannot be read: {why}", source.name));
            }
        }
    }
    register
}

async fn read(source: &PermitSource, time_zone: &str) -> Result<(Vec<super::Permit>, super::Faults), String> {
    let bytes = match &source.at {
        PermitAddress::File(path) => {
            let size = tokio::fs::metadata(path).await.map_err(|error| error.to_string())?.len();
            if size > MAX_BYTES as u64 {
                return Err(format!("it is larger than {MAX_BYTES} bytes"));
            }
            tokio::fs::read(path).await.map_err(|error| error.to_string())?
        }
        PermitAddress::Http(url) => fetch(url).await?,
    };
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    parse(&text, time_zone)
}

async fn fetch(url: &url::Url) -> Result<Vec<u8>, String> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| error.to_string())?;
    let answer = client.get(url.clone()).send().await.map_err(|error| error.to_string())?;
    let mut answer = answer.error_for_status().map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| error.to_string())? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(format!("it is larger than {MAX_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
