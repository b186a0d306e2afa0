//! The report in a few lines, for a terminal.

use super::clips::ClipsReport;
use super::report::{EvalReport, Part};
use super::words::{cases, estimate, number, per_hour, plural, seconds, share};

/// Most single troubles that are named.
const MOST_NAMED: usize = 10;

impl EvalReport {
    /// The main figures as a table, and what went wrong.
    #[must_use]
    pub fn to_text(&self) -> String {
        let models: Vec<String> = self.models.iter().map(|model| model.id.to_string()).collect();
        let mut lines = vec![
            format!(
                "{} on {} of {} pictures of '{}'",
                models.join(" + "),
                self.pictures,
                self.pictures_in_split,
                self.split
            ),
            String::new(),
        ];
        let mut rows = vec![
            [
                "",
                "with",
                "without",
                "AUC",
                "AP@50",
                "water IoU",
                "recall",
                "precision",
                "false alarms/1,000",
                "ECE",
            ]
            .map(str::to_owned),
        ];
        rows.extend(self.labels.iter().map(|label| row(label.name.to_string(), &label.all)));
        rows.extend(self.kinds.iter().map(|kind| row(format!("kind {}", kind.name), &kind.all)));
        lines.extend(aligned(&rows));
        self.named_troubles(&mut lines);
        if let Some(clips) = &self.clips {
            lines.push(String::new());
            clips.to_lines(&mut lines);
        }
        lines.join("\n") + "\n"
    }

    fn named_troubles(&self, lines: &mut Vec<String>) {
        if !self.unjudged_labels.is_empty() {
            let labels: Vec<&str> = self.unjudged_labels.iter().map(|label| label.as_str()).collect();
            lines.extend([String::new(), format!("not judged by these data: {}", labels.join(", "))]);
        }
        let unanswered = self.unanswered.iter().map(|u| format!("{}: {}", u.file_name, u.reason)).collect();
        named(lines, "picture", "got no answer and count nowhere", unanswered);
        let masks = self.unusable_masks.iter().map(|u| format!("{}: {}", u.file_name, u.reason)).collect();
        named(lines, "mask", "cannot be used; the pictures count, their areas do not", masks);
        let disputes = self.disputes.iter().map(|d| format!("{} {}", d.file_name, d.what)).collect();
        named(lines, "dispute", "between annotations and labels.csv, each counted as not judged", disputes);
    }
}

fn named(lines: &mut Vec<String>, what: &str, happened: &str, all: Vec<String>) {
    if all.is_empty() {
        return;
    }
    let more = all.len().saturating_sub(MOST_NAMED);
    lines.extend([String::new(), format!("{} {happened}:", plural(all.len(), what))]);
    lines.extend(all.into_iter().take(MOST_NAMED).map(|one| format!("  {one}")));
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
}

fn row(name: String, part: &Part) -> [String; 10] {
    [
        name,
        part.present.to_string(),
        part.absent.to_string(),
        estimate(part.auc),
        estimate(part.places.and_then(|places| places.ap50)),
        estimate(part.area.as_ref().map(|area| area.pooled_iou)),
        share(part.recall),
        share(part.precision),
        cases(part.false_alarms_per_1000_quiet),
        number(part.ece),
    ]
}

impl ClipsReport {
    fn to_lines(&self, lines: &mut Vec<String>) {
        let headings = [
            "clips, as the whole system answers",
            "recall",
            "in time",
            "median delay",
            "false alarms",
            "per camera-hour",
        ];
        let mut rows = vec![headings.map(str::to_owned)];
        rows.extend(self.kinds.iter().map(|kind| {
            [
                format!("kind {}", kind.kind),
                kind.recall.map_or_else(|| "no event".to_owned(), |s| format!("{} of {}", s.hits, s.total)),
                kind.in_time
                    .map_or_else(String::new, |s| format!("{} in {:.0} s", s.hits, kind.deadline_secs)),
                seconds(kind.median_delay_secs),
                format!("{} in {:.3} h", kind.false_alarms, kind.quiet_hours),
                per_hour(kind.false_alarms_per_camera_hour),
            ]
        }));
        lines.extend(aligned(&rows));
        let unplayed = self.unplayed.iter().map(|u| format!("{}: {}", u.file_name, u.reason)).collect();
        named(lines, "clip", "could not be played and count nowhere", unplayed);
    }
}

/// Columns as wide as their widest cell.
fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
