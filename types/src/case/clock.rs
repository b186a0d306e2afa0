//! The clocks of a case: how long each stage may take, and what has come of it.

use super::named::named_states;
use crate::Timestamp;
use serde::{Deserialize, Serialize};

named_states! {
    /// A stage that has a clock.
    ClockStage {
        /// From reported to on file.
        Verify = "verify",
        /// From on file to handed to a department.
        Dispatch = "dispatch",
        /// From handed to a department to taken by it.
        Accept = "accept",
        /// From handed to a department to reported done.
        Handle = "handle",
        /// From reported done to closed or found undone.
        Recheck = "recheck",
        /// From refused by a department to decided by the district centre.
        Approve = "approve",
        /// From suspended to the moment it is to be taken up again.
        Suspend = "suspend",
    }
}

named_states! {
    /// A warning on a case.
    Card {
        /// 黄牌: most of the time is gone.
        Yellow = "yellow",
        /// 红牌: the deadline has passed.
        Red = "red",
    }
}

named_states! {
    /// The five levels of a city, from the smallest up.
    #[derive(Default)]
    Level {
        /// 楼栋.
        Building = "building",
        /// 网格: where cases are handled unless they are escalated.
        #[default]
        Grid = "grid",
        /// 社区.
        Community = "community",
        /// 街道.
        Street = "street",
        /// 区.
        District = "district",
    }
}

impl Level {
    /// The next level up; the district has none above it.
    #[must_use]
    pub const fn above(self) -> Option<Self> {
        match self {
            Self::Building => Some(Self::Grid),
            Self::Grid => Some(Self::Community),
            Self::Community => Some(Self::Street),
            Self::Street => Some(Self::District),
            Self::District => None,
        }
    }
}

/// One clock of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StageClock {
    /// What it times.
    pub stage: ClockStage,
    /// The calendar whose working hours it counts; `None` counts every hour.
    pub calendar: Option<String>,
    /// How much time there is, in seconds of the calendar.
    pub limit_secs: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When the yellow card is shown.
    pub yellow_at: Timestamp,
    /// The deadline.
    pub due_at: Timestamp,
    /// When it was stopped; `None` while it runs.
    pub stopped_at: Option<Timestamp>,
    /// What was used of it when it was stopped, in seconds of the calendar.
    pub used_secs: Option<u64>,
    /// The deadline passed while it ran.
    pub overdue: bool,
    /// The card shown last.
    pub card: Option<Card>,
    /// When the case is escalated once more, after the red card.
    pub escalate_at: Option<Timestamp>,
}

impl StageClock {
    /// Whether it runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.stopped_at.is_none()
    }

    /// When something happens next on a running clock.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        match (self.is_running(), self.card) {
            (false, _) => None,
            (true, None) => Some(self.yellow_at),
            (true, Some(Card::Yellow)) => Some(self.due_at),
            (true, Some(Card::Red)) => self.escalate_at,
        }
    }
}
