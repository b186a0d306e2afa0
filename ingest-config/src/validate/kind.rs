//! `[[kinds]]` laid over the built-in catalogue → [`Kind`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use citybrain_types::{EventKind, Label};

use super::{Context, evidence};
use crate::catalogue::{built_in, default_policy};
use crate::names::{Names, references};
use crate::raw::RawKind;
use crate::resolved::{IncidentPolicy, Kind};
use crate::row::{Place, Row};
use crate::suggestion::shown;

/// Longest code, label, language tag and name, in bytes.
const MAX_CODE: usize = 64;
const MAX_NAME: usize = 200;

pub(super) fn kinds<'d>(
    rows: &[Row<'d, RawKind>],
    context: &mut Context<'_>,
) -> (BTreeMap<EventKind, Kind>, Names<'d>) {
    let mut kinds = built_in();
    let mut names = Names::new("kind", &context.problems);
    kinds.keys().for_each(|kind| names.add_built_in(kind.as_str()));
    for row in rows {
        let Some(code) = names.declare(&row.place, "code", row.raw.code.as_deref(), &mut context.problems)
        else {
            continue;
        };
        if !is_code(code) {
            let message = format!("is no code: '{}'", shown(code));
            let suggestion = "use lower-case letters, digits and '_', a letter first".to_owned();
            row.place.suggest(&mut context.problems, "code", message, Some(suggestion));
            continue;
        }
        let kind = EventKind::new(code);
        let known = kinds.get(&kind).cloned();
        if let Some(row) = resolve(row, kind.clone(), known, context) {
            kinds.insert(kind, row);
        }
    }
    for row in rows {
        let codes = row.raw.inhibits.as_deref().unwrap_or_default();
        references::<EventKind>(&names, &row.place, "inhibits", codes, &mut context.problems, |name| {
            Some(EventKind::new(name))
        });
    }
    (kinds, names)
}

/// How often what waits is told again, for the kinds that say so.
pub(super) fn repeats(rows: &[Row<'_, RawKind>]) -> BTreeMap<EventKind, Duration> {
    let own = |row: &Row<'_, RawKind>| {
        let minutes = row.raw.repeat_after_minutes?;
        Some((EventKind::new(row.raw.code.as_deref()?), Duration::from_secs_f64(minutes * 60.0)))
    };
    rows.iter().filter_map(own).collect()
}

fn is_code(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.len() <= MAX_CODE && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(allowed)
}

fn resolve(
    row: &Row<'_, RawKind>,
    kind: EventKind,
    known: Option<Kind>,
    context: &mut Context<'_>,
) -> Option<Kind> {
    let Row { raw, place } = row;
    let mut names = known.as_ref().map_or_else(BTreeMap::new, |known| known.names.clone());
    names.extend(own_names(raw, place, context));
    let labels = labels(row, &kind, known.as_ref(), context);
    let deadline = span(row, "deadline_secs", raw.deadline_secs, known.as_ref().map(|k| k.deadline), context);
    let look = span(
        row,
        "look_interval_secs",
        raw.look_interval_secs,
        known.as_ref().map(|k| k.look_interval),
        context,
    );
    let base = known.as_ref().map(|known| known.evidence).or_else(|| look.map(default_policy));
    // Thresholds are checked even where the interval they start from is missing.
    let base = base.unwrap_or_else(|| default_policy(Duration::from_secs(10)));
    let evidence = evidence::overlay(&raw.evidence, base, &place.inner("evidence"), context);
    let (deadline, look_interval) = (deadline?, look?);
    if look_interval > deadline && !place.lost("deadline_secs") && !place.lost("look_interval_secs") {
        let key = if raw.look_interval_secs.is_some() { "look_interval_secs" } else { "deadline_secs" };
        let message = format!(
            "does not fit: a look every {} s cannot meet a deadline of {} s",
            look_interval.as_secs_f64(),
            deadline.as_secs_f64()
        );
        place.report(&mut context.problems, key, message);
    }
    let handle_within = raw.handle_within_minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    Some(Kind {
        names,
        labels: labels?,
        deadline,
        look_interval,
        pre_alarm: raw.pre_alarm.or(known.as_ref().map(|k| k.pre_alarm)).unwrap_or(false),
        handle_within: handle_within
            .or(known.as_ref().map(|k| k.handle_within))
            .unwrap_or(Duration::from_secs(4 * 3600)),
        evidence,
        incident: incident(raw, known.map(|known| known.incident).unwrap_or_default()),
        kind,
    })
}

fn incident(raw: &RawKind, known: IncidentPolicy) -> IncidentPolicy {
    let hours = |given: Option<f64>, known: Duration| {
        given.map_or(known, |hours| Duration::from_secs_f64(hours * 3600.0))
    };
    IncidentPolicy {
        confirm_within: raw.confirm_within_secs.map(Duration::from_secs_f64).or(known.confirm_within),
        join_within_m: raw.join_within_m.unwrap_or(known.join_within_m),
        quiet_after: raw.quiet_after_secs.map(Duration::from_secs_f64).or(known.quiet_after),
        recurs_within: hours(raw.recurs_within_hours, known.recurs_within),
        rejected_for: hours(raw.rejected_for_hours, known.rejected_for),
        inhibits: match &raw.inhibits {
            Some(codes) => codes.iter().map(EventKind::new).collect(),
            None => known.inhibits,
        },
        needs_permit: raw.needs_permit.unwrap_or(known.needs_permit),
    }
}

/// A span a new kind must have; reported when it has not.
fn span(
    row: &Row<'_, RawKind>,
    key: &str,
    given: Option<f64>,
    known: Option<Duration>,
    context: &mut Context<'_>,
) -> Option<Duration> {
    let span = given.map(Duration::from_secs_f64).or(known);
    if span.is_none() {
        needed(row, key, context);
    }
    span
}

fn needed(row: &Row<'_, RawKind>, key: &str, context: &mut Context<'_>) {
    if row.place.lost(key) || context.problems.is_torn(row.place.source().index) {
        return;
    }
    let code = row.raw.code.as_deref().unwrap_or_default();
    let message = format!("missing key '{key}' in {}, which adds the kind '{}'", row.place, shown(code));
    context.problems.report(row.place.header(), row.place.path_of(key), message, None);
}

fn labels(
    row: &Row<'_, RawKind>,
    kind: &EventKind,
    known: Option<&Kind>,
    context: &mut Context<'_>,
) -> Option<BTreeSet<Label>> {
    let place = &row.place;
    let Some(labels) = &row.raw.labels else {
        if known.is_none() {
            needed(row, "labels", context);
        }
        return known.map(|known| known.labels.clone());
    };
    if kind.as_str() == EventKind::CAMERA_FAULT {
        place.report(
            &mut context.problems,
            "labels",
            "is not possible: the health of a camera speaks for this kind",
        );
        return None;
    }
    if labels.is_empty() && !place.lost("labels") {
        let suggestion = Some("to stop looking for a kind, leave it out of the cameras' 'kinds'".to_owned());
        place.suggest(
            &mut context.problems,
            "labels",
            "is empty, so that no model speaks for the kind",
            suggestion,
        );
        return None;
    }
    for (index, label) in labels.iter().enumerate() {
        let fault = match label {
            label if label.is_empty() || label.len() > MAX_CODE || label.chars().any(char::is_control) => {
                "is no label"
            }
            label if labels[..index].contains(label) => "stands twice",
            _ => continue,
        };
        let message = format!("'{}' {fault} in 'labels' of {place}", shown(label));
        context.problems.report(place.item_at("labels", index), place.path_of("labels"), message, None);
    }
    Some(labels.iter().map(Label::new).collect())
}

fn own_names(raw: &RawKind, place: &Place<'_>, context: &mut Context<'_>) -> BTreeMap<String, String> {
    let place = place.inner("names");
    for (tag, name) in &raw.names {
        let is_tag =
            (2..=35).contains(&tag.len()) && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_tag {
            let suggestion = Some("write, for instance, en or zh".to_owned());
            place.suggest(&mut context.problems, &shown(tag), "is under no language tag", suggestion);
        } else if name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            place.report(
                &mut context.problems,
                tag,
                format!("is no name of 1 to {MAX_NAME} bytes in one line"),
            );
        }
    }
    raw.names.clone()
}
