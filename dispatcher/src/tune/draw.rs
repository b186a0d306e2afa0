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

    /// An upright line at a place that is told with a word.
    fn mark(&self, svg: &mut String, x: Option<f32>, word: &str) {
        let Some(x) = x.map(f64::from).filter(|x| (self.x.0..=self.x.1).contains(x)) else { return };
        let ((x, low), (_, high)) = (self.at(x, self.y.0), self.at(x, self.y.1));
        let _ = writeln!(svg, "<path class=\"chosen\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>");
        // On the side that has room.
        let (x, anchor) = if x > WIDTH / 2.0 { (x - 4.0, "end") } else { (x + 4.0, "start") };
        let (y, word) = ((low + high) / 2.0, escaped(word));
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{word}</text>");
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
        let (x_name, y_name) = (escaped(x_name), escaped(y_name));
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

/// The words of a chart.
#[derive(Debug, Clone, Copy)]
pub struct ChartWords<'a> {
    /// What the curve is of: the kind.
    pub kind: &'a str,
    /// The axis from left to right.
    pub hit_score: &'a str,
    /// The upward axis of [`cases_svg`].
    pub cases: &'a str,
    /// Beside the line of the budget.
    pub budget: &'a str,
    /// A line of [`shares_svg`].
    pub precision: &'a str,
    /// The other.
    pub recall: &'a str,
    /// Beside the line of what is chosen.
    pub chosen: &'a str,
}

impl<'a> ChartWords<'a> {
    /// In English.
    #[must_use]
    pub const fn english(kind: &'a str) -> Self {
        Self {
            kind,
            hit_score: "hit score",
            cases: "cases a camera and day",
            budget: "budget",
            precision: "precision",
            recall: "recall",
            chosen: "chosen",
        }
    }
}

/// Cases a camera and day over the hit score, with the budget as a line, and a line at the score that is `chosen`.
#[must_use]
pub fn cases_svg(curve: &Curve, words: ChartWords<'_>, chosen: Option<f32>) -> String {
    drawing(&format!("{}: {}", words.kind, words.cases), |svg| {
        let of = |point: &CurvePoint| point.figures.cases_per_camera_day;
        let most = curve.points.iter().map(of).fold(curve.budget.unwrap_or(0.0) * 1.2, f64::max);
        let axes = Axes { x: scores(curve), y: (0.0, most.max(1e-6)) };
        axes.frame(svg, words.hit_score, words.cases);
        axes.mark(svg, chosen, words.chosen);
        if let Some(budget) = curve.budget {
            let ((x0, y), (x1, _)) = (axes.at(axes.x.0, budget), axes.at(axes.x.1, budget));
            let _ = writeln!(svg, "<path class=\"budget\" d=\"M{x0:.1} {y:.1}H{x1:.1}\"/>");
            let _ = writeln!(
                svg,
                "<text class=\"budget\" x=\"{x1:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} {budget}</text>",
                y - 5.0,
                escaped(words.budget)
            );
        }
        axes.line(svg, "cases", curve.points.iter().map(|point| (f64::from(point.hit_score), of(point))));
    })
}

/// Precision and recall over the hit score; empty when neither is known.
#[must_use]
pub fn shares_svg(curve: &Curve, words: ChartWords<'_>, chosen: Option<f32>) -> String {
    type Of = fn(&CurvePoint) -> Option<f64>;
    let lines: [(&str, &str, Of); 2] = [
        ("precision", words.precision, |point| point.figures.precision.map(|share| share.share)),
        ("recall", words.recall, |point| point.figures.recall.map(|share| share.share)),
    ];
    if lines.iter().all(|(_, _, of)| curve.points.iter().all(|point| of(point).is_none())) {
        return String::new();
    }
    drawing(&format!("{}: {}, {}", words.kind, words.precision, words.recall), |svg| {
        let axes = Axes { x: scores(curve), y: (0.0, 1.0) };
        axes.frame(svg, words.hit_score, "");
        axes.mark(svg, chosen, words.chosen);
        for (n, (class, name, of)) in (0_u32..).zip(lines) {
            let known =
                curve.points.iter().filter_map(|point| Some((f64::from(point.hit_score), of(point)?)));
            axes.line(svg, class, known);
            let (x, name) = (LEFT + 84.0 * f64::from(n), escaped(name));
            let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"16\">{name}</text>");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::{Figures, Scope, Share};
    use citybrain_types::EventKind;

    #[test]
    fn a_name_with_a_script_in_it_stays_text() {
        let share = |share| Some(Share { share, hits: 1, of: 2 });
        let point = |hit_score| CurvePoint {
            policy: 0,
            hit_score,
            figures: Figures {
                cases_per_day: 3.0,
                cases_per_camera_day: 0.1,
                precision: share(0.5),
                ..Figures::default()
            },
        };
        let hostile = "<script>alert('x')</script>";
        let curve = Curve {
            kind: EventKind::new("fire"),
            scope: Scope::City,
            points: vec![point(0.3), point(0.6)],
            budget: Some(0.2),
        };
        let words = ChartWords { hit_score: hostile, chosen: hostile, ..ChartWords::english(hostile) };
        for svg in [cases_svg(&curve, words, Some(0.4)), shares_svg(&curve, words, Some(0.4))] {
            assert!(
                !svg.contains("<script") && svg.contains("&lt;script&gt;") && svg.ends_with("</svg>\n"),
                "{svg}"
            );
            assert!(!svg.contains("NaN") && svg.contains("class=\"chosen\""), "{svg}");
        }
        assert!(cases_svg(&curve, words, None).contains("class=\"budget\""));
    }
}
