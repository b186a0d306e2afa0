//! Pictures kept of detections: the frame with its boxes drawn, and the last quiet frame before it.
//!
//! Design decision: a quiet frame is kept as the compressed keyframe it came as, which costs nothing, and is
//! decoded again only when something happens. JPEG is made for hits and, at a bounded rate, for the console.

mod annotate;
mod font;
mod keeper;
mod photo;
mod store;
mod veil;

pub use keeper::{Darkroom, Kept, Seen, SnapshotKeeper};
pub use photo::PhotoVeil;
pub use store::{SnapshotFailure, SnapshotStore};
pub use veil::private_parts;
