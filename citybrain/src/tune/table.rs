//! The report for a terminal.

use citybrain_dispatcher::tune::{CaseSketch, Figures, Goal, Outcome, Report, Scope, Share};
use std::fmt::Write as _;

/// Most gained and lost cases that are told of one policy.
const LISTED: usize = 5;

/// The whole report.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    let log = &report.log;
    let span = log.from.zip(log.to).map_or_else(String::new, |(from, to)| format!("{from} to {to}, "));
    let _ = writeln!(
        text,
        "{span}{} cameras, {:.1} camera-days watched, {} frames, {} detections\n",
        log.cameras, log.camera_days, log.frames, log.detections
    );
    if report.scope != Scope::City {
        let _ = writeln!(text, "told of {} only\n", scope(&report.scope));
    }
    let widest = report.policies.iter().map(|own| own.name.chars().count()).max().unwrap_or(0).clamp(9, 48);
    let _ = writeln!(
        text,
        "{:<widest$} {:>7} {:>9} {:>10} {:>9} {:>9} {:>8} {:>7} {:>7}",
        "policy", "cases", "a day", "/cam·day", "precision", "recall", "delay", "gained", "lost"
    );
    for own in &report.policies {
        let Figures { cases, cases_per_day, cases_per_camera_day, precision, recall, delay, .. } = &own.all;
        let delay = delay.map_or_else(|| "–".to_owned(), |delay| format!("{:.1} s", delay.median_secs));
        let name: String = own.name.chars().take(widest).collect();
        let _ = writeln!(
            text,
            "{name:<widest$} {cases:>7} {cases_per_day:>9.2} {cases_per_camera_day:>10.4} {:>9} {:>9} {delay:>8} {:>7} {:>7}",
            percent(*precision),
            percent(*recall),
            own.gained_in_all,
            own.lost_in_all
        );
    }
    for own in &report.policies {
        for warning in &own.warnings {
            let _ = writeln!(text, "\nWARNING {}: {warning}", own.name);
        }
    }
    suggestions(report, &mut text);
    for warning in &report.warnings {
        let _ = writeln!(text, "\nnote: {warning}");
    }
    text
}

fn percent(share: Option<Share>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share.share))
}

fn suggestions(report: &Report, text: &mut String) {
    for own in &report.suggestions {
        let goal = match own.goal {
            Goal::Budget(budget) => format!("at most {budget} cases a camera and day"),
            Goal::MissRate(rate) => format!("at most {rate} of events missed"),
        };
        let _ = write!(text, "\n{}, {}, {goal}: ", own.kind, scope(&own.scope));
        match own.policy.and_then(|policy| report.policies.get(policy)) {
            Some(policy) => {
                let _ = writeln!(text, "{}\n  {}", policy.name, own.why);
                changes(policy, text);
            }
            None => {
                let _ = writeln!(text, "none\n  {}", own.why);
            }
        }
    }
}

fn changes(own: &Outcome, text: &mut String) {
    let mut list = |what: &str, cases: &[CaseSketch], all: u64| {
        for case in cases.iter().take(LISTED) {
            let picture =
                case.snapshots.as_ref().map_or_else(String::new, |kept| format!("  {}", kept.at.as_str()));
            let verdict = case.verdict.map_or("unknown", |verdict| match verdict {
                citybrain_dispatcher::tune::Verdict::Real => "real",
                citybrain_dispatcher::tune::Verdict::False => "false",
                citybrain_dispatcher::tune::Verdict::Duplicate => "duplicate",
                citybrain_dispatcher::tune::Verdict::Unsure => "unsure",
            });
            let _ = writeln!(
                text,
                "  {what} {} {} {} score {:.2} {verdict}{picture}",
                case.opened_at, case.camera, case.kind, case.score
            );
        }
        if all > LISTED as u64 {
            let _ = writeln!(text, "  {what} {} more", all - LISTED as u64);
        }
    };
    list("gained", &own.gained, own.gained_in_all);
    list("lost  ", &own.lost, own.lost_in_all);
}

/// Cameras in words.
pub fn scope(scope: &Scope) -> String {
    match scope {
        Scope::City => "all cameras".to_owned(),
        Scope::Area(area) => format!("area {area}"),
        Scope::Camera(camera) => format!("camera {camera}"),
    }
}
