//! Pure figures: how well scores rank, where boxes lie, how far a score can be taken at its word, and how sure each
//! figure is.

mod boxes;
mod calibration;
mod certainty;
mod ranking;

pub use boxes::{FoundBox, average_precision, average_precision_estimate, match_boxes};
pub use calibration::{Bin, Calibration, calibration};
pub use certainty::{Estimate, Interval, Resampling, Share, rate, wilson};
pub use ranking::{Scored, auc, auc_estimate, false_alarms_at_recall, precision_recall, roc};
