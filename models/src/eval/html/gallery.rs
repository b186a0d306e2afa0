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
    let found = mistake.found.iter().map(|(bbox, score)| outline("found", bbox, Some(*score)));
    let labelled = mistake.labelled.iter().map(|bbox| outline("labelled", bbox, None));
    let boxes: String = labelled.chain(found).collect();
    if mistake.jpeg.is_empty() {
        let name = escape(&mistake.file_name);
        return format!("<figure><figcaption><b>{:.3}</b> {name}</figcaption></figure>", mistake.score);
    }
    format!(
        "<figure><div class=shot><div><img alt=\"\" src=\"data:image/jpeg;base64,{}\"><svg viewBox=\"0 0 1 1\" \
         preserveAspectRatio=none>{boxes}</svg></div></div><figcaption><b>{:.3}</b> {}</figcaption></figure>",
        STANDARD.encode(&mistake.jpeg),
        mistake.score,
        escape(&mistake.file_name)
    )
}

fn outline(class: &str, bbox: &BoundingBox, score: Option<f32>) -> String {
    let title = score.map_or_else(String::new, |score| format!("<title>{score:.3}</title>"));
    let edges = format!(
        "x={:.4} y={:.4} width={:.4} height={:.4}",
        bbox.left(),
        bbox.top(),
        bbox.width(),
        bbox.height()
    );
    format!("<rect class=halo {edges} /><rect class={class} {edges} >{title}</rect>")
}
