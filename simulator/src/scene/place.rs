//! Where events happen: named spots of a view, or points on its ground.

use crate::scene::assets::{self, Spot};
use crate::scene::backdrop::{Backdrop, Ground};
use crate::scene::camera::{Pixel, Vec3};
use crate::scene::error::SceneError;
use crate::scene::spec::{EventKind, Place, SceneSpec, ScriptedEvent, View};

/// A place found in the world and in the picture.
#[derive(Debug, Clone)]
pub struct Spotted {
    /// Metres.
    pub at: Vec3,
    /// Where it is seen.
    pub pixel: Pixel,
    /// What it is: `road`, `bin`, `vehicle` and so on.
    pub surface: String,
    /// Usual size there, as a factor.
    pub scale: f32,
}

/// The names of the spots of a view where something can happen.
#[must_use]
pub fn spots(view: View, kind: EventKind) -> Vec<&'static str> {
    suited(view, kind).map(|spot| spot.name.as_str()).collect()
}

fn suited(view: View, kind: EventKind) -> impl Iterator<Item = &'static Spot> {
    assets::view(view).spots.iter().filter(move |spot| spot.kinds.contains(&kind.to_string()))
}

/// Finds the place of an event.
///
/// # Errors
/// [`SceneError::Spot`] and [`SceneError::Ground`] when the view has no such place.
pub fn find(
    event: &ScriptedEvent,
    index: usize,
    spec: &SceneSpec,
    backdrop: &Backdrop,
) -> Result<Spotted, SceneError> {
    match &event.place {
        Some(Place::At(point)) => on_ground(index, point.x, point.y, spec, backdrop),
        Some(Place::Spot(name)) => {
            let found = suited(spec.view, event.kind).find(|spot| spot.name == *name);
            named(found, name, event, index, spec, backdrop)
        }
        None => named(suited(spec.view, event.kind).next(), "", event, index, spec, backdrop),
    }
}

fn named(
    spot: Option<&Spot>,
    name: &str,
    event: &ScriptedEvent,
    index: usize,
    spec: &SceneSpec,
    backdrop: &Backdrop,
) -> Result<Spotted, SceneError> {
    let spot = spot.ok_or_else(|| SceneError::Spot {
        view: spec.view.name(),
        spot: name.to_owned(),
        kind: event.kind.to_string(),
        known: spots(spec.view, event.kind).join(", "),
    })?;
    let pixel = backdrop.camera.project(spot.at);
    let pixel = pixel.ok_or(SceneError::Ground { event: index, view: spec.view.name(), x: 0.0, y: 0.0 })?;
    Ok(Spotted { at: spot.at, pixel, surface: spot.surface.clone(), scale: spot.scale })
}

fn on_ground(
    index: usize,
    x: f32,
    y: f32,
    spec: &SceneSpec,
    backdrop: &Backdrop,
) -> Result<Spotted, SceneError> {
    let refused = SceneError::Ground { event: index, view: spec.view.name(), x, y };
    if !(0.0..1.0).contains(&x) || !(0.0..1.0).contains(&y) {
        return Err(refused);
    }
    let (column, row) = ((x * backdrop.width as f32) as usize, (y * backdrop.height as f32) as usize);
    let surface = match backdrop.ground_at(column, row) {
        Ground::Road => "road",
        Ground::Pavement => "pavement",
        Ground::Sky | Ground::Thing => return Err(refused),
    };
    let at = backdrop.world_at(column, row);
    let pixel = Pixel {
        x: column as f32 + 0.5,
        y: row as f32 + 0.5,
        depth: backdrop.depth[row * backdrop.width + column],
    };
    Ok(Spotted { at, pixel, surface: surface.to_owned(), scale: 1.0 })
}
