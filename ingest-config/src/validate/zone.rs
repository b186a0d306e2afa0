//! `[[cameras.zones]]` → [`Zone`].

use std::collections::{BTreeMap, BTreeSet};

use citybrain_types::EventKind;

use super::{Context, polygon};
use crate::names::{Names, references};
use crate::raw::{RawCamera, RawZone};
use crate::resolved::{Hours, Zone};
use crate::row::{Place, Row};

pub(super) fn zones<'d>(
    row: &Row<'d, RawCamera>,
    kind_names: &Names<'d>,
    context: &mut Context<'_>,
) -> Vec<Zone> {
    let zones = row.raw.zones.iter().enumerate();
    zones.filter_map(|(index, raw)| zone(raw, index, &row.place, kind_names, context)).collect()
}

fn zone<'d>(
    raw: &RawZone,
    index: usize,
    camera: &Place<'d>,
    kind_names: &Names<'d>,
    context: &mut Context<'_>,
) -> Option<Zone> {
    let place = camera.row_of("zones", index);
    let codes = raw.kinds.as_deref().unwrap_or_default();
    let kinds: BTreeSet<EventKind> =
        references(kind_names, &place, "kinds", codes, &mut context.problems, |name| {
            Some(EventKind::new(name))
        });
    let mut hit_scores = BTreeMap::new();
    let scores = place.inner("hit_scores");
    for (code, score) in &raw.hit_scores {
        if !(0.0..=1.0).contains(score) {
            scores.report(&mut context.problems, code, format!("is no score: {score} is not within 0 to 1"));
        } else if kind_names.refer(&scores, code, (0, code), &mut context.problems) {
            hit_scores.insert(EventKind::new(code), *score as f32);
        }
    }
    let hours = hours(raw, &place, context);
    let part = match polygon::polygon(raw.polygon.as_deref().unwrap_or_default()) {
        Ok(part) => Some(part),
        Err(_) if raw.polygon.is_none() || place.lost("polygon") => None,
        Err(fault) => {
            place.report(&mut context.problems, "polygon", fault);
            None
        }
    };
    let name = raw.name.clone().unwrap_or_else(|| format!("zone {}", index + 1));
    Some(Zone {
        name,
        part: part?,
        kinds,
        ignore: raw.ignore,
        min_size: raw.min_size as f32,
        hit_scores,
        hours,
    })
}

fn hours(raw: &RawZone, place: &Place<'_>, context: &mut Context<'_>) -> Option<Hours> {
    let mut minute = |key: &str, text: &Option<String>| {
        let text = text.as_deref()?;
        let minute = minute_of(text);
        if minute.is_none() {
            place.report(&mut context.problems, key, "is no time of the day: write HH:MM, 00:00 to 23:59");
        }
        minute
    };
    let (from, to) = (minute("from", &raw.from), minute("to", &raw.to));
    if raw.days.is_none() && raw.from.is_none() && raw.to.is_none() {
        return None;
    }
    let days =
        raw.days.as_ref().map_or(0x7f, |days| days.iter().fold(0, |days, day| days | 1 << (*day as u8)));
    Some(Hours { days, from: from.unwrap_or(0), to: to.unwrap_or(0) })
}

fn minute_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| plain)
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}
