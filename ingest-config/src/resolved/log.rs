//! How long and where detections are logged; how much room they have is a limit of the dispatcher.

use super::Secret;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// The detection log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// How long it is kept; as long as there is room when not given.
    pub retention: Option<Duration>,
    /// Where it is kept; in the data folder when not given.
    pub url: Option<Url>,
    /// What the environment says of an S3-compatible store: variable → value. Nothing of a folder.
    pub s3: BTreeMap<&'static str, Secret>,
}
