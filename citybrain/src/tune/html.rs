//! The report as one HTML file that needs nothing else: curves are drawn in it, pictures lie in it.

use super::table;
use citybrain_dispatcher::tune::{
    CaseSketch, ChartWords, Goal, Outcome, Report, Share, cases_svg, escaped, shares_svg,
};
use std::fmt::Write as _;
use std::path::Path;

/// Most pictures that are put into a page, and their bytes together.
const MAX_PICTURES: usize = 48;
const MAX_PICTURE_BYTES: usize = 12 << 20;

const STYLE: &str = "
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:1.5rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid #8885}
th:first-child,td:first-child{text-align:left}.wide{overflow-x:auto}
svg.curve{max-width:560px;width:100%;margin:.5rem}svg text{font:11px system-ui,sans-serif;fill:currentColor}
polyline{fill:none;stroke-width:2}.axis{fill:none;stroke:currentColor}
.cases{stroke:#2563eb}circle.cases{fill:#2563eb}.precision{stroke:#d97706}circle.precision,text.precision{fill:#d97706;stroke:none}
.recall{stroke:#059669}circle.recall,text.recall{fill:#059669;stroke:none}path.budget{stroke:#dc2626;stroke-dasharray:6 4}text.budget{fill:#dc2626}
.warning{border-left:4px solid #dc2626;padding-left:.75rem}.cards{display:flex;flex-wrap:wrap;gap:.75rem}
figure{margin:0;width:240px}figure img{width:100%}figcaption{font-size:13px}
";

/// Pictures that still have room.
struct Album<'a> {
    folder: &'a Path,
    left: usize,
    bytes: usize,
}

impl Album<'_> {
    /// A picture as an address that holds it; `None` when it is not there, or there is no room.
    fn picture(&mut self, case: &CaseSketch) -> Option<String> {
        let path = self.folder.join(case.snapshots.as_ref()?.at.as_str());
        let size = usize::try_from(std::fs::metadata(&path).ok()?.len()).ok()?;
        if self.left == 0 || size > self.bytes {
            return None;
        }
        let bytes = std::fs::read(path).ok()?;
        self.left -= 1;
        self.bytes = self.bytes.saturating_sub(bytes.len());
        Some(format!("data:image/jpeg;base64,{}", base64(&bytes)))
    }
}

/// The whole page.
pub fn page(city: &str, report: &Report, snapshots: &Path) -> String {
    let city = escaped(city);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>What if: {city}</title><style>{STYLE}</style></head><body>\n<h1>What if: {city}</h1>\n"
    );
    let log = &report.log;
    let span = log.from.zip(log.to).map_or_else(String::new, |(from, to)| format!("{from} to {to}, "));
    let _ = writeln!(
        html,
        "<p>{span}{} cameras, {:.1} camera-days watched, {} frames, {} detections, {} gaps.</p>",
        log.cameras, log.camera_days, log.frames, log.detections, log.gaps_in_all
    );
    for warning in &report.warnings {
        let _ = writeln!(html, "<p class=\"warning\">{}</p>", escaped(&warning.to_string()));
    }
    suggestions(report, &mut html);
    for curve in &report.curves {
        let _ = writeln!(
            html,
            "<h2>{}</h2>{}{}",
            escaped(curve.kind.as_str()),
            cases_svg(curve, ChartWords::english(curve.kind.as_str()), None),
            shares_svg(curve, ChartWords::english(curve.kind.as_str()), None)
        );
    }
    policies(report, &mut html);
    let mut album = Album { folder: snapshots, left: MAX_PICTURES, bytes: MAX_PICTURE_BYTES };
    // Pictures go to what is suggested first.
    let first = report.suggestions.iter().filter_map(|own| own.policy);
    let rest = 1..report.policies.len();
    let mut told = std::collections::BTreeSet::new();
    for policy in first.chain(rest) {
        if told.insert(policy)
            && let Some(own) = report.policies.get(policy)
        {
            changes(own, &mut album, &mut html);
        }
    }
    html.push_str("</body></html>\n");
    html
}

fn suggestions(report: &Report, html: &mut String) {
    if report.suggestions.is_empty() {
        return;
    }
    html.push_str("<h2>Suggested</h2><ul>\n");
    for own in &report.suggestions {
        let goal = match own.goal {
            Goal::Budget(budget) => format!("at most {budget} cases a camera and day"),
            Goal::MissRate(rate) => format!("at most {rate} of events missed"),
        };
        let policy = own.policy.and_then(|policy| report.policies.get(policy));
        let policy = policy.map_or("none", |policy| policy.name.as_str());
        let (scope, kind) = (table::scope(&own.scope), own.kind.as_str());
        let _ = writeln!(
            html,
            "<li>{}, {}, {goal}: <strong>{}</strong>. {}</li>",
            escaped(kind),
            escaped(&scope),
            escaped(policy),
            escaped(&own.why)
        );
    }
    html.push_str("</ul>\n");
}

fn policies(report: &Report, html: &mut String) {
    html.push_str("<h2>Policies</h2><div class=\"wide\"><table><thead><tr><th>policy</th><th>cases</th><th>a day</th>\
         <th>a camera and day</th><th>precision</th><th>recall</th><th>delay (median)</th><th>gained</th><th>lost</th></tr></thead><tbody>\n");
    let percent = |share: Option<Share>| {
        share.map_or_else(|| "–".to_owned(), |s| format!("{:.1} % of {}", 100.0 * s.share, s.of))
    };
    for own in &report.policies {
        let figures = &own.all;
        let delay =
            figures.delay.map_or_else(|| "–".to_owned(), |delay| format!("{:.1} s", delay.median_secs));
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{:.2}</td><td>{:.4}</td><td>{}</td><td>{}</td><td>{delay}</td><td>{}</td><td>{}</td></tr>",
            escaped(&own.name),
            figures.cases,
            figures.cases_per_day,
            figures.cases_per_camera_day,
            percent(figures.precision),
            percent(figures.recall),
            own.gained_in_all,
            own.lost_in_all
        );
    }
    html.push_str("</tbody></table></div>\n");
}

fn changes(own: &Outcome, album: &mut Album<'_>, html: &mut String) {
    if own.warnings.is_empty() && own.gained.is_empty() && own.lost.is_empty() {
        return;
    }
    let _ = writeln!(html, "<h2>{}</h2>", escaped(&own.name));
    for warning in &own.warnings {
        let _ = writeln!(html, "<p class=\"warning\">{}</p>", escaped(&warning.to_string()));
    }
    for (what, cases, all) in
        [("Gained", &own.gained, own.gained_in_all), ("Lost", &own.lost, own.lost_in_all)]
    {
        if cases.is_empty() {
            continue;
        }
        let _ = writeln!(html, "<h3>{what}: {all}</h3><div class=\"cards\">");
        for case in cases {
            let picture = album.picture(case).map_or_else(String::new, |address| {
                format!(
                    "<img src=\"{address}\" alt=\"{} at {}\">",
                    escaped(case.kind.as_str()),
                    escaped(case.camera.as_str())
                )
            });
            let verdict = case
                .verdict
                .map_or_else(|| "not judged".to_owned(), |verdict| format!("{verdict:?}").to_lowercase());
            let _ = writeln!(
                html,
                "<figure>{picture}<figcaption>{}<br>{} {}, score {:.2}, {verdict}</figcaption></figure>",
                case.opened_at,
                escaped(case.camera.as_str()),
                escaped(case.kind.as_str()),
                case.score
            );
        }
        html.push_str("</div>\n");
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let all =
            three.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for n in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * n)) as usize & 63];
            text.push(if n <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_become_the_text_that_browsers_read() {
        let all =
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| super::base64(text.as_bytes()));
        assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
