//! The one-slot mailbox of each camera: the only place where a frame may be dropped.
//!
//! Design decision: capacity is one picture a camera and the newest wins, so memory is bounded by the number of
//! cameras and a picture's age by the schedule, however slow the workers are.

use super::Schedule;
use crate::picture::Picture;
use citybrain_types::CameraId;
use std::sync::Arc;

/// Why a picture was dropped. The name is the metric label and the log field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A newer picture of the same camera came before a worker took this one.
    Replaced,
    /// It had lain in the mailbox for so long that it no longer shows what the camera sees.
    Expired,
    /// Nothing is looked for in this camera: no loaded model scores its kinds.
    NotWanted,
    /// The picture names another camera than the mailbox it was put into.
    ForeignCamera,
    /// The program is shutting down.
    Closed,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Replaced, Self::Expired, Self::NotWanted, Self::ForeignCamera, Self::Closed];

    /// The name, as in the metric label `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::NotWanted => "not_wanted",
            Self::ForeignCamera => "foreign_camera",
            Self::Closed => "closed",
        }
    }
}

/// What became of a picture that was put into a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It lies in the empty slot.
    Kept,
    /// It lies in the slot, an older one was dropped for it.
    Replaced,
    /// It was dropped itself.
    Dropped(DropReason),
}

/// Hands out the mailbox of each camera. Cheap to clone; clones share the slots.
#[derive(Debug, Clone, Default)]
pub struct Mailboxes(Arc<Schedule>);

impl Mailboxes {
    /// Mailboxes in front of a schedule.
    #[must_use]
    pub const fn new(schedule: Arc<Schedule>) -> Self {
        Self(schedule)
    }

    /// The mailbox of a camera; the same slot each time.
    #[must_use]
    pub fn slot(&self, camera: &CameraId) -> Mailbox {
        Mailbox { camera: camera.clone(), index: self.0.index(camera), schedule: Arc::clone(&self.0) }
    }

    /// Takes what lies in a camera's mailbox, past the schedule.
    #[must_use]
    pub fn take(&self, camera: &CameraId) -> Option<Picture> {
        self.0.take_now(camera)
    }
}

/// The mailbox of one camera. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Mailbox {
    camera: CameraId,
    index: usize,
    schedule: Arc<Schedule>,
}

impl Mailbox {
    /// Whose mailbox it is.
    #[must_use]
    pub const fn camera(&self) -> &CameraId {
        &self.camera
    }

    /// Lays a picture into the slot and wakes the schedule. Never waits for a worker.
    pub fn put(&self, picture: Picture) -> Put {
        self.schedule.put(self.index, picture, false)
    }

    /// As [`Mailbox::put`], of a picture that shows something new: it is looked at before its interval is over where a
    /// worker has nothing that is due.
    pub fn put_eager(&self, picture: Picture) -> Put {
        self.schedule.put(self.index, picture, true)
    }
}
