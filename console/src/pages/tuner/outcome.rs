//! What was worked out, as rows of the page.

use super::form::Form;
use crate::pages::policies::{SketchRow, sketch_row};
use crate::rows::{Writer, remark};
use askama::filters::HtmlSafe;
use citybrain_dispatcher::City;
use citybrain_dispatcher::policy::Rehearsed;
use citybrain_dispatcher::tune::{
    Because, CaseSketch, ChartWords, Curve, Figures, Goal, Report, Scope, Share, Suggestion, TuneError,
    Verdict, cases_svg, shares_svg,
};
use std::fmt::{self, Display};

/// Gained or lost cases that are shown.
const SKETCHES: usize = 24;
/// Suggestions that are shown.
const SUGGESTIONS: usize = 50;
/// The policy of the form among those of the report; the one in force is the first.
const OWN: usize = 1;

/// All of it.
#[derive(Default)]
pub struct OutcomeRows {
    /// How far it has come, while more is to come.
    pub progress: Option<Progress>,
    /// Why there is nothing, or not all.
    pub failure: Option<String>,
    /// What is known by now.
    pub known: Option<KnownRows>,
}

/// How far it has come.
pub struct Progress {
    /// Parts of the log that are read.
    pub read: usize,
    /// Of how many; at least one.
    pub of: usize,
    /// In words.
    pub said: String,
}

/// What is known of it.
pub struct KnownRows {
    /// Which part of the log.
    pub span: String,
    /// In force, and as the form says.
    pub rows: Vec<FigureRow>,
    /// What must be said yes to.
    pub warnings: Vec<String>,
    /// What to know before a number is believed.
    pub notes: Vec<String>,
    /// Drawn, with the same as a table.
    pub curve: Option<CurveRows>,
    /// Policies that meet what was asked for.
    pub suggestions: Vec<SuggestionRow>,
    /// Suggestions that are not shown.
    pub more_suggestions: usize,
    /// Cases that only the policy of the form opens.
    pub gained: Vec<SketchRow>,
    /// How many there are.
    pub gained_in_all: u64,
    /// Cases that only the one in force opens.
    pub lost: Vec<SketchRow>,
    /// How many there are.
    pub lost_in_all: u64,
}

/// Numbers of one policy.
pub struct FigureRow {
    /// Which.
    pub name: String,
    /// Cases, a day, a camera and day, precision, recall, delay.
    pub cells: [String; 6],
}

/// An SVG of `citybrain_dispatcher::tune`, in which every text is escaped already.
#[derive(Debug, Clone)]
pub struct Drawing(String);

impl Drawing {
    /// Whether there was nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Drawing {}

/// A curve.
pub struct CurveRows {
    /// Cases a camera and day, as SVG.
    pub cases: Drawing,
    /// Precision and recall, as SVG; empty where neither is known.
    pub shares: Drawing,
    /// The same as a table.
    pub rows: Vec<FigureRow>,
}

/// A suggestion.
pub struct SuggestionRow {
    /// What was asked for, and for which cameras.
    pub goal: String,
    /// Why it is this one, or none.
    pub why: String,
    /// What a draft of it is made of; `None` when there is none, or it is in force already.
    pub draft: Option<DraftRow>,
}

/// What a draft is made of beside the numbers of the form.
pub struct DraftRow {
    /// Its hit score.
    pub hit_score: String,
    /// Its area; empty for none.
    pub area: String,
    /// Its camera; empty for none.
    pub camera: String,
    /// What it is called.
    pub title: String,
}

/// Everything that is known by now.
pub fn rows(writer: &Writer, city: &City, form: &Form, rehearsed: &Rehearsed) -> OutcomeRows {
    let progress = rehearsed.over.is_none().then(|| {
        let values: [(&str, &dyn Display); 2] = [("read", &rehearsed.read), ("of", &rehearsed.of)];
        let said = match rehearsed.of {
            0 => writer.language.t("tuner.waits").to_owned(),
            _ => writer.language.fill("tuner.reads", &values),
        };
        Progress { read: rehearsed.read, of: rehearsed.of.max(1), said }
    });
    let failure = rehearsed.failure.as_deref().map(|failure| match failure {
        TuneError::Empty(_) => writer.language.t("tuner.empty").to_owned(),
        other => other.to_string(),
    });
    let known = rehearsed.report.as_deref().and_then(|report| known(writer, city, form, report));
    OutcomeRows { progress, failure, known }
}

fn known(writer: &Writer, city: &City, form: &Form, report: &Report) -> Option<KnownRows> {
    let (live, own) = (report.policies.first()?, report.policies.get(OWN)?);
    let log = &report.log;
    let (from, to) = (writer.time.show_or_dash(log.from), writer.time.show_or_dash(log.to));
    let (days, camera_days) = (format!("{:.1}", log.days), format!("{:.1}", log.camera_days));
    let values: [(&str, &dyn Display); 5] = [
        ("from", &from),
        ("to", &to),
        ("days", &days),
        ("camera_days", &camera_days),
        ("frames", &log.frames),
    ];
    let figures = |name: String, outcome: &citybrain_dispatcher::tune::Outcome| {
        let own = outcome.by_kind.get(&form.kind).cloned().unwrap_or_default();
        figure_row(name, &own)
    };
    let mut rows = vec![figures(writer.language.t("tuner.now").to_owned(), live)];
    if form.changes() {
        rows.push(figures(writer.language.t("tuner.draft").to_owned(), own));
    }
    let of_kind = |cases: &[CaseSketch]| {
        let own = cases.iter().filter(|case| case.kind == form.kind).take(SKETCHES);
        own.map(|case| sketch(writer, case)).collect::<Vec<_>>()
    };
    let longest = report.curves.iter().filter(|curve| curve.kind == form.kind);
    let curve = longest.max_by_key(|curve| curve.points.len());
    let shown = report.suggestions.iter().take(SUGGESTIONS);
    Some(KnownRows {
        span: writer.language.fill("tuner.span", &values),
        rows,
        warnings: own.warnings.iter().map(|warning| remark(writer, warning)).collect(),
        notes: report.warnings.iter().map(|note| remark(writer, note)).collect(),
        suggestions: shown.map(|own| suggestion_row(writer, city, report, own)).collect(),
        more_suggestions: report.suggestions.len().saturating_sub(SUGGESTIONS),
        curve: curve.map(|curve| drawn(writer, form, curve)),
        gained: of_kind(&own.gained),
        gained_in_all: own.gained_in_all,
        lost: of_kind(&own.lost),
        lost_in_all: own.lost_in_all,
    })
}

fn percent(share: Option<Share>) -> String {
    share.map_or_else(
        || "–".to_owned(),
        |share| format!("{:.0} % ({}/{})", share.share * 100.0, share.hits, share.of),
    )
}

fn figure_row(name: String, figures: &Figures) -> FigureRow {
    let delay = figures.delay.map_or_else(
        || "–".to_owned(),
        |delay| format!("{:.0} s ({:.0} s)", delay.median_secs, delay.p90_secs),
    );
    let cells = [
        figures.cases.to_string(),
        format!("{:.2}", figures.cases_per_day),
        format!("{:.3}", figures.cases_per_camera_day),
        percent(figures.precision),
        percent(figures.recall),
        delay,
    ];
    FigureRow { name, cells }
}

/// A case with what people have said of it.
fn sketch(writer: &Writer, case: &CaseSketch) -> SketchRow {
    let (side, tone) = match case.verdict {
        Some(Verdict::Real) => ("real", "good"),
        Some(Verdict::False) => ("false", "alarm"),
        Some(Verdict::Duplicate) => ("duplicate", "still"),
        Some(Verdict::Unsure) => ("unsure", "still"),
        None => return sketch_row(writer, case),
    };
    SketchRow { side: writer.language.name("review.verdict", side), tone, ..sketch_row(writer, case) }
}

fn drawn(writer: &Writer, form: &Form, curve: &Curve) -> CurveRows {
    let kind = writer.kind(&form.kind);
    let words = ChartWords {
        kind: &kind,
        hit_score: writer.language.t("policy.number_hit_score"),
        cases: writer.language.t("tuner.per_camera_day"),
        budget: writer.language.t("tuner.budget_line"),
        precision: writer.language.t("tuner.precision"),
        recall: writer.language.t("tuner.recall"),
        chosen: writer.language.t("tuner.chosen"),
    };
    let chosen = form.set.hit_score.map(|score| score as f32);
    let row = |point: &citybrain_dispatcher::tune::CurvePoint| {
        figure_row(format!("{:.2}", point.hit_score), &point.figures)
    };
    CurveRows {
        cases: Drawing(cases_svg(curve, words, chosen)),
        shares: Drawing(shares_svg(curve, words, chosen)),
        rows: curve.points.iter().map(row).collect(),
    }
}

fn suggestion_row(writer: &Writer, city: &City, report: &Report, own: &Suggestion) -> SuggestionRow {
    let place = match &own.scope {
        Scope::City => writer.language.t("policy.everywhere").to_owned(),
        Scope::Area(area) => area.clone(),
        Scope::Camera(camera) => camera.to_string(),
    };
    let goal = match own.goal {
        Goal::Budget(budget) => {
            let values: [(&str, &dyn Display); 2] = [("n", &budget), ("place", &place)];
            writer.language.fill("tuner.goal_budget", &values)
        }
        Goal::MissRate(rate) => {
            let percent = format!("{:.1}", rate * 100.0);
            let values: [(&str, &dyn Display); 2] = [("n", &percent), ("place", &place)];
            writer.language.fill("tuner.goal_miss", &values)
        }
    };
    let hit_score = own.policy.and_then(|policy| {
        let points =
            report.curves.iter().filter(|curve| curve.kind == own.kind).flat_map(|curve| &curve.points);
        points.into_iter().find(|point| point.policy == policy).map(|point| point.hit_score)
    });
    let (area, camera) = match &own.scope {
        Scope::City => (String::new(), String::new()),
        Scope::Area(area) => (area.clone(), String::new()),
        Scope::Camera(camera) => (String::new(), camera.to_string()),
    };
    // What is in force needs no draft.
    let is_new = own.policy.is_some_and(|policy| policy > 0)
        && hit_score.is_some_and(|score| own.scope.hit_score(city, &own.kind) != Some(score));
    let draft = hit_score.filter(|_| is_new).map(|score| {
        let (kind, n) = (writer.kind(&own.kind), score.to_string());
        let values: [(&str, &dyn Display); 3] = [("kind", &kind), ("n", &n), ("place", &place)];
        let title: String = writer.language.fill("tuner.draft_title", &values).chars().take(200).collect();
        DraftRow { hit_score: n, area, camera, title }
    });
    SuggestionRow { goal, why: why(writer, hit_score, &own.because), draft }
}

/// Why a policy meets a goal, or none does.
fn why(writer: &Writer, hit_score: Option<f32>, because: &Because) -> String {
    let n = hit_score.map_or_else(|| "–".to_owned(), |score| score.to_string());
    let short = |cases: &f64| format!("{cases:.3}");
    let language = writer.language;
    match because {
        Because::Within { cases, recall: Some(recall), .. } => {
            let (hits, of, cases) = (recall.hits, recall.of, short(cases));
            language.fill("tuner.within", &[("n", &n), ("cases", &cases), ("hits", &hits), ("of", &of)])
        }
        Because::Within { cases, recall: None, .. } => {
            language.fill("tuner.within_unknown", &[("n", &n), ("cases", &short(cases))])
        }
        Because::TooMany { fewest, .. } => language.fill("tuner.too_many", &[("fewest", &short(fewest))]),
        Because::Promised { missed, of, bound, cases } => {
            let (bound, cases) = (format!("{:.1}", bound * 100.0), short(cases));
            let values: [(&str, &dyn Display); 5] =
                [("n", &n), ("missed", missed), ("of", of), ("bound", &bound), ("cases", &cases)];
            language.fill("tuner.promised", &values)
        }
        Because::TooFewEvents { needed, of, .. } => {
            language.fill("tuner.too_few_events", &[("needed", needed), ("of", of)])
        }
        Because::MissesTooMany { of } => language.fill("tuner.misses_too_many", &[("of", of)]),
    }
}
