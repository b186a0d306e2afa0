//! The report as Markdown, for a model's card.

use super::metrics::{Interval, Share};
use super::report::{EvalReport, Measured, Named, Part};
use std::fmt::Display;

impl EvalReport {
    /// The figures as a piece of Markdown, to be put between the markers of [`super::card`].
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut lines = vec![
            format!(
                "Measured by running `{}` as the pipeline runs it over {} of {} pictures of the split `{}`. \
                 Weights: sha256 `{}`.",
                self.model, self.pictures, self.pictures_in_split, self.split, self.weights_sha256
            ),
            String::new(),
            "Shares come with their 95 % Wilson interval, AUC with a 95 % interval from resampling whole groups. \
             Pictures whose truth nobody judged count nowhere."
                .to_owned(),
            String::new(),
        ];
        if !self.unanswered.is_empty() {
            lines.push(format!("{} pictures got no answer and count nowhere.", self.unanswered.len()));
            lines.push(String::new());
        }
        lines.extend(self.kinds.iter().flat_map(|kind| section("Kind", kind)));
        lines.extend(self.labels.iter().flat_map(|label| section("Label", label)));
        lines.join("\n").trim_end().to_owned() + "\n"
    }
}

fn section<N: Display>(what: &str, measured: &Measured<N>) -> Vec<String> {
    let thresholds: Vec<String> =
        measured.thresholds.iter().map(|(label, threshold)| format!("{label} ≥ {threshold:.3}")).collect();
    let mut lines = vec![
        format!("#### {what} `{}` (found when {})", measured.name, thresholds.join(" or ")),
        String::new(),
        format!("AUC by picture **{}**.", interval(measured.auc)),
    ];
    if let Some(places) = &measured.places {
        lines.push(format!(
            "Boxes: AP at IoU 0.5 is {} over {} labelled boxes; the surest box points into a labelled one in {}.",
            number(places.ap50),
            places.boxes,
            share(places.pointing)
        ));
    }
    lines.extend([
        String::new(),
        "| pictures | with | without | AUC | with, against all without | precision | recall | false alarms | per 1,000 quiet |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
        row("all", &measured.all),
    ]);
    lines.extend(measured.sources.iter().map(|source| named("source", source)));
    lines.extend(measured.groups.iter().map(|group| named("group", group)));
    lines.push(String::new());
    lines
}

fn named(what: &str, named: &Named) -> String {
    row(&format!("{what} {}", named.name.replace('|', "\\|")), &named.part)
}

fn row(name: &str, part: &Part) -> String {
    let quiet = part.false_alarms_per_1000_quiet.map_or_else(dash, |alarms| format!("{alarms:.0}"));
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {quiet} |",
        part.present,
        part.absent,
        number(part.auc),
        number(part.auc_against_all),
        share(part.precision),
        share(part.recall),
        share(part.false_alarms),
    )
}

fn dash() -> String {
    "–".to_owned()
}

pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.4}"))
}

pub(super) fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(dash, |i| format!("{:.4} ({:.3}–{:.3})", i.value, i.low, i.high))
}

pub(super) fn share(share: Option<Share>) -> String {
    share
        .map_or_else(dash, |s| format!("{:.3} ({:.2}–{:.2}; {}/{})", s.value, s.low, s.high, s.hits, s.total))
}
