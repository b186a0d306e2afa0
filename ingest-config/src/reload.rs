//! What changes when one city takes another's place; a pure comparison.

use std::collections::BTreeMap;

use citybrain_types::CameraId;

use crate::resolved::{Camera, City};

/// The difference between the city in force and the one to come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Cameras to connect.
    pub added: Vec<CameraId>,
    /// Cameras to let go.
    pub removed: Vec<CameraId>,
    /// Cameras whose stream is another: to let go and connect again.
    pub reconnected: Vec<CameraId>,
    /// Cameras whose connection stays, while their kinds, thresholds, masks, place or name change.
    pub adjusted: Vec<CameraId>,
    /// Kinds, their deadlines or thresholds.
    pub kinds: bool,
    /// Models to load or to drop.
    pub models: bool,
    /// Departments, routes, areas, calendars, rotas or the times cases may take.
    pub departments: bool,
    /// Destinations of deliveries, their secrets or schedules.
    pub destinations: bool,
    /// Sensors, silences or registers of permits.
    pub hygiene: bool,
    /// Budgets and limits of the pipeline.
    pub pipeline: bool,
    /// Budgets and limits of the dispatcher.
    pub dispatch: bool,
    /// Sign-in, sessions or blurring.
    pub people: bool,
    /// Name, time zone or public address.
    pub site: bool,
    /// Keys whose change takes effect only when the program is started again.
    pub needs_restart: Vec<&'static str>,
}

impl Change {
    /// What changes from one city to the next.
    #[must_use]
    pub fn between(old: &City, new: &City) -> Self {
        let mut change = Self {
            added: missing_in(&old.cameras, &new.cameras),
            removed: missing_in(&new.cameras, &old.cameras),
            kinds: old.kinds != new.kinds,
            models: old.models != new.models,
            departments: old.departments != new.departments
                || old.routes != new.routes
                || old.cases != new.cases,
            destinations: old.destinations != new.destinations,
            hygiene: old.sensors != new.sensors || old.silences != new.silences || old.permits != new.permits,
            pipeline: old.pipeline != new.pipeline,
            dispatch: old.dispatch != new.dispatch || old.log != new.log,
            people: old.people != new.people,
            site: old.site != new.site,
            ..Self::default()
        };
        for (id, camera) in &new.cameras {
            match old.cameras.get(id) {
                Some(before) if before.stream != camera.stream => change.reconnected.push(id.clone()),
                Some(before) if before != camera => change.adjusted.push(id.clone()),
                _ => {}
            }
        }
        let fixed = [
            ("site.data_dir", old.site.data_dir != new.site.data_dir),
            ("store", old.store != new.store),
            ("site.listen", old.site.listen != new.site.listen),
            ("pipeline.workers", old.pipeline.workers != new.pipeline.workers),
            ("dispatch.log_budget_bytes", old.dispatch.log_budget_bytes != new.dispatch.log_budget_bytes),
            ("console", old.console != new.console),
            ("dispatch.log_url", old.log.url != new.log.url),
            ("dispatch.max_body_bytes", old.dispatch.max_body_bytes != new.dispatch.max_body_bytes),
        ];
        change.needs_restart =
            fixed.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect();
        change
    }

    /// Whether the two cities are the same but for their version.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn missing_in(these: &BTreeMap<CameraId, Camera>, those: &BTreeMap<CameraId, Camera>) -> Vec<CameraId> {
    those.keys().filter(|id| !these.contains_key(*id)).cloned().collect()
}
