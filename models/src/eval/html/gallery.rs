//! The worst mistakes as pictures.

use super::super::mistakes::{Mistake, Sort};
use super::escape;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use citybrain_types::BoundingBox;

pub(super) fn section(mistakes: &[Mistake]) -> String {
    let of = |sort| mistakes.iter().filter(move |mistake| mistake.sort == sort).map(shot).collect::<String>();
    let mut html = String::new();
    for (sort, title) in
        [(Sort::FalseAlarm, "False alarms, the surest first"), (Sort::Miss, "Misses, the least sure first")]
    {
        let shots = of(sort);
        if !shots.is_empty() {
            html.push_str(&format!("<h3>{title}</h3><div class=shots>{shots}</div>"));
        }
    }
    if !html.is_empty() {
        html.push_str(
            "<p class=soft><span class=key style=\"border-color:#ff5a36\"></span>found <span class=key \
             style=\"border-color:#4ade80;border-style:dashed\"></span>labelled. At most two pictures of one group.</p>",
        );
    }
    html
}

fn shot(mistake: &Mistake) -> String {
    let found = mistake.found.iter().map(|(bbox, _)| outline("found", bbox));
    let labelled = mistake.labelled.iter().map(|bbox| outline("labelled", bbox));
    let tags: String = mistake.found.iter().map(|(bbox, score)| tag(bbox, *score)).collect();
    let boxes: String = labelled.chain(found).collect();
    if mistake.jpeg.is_empty() {
        let name = escape(&mistake.file_name);
        return format!("<figure><figcaption><b>{:.3}</b> {name}</figcaption></figure>", mistake.score);
    }
    format!(
        "<figure><div class=shot><div><img alt=\"\" src=\"data:image/jpeg;base64,{}\"><svg viewBox=\"0 0 1 1\" \
         preserveAspectRatio=none>{boxes}</svg>{tags}</div></div><figcaption><b>{:.3}</b> {}</figcaption></figure>",
        STANDARD.encode(&mistake.jpeg),
        mistake.score,
        escape(&mistake.file_name)
    )
}

fn outline(class: &str, bbox: &BoundingBox) -> String {
    let edges = format!(
        "x={:.4} y={:.4} width={:.4} height={:.4}",
        bbox.left(),
        bbox.top(),
        bbox.width(),
        bbox.height()
    );
    format!("<rect class=halo {edges} /><rect class={class} {edges} />")
}

/// A box's score at its upper left corner; text inside the stretched SVG would be stretched, too.
fn tag(bbox: &BoundingBox, score: f32) -> String {
    let (left, top) = (bbox.left() * 100.0, bbox.top() * 100.0);
    // Above the box, so that it hides nothing of it, where there is room.
    let class = if bbox.top() > 0.1 { "above" } else { "inside" };
    format!("<span class={class} style=\"left:{left:.1}%;top:{top:.1}%\">{score:.2}</span>")
}
