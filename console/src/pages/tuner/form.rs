//! What the form of the tuner says.

use crate::orders::Entered;
use crate::rows::Writer;
use citybrain_dispatcher::City;
use citybrain_dispatcher::policy::Question;
use citybrain_dispatcher::policy::rules::{Numbers, Policy};
use citybrain_dispatcher::tune::{KnownEvent, Per, Proposal, Scope};
use citybrain_types::{CameraId, EventKind};

/// Days of the log that are read when nothing else is chosen.
const DAYS: u32 = 7;
/// Hit scores on a curve, in hundredths.
const SCORES: std::ops::RangeInclusive<u32> = 20..=90;
const STEP: usize = 5;
/// Most known events that are written into the form.
const MAX_EVENTS: usize = 200;

/// A number of the form: key, bounds of its slider, step.
pub const NUMBERS: [(&str, f64, f64, f64); 9] = [
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
pub struct Form {
    /// The kind that is tuned.
    pub kind: EventKind,
    /// In which cameras.
    pub scope: Scope,
    /// Numbers that are other than now.
    pub set: Numbers,
    /// The alert budget, where it is other than now.
    pub cases_per_camera_and_day: Option<u32>,
    /// The goal of a suggestion: at most so many cases a camera and day.
    pub budget: Option<f64>,
    /// The other: at most this share of events missed.
    pub miss_rate: Option<f64>,
    /// For which cameras suggestions are made, each apart.
    pub per: Per,
    /// Days of the log.
    pub days: u32,
    /// Events that are known beside the verdicts.
    pub events: Vec<KnownEvent>,
    /// What is wrong with it.
    pub refused: Vec<String>,
}

impl Form {
    /// `None` when the city has no kind.
    pub fn read(entered: &Entered, city: &City, writer: &Writer) -> Option<Self> {
        let first = || city.kinds.keys().find(|kind| kind.as_str() != EventKind::CAMERA_FAULT);
        let kind = entered.one("kind").map(EventKind::new).filter(|kind| city.kinds.contains_key(kind));
        let kind = kind.or_else(|| first().cloned())?;
        let mut refused = Vec::new();
        let scope = scope(entered, city, writer, &mut refused);
        let mut number = |key: &str| {
            let text = entered.one(key)?;
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
            if value.is_none() {
                let name = writer.language.name("policy.number", key);
                refused.push(writer.language.fill("tuner.no_number", &[("name", &name)]));
            }
            value
        };
        // Only what is other than now is a change.
        let mut other =
            |key: &'static str| number(key).filter(|value| now(city, &kind, &scope, key) != Some(*value));
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
        let budget = number("budget").filter(|budget| *budget > 0.0);
        let miss_rate =
            number("miss").map(|percent| percent / 100.0).filter(|rate| *rate > 0.0 && *rate < 1.0);
        let per = match entered.one("per") {
            Some("area") => Per::Area,
            Some("camera") => Per::Camera,
            _ => Per::City,
        };
        let days = entered.one("days").and_then(|days| days.parse().ok()).unwrap_or(DAYS);
        let events = events(entered, &kind, city, writer, &mut refused);
        Some(Self {
            kind,
            scope,
            set,
            cases_per_camera_and_day,
            budget,
            miss_rate,
            per,
            days,
            events,
            refused,
        })
    }

    /// Whether it says anything other than what is in force.
    pub fn changes(&self) -> bool {
        !self.set.given().is_empty() || self.cases_per_camera_and_day.is_some()
    }

    fn with(&self, live: &Policy, set: Numbers) -> Policy {
        let mut policy = live.clone();
        if !set.given().is_empty() {
            policy.rules.push(self.scope.rule(self.kind.clone(), set));
        }
        policy.cases_per_camera_and_day = self.cases_per_camera_and_day.or(policy.cases_per_camera_and_day);
        policy
    }

    /// The policy of the form, on top of the one in force.
    pub fn policy(&self, live: &Policy) -> Policy {
        self.with(live, self.set)
    }

    /// What is to be worked out: the policy of the form first, then the same under other hit scores, as far as `fits` says
    /// that they can be.
    pub fn question(&self, live: &Policy, fits: impl Fn(&Policy) -> bool) -> Question {
        let own = Proposal { name: "as set".to_owned(), policy: self.policy(live) };
        let others = SCORES.step_by(STEP).map(|hundredths| {
            let score = f64::from(hundredths) / 100.0;
            let set = Numbers { hit_score: Some(score), ..self.set };
            Proposal { name: format!("hit score {score}"), policy: self.with(live, set) }
        });
        let others = others.filter(|variant| fits(&variant.policy));
        Question {
            variants: std::iter::once(own).chain(others).collect(),
            only: self.scope.clone(),
            per: self.per,
            budget: self.budget,
            miss_rate: self.miss_rate,
            days: self.days,
            events: self.events.clone(),
        }
    }
}

fn scope(entered: &Entered, city: &City, writer: &Writer, refused: &mut Vec<String>) -> Scope {
    let Some(camera) = entered.one("camera") else {
        return entered.one("area").map_or(Scope::City, |area| Scope::Area(area.to_owned()));
    };
    match CameraId::new(camera).ok().filter(|id| city.cameras.contains_key(id)) {
        Some(id) => Scope::Camera(id),
        None => {
            refused.push(writer.language.t("tuner.no_camera").to_owned());
            Scope::City
        }
    }
}

/// A line an event: camera, when it could be seen first, when it was gone; on the city's clock.
fn events(
    entered: &Entered,
    kind: &EventKind,
    city: &City,
    writer: &Writer,
    refused: &mut Vec<String>,
) -> Vec<KnownEvent> {
    let lines = entered.one("events").unwrap_or_default().lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    if lines.len() > MAX_EVENTS {
        refused.push(writer.language.fill("tuner.many_events", &[("n", &MAX_EVENTS)]));
        return Vec::new();
    }
    let read = |line: &&str| {
        let mut words = line.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        let camera = CameraId::new(words.next()?).ok().filter(|id| city.cameras.contains_key(id))?;
        let (from, to) = (writer.time.read(words.next()?)?, writer.time.read(words.next()?)?);
        let sound = words.next().is_none() && from <= to;
        sound.then(|| KnownEvent { camera, kind: kind.clone(), from, to })
    };
    let (mut found, mut wrong) = (Vec::new(), None);
    for line in &lines {
        match read(line) {
            Some(event) => found.push(event),
            None => wrong = wrong.or(Some(*line)),
        }
    }
    if let Some(line) = wrong {
        let line: String = line.chars().take(80).collect();
        refused.push(writer.language.fill("tuner.no_event", &[("line", &line)]));
    }
    found
}

/// A number as it is in force.
pub fn now(city: &City, kind: &EventKind, scope: &Scope, key: &str) -> Option<f64> {
    let row = city.kinds.get(kind)?;
    let own = match scope {
        Scope::Camera(camera) => city.evidence_policy(camera, kind),
        Scope::City | Scope::Area(_) => None,
    };
    let policy = own.unwrap_or(row.evidence);
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
