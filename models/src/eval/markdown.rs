//! The report as Markdown, for a model's card.

use super::clips::ClipsReport;
use super::report::{EvalReport, Measured, Named, Part};
use super::words::{cases, counted, estimate, number, per_hour, plural, seconds};
use std::fmt::Display;

impl EvalReport {
    /// The figures as a piece of Markdown, to be put between the markers of [`super::card`].
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let models =
            self.models.iter().map(|m| format!("`{}` (weights: sha256 `{}`)", m.id, m.weights_sha256));
        let mut lines = vec![
            format!(
                "Measured by running {} as the pipeline runs it over {} of {} pictures of the split `{}`.",
                models.collect::<Vec<_>>().join(" and "),
                self.pictures,
                self.pictures_in_split,
                self.split
            ),
            String::new(),
            "Shares come with their 95 % Wilson interval, AUC, AP and IoU with a 95 % interval from resampling whole \
             groups (none where there is one group). Pictures whose truth nobody judged count nowhere. ECE is the expected \
             calibration error over ten bins."
                .to_owned(),
            String::new(),
        ];
        for (count, what) in [
            (self.unanswered.len(), "got no answer and count nowhere."),
            (self.disputes.len(), "disputed between annotations and labels.csv, counted as not judged."),
        ] {
            if count > 0 {
                lines.extend([format!("{} {what}", plural(count, "picture")), String::new()]);
            }
        }
        lines.extend(self.labels.iter().flat_map(|label| section("Label", label)));
        lines.extend(self.kinds.iter().flat_map(|kind| section("Kind", kind)));
        lines.extend(self.clips.iter().flat_map(clips));
        lines.join("\n").trim_end().to_owned() + "\n"
    }
}

fn section<N: Display>(what: &str, measured: &Measured<N>) -> Vec<String> {
    let thresholds: Vec<String> =
        measured.thresholds.iter().map(|t| format!("{} ≥ {:.3}", t.label, t.score)).collect();
    let mut lines = vec![
        format!("#### {what} `{}` (found when {})", measured.name, thresholds.join(" or ")),
        String::new(),
        format!("AUC by picture **{}**, ECE {}.", estimate(measured.all.auc), number(measured.all.ece)),
    ];
    if let Some(places) = &measured.all.places {
        lines.push(format!(
            "Boxes: AP@50 (all points) is **{}** over {} labelled boxes; the surest box points into a labelled one in {}.",
            estimate(places.ap50),
            places.boxes,
            counted(places.pointing)
        ));
    }
    if let Some(area) = &measured.all.area {
        lines.push(format!(
            "Area: IoU over {} masks is **{}** pooled, {} averaged by picture.",
            area.masks,
            estimate(Some(area.pooled_iou)),
            estimate(Some(area.mean_iou))
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
    let groups = measured.groups.iter().filter(|group| group.part.present > 0);
    lines.extend(groups.map(|group| named("group", group)));
    lines.push(String::new());
    lines
}

fn named(what: &str, named: &Named) -> String {
    row(&format!("{what} {}", escape(&named.name)), &named.part)
}

fn row(name: &str, part: &Part) -> String {
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
        part.present,
        part.absent,
        estimate(part.auc),
        number(part.auc_against_all),
        counted(part.precision),
        counted(part.recall),
        counted(part.false_alarms),
        cases(part.false_alarms_per_1000_quiet),
    )
}

fn clips(report: &ClipsReport) -> Vec<String> {
    let mut lines = vec![
        "#### Clips, as the whole system answers".to_owned(),
        String::new(),
        "| kind | events found | in time | median delay | false alarms | per camera-hour (95 % Poisson) |"
            .to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(report.kinds.iter().map(|kind| {
        format!(
            "| {} | {} | {} | {} | {} in {:.3} h | {} |",
            kind.kind,
            counted(kind.recall),
            counted(kind.in_time),
            seconds(kind.median_delay_secs),
            kind.false_alarms,
            kind.quiet_hours,
            per_hour(kind.false_alarms_per_camera_hour)
        )
    }));
    lines.push(String::new());
    lines
}

fn escape(cell: &str) -> String {
    cell.replace('|', "\\|")
}
