//! The tuner: other numbers for a kind, what the log would have led to under them, and a draft of a policy.

use super::policies::SketchRow;
use super::{Choice, page};
use crate::orders::Entered;
use crate::problem::{bad_request, unavailable};
use crate::rows::Writer;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use citybrain_dispatcher::Services;
use citybrain_dispatcher::log::LOG_FOLDER;
use citybrain_dispatcher::permit::Register;
use citybrain_dispatcher::policy::NewPolicy;
use citybrain_dispatcher::tune::{
    Asked, CaseSketch, Curve, Goal, Outcome, Override, Policy as Variant, Report, Scope, TuneError, WhatIf,
};
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::{Numbers, Policy, PolicyRule};
use citybrain_types::{CameraId, EventKind};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

/// Gained or lost cases that are shown.
const SKETCHES: usize = 24;
/// Hit scores on a curve.
const POINTS: u8 = 13;
/// Threads of a run: one is left for the city.
const THREADS: usize = 1;
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
    rows: Vec<[String; 6]>,
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
struct Form {
    kind: EventKind,
    area: Option<String>,
    camera: Option<CameraId>,
    set: Numbers,
    cases_per_camera_and_day: Option<u32>,
    budget: Option<f64>,
    miss_rate: Option<f64>,
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
        let miss_rate = number("miss").map(|percent| percent / 100.0).filter(|rate| (0.0..1.0).contains(rate));
        let area = entered.one("area").map(str::to_owned);
        Some(Self { kind, area, camera, set, cases_per_camera_and_day, budget, miss_rate, refused })
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

    fn scope(&self) -> Scope {
        match (&self.camera, &self.area) {
            (Some(camera), _) => Scope::Camera(camera.clone()),
            (None, Some(area)) => Scope::Area(area.clone()),
            (None, None) => Scope::City,
        }
    }

    fn change(&self) -> Override {
        let narrow = |value: Option<f64>| value.map(|value| value as f32);
        Override {
            hit_score: narrow(self.set.hit_score),
            half_life_secs: self.set.half_life_secs,
            open_at: narrow(self.set.open_at),
            close_at: narrow(self.set.close_at),
            hold_secs: self.set.hold_secs,
            hits_needed: self.set.hits_needed,
            looks_counted: self.set.looks_counted,
            cooldown_secs: self.set.quiet_after_secs,
            ..Override::of(self.kind.clone(), self.scope())
        }
    }

    /// The policy of the form, and the same under other hit scores.
    fn variants(&self) -> Vec<Variant> {
        let own = self.change();
        let mut variants = vec![Variant { name: "draft".to_owned(), overrides: vec![own.clone()] }];
        for n in 0..POINTS {
            // 0.3 to 0.9 by steps of 0.05, and the like for models that are less sure.
            let score = (f32::from(n) * 5.0 + 30.0) / 100.0;
            let change = Override { hit_score: Some(score), ..own.clone() };
            variants.push(Variant { name: format!("hit score {score}"), overrides: vec![change] });
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
        let policy = form.policy(&services.policies().in_force().policy);
        match services.policies().check(&policy) {
            Ok(_) => match worked_out(services, &city, &form).await {
                Ok(report) => result = Some(rows(&writer, &form, &report)),
                Err(Failed::Store(error)) => return unavailable(services, visitor, &error),
                Err(Failed::Tune(TuneError::Empty(_))) => {
                    refused.push(visitor.language.t("tuner.empty").to_owned());
                }
                Err(Failed::Tune(error)) => refused.push(error.to_string()),
                Err(Failed::Died) => refused.push(visitor.language.t("tuner.died").to_owned()),
            },
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
        miss_percent: entered.one("miss").unwrap_or_default().to_owned(),
        changed: form.rule().is_some() || form.cases_per_camera_and_day.is_some(),
        result,
        refused,
    })
}

enum Failed {
    Store(citybrain_dispatcher::StoreError),
    Tune(TuneError),
    Died,
}

async fn worked_out(services: &Services, city: &Arc<City>, form: &Form) -> Result<Report, Failed> {
    let truth = services.reviewer().truth().await.map_err(Failed::Store)?;
    let asked =
        Asked { budget: form.budget, miss_rate: form.miss_rate, threads: THREADS, ..Asked::default() };
    let folder = city.site.data_dir.join(LOG_FOLDER);
    let variants = form.variants();
    let what_if = WhatIf::new(Arc::clone(city), Arc::new(Register::default()), asked);
    let run = tokio::task::spawn_blocking(move || what_if.run(&folder, &variants, &truth, &mut |_| true));
    run.await.map_err(|_| Failed::Died)?.map_err(Failed::Tune)
}

fn rows(writer: &Writer, form: &Form, report: &Report) -> ResultRows {
    let log = &report.log;
    let (from, to) = (writer.time.show_or_dash(log.from), writer.time.show_or_dash(log.to));
    let days = format!("{:.1}", log.days);
    let values: [(&str, &dyn std::fmt::Display); 5] = [
        ("from", &from),
        ("to", &to),
        ("days", &days),
        ("frames", &log.frames),
        ("detections", &log.detections),
    ];
    let line = |name: &str, outcome: &Outcome| {
        let figures = outcome.by_kind.get(&form.kind).cloned().unwrap_or_default();
        let share = |share: Option<citybrain_dispatcher::tune::Share>| {
            share.map_or_else(|| "–".to_owned(), |s| format!("{:.0} % ({}/{})", s.share * 100.0, s.hits, s.of))
        };
        let delay = figures.delay.map_or_else(|| "–".to_owned(), |delay| format!("{:.0} s", delay.median_secs));
        [
            name.to_owned(),
            figures.cases.to_string(),
            format!("{:.2}", figures.cases_per_day),
            share(figures.precision),
            share(figures.recall),
            delay,
        ]
    };
    let lines = [(writer.language.t("tuner.now"), 0), (writer.language.t("tuner.draft"), 1)];
    let lines = lines.iter().filter_map(|(name, index)| Some(line(name, report.policies.get(*index)?)));
    let of_kind = |sketches: &[CaseSketch]| {
        let own = sketches.iter().filter(|sketch| sketch.kind == form.kind).take(SKETCHES);
        own.map(|sketch| sketch_row(writer, sketch)).collect::<Vec<_>>()
    };
    let draft = report.policies.get(1);
    let curve = report.curves.iter().find(|curve| curve.kind == form.kind);
    let suggestions = report.suggestions.iter().filter(|suggestion| suggestion.kind == form.kind);
    ResultRows {
        span: writer.language.fill("tuner.span", &values),
        rows: lines.collect(),
        warnings: report.warnings.iter().chain(draft.into_iter().flat_map(|d| &d.warnings)).cloned().collect(),
        gained: draft.map(|draft| of_kind(&draft.gained)).unwrap_or_default(),
        gained_in_all: draft.map_or(0, |draft| draft.gained_in_all),
        lost: draft.map(|draft| of_kind(&draft.lost)).unwrap_or_default(),
        lost_in_all: draft.map_or(0, |draft| draft.lost_in_all),
        curve: curve.map(|curve| drawn(curve, form)),
        suggestions: suggestions
            .map(|suggestion| SuggestionRow {
                goal: match suggestion.goal {
                    Goal::Budget(budget) => writer.language.fill("tuner.goal_budget", &[("n", &budget)]),
                    Goal::MissRate(rate) => {
                        let percent = format!("{:.1}", rate * 100.0);
                        writer.language.fill("tuner.goal_miss", &[("n", &percent)])
                    }
                },
                why: suggestion.why.clone(),
                take: suggestion
                    .policy
                    .and_then(|index| report.policies.get(index)?.policy.overrides.first()?.hit_score)
                    .map(|score| score.to_string()),
            })
            .collect(),
    }
}

fn sketch_row(writer: &Writer, sketch: &CaseSketch) -> SketchRow {
    SketchRow {
        side: sketch.verdict.map_or_else(String::new, |verdict| {
            let name = format!("{verdict:?}").to_lowercase();
            writer.language.name("review.verdict", &name)
        }),
        tone: "still",
        kind: writer.kind(&sketch.kind),
        camera: sketch.camera.to_string(),
        at: writer.time.show(sketch.opened_at),
        score: format!("{:.2}", sketch.score),
        picture: sketch.snapshots.as_ref().map(|snapshots| snapshots.at.to_string()),
    }
}

/// Points of the curve in the plane, the higher the more.
fn drawn(curve: &Curve, form: &Form) -> CurveRows {
    let (width, height) = PLANE;
    let x = |score: f64| (score.clamp(0.0, 1.0)) * width;
    let budget = curve.budget.or(form.budget);
    let most = curve.points.iter().map(|point| point.cases_per_camera_day).chain(budget).fold(0.0, f64::max);
    let most = if most > 0.0 { most * 1.1 } else { 1.0 };
    let line = |of: &dyn Fn(&citybrain_dispatcher::tune::CurvePoint) -> Option<f64>| {
        curve.points.iter().fold(String::new(), |mut text, point| {
            if let Some(share) = of(point) {
                let y = height - share.clamp(0.0, 1.0) * height;
                let _ = write!(text, "{:.1},{y:.1} ", x(f64::from(point.hit_score)));
            }
            text
        })
    };
    let tick = |n: u8| {
        let score = f64::from(n) / 10.0;
        (format!("{:.1}", x(score)), format!("{score:.1}"))
    };
    CurveRows {
        cases: line(&|point| Some(point.cases_per_camera_day / most)),
        budget_y: budget.map(|budget| format!("{:.1}", height - (budget / most).clamp(0.0, 1.0) * height)),
        most: format!("{most:.3}"),
        precision: line(&|point| point.precision),
        recall: line(&|point| point.recall),
        ticks: (0..=10).step_by(2).map(tick).collect(),
        chosen_x: form.set.hit_score.map(|score| format!("{:.1}", x(score))),
    }
}

/// Begins a draft of what the form says.
async fn draft(State(services): State<Services>, visitor: Visitor, body: Bytes) -> Response {
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
    let new = NewPolicy {
        title: text("title"),
        policy: form.policy(&office.in_force().policy),
        by: visitor.account.as_ref().map_or_else(|| text("by"), |account| account.name.clone()),
        reason: text("reason"),
    };
    match office.create(new).await {
        Ok(record) => {
            let place = format!("/policies/{}", record.id);
            (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
        }
        Err(error) => {
            let page = shown(&services, &visitor, &entered, false, vec![error.to_string()]).await;
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    }
}
