//! `[[models]]` → [`Model`].

use std::path::PathBuf;

use citybrain_types::ModelId;

use super::{Context, id_fault};
use crate::raw::RawModel;
use crate::resolved::Model;
use crate::row::{Place, Row};

/// The models and where each stands.
pub(super) struct Models<'d> {
    pub models: Vec<Model>,
    pub places: Vec<Place<'d>>,
}

pub(super) fn models<'d>(rows: &[Row<'d, RawModel>], context: &mut Context<'_>) -> Models<'d> {
    let mut found = Models { models: Vec::new(), places: Vec::new() };
    for Row { raw, place } in rows {
        let id = raw.id.as_deref().and_then(|id| match ModelId::new(id) {
            Ok(id) => Some(id),
            Err(error) => {
                place.report(&mut context.problems, "id", id_fault(&error));
                None
            }
        });
        let Some(dir) = raw.dir.as_deref() else { continue };
        let dir: PathBuf = super::site::absolute(place.source().folder(), dir);
        match found.models.iter().position(|model: &Model| model.dir == dir) {
            Some(first) => {
                let first = found.places[first].header();
                place.report(&mut context.problems, "dir", format!("is the folder of the model at {first}"));
            }
            None => {
                found.models.push(Model { dir, id });
                found.places.push(place.clone());
            }
        }
    }
    found
}
