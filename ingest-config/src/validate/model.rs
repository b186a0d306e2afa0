//! `[[models]]` → [`Model`]: values first, then who asks whom.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use citybrain_types::{EventKind, ModelId};

use super::{Context, id_fault};
use crate::names::{Names, references};
use crate::raw::{RawModel, RawPrecision, RawProvider};
use crate::resolved::{ASKED_AT_MOST_EVERY, Cascade, ExecutionProvider, Model, Precision, Turn};
use crate::row::{Place, Row};
use crate::suggestion::shown;

/// The models and where each stands.
pub(super) struct Models<'d> {
    pub models: Vec<Model>,
    pub places: Vec<Place<'d>>,
}

pub(super) fn models<'d>(
    rows: &[Row<'d, RawModel>],
    kind_names: &Names<'d>,
    context: &mut Context<'_>,
) -> Models<'d> {
    let mut found = Models { models: Vec::new(), places: Vec::new() };
    let mut asked_after = Vec::new();
    let mut names = Names::new("model", &context.problems);
    for Row { raw, place } in rows {
        fits(raw, place, context);
        let id = id(raw, place, context);
        let kinds = raw.kinds.iter().flat_map(|kinds| {
            references(kind_names, place, "kinds", kinds, &mut context.problems, |kind| {
                Some(EventKind::new(kind))
            })
        });
        let kinds: BTreeSet<EventKind> = kinds.collect();
        let folder = raw.dir.as_deref().map(|dir| super::site::absolute(place.source().folder(), dir));
        if let Some(first) = folder.as_ref().and_then(|dir| found.models.iter().position(|m| m.dir == *dir)) {
            let first = found.places[first].header();
            place.report(&mut context.problems, "dir", format!("is the folder of the model at {first}"));
            continue;
        }
        let (key, name) = name(raw, place, folder.as_deref());
        let declared = names.declare(place, key, name.as_deref(), &mut context.problems).map(str::to_owned);
        let (Some(dir), Some(name)) = (folder, declared) else { continue };
        found.models.push(Model {
            name,
            dir,
            id,
            kinds,
            turn: Turn::Every(raw.look_interval_secs.map(Duration::from_secs_f64)),
            provider: provider(raw.provider),
            precision: raw.precision.map(precision),
        });
        found.places.push(place.clone());
        asked_after.push(raw);
    }
    for (index, raw) in asked_after.into_iter().enumerate() {
        let place = &found.places[index];
        if let Some(cascade) = cascade(raw, index, place, &found.models, &names, context) {
            found.models[index].turn = Turn::After(cascade);
        }
    }
    circles(&mut found, context);
    found
}

/// Keys that mean something only beside another one.
fn fits(raw: &RawModel, place: &Place<'_>, context: &mut Context<'_>) {
    for key in ["after_score", "crop"] {
        if place.has(key) && raw.after.is_none() && !place.lost("after") {
            let suggestion = "name the model that asks in 'after'".to_owned();
            place.suggest(&mut context.problems, key, "means nothing without 'after'", Some(suggestion));
        }
    }
    let openvino = matches!(raw.provider, RawProvider::Openvino) || place.lost("provider");
    if raw.precision.is_some() && !openvino {
        let suggestion = "set provider = \"openvino\", or leave it out".to_owned();
        let message = "is told to OpenVINO only";
        place.suggest(&mut context.problems, "precision", message, Some(suggestion));
    }
}

fn id(raw: &RawModel, place: &Place<'_>, context: &mut Context<'_>) -> Option<ModelId> {
    match ModelId::new(raw.id.as_deref()?) {
        Ok(id) => Some(id),
        Err(error) => {
            place.report(&mut context.problems, "id", id_fault(&error));
            None
        }
    }
}

/// The name of a model, and the key it stands under; none where it was given and could not be read.
fn name(raw: &RawModel, place: &Place<'_>, folder: Option<&Path>) -> (&'static str, Option<String>) {
    if raw.name.is_some() || place.lost("name") {
        return ("name", raw.name.clone());
    }
    ("dir", folder.map(|folder| Model::of(PathBuf::from(folder)).name))
}

fn cascade(
    raw: &RawModel,
    index: usize,
    place: &Place<'_>,
    models: &[Model],
    names: &Names<'_>,
    context: &mut Context<'_>,
) -> Option<Cascade> {
    let name = raw.after.as_deref()?;
    if !names.refer(place, "after", (0, name), &mut context.problems) {
        return None;
    }
    let after = models.iter().position(|model| model.name == name)?;
    if after == index {
        let suggestion = "name another model, or leave 'after' out".to_owned();
        place.suggest(&mut context.problems, "after", "names the model itself", Some(suggestion));
        return None;
    }
    let (own, other) = (&models[index].kinds, &models[after].kinds);
    if !own.is_empty() && !other.is_empty() && own.is_disjoint(other) {
        let list = |kinds: &BTreeSet<EventKind>| {
            kinds.iter().map(|kind| shown(kind.as_str())).collect::<Vec<_>>().join(", ")
        };
        let message = format!(
            "is never asked: '{}' speaks to {} only, this model to {}",
            shown(name),
            list(other),
            list(own)
        );
        let suggestion = "give both a kind in common in 'kinds'".to_owned();
        place.suggest(&mut context.problems, "after", message, Some(suggestion));
        return None;
    }
    Some(Cascade {
        after,
        score: raw.after_score.map(|score| score as f32),
        crop: raw.crop.map(|factor| factor as f32),
        at_most_every: raw.look_interval_secs.map_or(ASKED_AT_MOST_EVERY, Duration::from_secs_f64),
    })
}

/// Models that wait for each other in a circle are never asked; each circle is reported once, at its first model.
fn circles(found: &mut Models<'_>, context: &mut Context<'_>) {
    let after: Vec<Option<usize>> =
        found.models.iter().map(|model| model.cascade().map(|cascade| cascade.after)).collect();
    for first in 0..after.len() {
        let mut way = vec![first];
        // A way is at most as long as there are models; one that leads into another circle is reported there.
        while let Some(next) = after[way[way.len() - 1]].filter(|next| !way.contains(next)) {
            way.push(next);
        }
        let closes = after[way[way.len() - 1]] == Some(first);
        if closes && way.iter().min() == Some(&first) {
            let names: Vec<String> = way
                .iter()
                .chain([&first])
                .map(|at| format!("'{}'", shown(&found.models[*at].name)))
                .collect();
            let message = format!("closes a circle: {}", names.join(" after "));
            let suggestion = "leave 'after' out of the cheapest of them".to_owned();
            found.places[first].suggest(&mut context.problems, "after", message, Some(suggestion));
        }
    }
}

const fn provider(raw: RawProvider) -> ExecutionProvider {
    match raw {
        RawProvider::Cpu => ExecutionProvider::Cpu,
        RawProvider::Openvino => ExecutionProvider::OpenVino,
        RawProvider::Cuda => ExecutionProvider::Cuda,
        RawProvider::Tensorrt => ExecutionProvider::TensorRt,
    }
}

const fn precision(raw: RawPrecision) -> Precision {
    match raw {
        RawPrecision::F32 => Precision::F32,
        RawPrecision::F16 => Precision::F16,
        RawPrecision::Bf16 => Precision::Bf16,
    }
}
