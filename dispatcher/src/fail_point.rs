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
    /// It is decided what a case is; nothing is written.
    BeforeCommit,
    /// A case and its deliveries are committed; nothing has been sent from the outbox.
    AfterCommit,
    /// A delivery was claimed from the outbox; nothing has been sent.
    BeforeSend,
    /// A destination has acknowledged a delivery; that is not written down yet.
    AfterSend,
    /// That is written down; nobody has been told of it.
    AfterRecord,
}

impl FailPoint {
    /// Every point, in the order a case comes by them.
    pub const ALL: [Self; 5] =
        [Self::BeforeCommit, Self::AfterCommit, Self::BeforeSend, Self::AfterSend, Self::AfterRecord];

    /// The point's name, as in the environment variable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::BeforeSend => "before_send",
            Self::AfterSend => "after_send",
            Self::AfterRecord => "after_record",
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
