//! The report as one HTML file: no script, no picture, nothing fetched.

use super::markdown::{interval, number, share};
use super::report::{EvalReport, Measured, Part};
use std::fmt::Display;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
h1,h2{line-height:1.2}h2{margin-top:2.5rem}code{background:#f3f4f6;padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}\
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}td,th{padding:.25rem .6rem;text-align:right;\
border-bottom:1px solid #e3e6ea;white-space:nowrap}td:first-child,th:first-child{text-align:left}tr.all{font-weight:600}\
.curves{display:flex;gap:2rem;flex-wrap:wrap}figure{margin:1rem 0}figcaption{font-size:13px;color:#57606a}\
.wide{overflow-x:auto}";

impl EvalReport {
    /// The report as a page of its own.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escape(&format!("{} on {}", self.model, self.split));
        let mut body = format!(
            "<h1>{title}</h1><p>{} of {} pictures. Weights: sha256 <code>{}</code>. Shares come with their 95 % Wilson \
             interval, AUC with a 95 % interval from resampling whole groups (seed {}). Pictures whose truth nobody \
             judged count nowhere.</p>",
            self.pictures,
            self.pictures_in_split,
            escape(&self.weights_sha256),
            self.seed
        );
        body.extend(self.kinds.iter().map(|kind| section("Kind", kind)));
        body.extend(self.labels.iter().map(|label| section("Label", label)));
        if !self.unanswered.is_empty() {
            body.push_str("<h2>Without an answer</h2><ul>");
            for picture in &self.unanswered {
                let (name, reason) = (escape(&picture.file_name), escape(&picture.reason));
                body.push_str(&format!("<li><code>{name}</code> {reason}</li>"));
            }
            body.push_str("</ul>");
        }
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><body>{body}</body></html>\n"
        )
    }
}

fn section<N: Display>(what: &str, measured: &Measured<N>) -> String {
    let thresholds: Vec<String> =
        measured.thresholds.iter().map(|(label, threshold)| format!("{label} ≥ {threshold:.3}")).collect();
    let mut html = format!(
        "<h2>{what} {}</h2><p>Found when {}. AUC by picture <b>{}</b>.",
        escape(&measured.name.to_string()),
        escape(&thresholds.join(" or ")),
        interval(measured.auc)
    );
    if let Some(places) = &measured.places {
        html.push_str(&format!(
            " Boxes: AP at IoU 0.5 is {} over {} labelled boxes; the surest box points into a labelled one in {}.",
            number(places.ap50),
            places.boxes,
            share(places.pointing)
        ));
    }
    html.push_str("</p><div class=\"curves\">");
    let recall = measured.all.recall.map_or(0.0, |share| share.value);
    let alarms = measured.all.false_alarms.map_or(0.0, |share| share.value);
    let precision = measured.all.precision.map_or(0.0, |share| share.value);
    html.push_str(&curve(&measured.roc, [alarms, recall], "share of false alarms", "recall"));
    html.push_str(&curve(&measured.precision_recall, [recall, precision], "recall", "precision"));
    html.push_str("</div><div class=\"wide\"><table><tr>");
    for heading in [
        "pictures",
        "with",
        "without",
        "AUC",
        "with, against all without",
        "precision",
        "recall",
        "false alarms",
        "per 1,000 quiet",
    ] {
        html.push_str(&format!("<th>{heading}</th>"));
    }
    html.push_str("</tr>");
    html.push_str(&row("all", "all", &measured.all));
    html.extend(measured.sources.iter().map(|s| row("", &format!("source {}", s.name), &s.part)));
    html.extend(measured.groups.iter().map(|g| row("", &format!("group {}", g.name), &g.part)));
    html.push_str("</table></div>");
    html
}

fn row(class: &str, name: &str, part: &Part) -> String {
    let quiet =
        part.false_alarms_per_1000_quiet.map_or_else(|| "–".to_owned(), |alarms| format!("{alarms:.0}"));
    let cells = [
        escape(name),
        part.present.to_string(),
        part.absent.to_string(),
        number(part.auc),
        number(part.auc_against_all),
        share(part.precision),
        share(part.recall),
        share(part.false_alarms),
        quiet,
    ];
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr class=\"{class}\">{cells}</tr>")
}

/// A curve in the unit square, with the point of the shipped threshold.
fn curve(points: &[[f64; 2]], shipped: [f64; 2], x: &str, y: &str) -> String {
    const SIDE: f64 = 260.0;
    const MARGIN: f64 = 34.0;
    let place = |[x, y]: [f64; 2]| (MARGIN + x * SIDE, 8.0 + (1.0 - y) * SIDE);
    let path: Vec<String> = points
        .iter()
        .map(|point| {
            let (x, y) = place(*point);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let (shipped_x, shipped_y) = place(shipped);
    let bottom = SIDE + 8.0;
    let mut grid = String::new();
    for step in 0..=4 {
        let at = f64::from(step) / 4.0;
        let (line_x, line_y) = place([at, at]);
        grid.push_str(&format!(
            "<path d=\"M{line_x:.1} 8V{bottom}M{MARGIN} {line_y:.1}H{:.1}\" stroke=\"#e3e6ea\"/>\
             <text x=\"{line_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{at}</text>",
            MARGIN + SIDE,
            bottom + 14.0,
            MARGIN - 5.0,
            line_y + 4.0
        ));
    }
    format!(
        "<figure><svg width=\"310\" height=\"290\" viewBox=\"0 0 310 290\" font-size=\"10\" fill=\"#57606a\" role=\"img\" \
         aria-label=\"{y} over {x}\">{grid}<polyline points=\"{}\" fill=\"none\" stroke=\"#0b62c4\" stroke-width=\"1.8\"/>\
         <circle cx=\"{shipped_x:.1}\" cy=\"{shipped_y:.1}\" r=\"4\" fill=\"#c4320b\"/></svg>\
         <figcaption>{y} over {x}; the dot is the shipped threshold</figcaption></figure>",
        path.join(" ")
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
