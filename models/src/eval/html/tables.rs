//! Tables of figures.

use super::super::metrics::{Estimate, Interval, Share};
use super::super::report::{EvalReport, Measured, Named, Part};
use super::super::words::{NONE, number};
use super::escape;

/// A figure above, how sure it is below.
fn cell(value: Option<String>, below: Option<String>) -> String {
    let below = below.map_or_else(String::new, |below| format!("<small>{below}</small>"));
    format!("<td>{}{below}</td>", value.unwrap_or_else(|| NONE.to_owned()))
}

fn estimate(estimate: Option<Estimate>) -> String {
    let range = estimate.and_then(|e| e.low.zip(e.high)).map(|(low, high)| format!("{low:.3}–{high:.3}"));
    cell(estimate.map(|e| format!("{:.3}", e.value)), range)
}

fn share(share: Option<Share>) -> String {
    let below = share.map(|s| format!("{:.2}–{:.2} · {}/{}", s.low, s.high, s.hits, s.total));
    cell(share.map(|s| format!("{:.3}", s.value)), below)
}

fn cases(interval: Option<Interval>) -> String {
    let below = interval.map(|i| format!("{:.0}–{:.0}", i.low, i.high));
    cell(interval.map(|i| format!("{:.0}", i.value)), below)
}

/// What a table has columns for.
#[derive(Clone, Copy)]
struct Columns {
    places: bool,
    area: bool,
}

impl Columns {
    fn heading(self, first: &str) -> String {
        let mut headings = vec![first, "with", "without", "AUC", "with, against all without"];
        headings.extend(self.places.then_some("AP@50"));
        headings.extend(self.area.then_some("IoU pooled"));
        headings.extend([
            "recall",
            "precision",
            "false alarms per 1,000 quiet",
            "the same at recall 0.8",
            "ECE",
        ]);
        let cells: String = headings.iter().map(|heading| format!("<th>{heading}</th>")).collect();
        format!("<tr>{cells}</tr>")
    }

    fn row(self, class: &str, name: &str, part: &Part) -> String {
        let mut cells = format!(
            "<td>{name}</td><td>{}</td><td>{}</td>{}<td>{}</td>",
            part.present,
            part.absent,
            estimate(part.auc),
            number(part.auc_against_all)
        );
        if self.places {
            cells.push_str(&estimate(part.places.and_then(|places| places.ap50)));
        }
        if self.area {
            cells.push_str(&estimate(part.area.as_ref().map(|area| area.pooled_iou)));
        }
        cells.push_str(&share(part.recall));
        cells.push_str(&share(part.precision));
        cells.push_str(&cases(part.false_alarms_per_1000_quiet));
        cells.push_str(&cases(part.false_alarms_at_recall_80.map(|share| share.times(1000.0))));
        cells.push_str(&format!("<td>{}</td>", number(part.ece)));
        format!("<tr class=\"{class}\">{cells}</tr>")
    }
}

/// The main figures of every label and kind.
pub(super) fn summary(report: &EvalReport) -> String {
    let parts = || report.labels.iter().map(|l| &l.all).chain(report.kinds.iter().map(|k| &k.all));
    let columns = Columns {
        places: parts().any(|part| part.places.is_some()),
        area: parts().any(|part| part.area.is_some()),
    };
    let mut rows = columns.heading("label or kind");
    for label in &report.labels {
        let name = escape(label.name.as_str());
        rows.push_str(&columns.row("", &format!("<a href=\"#label-{name}\">{name}</a>"), &label.all));
    }
    for kind in &report.kinds {
        let name = escape(kind.name.as_str());
        let place = report
            .label_of(kind)
            .map_or_else(|| format!("kind-{name}"), |label| format!("label-{}", escape(label.as_str())));
        let name = format!("<a href=\"#{place}\">kind {name}</a>");
        rows.push_str(&columns.row("", &name, &kind.all));
    }
    format!("<div class=wide><table>{rows}</table></div>")
}

/// A label's or kind's figures by source, and by group on demand.
pub(super) fn parts<N>(measured: &Measured<N>) -> String {
    let columns = Columns { places: measured.all.places.is_some(), area: measured.all.area.is_some() };
    let row = |named: &Named| columns.row("", &escape(&named.name), &named.part);
    let mut rows = columns.heading("source");
    rows.push_str(&columns.row("all", "all", &measured.all));
    rows.extend(measured.sources.iter().map(row));
    let mut groups = columns.heading("group");
    groups.extend(measured.groups.iter().map(row));
    format!(
        "<div class=wide><table>{rows}</table></div><details><summary>By group ({})</summary>\
         <div class=wide><table>{groups}</table></div></details>",
        measured.groups.len()
    )
}
