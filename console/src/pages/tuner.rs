//! The tuner: other numbers for a kind, what the log would have led to under them, and a draft of a policy.

use super::policies::{SketchRow, sketch_row};
use super::{Choice, go_to, page};
use crate::orders::Entered;
use crate::problem::{bad_request, unavailable};
use crate::rows::Writer;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use citybrain_dispatcher::people::Actor;
use citybrain_dispatcher::policy::rules::{Numbers, Policy, PolicyRule};
use citybrain_dispatcher::policy::{Forecast, KindForecast, NewPolicy, OfficeError, Sketch};
use citybrain_dispatcher::{City, Services};
use citybrain_types::{CameraId, EventKind};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Gained or lost cases that are shown.
const SKETCHES: usize = 24;
/// Hit scores on a curve.
const POINTS: u8 = 11;
/// Days of the log that are read when nothing else is chosen.
const DAYS: u32 = 7;
/// The plane of a curve, in the units of its view box.
const PLANE: (f64, f64) = (600.0, 200.0);

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/tuner", get(show).post(draft))
}

#[derive(Template)]
#[template(path = "tuner.html")]
struct TunerPage {
    frame: Frame,
    kinds: Vec<Choice>,
    kind: String,
    kind_name: String,
    areas: Vec<Choice>,
    camera: String,
    cameras: Vec<String>,
    numbers: Vec<NumberRow>,
    budget: String,
    miss_percent: String,
    days: u32,
    result: Option<ResultRows>,
    /// Why there is no result, or the numbers are refused.
    refused: Vec<String>,
    changed: bool,
}

struct NumberRow {
    key: &'static str,
    name: String,
    value: String,
    now: String,
    least: f64,
    most: f64,
    step: f64,
}

struct ResultRows {
    span: String,
    rows: Vec<[String; 5]>,
    warnings: Vec<String>,
    gained: Vec<SketchRow>,
    gained_in_all: u64,
    lost: Vec<SketchRow>,
    lost_in_all: u64,
    curve: Option<CurveRows>,
    suggestions: Vec<SuggestionRow>,
}

struct SuggestionRow {
    goal: String,
    why: String,
    /// The hit score to take over.
    take: Option<String>,
}

/// A curve as a template draws it.
struct CurveRows {
    cases: String,
    budget_y: Option<String>,
    most: String,
    precision: String,
    recall: String,
    ticks: Vec<(String, String)>,
    chosen_x: Option<String>,
}

/// A number of the form: key, bounds of its slider, step.
const NUMBERS: [(&str, f64, f64, f64); 9] = [
    ("hit_score", 0.05, 0.99, 0.01),
    ("open_at", 0.5, 10.0, 0.1),
    ("close_at", 0.0, 9.0, 0.1),
    ("half_life_secs", 1.0, 7_200.0, 1.0),
    ("hold_secs", 0.0, 14_400.0, 1.0),
    ("hits_needed", 1.0, 64.0, 1.0),
    ("looks_counted", 1.0, 64.0, 1.0),
    ("quiet_after_secs", 1.0, 86_400.0, 1.0),
    ("cases_per_camera_and_day", 1.0, 1_000.0, 1.0),
];

/// What the form says.
#[derive(Clone)]
struct Form {
    kind: EventKind,
    area: Option<String>,
    camera: Option<CameraId>,
    set: Numbers,
    cases_per_camera_and_day: Option<u32>,
    budget: Option<f64>,
    miss_rate: Option<f64>,
    days: u32,
    refused: Vec<String>,
}

impl Form {
    fn read(entered: &Entered, city: &City, writer: &Writer) -> Option<Self> {
        let first = || city.kinds.keys().find(|kind| kind.as_str() != EventKind::CAMERA_FAULT);
        let kind = entered.one("kind").map(EventKind::new).filter(|kind| city.kinds.contains_key(kind));
        let kind = kind.or_else(|| first().cloned())?;
        let mut refused = Vec::new();
        let camera = entered.one("camera").and_then(|camera| {
            let id = CameraId::new(camera).ok().filter(|id| city.cameras.contains_key(id));
            if id.is_none() {
                refused.push(writer.language.t("tuner.no_camera").to_owned());
            }
            id
        });
        let mut number = |key: &str| {
            let text = entered.one(key)?;
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
            if value.is_none() {
                let name = writer.language.name("policy.number", key);
                refused.push(writer.language.fill("tuner.no_number", &[("name", &name)]));
            }
            value
        };
        let now = |key: &str| now(city, &kind, camera.as_ref(), key);
        // Only what is other than now is a change.
        let mut other = |key: &'static str| number(key).filter(|value| now(key) != Some(*value));
        let count = |value: Option<f64>| value.map(|value| value as u32);
        let set = Numbers {
            hit_score: other("hit_score"),
            half_life_secs: other("half_life_secs"),
            open_at: other("open_at"),
            close_at: other("close_at"),
            max: None,
            hold_secs: other("hold_secs"),
            hits_needed: count(other("hits_needed")),
            looks_counted: count(other("looks_counted")),
            quiet_after_secs: other("quiet_after_secs"),
        };
        let cases_per_camera_and_day = count(other("cases_per_camera_and_day"));
        let budget = number("budget").filter(|budget| *budget >= 0.0);
        let miss_rate =
            number("miss").map(|percent| percent / 100.0).filter(|rate| (0.0..1.0).contains(rate));
        let area = entered.one("area").map(str::to_owned);
        let days = entered.one("days").and_then(|days| days.parse().ok()).unwrap_or(DAYS);
        Some(Self { kind, area, camera, set, cases_per_camera_and_day, budget, miss_rate, days, refused })
    }

    fn rule(&self) -> Option<PolicyRule> {
        let (cameras, areas): (BTreeSet<CameraId>, BTreeSet<String>) = match (&self.camera, &self.area) {
            (Some(camera), _) => (BTreeSet::from([camera.clone()]), BTreeSet::new()),
            (None, Some(area)) => (BTreeSet::new(), BTreeSet::from([area.clone()])),
            (None, None) => (BTreeSet::new(), BTreeSet::new()),
        };
        let rule = PolicyRule { kind: self.kind.clone(), cameras, areas, set: self.set };
        (!self.set.given().is_empty()).then_some(rule)
    }

    /// The policy of the form, on top of the one in force.
    fn policy(&self, live: &Policy) -> Policy {
        let mut policy = live.clone();
        policy.rules.extend(self.rule());
        policy.cases_per_camera_and_day = self.cases_per_camera_and_day.or(policy.cases_per_camera_and_day);
        policy
    }

    /// The policy of the form first, then the same under other hit scores; with the hit score of each.
    fn variants(&self, live: &Policy) -> Vec<(Option<f64>, Policy)> {
        let own = self.policy(live);
        let mut variants = vec![(None, own.clone())];
        for n in 0..POINTS {
            // 0.35 to 0.85 by steps of 0.05.
            let score = (f64::from(n) * 5.0 + 35.0) / 100.0;
            let set = Numbers { hit_score: Some(score), ..self.set };
            let mut policy = live.clone();
            policy.rules.extend(Self { set, refused: Vec::new(), ..self.clone() }.rule());
            variants.push((Some(score), policy));
        }
        variants
    }
}

/// A number as it is in force.
fn now(city: &City, kind: &EventKind, camera: Option<&CameraId>, key: &str) -> Option<f64> {
    let row = city.kinds.get(kind)?;
    let policy = camera.and_then(|camera| city.evidence_policy(camera, kind)).unwrap_or(row.evidence);
    let plain = |value: f32| value.to_string().parse::<f64>().unwrap_or(f64::from(value));
    Some(match key {
        "hit_score" => plain(policy.hit_score),
        "open_at" => plain(policy.open_at),
        "close_at" => plain(policy.close_at),
        "half_life_secs" => policy.half_life.as_secs_f64(),
        "hold_secs" => policy.hold.as_secs_f64(),
        "hits_needed" => f64::from(policy.hits_needed),
        "looks_counted" => f64::from(policy.looks_counted),
        "quiet_after_secs" => {
            row.incident.quiet_after.unwrap_or(city.dispatch.incident_quiet_after).as_secs_f64()
        }
        "cases_per_camera_and_day" => city.dispatch.alerts.cases_per_camera_and_day as f64,
        _ => return None,
    })
}

async fn show(State(services): State<Services>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let entered = Entered::read(query.unwrap_or_default().as_bytes());
    let run = entered.one("go").is_some();
    shown(&services, &visitor, &entered, run, Vec::new()).await
}

async fn shown(
    services: &Services,
    visitor: &Visitor,
    entered: &Entered,
    run: bool,
    mut refused: Vec<String>,
) -> Response {
    let writer = Writer::new(services, visitor);
    let city = services.policies().city_in_force();
    let Some(form) = Form::read(entered, &city, &writer) else {
        return bad_request(services, visitor, visitor.language.t("tuner.no_kind").to_owned());
    };
    refused.extend(form.refused.iter().cloned());
    let mut result = None;
    if run && refused.is_empty() {
        match worked_out(services, &form).await {
            Ok(points) => result = rows(&writer, &city, &form, &points),
            Err(OfficeError::Store(error)) => return unavailable(services, visitor, &error),
            Err(error) => refused.push(error.to_string()),
        }
    }
    let number = |(key, least, most, step): &(&'static str, f64, f64, f64)| {
        let now = now(&city, &form.kind, form.camera.as_ref(), key);
        let shown = now.map_or_else(String::new, |now| now.to_string());
        NumberRow {
            key,
            name: writer.language.name("policy.number", key),
            value: entered.one(key).map_or_else(|| shown.clone(), str::to_owned),
            // A slider reaches what is in force, wherever that is.
            least: now.map_or(*least, |now| now.min(*least)),
            most: now.map_or(*most, |now| now.max(*most)),
            step: *step,
            now: shown,
        }
    };
    let areas: BTreeSet<&str> = city
        .cameras
        .values()
        .filter_map(|camera| camera.area.as_deref())
        .chain(city.cases.areas.keys().map(String::as_str))
        .collect();
    let area = form.area.as_deref().unwrap_or_default();
    page(&TunerPage {
        frame: Frame::new(services, visitor, "tuner"),
        kinds: writer
            .kinds()
            .filter(|(kind, _)| kind.as_str() != EventKind::CAMERA_FAULT)
            .map(|(kind, name)| Choice::new(kind.as_str(), name, form.kind.as_str()))
            .collect(),
        kind: form.kind.to_string(),
        kind_name: writer.kind(&form.kind),
        areas: areas.into_iter().map(|name| Choice::new(name, name, area)).collect(),
        camera: entered.one("camera").unwrap_or_default().to_owned(),
        cameras: city
            .cameras
            .values()
            .filter(|camera| camera.kinds.contains(&form.kind))
            .map(|camera| camera.id.to_string())
            .collect(),
        numbers: NUMBERS.iter().map(number).collect(),
        budget: entered.one("budget").unwrap_or_default().to_owned(),
        days: form.days,
        miss_percent: entered.one("miss").unwrap_or_default().to_owned(),
        changed: form.rule().is_some() || form.cases_per_camera_and_day.is_some(),
        result,
        refused,
    })
}

/// A policy on the curve.
struct Point {
    hit_score: Option<f64>,
    forecast: Forecast,
}

/// What the form leads to, and the same under other hit scores; those that do not fit are left out.
async fn worked_out(services: &Services, form: &Form) -> Result<Vec<Point>, OfficeError> {
    let office = services.policies();
    let mut variants = form.variants(&office.in_force().policy).into_iter();
    let Some(own) = variants.next() else { return Ok(Vec::new()) };
    office.check(&own.1)?;
    let fitting = variants.filter(|(_, policy)| office.check(policy).is_ok());
    let (scores, policies): (Vec<_>, Vec<_>) = std::iter::once(own).chain(fitting).unzip();
    let made = office.what_ifs(&policies, form.days).await?;
    Ok(scores.into_iter().zip(made).map(|(hit_score, forecast)| Point { hit_score, forecast }).collect())
}

fn rows(writer: &Writer, city: &City, form: &Form, points: &[Point]) -> Option<ResultRows> {
    let own = points.first()?;
    let forecast = &own.forecast;
    let (from, to) = (writer.time.show_or_dash(forecast.from), writer.time.show_or_dash(forecast.to));
    let days = format!("{:.1}", forecast.days);
    let values: [(&str, &dyn std::fmt::Display); 4] =
        [("from", &from), ("to", &to), ("days", &days), ("frames", &forecast.frames)];
    let numbers = of(forecast, &form.kind);
    let share = |share: Option<f64>, hits: u64, of: u64| {
        share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} % ({hits}/{of})", share * 100.0))
    };
    let ([precise_now, precise_then], [recalled_now, recalled_then]) =
        (numbers.precision(), numbers.recall());
    let lines = vec![
        [
            writer.language.t("tuner.now").to_owned(),
            numbers.before.to_string(),
            format!("{:.2}", numbers.before_per_day),
            share(precise_now, numbers.before_real, numbers.before_real + numbers.before_false),
            share(recalled_now, numbers.before_real, numbers.real),
        ],
        [
            writer.language.t("tuner.draft").to_owned(),
            numbers.after.to_string(),
            format!("{:.2}", numbers.after_per_day),
            share(precise_then, numbers.after_real, numbers.after_real + numbers.after_false),
            share(recalled_then, numbers.after_real, numbers.real),
        ],
    ];
    let of_kind = |sketches: &[Sketch]| {
        let own = sketches.iter().filter(|sketch| sketch.kind == form.kind).take(SKETCHES);
        own.map(|sketch| sketch_row(writer, sketch)).collect::<Vec<_>>()
    };
    let cameras = city.cameras.values().filter(|camera| camera.kinds.contains(&form.kind)).count().max(1);
    Some(ResultRows {
        span: writer.language.fill("tuner.span", &values),
        rows: lines,
        warnings: forecast.warnings.clone(),
        gained: of_kind(&forecast.gained),
        gained_in_all: forecast.gained_in_all,
        lost: of_kind(&forecast.lost),
        lost_in_all: forecast.lost_in_all,
        curve: (points.len() > 1).then(|| drawn(form, &points[1..], cameras as f64)),
        suggestions: suggestions(writer, form, &points[1..], cameras as f64),
    })
}

/// The numbers of a kind; none where it has no case.
fn of(forecast: &Forecast, kind: &EventKind) -> KindForecast {
    forecast.by_kind.get(kind).copied().unwrap_or_default()
}

fn per_camera_and_day(point: &Point, form: &Form, cameras: f64) -> f64 {
    of(&point.forecast, &form.kind).after_per_day / cameras
}

/// The lowest hit score that keeps the budget, and the highest that misses no more than is allowed.
fn suggestions(writer: &Writer, form: &Form, points: &[Point], cameras: f64) -> Vec<SuggestionRow> {
    let mut rows = Vec::new();
    let mut add = |goal: String, point: Option<&Point>| {
        let take = point.and_then(|point| point.hit_score).map(|score| score.to_string());
        let why = match (&take, point) {
            (Some(score), Some(point)) => {
                let cases = format!("{:.3}", per_camera_and_day(point, form, cameras));
                let values: [(&str, &dyn std::fmt::Display); 2] = [("n", score), ("cases", &cases)];
                writer.language.fill("tuner.meets", &values)
            }
            _ => writer.language.t("tuner.none_meets").to_owned(),
        };
        rows.push(SuggestionRow { goal, why, take });
    };
    if let Some(budget) = form.budget {
        let within = points.iter().find(|point| per_camera_and_day(point, form, cameras) <= budget);
        add(writer.language.fill("tuner.goal_budget", &[("n", &budget)]), within);
    }
    if let Some(rate) = form.miss_rate {
        let percent = format!("{:.1}", rate * 100.0);
        let recall = |point: &&Point| of(&point.forecast, &form.kind).recall()[1];
        let within =
            points.iter().rev().find(|point| recall(point).is_some_and(|recall| 1.0 - recall <= rate));
        add(writer.language.fill("tuner.goal_miss", &[("n", &percent)]), within);
    }
    rows
}

/// Points of the curve in the plane, the higher the more.
fn drawn(form: &Form, points: &[Point], cameras: f64) -> CurveRows {
    let (width, height) = PLANE;
    let x = |score: f64| score.clamp(0.0, 1.0) * width;
    let cases = |point: &Point| per_camera_and_day(point, form, cameras);
    let most = points.iter().map(cases).chain(form.budget).fold(0.0, f64::max);
    let most = if most > 0.0 { most * 1.1 } else { 1.0 };
    let line = |share: &dyn Fn(&Point) -> Option<f64>| {
        points.iter().fold(String::new(), |mut text, point| {
            if let Some((score, share)) = point.hit_score.zip(share(point)) {
                let y = height - share.clamp(0.0, 1.0) * height;
                let _ = write!(text, "{:.1},{y:.1} ", x(score));
            }
            text
        })
    };
    let tick = |n: u8| {
        let score = f64::from(n) / 10.0;
        (format!("{:.1}", x(score)), format!("{score:.1}"))
    };
    CurveRows {
        cases: line(&|point| Some(cases(point) / most)),
        budget_y: form
            .budget
            .map(|budget| format!("{:.1}", height - (budget / most).clamp(0.0, 1.0) * height)),
        most: format!("{most:.3}"),
        precision: line(&|point| of(&point.forecast, &form.kind).precision()[1]),
        recall: line(&|point| of(&point.forecast, &form.kind).recall()[1]),
        ticks: (0..=10).step_by(2).map(tick).collect(),
        chosen_x: form.set.hit_score.map(|score| format!("{:.1}", x(score))),
    }
}

/// Begins a draft of what the form says.
async fn draft(State(services): State<Services>, visitor: Visitor, actor: Actor, body: Bytes) -> Response {
    let entered = Entered::read(&body);
    let writer = Writer::new(&services, &visitor);
    let office = services.policies();
    let Some(form) = Form::read(&entered, &office.city_in_force(), &writer) else {
        return bad_request(&services, &visitor, visitor.language.t("tuner.no_kind").to_owned());
    };
    if !form.refused.is_empty() {
        return shown(&services, &visitor, &entered, false, Vec::new()).await;
    }
    let text = |name: &str| entered.one(name).unwrap_or_default().to_owned();
    let by = match actor.by(entered.one("by")) {
        Ok(by) => by,
        Err(problem) => return bad_request(&services, &visitor, problem.detail().to_owned()),
    };
    let new = NewPolicy {
        title: text("title"),
        policy: form.policy(&office.in_force().policy),
        by,
        reason: text("reason"),
    };
    match office.create(new).await {
        Ok(record) => go_to(&format!("/policies/{}", record.id)),
        Err(error) => {
            let page = shown(&services, &visitor, &entered, false, vec![error.to_string()]).await;
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    }
}
