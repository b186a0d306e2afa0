//! The report as one HTML file: no script, nothing fetched, pictures inside; light or dark as the reader has it.

mod charts;
mod clips;
mod gallery;
mod tables;

use super::report::{EvalReport, Measured};
use super::words::{counted, estimate, number, plural};
use std::fmt::Display;

const STYLE: &str = include_str!("style.css");

const HOW_TO_READ: &str = "Shares (recall, precision, false alarms) come with their 95 % Wilson interval. AUC, AP and IoU come \
    with a 95 % interval from resampling whole groups, because the frames of one video are one observation; where there is \
    one group, there is no interval. Pictures whose truth nobody judged count nowhere. AUC is how often a picture that \
    shows it scores above one that does not. AP@50 is the area under the precision-recall curve of boxes at an overlap of \
    0.5, at every point (COCO reads the same curve at 101 recalls). IoU is water found and labelled over water found or \
    labelled, by pixels, where the heat map reaches the shipped threshold. ECE is the expected calibration error: the mean \
    distance between a score and how often it came true. Found means: at or above the threshold the model was shipped with.";

impl EvalReport {
    /// The report as a page of its own.
    #[must_use]
    pub fn to_html(&self) -> String {
        let models: Vec<String> = self.models.iter().map(|model| model.id.to_string()).collect();
        let title = escape(&format!("{} on {}", models.join(" + "), self.split));
        let mut body = format!(
            "<h1>{title}</h1><p class=soft>{} of {} pictures of the split <code>{}</code>, looked at as the pipeline \
             looks. Seed of the intervals: {}.</p>",
            self.pictures,
            self.pictures_in_split,
            escape(&self.split),
            self.seed
        );
        body.push_str(&self.navigation());
        body.push_str(&tables::summary(self));
        body.push_str(&self.troubles());
        body.push_str(&format!(
            "<details><summary>How to read the figures</summary><p>{HOW_TO_READ}</p></details>"
        ));
        body.push_str(&self.weights());
        body.extend(self.labels.iter().map(|label| section("label", label)));
        // What one label speaks for has been shown as that label.
        let kinds = self.kinds.iter().filter(|kind| self.label_of(kind).is_none());
        body.extend(kinds.map(|kind| section("kind", kind)));
        body.extend(self.clips.iter().map(clips::section));
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><body>{body}</body></html>\n"
        )
    }

    fn navigation(&self) -> String {
        let labels =
            self.labels.iter().map(|label| ("label", label.name.to_string(), label.name.to_string()));
        let kinds = self.kinds.iter().filter(|kind| self.label_of(kind).is_none());
        let kinds = kinds.map(|kind| ("kind", kind.name.to_string(), format!("kind {}", kind.name)));
        let mut links: String = labels
            .chain(kinds)
            .map(|(what, name, text)| format!("<a href=\"#{what}-{}\">{}</a>", escape(&name), escape(&text)))
            .collect();
        if self.clips.is_some() {
            links.push_str("<a href=\"#clips\">clips</a>");
        }
        format!("<nav>{links}</nav>")
    }

    fn weights(&self) -> String {
        let rows = self.models.iter().map(|model| {
            format!(
                "<p><code>{}</code> sha256 <code>{}</code></p>",
                escape(model.id.as_str()),
                escape(&model.weights_sha256)
            )
        });
        format!("<details><summary>Weights</summary>{}</details>", rows.collect::<String>())
    }

    fn troubles(&self) -> String {
        let unanswered = self.unanswered.iter().map(|u| (u.file_name.as_str(), u.reason.as_str()));
        let masks = self.unusable_masks.iter().map(|u| (u.file_name.as_str(), u.reason.as_str()));
        let disputes = self.disputes.iter().map(|d| (d.file_name.as_str(), d.what.as_str()));
        let unplayed = self.clips.iter().flat_map(|clips| &clips.unplayed);
        let unplayed = unplayed.map(|u| (u.file_name.as_str(), u.reason.as_str()));
        let mut html = trouble("picture", "without an answer (counted nowhere)", unanswered.collect())
            + &trouble("mask", "not usable (the pictures count, their areas do not)", masks.collect())
            + &trouble(
                "dispute",
                "between annotations and labels.csv (counted as not judged)",
                disputes.collect(),
            )
            + &trouble("clip", "not played (counted nowhere)", unplayed.collect());
        if !self.unjudged_labels.is_empty() {
            let labels: Vec<&str> = self.unjudged_labels.iter().map(|label| label.as_str()).collect();
            html.push_str(&format!(
                "<p class=soft>Scored by a model and not judged by these data: {}.</p>",
                escape(&labels.join(", "))
            ));
        }
        html
    }
}

fn trouble(what: &str, happened: &str, all: Vec<(&str, &str)>) -> String {
    if all.is_empty() {
        return String::new();
    }
    let items: String = all
        .iter()
        .map(|(name, reason)| format!("<li><code>{}</code> {}</li>", escape(name), escape(reason)))
        .collect();
    let count = plural(all.len(), what);
    format!("<div class=warn><details><summary>{count} {happened}</summary><ul>{items}</ul></details></div>")
}

fn section<N: Display>(what: &str, measured: &Measured<N>) -> String {
    let name = escape(&measured.name.to_string());
    let thresholds: Vec<String> = measured
        .thresholds
        .iter()
        .map(|t| {
            format!(
                "{} ≥ {:.3} <span class=soft>({})</span>",
                escape(t.label.as_str()),
                t.score,
                escape(t.model.as_str())
            )
        })
        .collect();
    let all = &measured.all;
    let mut html = format!(
        "<h2 id=\"{what}-{name}\">{} {name}</h2><p>Found when {}. AUC <b>{}</b>, ECE {}. Recall {}, precision {}.</p>",
        if what == "kind" { "Kind" } else { "Label" },
        thresholds.join(" or "),
        estimate(all.auc),
        number(all.ece),
        counted(all.recall),
        counted(all.precision)
    );
    if let Some(places) = &all.places {
        html.push_str(&format!(
            "<p>Boxes: AP@50 <b>{}</b> over {} labelled boxes; the surest box points into a labelled one in {}.</p>",
            estimate(places.ap50),
            places.boxes,
            counted(places.pointing)
        ));
    }
    if let Some(area) = &all.area {
        html.push_str(&format!(
            "<p>Area: IoU over {} masks <b>{}</b> pooled, {} averaged by picture.</p>",
            area.masks,
            estimate(Some(area.pooled_iou)),
            estimate(Some(area.mean_iou))
        ));
    }
    html.push_str(&format!("<div class=row>{}</div>", charts::all(measured)));
    html.push_str(&tables::parts(measured));
    html.push_str(&gallery::section(&measured.mistakes));
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
