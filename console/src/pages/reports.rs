//! Reports: how departments did in a day, a week or a month, and where cases repeat.

use super::{Choice, Count, page};
use crate::problem::{bad_request, unavailable};
use crate::rows::Writer;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use citybrain_dispatcher::Services;
use citybrain_dispatcher::appraisal::{Class, HotSpot, Period, PeriodKind, Rate, Unit};
use serde::Deserialize;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/reports", get(reports))
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage {
    frame: Frame,
    periods: Vec<Choice>,
    day: String,
    csv: String,
    name: String,
    from: String,
    to: String,
    counts: Vec<Count>,
    void: String,
    kinds: Vec<Count>,
    units: Vec<UnitRow>,
    spots: Vec<SpotRow>,
}

struct UnitRow {
    name: String,
    cases: u64,
    rates: [String; 3],
    reopened: u64,
    points: u64,
    score: String,
    before: String,
    class: Option<(String, &'static str)>,
}

struct SpotRow {
    kind: String,
    area: String,
    position: String,
    cases: u64,
    before: u64,
}

/// Which report: `day`, `week` or `month`, and a day in it, `2026-11-25`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReportsQuery {
    period: String,
    day: String,
}

fn percent(rate: Rate) -> String {
    rate.value().map_or_else(|| "–".to_owned(), |value| format!("{:.1} %", value * 100.0))
}

fn score(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

const fn class(class: Class) -> (&'static str, &'static str) {
    match class {
        Class::Advanced => ("advanced", "good"),
        Class::Progress => ("progress", ""),
        Class::Rectify => ("rectify", "warn"),
        Class::Govern => ("govern", "alarm"),
    }
}

fn unit(unit: &Unit, writer: &Writer) -> UnitRow {
    UnitRow {
        name: unit.name.clone(),
        cases: unit.cases,
        rates: [unit.response, unit.handling, unit.satisfaction].map(percent),
        reopened: unit.reopened,
        points: unit.points,
        score: score(unit.score),
        before: score(unit.score_before),
        class: unit.class.map(class).map(|(code, tone)| (writer.language.name("report.class", code), tone)),
    }
}

fn spot(spot: &HotSpot, writer: &Writer) -> SpotRow {
    SpotRow {
        kind: writer.kind(&spot.kind),
        area: spot.area.clone().unwrap_or_else(|| "–".to_owned()),
        position: spot.position.map_or_else(|| "–".to_owned(), |[lon, lat]| format!("{lat:.5}, {lon:.5}")),
        cases: spot.cases,
        before: spot.cases_before,
    }
}

async fn reports(
    State(services): State<Services>,
    visitor: Visitor,
    Query(query): Query<ReportsQuery>,
) -> Response {
    let (code, kind) = match query.period.as_str() {
        "day" => ("day", PeriodKind::Day),
        "month" => ("month", PeriodKind::Month),
        _ => ("week", PeriodKind::Week),
    };
    let zone = services.site().time_zone;
    let period = match query.day.as_str() {
        "" => Period::containing(kind, services.now(), &zone),
        day => Period::of_day(kind, day, &zone),
    };
    let period = match period {
        Ok(period) => period,
        Err(_) => {
            return bad_request(&services, &visitor, visitor.language.t("report.bad_day").to_owned());
        }
    };
    let found = match services.appraisal(&period).await {
        Ok(found) => found,
        Err(error) => return unavailable(&services, &visitor, &error),
    };
    let writer = Writer::new(&services, &visitor);
    let language = writer.language;
    let first = writer.time.show(found.from);
    let day = first.get(..10).unwrap_or_default().to_owned();
    let states = found.by_state.iter().map(|(state, n)| Count { name: writer.state(*state), value: *n });
    let all = Count { name: language.t("report.opened").to_owned(), value: found.cases };
    page(&ReportsPage {
        frame: Frame::new(&services, &visitor, "reports"),
        periods: ["day", "week", "month"]
            .map(|period| Choice::new(period, &language.name("report.period", period), code))
            .into(),
        csv: format!("/api/v1/appraisal?period={code}&day={day}&format=csv"),
        day,
        name: found.period.clone(),
        from: first,
        to: writer.time.show(found.to),
        counts: std::iter::once(all).chain(states).collect(),
        void: percent(found.void),
        kinds: found.by_kind.iter().map(|(k, n)| Count { name: writer.kind(k), value: *n }).collect(),
        units: found.units.iter().map(|each| unit(each, &writer)).collect(),
        spots: found.hot_spots.iter().map(|each| spot(each, &writer)).collect(),
    })
}
