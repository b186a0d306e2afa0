//! Curves as inline SVG.

use super::super::maps::Area;
use super::super::metrics::Calibration;
use super::super::report::Measured;

const SIDE: f64 = 212.0;
const LEFT: f64 = 32.0;
const TOP: f64 = 8.0;

/// How a share is laid out along an axis.
#[derive(Clone, Copy)]
enum Scale {
    Even,
    /// By its square root: what matters of false alarms lies below 0.1.
    Root,
}

impl Scale {
    fn place(self, share: f64) -> f64 {
        match self {
            Self::Even => share,
            Self::Root => share.max(0.0).sqrt(),
        }
    }

    const fn ticks(self) -> &'static [f64] {
        match self {
            Self::Even => &[0.0, 0.25, 0.5, 0.75, 1.0],
            Self::Root => &[0.0, 0.01, 0.05, 0.2, 0.5, 1.0],
        }
    }
}

/// The unit square, to be drawn in.
struct Square {
    x: Scale,
    marks: String,
}

impl Square {
    fn new(x: Scale) -> Self {
        let mut square = Self { x, marks: String::new() };
        for tick in x.ticks() {
            let (at, bottom) = square.place([*tick, 0.0]);
            let top = TOP;
            square.marks.push_str(&format!(
                "<path class=grid d=\"M{at:.1} {top}V{bottom:.1}\"/><text x={at:.1} y={:.1} text-anchor=middle>{tick}</text>",
                bottom + 13.0
            ));
        }
        for tick in Scale::Even.ticks() {
            let (start, at) = square.place([0.0, *tick]);
            let end = LEFT + SIDE;
            square.marks.push_str(&format!(
                "<path class=grid d=\"M{start:.1} {at:.1}H{end}\"/><text x={:.1} y={:.1} text-anchor=end>{tick}</text>",
                LEFT - 5.0,
                at + 3.5
            ));
        }
        square
    }

    fn place(&self, [x, y]: [f64; 2]) -> (f64, f64) {
        (LEFT + self.x.place(x) * SIDE, TOP + (1.0 - y) * SIDE)
    }

    fn line(&mut self, class: &str, points: &[[f64; 2]]) {
        let points: Vec<String> = points
            .iter()
            .map(|point| {
                let (x, y) = self.place(*point);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        self.marks.push_str(&format!("<polyline class={class} points=\"{}\"/>", points.join(" ")));
    }

    fn dot(&mut self, class: &str, point: [f64; 2]) {
        let (x, y) = self.place(point);
        self.marks.push_str(&format!("<circle class={class} cx={x:.1} cy={y:.1} r=4 />"));
    }

    fn figure(self, aria: &str, caption: &str) -> String {
        let (width, height) = (LEFT + SIDE + 14.0, TOP + SIDE + 20.0);
        format!(
            "<figure><svg width={width} height={height} viewBox=\"0 0 {width} {height}\" role=img aria-label=\"{aria}\">{}</svg>\
             <figcaption>{caption}</figcaption></figure>",
            self.marks
        )
    }
}

/// Every figure of a label or kind.
pub(super) fn all<N>(measured: &Measured<N>) -> String {
    let all = &measured.all;
    let recall = all.recall.map(|share| share.value);
    let shipped = |x: Option<f64>, y: Option<f64>| x.zip(y).map(|(x, y)| [x, y]);
    let mut html = String::new();
    if let Some(at) = shipped(all.false_alarms.map(|share| share.value), recall) {
        let mut square = Square::new(Scale::Root);
        let even: Vec<[f64; 2]> = (0..=40).map(|i| [f64::from(i) / 40.0; 2]).collect();
        square.line("even", &even);
        square.line("curve", &measured.roc);
        square.dot("shipped", at);
        html.push_str(&square.figure(
            "ROC curve",
            "<b>ROC</b>: recall over the share of quiet pictures with a false alarm (root scale); the dot is the shipped threshold",
        ));
    }
    if recall.is_some() {
        let mut square = Square::new(Scale::Even);
        square.line("curve", &measured.precision_recall);
        if let Some(at) = shipped(recall, all.precision.map(|share| share.value)) {
            square.dot("shipped", at);
        }
        html.push_str(&square.figure(
            "precision-recall curve",
            "<b>Precision</b> over recall; the dot is the shipped threshold",
        ));
    }
    html.extend(measured.calibration.iter().map(reliability));
    html.extend(all.area.iter().map(area));
    html
}

fn reliability(calibration: &Calibration) -> String {
    let mut square = Square::new(Scale::Even);
    let most = calibration.bins.iter().map(|bin| bin.present.total).max().unwrap_or(1).max(1) as f64;
    for bin in &calibration.bins {
        // Bars show how many pictures a bin holds; by their root, or the rare high scores could not be seen.
        let height = 0.2 * (bin.present.total as f64 / most).sqrt();
        let ((left, top), (right, bottom)) = (square.place([bin.from, height]), square.place([bin.to, 0.0]));
        square.marks.push_str(&format!(
            "<rect class=bar x={:.1} y={top:.1} width={:.1} height={:.1} />",
            left + 1.0,
            right - left - 2.0,
            bottom - top
        ));
    }
    square.line("even", &[[0.0, 0.0], [1.0, 1.0]]);
    let points: Vec<[f64; 2]> =
        calibration.bins.iter().map(|bin| [bin.mean_score, bin.present.value]).collect();
    square.line("curve", &points);
    for bin in &calibration.bins {
        let ((x, low), (_, high)) = (
            square.place([bin.mean_score, bin.present.low]),
            square.place([bin.mean_score, bin.present.high]),
        );
        square.marks.push_str(&format!("<path class=whisker d=\"M{x:.1} {low:.1}V{high:.1}\"/>"));
        square.dot("point", [bin.mean_score, bin.present.value]);
    }
    square.figure(
        "reliability",
        "<b>Reliability</b>: how often a score came true, with Wilson intervals; the dashed line is a score that keeps its \
         word, the bars are how many pictures score so (root scale)",
    )
}

fn area(area: &Area) -> String {
    let mut square = Square::new(Scale::Even);
    square.line("curve", &area.pooled_iou_by_threshold);
    square.figure(
        "IoU by threshold",
        "<b>IoU</b> over the threshold of the heat map, pooled; on these very pictures, so the best of it flatters",
    )
}
