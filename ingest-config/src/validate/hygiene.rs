//! `[[silences]]` → [`Silence`], `[[permits]]` → [`PermitSource`].

use std::time::Duration;

use citybrain_types::{CameraId, EventKind, Timestamp};
use url::Url;

use super::Context;
use super::site::absolute;
use crate::names::{Names, references};
use crate::raw::{RawPermits, RawSilence};
use crate::resolved::{PermitAddress, PermitSource, Silence};
use crate::row::Row;
use crate::suggestion::shown;

pub(super) fn silences<'d>(
    rows: &[Row<'d, RawSilence>],
    kinds: &Names<'d>,
    cameras: &Names<'d>,
    context: &mut Context<'_>,
) -> Vec<Silence> {
    rows.iter().filter_map(|row| silence(row, kinds, cameras, context)).collect()
}

fn silence<'d>(
    row: &Row<'d, RawSilence>,
    kinds: &Names<'d>,
    cameras: &Names<'d>,
    context: &mut Context<'_>,
) -> Option<Silence> {
    let Row { raw, place } = row;
    let mut moment = |key: &str, text: &Option<String>| {
        let text = text.as_deref()?;
        let moment = text.parse::<Timestamp>().ok();
        if moment.is_none() {
            let suggestion = Some("write, for instance, 2026-11-25T08:00:00+08:00".to_owned());
            place.suggest(&mut context.problems, key, format!("is no moment: '{}'", shown(text)), suggestion);
        }
        moment
    };
    let (from, until) = (moment("from", &raw.from), moment("until", &raw.until));
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        place.report(&mut context.problems, "until", "does not fit: it must be later than 'from'");
    }
    let problems = &mut context.problems;
    let codes = raw.kinds.as_deref().unwrap_or_default();
    let named_kinds = references(kinds, place, "kinds", codes, problems, |name| Some(EventKind::new(name)));
    let ids = raw.cameras.as_deref().unwrap_or_default();
    let named_cameras = references(cameras, place, "cameras", ids, problems, |name| CameraId::new(name).ok());
    Some(Silence {
        author: raw.author.clone()?,
        reason: raw.reason.clone()?,
        from: from.unwrap_or(Timestamp::EPOCH),
        until: until?,
        kinds: named_kinds,
        cameras: named_cameras,
        areas: raw.areas.iter().flatten().cloned().collect(),
    })
}

pub(super) fn permits(rows: &[Row<'_, RawPermits>], context: &mut Context<'_>) -> Vec<PermitSource> {
    rows.iter().filter_map(|row| source(row, context)).collect()
}

fn source(row: &Row<'_, RawPermits>, context: &mut Context<'_>) -> Option<PermitSource> {
    let Row { raw, place } = row;
    let at = match (&raw.file, &raw.url) {
        (Some(file), None) => Some(PermitAddress::File(absolute(place.source().folder(), file))),
        (None, Some(url)) => match Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Some(PermitAddress::Http(url)),
            _ => {
                let message = format!("is no http or https address: '{}'", shown(url));
                place.report(&mut context.problems, "url", message);
                None
            }
        },
        (Some(_), Some(_)) => {
            place.report(&mut context.problems, "url", "is one address too many: 'file' is given, too");
            None
        }
        (None, None) if place.lost("file") || place.lost("url") => None,
        (None, None) => {
            place.report(&mut context.problems, "file", "is missing, and 'url', too: one of them is needed");
            None
        }
    };
    Some(PermitSource { name: raw.name.clone()?, at: at?, every: Duration::from_secs_f64(raw.every_secs) })
}
