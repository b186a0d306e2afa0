//! Places at which a test can make the process die, to show that nothing is lost there.
//!
//! For tests only and off by default: a point is armed by the environment variable `CITYBRAIN_FAIL_POINT`, read
//! once, and kills the process as `kill -9` would, without unwinding or flushing.

use std::sync::OnceLock;

/// Name of the environment variable that arms a point.
pub const VARIABLE: &str = "CITYBRAIN_FAIL_POINT";

/// A place at which the process may be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailPoint {
    /// A case and its deliveries are committed; nothing has been sent from the outbox.
    AfterCommit,
    /// A destination has acknowledged a delivery; that is not written down yet.
    AfterSend,
}

impl FailPoint {
    /// The point's name, as in the environment variable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AfterCommit => "after_commit",
            Self::AfterSend => "after_send",
        }
    }
}

/// Dies here when this point is armed.
pub(crate) fn hit(point: FailPoint) {
    static ARMED: OnceLock<Option<String>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| std::env::var(VARIABLE).ok());
    if armed.as_deref() == Some(point.name()) {
        std::process::abort();
    }
}
