//! Curves as SVG, for a page. Names come from people: everything that is text is escaped.

use super::report::{Curve, CurvePoint};
use std::fmt::Write as _;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;

/// Text that is safe in HTML and SVG, in an attribute, too.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() && c != '\n' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A drawing's place for numbers: what lies where.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let part =
            |value: f64, (low, high): (f64, f64)| if high > low { (value - low) / (high - low) } else { 0.5 };
        let across = LEFT + part(x, self.x) * (WIDTH - LEFT - RIGHT);
        let up = HEIGHT - BOTTOM - part(y, self.y).clamp(-0.05, 1.05) * (HEIGHT - TOP - BOTTOM);
        (across, up)
    }

    fn line(&self, svg: &mut String, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let points: Vec<String> = points
            .map(|(x, y)| {
                let (x, y) = self.at(x, y);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = writeln!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
        for point in &points {
            let Some((x, y)) = point.split_once(',') else { continue };
            let _ = writeln!(svg, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>");
        }
    }

    fn frame(&self, svg: &mut String, x_name: &str, y_name: &str) {
        let (x0, y0) = self.at(self.x.0, self.y.0);
        let (x1, y1) = self.at(self.x.1, self.y.1);
        let _ = writeln!(svg, "<path class=\"axis\" d=\"M{x0:.1} {y1:.1}V{y0:.1}H{x1:.1}\"/>");
        for n in 0..=4 {
            let part = f64::from(n) / 4.0;
            let (x, y) = (self.x.0 + part * (self.x.1 - self.x.0), self.y.0 + part * (self.y.1 - self.y.0));
            let ((px, _), (_, py)) = (self.at(x, self.y.0), self.at(self.x.0, y));
            let (x, y) = (short(x), short(y));
            let _ =
                writeln!(svg, "<text x=\"{px:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x}</text>", y0 + 16.0);
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{y}</text>",
                x0 - 6.0,
                py + 4.0
            );
        }
        let middle = (x0 + x1) / 2.0;
        let low = HEIGHT - 6.0;
        let _ =
            writeln!(svg, "<text x=\"{middle:.1}\" y=\"{low:.1}\" text-anchor=\"middle\">{x_name}</text>");
        let _ = writeln!(svg, "<text x=\"6\" y=\"16\">{y_name}</text>");
    }
}

fn short(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn scores(curve: &Curve) -> (f64, f64) {
    let scores = curve.points.iter().map(|point| f64::from(point.hit_score));
    scores.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (low.min(score), high.max(score)))
}

fn drawing(title: &str, draw: impl FnOnce(&mut String)) -> String {
    let title = escaped(title);
    let mut svg = format!(
        "<svg class=\"curve\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>\n"
    );
    draw(&mut svg);
    svg.push_str("</svg>\n");
    svg
}

/// Cases a camera and day over the hit score, with the budget as a line.
#[must_use]
pub fn cases_svg(curve: &Curve) -> String {
    drawing(&format!("{}: cases a camera and day", curve.kind), |svg| {
        let of = |point: &CurvePoint| point.cases_per_camera_day;
        let most = curve.points.iter().map(of).fold(curve.budget.unwrap_or(0.0) * 1.2, f64::max);
        let axes = Axes { x: scores(curve), y: (0.0, most.max(1e-6)) };
        axes.frame(svg, "hit score", "cases a camera and day");
        if let Some(budget) = curve.budget {
            let ((x0, y), (x1, _)) = (axes.at(axes.x.0, budget), axes.at(axes.x.1, budget));
            let _ = writeln!(svg, "<path class=\"budget\" d=\"M{x0:.1} {y:.1}H{x1:.1}\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{x1:.1}\" y=\"{:.1}\" text-anchor=\"end\">budget {budget}</text>",
                y - 5.0
            );
        }
        axes.line(svg, "cases", curve.points.iter().map(|point| (f64::from(point.hit_score), of(point))));
    })
}

/// Precision and recall over the hit score; empty when neither is known.
#[must_use]
pub fn shares_svg(curve: &Curve) -> String {
    type Of = fn(&CurvePoint) -> Option<f64>;
    let lines: [(&str, Of); 2] = [("precision", |point| point.precision), ("recall", |point| point.recall)];
    if curve.points.iter().all(|point| point.precision.is_none() && point.recall.is_none()) {
        return String::new();
    }
    drawing(&format!("{}: precision and recall", curve.kind), |svg| {
        let axes = Axes { x: scores(curve), y: (0.0, 1.0) };
        axes.frame(svg, "hit score", "precision and recall");
        for (n, (name, of)) in (0_u32..).zip(lines) {
            let known =
                curve.points.iter().filter_map(|point| Some((f64::from(point.hit_score), of(point)?)));
            axes.line(svg, name, known);
            let x = WIDTH - RIGHT - 140.0 + 76.0 * f64::from(n);
            let _ = writeln!(svg, "<text class=\"{name}\" x=\"{x:.1}\" y=\"16\">{name}</text>");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::EventKind;

    #[test]
    fn a_name_with_a_script_in_it_stays_text() {
        let point = |hit_score| CurvePoint {
            policy: 0,
            hit_score,
            cases_per_day: 3.0,
            cases_per_camera_day: 0.1,
            precision: Some(0.5),
            recall: None,
        };
        let curve = Curve {
            kind: EventKind::new("<script>alert('x')</script>"),
            points: vec![point(0.3), point(0.6)],
            budget: Some(0.2),
        };
        for svg in [cases_svg(&curve), shares_svg(&curve)] {
            assert!(
                !svg.contains("<script") && svg.contains("&lt;script&gt;") && svg.ends_with("</svg>\n"),
                "{svg}"
            );
            assert!(!svg.contains("NaN"), "{svg}");
        }
        assert!(cases_svg(&curve).contains("class=\"budget\""));
    }
}
