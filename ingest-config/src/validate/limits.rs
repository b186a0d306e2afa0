//! `[pipeline]` and `[dispatch]` → limits.

use std::time::Duration;

use super::Context;
use crate::raw::{RawAdmission, RawCases, RawDispatch, RawPipeline};
use crate::resolved::{Admission, AlertLimits, CaseLimits, DispatchLimits, LoadLimits, PipelineLimits};
use crate::row::Row;

pub(super) fn pipeline(row: &Row<'_, RawPipeline>, context: &mut Context<'_>) -> PipelineLimits {
    let limits = pipeline_limits(&row.raw);
    let keys = ["reconnect_min_ms", "reconnect_max_secs"];
    if limits.reconnect_min > limits.reconnect_max && !keys.iter().any(|key| row.place.lost(key)) {
        let key = if row.place.has(keys[0]) { keys[0] } else { keys[1] };
        let message = format!(
            "does not fit: the first wait, {} ms, is longer than the longest, {} s",
            limits.reconnect_min.as_millis(),
            limits.reconnect_max.as_secs_f64()
        );
        row.place.report(&mut context.problems, key, message);
    }
    limits
}

pub(super) fn dispatch(row: &Row<'_, RawDispatch>) -> DispatchLimits {
    dispatch_limits(&row.raw)
}

/// Limits of the pipeline; bounds were checked with the shape.
pub(crate) fn pipeline_limits(raw: &RawPipeline) -> PipelineLimits {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    PipelineLimits {
        workers: raw.workers.map_or_else(cores, |workers| workers as usize),
        connect_timeout: Duration::from_secs_f64(raw.connect_timeout_secs),
        stall_after: Duration::from_secs_f64(raw.stall_after_secs),
        reconnect_min: Duration::from_millis(raw.reconnect_min_ms),
        reconnect_max: Duration::from_secs_f64(raw.reconnect_max_secs),
        max_access_unit_bytes: saturated(raw.max_access_unit_bytes),
        snapshot_budget_bytes: raw.snapshot_budget_bytes,
        spool_budget_bytes: raw.spool_budget_bytes,
        snapshot_max_side: raw.snapshot_max_side_px,
        load: LoadLimits {
            urgent_share_percent: raw.urgent_share_percent,
            admission: match raw.admission {
                RawAdmission::Stretch => Admission::Stretch,
                RawAdmission::Refuse => Admission::Refuse,
            },
            connects_per_second: raw.connects_per_second,
            polled_from: Duration::from_secs_f64(raw.polled_from_secs),
            polled_connections: raw.polled_connections as usize,
        },
    }
}

/// Limits of the dispatcher; bounds were checked with the shape.
pub(crate) fn dispatch_limits(raw: &RawDispatch) -> DispatchLimits {
    DispatchLimits {
        concurrent_deliveries: raw.concurrent_deliveries as usize,
        max_body_bytes: saturated(raw.max_body_bytes),
        incident_quiet_after: Duration::from_secs_f64(raw.incident_quiet_after_secs),
        join_distance: raw.join_distance as f32,
        camera_fault_after: Duration::from_secs_f64(raw.camera_fault_after_secs),
        log_budget_bytes: raw.log_budget_bytes,
        alerts: AlertLimits {
            storm_cases: raw.storm_cases as usize,
            storm_window: Duration::from_secs_f64(raw.storm_window_secs),
            cases_per_camera_and_day: raw.cases_per_camera_and_day as usize,
        },
    }
}

/// Limits of cases; bounds were checked with the shape.
pub(crate) fn case_limits(raw: &RawCases) -> CaseLimits {
    let minutes = |minutes: f64| Duration::from_secs_f64(minutes * 60.0);
    CaseLimits {
        verify_within: minutes(raw.verify_within_minutes),
        dispatch_within: minutes(raw.dispatch_within_minutes),
        accept_within: minutes(raw.accept_within_minutes),
        accept_urgent_within: minutes(raw.accept_urgent_within_minutes),
        accept_immediate_within: minutes(raw.accept_immediate_within_minutes),
        recheck_within: minutes(raw.recheck_within_minutes),
        approve_within: minutes(raw.approve_within_minutes),
        yellow_at: raw.yellow_at,
        red_card_points: raw.red_card_points,
        escalation_points: raw.escalation_points,
        recheck_looks: raw.recheck_looks,
        join_within_metres: raw.join_within_metres,
        repeat_after: minutes(raw.repeat_after_minutes),
        repeats_at_most: raw.repeats_at_most,
    }
}

fn saturated(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
