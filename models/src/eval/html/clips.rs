//! What became of clips.

use super::super::clips::{ClipKind, ClipResult, ClipsReport, Decoding, KindOnClips};
use super::super::words::{NONE, counted, per_hour, seconds};
use super::escape;

/// A kind that stayed below this score in a clip, in which nothing of it happens, is not drawn.
const WORTH_DRAWING: f64 = 0.3;

pub(super) fn section(report: &ClipsReport) -> String {
    let mut html = String::from(
        "<h2 id=clips>Clips</h2><p>Each clip was played to the whole system as if a camera had sent it: the pipeline's \
         decoder and schedule, the models, the dispatcher's evidence and incidents, with the clip's own time for a clock. An \
         event is found when an incident of its kind opens while it can be seen; an incident that opens at any other time is \
         a false alarm. The delay runs from becoming visible to the picture that decided; computing comes on top. In \
         the strips the curve is the highest score of each look, the dashed line is 0.5, the band is the event.</p>\
         <div class=wide><table><tr><th>kind</th><th>events found</th><th>in time</th><th>deadline</th><th>median delay</th>\
         <th>all delays</th><th>false alarms</th><th>quiet hours</th><th>false alarms per camera-hour (95 % Poisson)</th></tr>",
    );
    html.extend(report.kinds.iter().map(row));
    html.push_str("</table></div>");
    html.extend(report.clips.iter().map(clip));
    html
}

fn row(kind: &KindOnClips) -> String {
    let delays: Vec<String> = kind.delays_secs.iter().map(|delay| format!("{delay:.1}")).collect();
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.0} s</td><td>{}</td><td>{}</td><td>{}</td><td>{:.3}</td><td>{}</td></tr>",
        escape(kind.kind.as_str()),
        counted(kind.recall),
        counted(kind.in_time),
        kind.deadline_secs,
        seconds(kind.median_delay_secs),
        if delays.is_empty() { NONE.to_owned() } else { delays.join(", ") },
        kind.false_alarms,
        kind.quiet_hours,
        per_hour(kind.false_alarms_per_camera_hour)
    )
}

fn clip(clip: &ClipResult) -> String {
    let decoding = match clip.decoding {
        Decoding::Keyframes => "keyframes only",
        Decoding::EveryFrame => "every frame decoded, keyframes are too far apart",
    };
    let failed = if clip.failed > 0 { format!(", {} failed", clip.failed) } else { String::new() };
    let mut html = format!(
        "<h3>{}</h3><p class=soft>{}. {:.1} s, {} looks{failed}; {decoding}.</p>",
        escape(&clip.file),
        escape(&clip.note),
        clip.duration_secs,
        clip.looks
    );
    let (drawn, quiet): (Vec<_>, Vec<_>) = clip.kinds.iter().partition(|kind| is_worth_drawing(kind));
    html.extend(drawn.into_iter().map(|kind| strip(kind, clip.duration_secs)));
    if !quiet.is_empty() {
        let names: Vec<String> = quiet
            .iter()
            .map(|kind| format!("{} (at most {:.2})", escape(kind.kind.as_str()), highest(kind)))
            .collect();
        html.push_str(&format!("<p class=soft>Quiet: {}.</p>", names.join(", ")));
    }
    html
}

fn highest(kind: &ClipKind) -> f64 {
    kind.scores.iter().map(|[_, score]| *score).fold(0.0, f64::max)
}

fn is_worth_drawing(kind: &ClipKind) -> bool {
    !kind.events.is_empty() || !kind.opened.is_empty() || highest(kind) >= WORTH_DRAWING
}

fn strip(kind: &ClipKind, duration: f64) -> String {
    let x = |secs: f64| secs / duration.max(0.001) * 1000.0;
    let mut marks = String::new();
    for event in &kind.events {
        let (from, to) = (x(event.start_secs), x(event.end_secs.min(duration)));
        marks.push_str(&format!("<rect class=event x={from:.1} y=0 width={:.1} height=100 />", to - from));
    }
    marks.push_str("<path class=even d=\"M0 50H1000\"/>");
    let points: Vec<String> =
        kind.scores.iter().map(|[at, score]| format!("{:.1},{:.1}", x(*at), 100.0 - score * 100.0)).collect();
    marks.push_str(&format!("<polyline class=curve points=\"{}\"/>", points.join(" ")));
    let mut words = Vec::new();
    for opened in &kind.opened {
        let is_true = kind.events.iter().any(|event| event.holds(opened.at_secs));
        let (class, word) = if is_true { ("good", "alarm") } else { ("bad", "false alarm") };
        marks.push_str(&format!("<path class={class} d=\"M{:.1} 0V100\"/>", x(opened.at_secs)));
        words.push(format!("<span class={class}-word>{word} at {:.1} s</span>", opened.at_secs));
    }
    let missed =
        kind.events.iter().filter(|event| !kind.opened.iter().any(|opened| event.holds(opened.at_secs)));
    words.extend(missed.map(|event| {
        format!("<span class=bad-word>missed from {:.1} to {:.1} s</span>", event.start_secs, event.end_secs)
    }));
    if words.is_empty() {
        words.push("no alarm".to_owned());
    }
    format!(
        "<div class=strip><div class=ends><span>{}</span><span>{}</span></div><svg viewBox=\"0 0 1000 100\" \
         preserveAspectRatio=none role=img aria-label=\"scores over time\">{marks}</svg><div class=ends><span>0 s</span>\
         <span>{duration:.1} s</span></div></div>",
        escape(kind.kind.as_str()),
        words.join(", ")
    )
}
