//! Rows of the page of a policy.

use crate::rows::{Writer, remark};
use citybrain_dispatcher::policy::rules::{Calibration, CalibrationMethod, Ece, NumberChange};
use citybrain_dispatcher::policy::{BeforeAfter, Difference, Forecast, Side};
use citybrain_dispatcher::tune::CaseSketch;
use citybrain_types::{EventKind, Snapshots};

/// Gained or lost cases that are shown.
const SKETCHES: usize = 24;
/// Cameras that are named; more are counted.
const NAMED: usize = 6;

/// A number that is other.
pub(super) struct ChangeRow {
    pub(super) kind: String,
    pub(super) number: String,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) place: String,
}

/// How a kind's scores are taken.
pub(super) struct CalibrationRow {
    pub(super) kind: String,
    pub(super) said: String,
}

/// A forecast as tables.
pub(super) struct ForecastRows {
    /// When, and over which days.
    pub span: String,
    /// Rows by kind, all together last.
    pub kinds: Vec<[String; 5]>,
    /// What must be said yes to.
    pub warnings: Vec<String>,
    /// What to know before a number is believed.
    pub notes: Vec<String>,
    /// Cases that only it opens.
    pub gained: Vec<SketchRow>,
    /// How many there are.
    pub gained_in_all: u64,
    /// Cases that only what is in force opens.
    pub lost: Vec<SketchRow>,
    /// How many there are.
    pub lost_in_all: u64,
}

/// A case of one side.
pub struct SketchRow {
    /// Where it stands: gained, lost; empty in a list of one.
    pub side: String,
    /// Colour of the side.
    pub tone: &'static str,
    /// Its kind.
    pub kind: String,
    /// Its camera.
    pub camera: String,
    /// When it was opened.
    pub at: String,
    /// Its score.
    pub score: String,
    /// Its picture.
    pub picture: Option<String>,
}

pub(super) fn change_row(writer: &Writer, change: &NumberChange) -> ChangeRow {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    let names: Vec<_> = change.cameras.iter().take(NAMED).map(ToString::to_string).collect();
    let place = match change.cameras.len() {
        0 => writer.language.t("policy.everywhere").to_owned(),
        n if n > NAMED => {
            let more = n - NAMED;
            let names = names.join(", ");
            writer.language.fill("policy.and_more", &[("names", &names), ("n", &more)])
        }
        _ => names.join(", "),
    };
    let place = match &change.zone {
        Some(zone) => writer.language.fill("policy.in_zone", &[("place", &place), ("zone", zone)]),
        None => place,
    };
    ChangeRow {
        kind: change
            .kind
            .as_ref()
            .map_or_else(|| writer.language.t("policy.all_kinds").to_owned(), |k| writer.kind(k)),
        number: writer.language.name("policy.number", change.key),
        before: number(change.before),
        after: number(change.after),
        place,
    }
}

pub(super) fn calibration(writer: &Writer, kind: &EventKind, calibration: &Calibration) -> CalibrationRow {
    let error = |ece: &Ece| format!("{:.3} ({:.3}–{:.3})", ece.value, ece.low, ece.high);
    let method = writer.language.name(
        "policy.method",
        match calibration.method {
            CalibrationMethod::Isotonic => "isotonic",
            CalibrationMethod::Platt => "platt",
        },
    );
    let (before, after) = (error(&calibration.ece_before), error(&calibration.ece_after));
    let values: [(&str, &dyn std::fmt::Display); 4] =
        [("method", &method), ("n", &calibration.verdicts), ("before", &before), ("after", &after)];
    CalibrationRow { kind: writer.kind(kind), said: writer.language.fill("policy.calibrated", &values) }
}

/// A forecast for a template.
pub(super) fn forecast_rows(writer: &Writer, forecast: &Forecast) -> ForecastRows {
    let one = |name: String, BeforeAfter { before, after }: &BeforeAfter| {
        [
            name,
            before.cases.to_string(),
            after.cases.to_string(),
            format!("{:.2}", before.cases_per_day),
            format!("{:.2}", after.cases_per_day),
        ]
    };
    let mut kinds: Vec<_> = forecast.by_kind.iter().map(|(kind, n)| one(writer.kind(kind), n)).collect();
    kinds.push(one(writer.language.t("policy.all_kinds").to_owned(), &forecast.all));
    let log = &forecast.log;
    let (made, days) = (writer.time.show(forecast.made_at), format!("{:.1}", log.days));
    let (from, to) = (writer.time.show_or_dash(log.from), writer.time.show_or_dash(log.to));
    let values: [(&str, &dyn std::fmt::Display); 5] =
        [("made", &made), ("from", &from), ("to", &to), ("days", &days), ("frames", &log.frames)];
    let sketch = |sketch: &CaseSketch| sketch_row(writer, sketch);
    ForecastRows {
        span: writer.language.fill("policy.worked_out", &values),
        kinds,
        warnings: forecast.warnings.iter().map(|warning| remark(writer, warning)).collect(),
        notes: forecast.notes.iter().map(|note| remark(writer, note)).collect(),
        gained: forecast.gained.iter().take(SKETCHES).map(sketch).collect(),
        gained_in_all: forecast.gained_in_all,
        lost: forecast.lost.iter().take(SKETCHES).map(sketch).collect(),
        lost_in_all: forecast.lost_in_all,
    }
}

/// A case that a forecast gains or loses.
pub fn sketch_row(writer: &Writer, sketch: &CaseSketch) -> SketchRow {
    SketchRow {
        side: String::new(),
        tone: "",
        kind: writer.kind(&sketch.kind),
        camera: sketch.camera.to_string(),
        at: writer.time.show(sketch.opened_at),
        score: format!("{:.2}", sketch.score),
        picture: picture(sketch.snapshots.as_ref()),
    }
}

pub(super) fn difference_row(writer: &Writer, difference: &Difference) -> SketchRow {
    let (side, tone) = match difference.side {
        Side::WouldOpen => ("would_open", "warn"),
        Side::WouldNotOpen => ("would_not_open", "still"),
    };
    SketchRow {
        side: writer.language.name("policy.side", side),
        tone,
        kind: writer.kind(&difference.kind),
        camera: difference.camera.to_string(),
        at: writer.time.show(difference.opened_at),
        score: format!("{:.2}", difference.score),
        picture: picture(difference.snapshots.as_ref()),
    }
}

fn picture(snapshots: Option<&Snapshots>) -> Option<String> {
    snapshots.map(|snapshots| snapshots.at.to_string())
}
