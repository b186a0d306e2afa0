//! `[[cameras]]` → [`Camera`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use citybrain_types::{CameraId, EventKind, Polygon};

use super::address::CameraAddress;
use super::secret::SecretKeys;
use super::sink::credentials;
use super::{Context, evidence, id_fault, polygon, view, zone};
use crate::names::{Names, references};
use crate::raw::{RawCamera, RawConnection, RawDecode, RawTransport};
use crate::resolved::{Camera, Connection, DecodeMode, EvidencePolicy, Kind, Stream, Transport};
use crate::row::{Place, Row};

/// Connecting takes a second or two of which a camera has to rest longer.
const SHORTEST_POLL: Duration = Duration::from_secs(10);

type Kinds = BTreeMap<EventKind, Kind>;

pub(super) fn cameras<'d>(
    rows: &[Row<'d, RawCamera>],
    kinds: &Kinds,
    kind_names: &Names<'d>,
    context: &mut Context<'_>,
) -> (BTreeMap<CameraId, Camera>, Names<'d>) {
    let mut names = Names::new("camera", &context.problems);
    let mut cameras = BTreeMap::new();
    for row in rows {
        if let Some(camera) = camera(row, kinds, kind_names, &mut names, context) {
            cameras.insert(camera.id.clone(), camera);
        }
    }
    (cameras, names)
}

fn camera<'d>(
    row: &Row<'d, RawCamera>,
    kinds: &Kinds,
    kind_names: &Names<'d>,
    names: &mut Names<'d>,
    context: &mut Context<'_>,
) -> Option<Camera> {
    let Row { raw, place } = row;
    // Everything is looked at before anything gives up, so that all mistakes of a camera are told at once.
    let id = names.declare(place, "id", raw.id.as_deref(), &mut context.problems);
    let id = id.and_then(|id| {
        CameraId::new(id).map_err(|e| place.report(&mut context.problems, "id", id_fault(&e))).ok()
    });
    let stream = stream(row, context);
    let position = raw.position.filter(|position| check_position(*position, place, context));
    let looked_for = looked_for(row, kinds, kind_names, context);
    check_polled(row, kinds, &looked_for, context);
    let ignore = ignored(row, context);
    let zones = zone::zones(row, kind_names, context);
    let view = view::view(row, context);
    let evidence = own_thresholds(row, kinds, kind_names, &looked_for, context);
    let id = id?;
    Some(Camera {
        name: raw.name.clone().unwrap_or_else(|| id.to_string()),
        stream: stream?,
        position,
        area: raw.area.clone(),
        kinds: looked_for,
        evidence,
        ignore,
        zones,
        view,
        id,
    })
}

fn stream(row: &Row<'_, RawCamera>, context: &mut Context<'_>) -> Option<Stream> {
    let Row { raw, place } = row;
    let mut address = |key: &str, text: &Option<String>| {
        let text = text.as_deref()?;
        match CameraAddress::parse(text, place.source().folder()) {
            Ok(address) => Some(address),
            Err(fault) => {
                place.suggest(&mut context.problems, key, &fault.message, fault.suggestion);
                None
            }
        }
    };
    let main = address("url", &raw.url);
    let sub = address("sub_stream_url", &raw.sub_stream_url);
    let chosen = if raw.sub_stream_url.is_some() { sub.as_ref() } else { main.as_ref() };
    // Both streams of a camera ask for the same user.
    let in_address =
        [chosen, main.as_ref()].into_iter().flatten().find_map(|address| address.credentials.clone());
    let keys = SecretKeys {
        key: "password",
        clear: &raw.password,
        env: &raw.password_env,
        file: &raw.password_file,
    };
    let credentials = credentials(raw.user.as_deref(), &keys, in_address, place, context);
    let chosen = chosen?;
    let mut misplaced = |key: &str, message: &str| place.report(&mut context.problems, key, message);
    if raw.repeat && chosen.url.scheme() != "file" {
        misplaced("repeat", "is for files: a live stream has no end");
    }
    if place.has("transport") && chosen.url.scheme() != "rtsp" {
        misplaced("transport", "is for rtsp addresses");
    }
    if matches!(raw.connection, RawConnection::Polled) && chosen.url.scheme() != "rtsp" {
        misplaced("connection", "can be 'polled' for rtsp addresses only");
    }
    // A camera whose main address is wrong is told even where the sub-stream is taken.
    main.as_ref()?;
    Some(Stream {
        address: chosen.url.clone(),
        credentials,
        transport: match raw.transport {
            RawTransport::Tcp => Transport::Tcp,
            RawTransport::Udp => Transport::Udp,
        },
        decode: match raw.decode {
            RawDecode::Auto => DecodeMode::Auto,
            RawDecode::Keyframes => DecodeMode::Keyframes,
            RawDecode::Full => DecodeMode::Full,
        },
        connection: match raw.connection {
            RawConnection::Auto => Connection::Auto,
            RawConnection::Always => Connection::Always,
            RawConnection::Polled => Connection::Polled,
        },
        repeat: raw.repeat,
    })
}

/// A camera that is connected now and then cannot keep the promise of a kind that is looked for every few seconds.
fn check_polled(
    row: &Row<'_, RawCamera>,
    kinds: &Kinds,
    looked_for: &BTreeSet<EventKind>,
    context: &mut Context<'_>,
) {
    if !matches!(row.raw.connection, RawConnection::Polled) {
        return;
    }
    let rows = looked_for.iter().filter_map(|kind| kinds.get(kind));
    let too_fast = rows.filter(|kind| kind.pre_alarm || kind.look_interval < SHORTEST_POLL);
    if let Some(kind) = too_fast.min_by_key(|kind| kind.look_interval) {
        let message = format!(
            "cannot be 'polled': {} is looked for every {} s",
            kind.kind,
            kind.look_interval.as_secs_f64()
        );
        let suggestion = Some("use \"always\", or leave the kind out of its 'kinds'".to_owned());
        row.place.suggest(&mut context.problems, "connection", message, suggestion);
    }
}

pub(super) fn check_position(
    [longitude, latitude]: [f64; 2],
    place: &Place<'_>,
    context: &mut Context<'_>,
) -> bool {
    let fits = |longitude: f64, latitude: f64| longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
    if fits(longitude, latitude) {
        return true;
    }
    let message = format!("is no place on earth: longitude {longitude}, latitude {latitude}");
    let suggestion = fits(latitude, longitude).then(|| "longitude comes first: swap them".to_owned());
    place.suggest(&mut context.problems, "position", message, suggestion);
    false
}

fn looked_for<'d>(
    row: &Row<'d, RawCamera>,
    kinds: &Kinds,
    names: &Names<'d>,
    context: &mut Context<'_>,
) -> BTreeSet<EventKind> {
    let Some(given) = &row.raw.kinds else {
        return kinds.values().filter(|kind| !kind.labels.is_empty()).map(|kind| kind.kind.clone()).collect();
    };
    let place = &row.place;
    if let Some(index) = given.iter().position(|kind| kind == EventKind::CAMERA_FAULT) {
        let message =
            format!("'{}' in 'kinds' of {place} is watched in every camera", EventKind::CAMERA_FAULT);
        let suggestion = Some("leave it out".to_owned());
        context.problems.report(place.item_at("kinds", index), place.path_of("kinds"), message, suggestion);
    }
    references(names, place, "kinds", given, &mut context.problems, |name| Some(EventKind::new(name)))
}

fn ignored(row: &Row<'_, RawCamera>, context: &mut Context<'_>) -> Vec<Polygon> {
    let place = &row.place;
    let checked = row.raw.ignore.iter().enumerate().filter_map(|(index, corners)| {
        // A corner that could not be read is told; the outline without it is another.
        let fault = match polygon::polygon(corners) {
            Ok(polygon) => return Some(polygon),
            Err(_) if place.lost("ignore") => return None,
            Err(fault) => fault,
        };
        let message = format!("polygon {} of 'ignore' in {place} {fault}", index + 1);
        context.problems.report(place.item_at("ignore", index), place.path_of("ignore"), message, None);
        None
    });
    checked.collect()
}

fn own_thresholds<'d>(
    row: &Row<'d, RawCamera>,
    kinds: &Kinds,
    names: &Names<'d>,
    looked_for: &BTreeSet<EventKind>,
    context: &mut Context<'_>,
) -> BTreeMap<EventKind, EvidencePolicy> {
    let place = row.place.inner("evidence");
    let mut own = BTreeMap::new();
    for (code, raw) in &row.raw.evidence {
        let kind = EventKind::new(code);
        if !names.refer(&place, code, (0, code), &mut context.problems) {
            continue;
        }
        // A mistyped kind in 'kinds' is told there.
        let all_known = row.raw.kinds.as_ref().is_none_or(|given| given.len() == looked_for.len());
        if !looked_for.contains(&kind) && all_known && !row.place.lost("kinds") {
            let suggestion = Some(format!("add '{code}' to its 'kinds'"));
            place.suggest(
                &mut context.problems,
                code,
                "is for a kind this camera does not look for",
                suggestion,
            );
        } else if let Some(row) = kinds.get(&kind) {
            let policy = evidence::overlay(raw, row.evidence, &place.inner(code), context);
            own.insert(kind, policy);
        }
    }
    own
}
