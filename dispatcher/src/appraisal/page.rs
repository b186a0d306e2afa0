//! An appraisal as a page and as a table.

use super::{Appraisal, Rate};
use crate::cap::escaped;
use std::fmt::Write as _;

/// A table of the units, comma separated, for a spreadsheet. Text that a spreadsheet would take for a formula is not.
#[must_use]
pub fn csv(appraisal: &Appraisal) -> String {
    let mut table = String::from(
        "period,department,name,cases,response,handling,satisfaction,reopened,points,score,score_before,class\r\n",
    );
    for unit in &appraisal.units {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
        let cells = [
            cell(&appraisal.period),
            cell(unit.department.as_str()),
            cell(&unit.name),
            unit.cases.to_string(),
            number(unit.response.value()),
            number(unit.handling.value()),
            number(unit.satisfaction.value()),
            unit.reopened.to_string(),
            unit.points.to_string(),
            number(unit.score),
            number(unit.score_before),
            unit.class.map_or_else(String::new, |class| cell(class.title())),
        ];
        table.push_str(&cells.join(","));
        table.push_str("\r\n");
    }
    table
}

/// A cell of text: one line, quoted, and no formula.
fn cell(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let guard = if line.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", line.replace('"', "\"\""))
}

/// A page that stands for itself.
#[must_use]
pub fn html(appraisal: &Appraisal, site: &str) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    let (site, period) = (escaped(site), escaped(&appraisal.period));
    let _ = write!(page, "<title>Appraisal {period} · {site}</title>\n<style>{STYLE}</style></head><body>\n");
    let _ = write!(
        page,
        "<h1>{site}: appraisal {period}</h1>\n<p>{} cases opened from {} to {}; {} of them were none.</p>\n",
        appraisal.cases,
        appraisal.from,
        appraisal.to,
        percent(appraisal.void)
    );
    units(&mut page, appraisal);
    kinds(&mut page, appraisal);
    hot_spots(&mut page, appraisal);
    page.push_str("</body></html>\n");
    page
}

const STYLE: &str = "body{font-family:system-ui,sans-serif;margin:2rem;color:#1a1a1a;background:#fff}\
table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #bbb;padding:.3rem .6rem;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums}";

fn percent(rate: Rate) -> String {
    rate.value().map_or_else(|| "–".to_owned(), |value| format!("{:.1} %", value * 100.0))
}

fn units(page: &mut String, appraisal: &Appraisal) {
    page.push_str(
        "<h2>Departments</h2>\n<table><tr><th>Department</th><th>Cases</th><th>Response 响应率</th>\
         <th>Handling 处置率</th><th>Satisfaction 满意率</th><th>Reopened 返工</th><th>Points 扣分</th><th>Score</th>\
         <th>Before</th><th>Class</th></tr>\n",
    );
    let score = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    for unit in &appraisal.units {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td>{}</td></tr>",
            escaped(&unit.name),
            unit.cases,
            percent(unit.response),
            percent(unit.handling),
            percent(unit.satisfaction),
            unit.reopened,
            unit.points,
            score(unit.score),
            score(unit.score_before),
            unit.class.map_or("–", super::Class::title)
        );
    }
    page.push_str("</table>\n");
}

fn kinds(page: &mut String, appraisal: &Appraisal) {
    page.push_str("<h2>Kinds</h2>\n<table><tr><th>Kind</th><th>Cases</th></tr>\n");
    for (kind, count) in &appraisal.by_kind {
        let _ = writeln!(page, "<tr><td>{}</td><td class=\"n\">{count}</td></tr>", escaped(kind.as_str()));
    }
    page.push_str("</table>\n");
}

fn hot_spots(page: &mut String, appraisal: &Appraisal) {
    page.push_str(
        "<h2>Where cases repeat</h2>\n<table><tr><th>Kind</th><th>Area</th><th>Position</th><th>Cases</th>\
         <th>Before</th></tr>\n",
    );
    for spot in &appraisal.hot_spots {
        let position =
            spot.position.map_or_else(|| "–".to_owned(), |[lon, lat]| format!("{lat:.5}, {lon:.5}"));
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{position}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(spot.kind.as_str()),
            escaped(spot.area.as_deref().unwrap_or("–")),
            spot.cases,
            spot.cases_before
        );
    }
    page.push_str("</table>\n");
}
