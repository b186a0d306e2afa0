//! What `[dispatch]` says of the log → its settings.

use super::Context;
use crate::raw::RawDispatch;
use crate::resolved::LogSettings;
use crate::row::Row;
use std::time::Duration;
use url::Url;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What an address may begin with.
const SCHEMES: [&str; 2] = ["s3", "file"];

pub(super) fn log(row: &Row<'_, RawDispatch>, context: &mut Context<'_>) -> LogSettings {
    let url = row.raw.log_url.as_deref().and_then(|address| match address.parse::<Url>() {
        Ok(url) if SCHEMES.contains(&url.scheme()) => Some(url),
        _ => {
            let message =
                format!("'{address}' is no place for the log: s3://bucket/folder or file:///folder");
            row.place.report(&mut context.problems, "log_url", message);
            None
        }
    });
    LogSettings { retention: row.raw.log_retention_days.map(|days| DAY * days), url }
}
