//! What is decided beside the looks and bears on what they lead to: a person's refusal of a case, a silence, an answer
//! of the permit register, other thresholds.
//!
//! Design decision: a ruling is input like a look. It goes in at the first stage, is logged there in its place among the
//! looks and travels with them, so that a replay takes it in between the same two looks and asks nobody anything.

use crate::permit::Register;
use crate::policy::InForce;
use crate::silence::Silence;
use citybrain_types::{CaseId, DepartmentId, IncidentId, Timestamp, VoidReason};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One thing that was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ruling {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Decided,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decided", rename_all = "snake_case")]
pub enum Decided {
    /// A person has found that a case is none.
    Refused {
        /// The case.
        case: CaseId,
        /// The incident behind it.
        incident: IncidentId,
        /// Why it is none; only a false alarm keeps its place from opening another.
        because: VoidReason,
        /// Who said so.
        by: String,
        /// For which department.
        department: Option<DepartmentId>,
        /// Why, in words.
        reason: String,
    },
    /// Some sightings open no case for a while. One that is known already is as it is given now.
    Silenced {
        /// What, and for how long.
        silence: Silence,
    },
    /// The permit registers hold this from now on.
    Permits {
        /// All their entries.
        register: Arc<Register>,
    },
    /// Other thresholds are in force from now on.
    Thresholds {
        /// Under which policy; an empty one for the configuration's own.
        live: InForce,
    },
}

/// What a stage hands to the next: things seen, in their order, or something decided between them.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "rulings are rare, and a queue holds 64 of either")]
pub(crate) enum Input<T> {
    /// Frames, or what became of them.
    Seen(Vec<T>),
    /// A ruling.
    Said(Ruling),
}
