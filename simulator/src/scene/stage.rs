//! A scene put together: what is drawn over what.

use crate::scene::assets;
use crate::scene::backdrop::{Backdrop, Ground};
use crate::scene::canvas::{Canvas, hull};
use crate::scene::distract::Distractors;
use crate::scene::error::SceneError;
use crate::scene::glow;
use crate::scene::happening::Happening;
use crate::scene::sensor::Sensor;
use crate::scene::sheet::{Sheet, Stamp};
use crate::scene::spec::{Distractor, Light, SceneSpec, Weather};
use crate::scene::traffic::{Actor, Traffic};
use crate::scene::truth::{TruthBox, TruthEvent};
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A scene ready to be filmed.
#[derive(Debug)]
pub struct Scene {
    spec: SceneSpec,
    backdrop: Backdrop,
    traffic: Traffic,
    distractors: Distractors,
    happenings: Vec<Happening>,
    sensor: Sensor,
    sheets: HashMap<&'static str, Arc<Sheet>>,
    /// How much each pixel mirrors what stands on it, refilled for each frame.
    wet: Vec<u8>,
    /// How strongly headlights count, `0..=1`.
    lamps: f32,
    events: Vec<TruthEvent>,
}

/// Where the sunlight goes, as in the rendered views.
const SUN: [f32; 3] = [0.34, 0.62, -0.72];

/// Sheets that traffic takes its sprites from.
const SHEETS: [&str; 9] = ["sedan", "suv", "van", "truck", "bus", "scooter", "man", "woman", "umbrella"];

/// Something that stands, to be drawn from far to near.
enum Standing<'a> {
    Actor(Actor),
    Happening(&'a Happening),
}

impl Scene {
    /// Prepares everything that does not move.
    ///
    /// # Errors
    /// [`SceneError`] when the spec asks for what the view does not have.
    pub fn new(spec: SceneSpec) -> Result<Self, SceneError> {
        check(&spec)?;
        let facts = assets::view(spec.view);
        let backdrop = Backdrop::new(&spec)?;
        let mut happenings = Vec::new();
        let mut closures = Vec::new();
        for (index, event) in spec.events.iter().enumerate() {
            let (happening, closure) = Happening::new(event, index, &spec, &backdrop)?;
            happenings.push(happening);
            closures.extend(closure);
        }
        let sheets = SHEETS.iter().map(|name| Ok((*name, Sheet::load(name)?)));
        let sheets = sheets.collect::<Result<_, SceneError>>()?;
        let traffic = Traffic::new(facts, &spec, &closures);
        let distractors = Distractors::new(facts, &spec, &backdrop)?;
        let sensor = Sensor::new(&spec);
        let lamps = match (spec.light, spec.weather) {
            (Light::Day, Weather::Clear) => 0.0,
            (Light::Day, Weather::Rain) => 0.28,
            (Light::Dusk, _) => 0.7,
            (Light::Night, _) => 1.0,
        };
        let lamps = if spec.distractors.contains(&Distractor::Headlights) { lamps * 1.5 } else { lamps };
        let wet = vec![0; backdrop.depth.len()];
        let mut made = Self {
            spec,
            backdrop,
            traffic,
            distractors,
            happenings,
            sensor,
            sheets,
            wet,
            lamps,
            events: Vec::new(),
        };
        made.events = made.watch();
        Ok(made)
    }

    /// The spec it was made from.
    #[must_use]
    pub const fn spec(&self) -> &SceneSpec {
        &self.spec
    }

    /// Draws the picture at a time from the start of the scene. `out` is made to fit.
    pub fn render(&mut self, at: Duration, out: &mut RgbImage) {
        if out.dimensions() != (self.spec.width, self.spec.height) {
            *out = RgbImage::new(self.spec.width, self.spec.height);
        }
        let time = at.as_secs_f32();
        out.copy_from_slice(&self.backdrop.pixels);
        let mut wet = std::mem::take(&mut self.wet);
        let mut canvas =
            Canvas { width: self.backdrop.width, height: self.backdrop.height, pixels: out.as_mut() };
        let actors = self.actors(time);
        self.draw_ground(&mut canvas, time, &actors, &mut wet);
        self.draw_standing(&mut canvas, time, actors, &wet);
        self.distractors.draw_front(&mut canvas, &self.backdrop, time);
        self.sensor.finish(&mut canvas, time, u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
        self.wet = wet;
    }

    fn actors(&self, time: f32) -> Vec<Actor> {
        let mut actors = self.traffic.actors(time);
        actors.extend(self.distractors.actor());
        for happening in &self.happenings {
            if let Happening::Litter(litter) = happening {
                actors.extend(litter.bringer(time));
            }
        }
        actors
    }

    /// What lies on the ground or on walls: light, water, scaffolds, shadows.
    fn draw_ground(&self, canvas: &mut Canvas<'_>, time: f32, actors: &[Actor], wet: &mut [u8]) {
        let rain = self.spec.weather == Weather::Rain;
        let film = if rain { 46 } else { 0 };
        for (share, ground) in wet.iter_mut().zip(&self.backdrop.ground) {
            *share = if *ground == Ground::Road { film } else { film / 2 };
        }
        self.distractors.draw_behind(canvas, &self.backdrop, time);
        for happening in &self.happenings {
            match happening {
                Happening::Fire(fire) => fire.light(canvas, &self.backdrop, time),
                Happening::Scaffold(scaffold) => scaffold.draw(canvas, time),
                _ => {}
            }
        }
        if self.lamps > 0.4 {
            for actor in actors {
                glow::pool(canvas, &self.backdrop, actor, self.lamps.min(1.2));
            }
        }
        self.distractors.draw_ground(canvas, &self.backdrop, time, rain, wet);
        for happening in &self.happenings {
            if let Happening::Flood(flood) = happening
                && let Some(level) = flood.level(time)
            {
                flood.water.draw(canvas, &self.backdrop, level, time, rain, wet);
            }
        }
        for actor in actors {
            self.draw_shadow(canvas, actor);
        }
    }

    /// Actors and happenings from far to near.
    fn draw_standing(&self, canvas: &mut Canvas<'_>, time: f32, actors: Vec<Actor>, wet: &[u8]) {
        let far = |at| self.backdrop.camera.project(at).map(|p| p.depth);
        let mut list: Vec<(f32, Standing<'_>)> =
            actors.into_iter().filter_map(|actor| Some((far(actor.at)?, Standing::Actor(actor)))).collect();
        for happening in &self.happenings {
            let depth = match happening {
                Happening::Fire(fire) => fire.depth(),
                Happening::Litter(litter) => litter.depth(),
                Happening::Machine(machine) => machine.depth(&self.backdrop, time),
                Happening::Flood(_) | Happening::Scaffold(_) => continue,
            };
            list.push((depth, Standing::Happening(happening)));
        }
        list.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, standing) in &list {
            match standing {
                Standing::Actor(actor) => self.draw_actor(canvas, time, actor, wet),
                Standing::Happening(Happening::Fire(fire)) => fire.draw(canvas, &self.backdrop, time),
                Standing::Happening(Happening::Litter(litter)) => litter.draw(canvas, &self.backdrop, time),
                Standing::Happening(Happening::Machine(machine)) => {
                    machine.draw(canvas, &self.backdrop, time)
                }
                Standing::Happening(_) => {}
            }
        }
    }

    fn draw_actor(&self, canvas: &mut Canvas<'_>, time: f32, actor: &Actor, wet: &[u8]) {
        let (Some(foot), Some(sheet)) =
            (self.backdrop.camera.project(actor.at), self.sheets.get(actor.sheet))
        else {
            return;
        };
        let (ray, down) = self.backdrop.camera.regard(actor.at);
        let relative = (actor.heading - ray).to_degrees() + 90.0;
        let (column, flip) = sheet.column(relative);
        let metre = (self.backdrop.camera.focal.0 / foot.depth, self.backdrop.camera.focal.1 / foot.depth);
        let sunk = self.happenings.iter().filter_map(|happening| match happening {
            Happening::Flood(flood) => Some(flood.water.depth_at(actor.at, flood.level(time)?)),
            _ => None,
        });
        let stamp = Stamp {
            sheet,
            cell: (column, sheet.row(actor.pose, down.to_degrees())),
            foot,
            scale: metre,
            flip,
            tint: self.backdrop.light_at(foot.x, foot.y),
            paint: actor.paint,
            alpha: 1.0,
            sunk: sunk.fold(0.0, f32::max),
        };
        let wide = self.backdrop.width;
        let share = |x: usize, y: usize| f32::from(wet[y * wide + x]) / 255.0;
        stamp.mirror(canvas, share);
        stamp.draw(canvas, &self.backdrop);
        if self.lamps > 0.0 {
            let rain = self.spec.weather == Weather::Rain;
            glow::headlights(canvas, &self.backdrop, actor, self.lamps, rain);
        }
    }

    /// A soft shadow under an actor, and in sunshine the shadow that it casts.
    fn draw_shadow(&self, canvas: &mut Canvas<'_>, actor: &Actor) {
        let [length, width, height] = actor.size;
        let (sin, cos) = actor.heading.sin_cos();
        let foot = |ahead: f32, side: f32, high: f32| {
            let shift = high / -SUN[2];
            let at = [
                actor.at[0] + cos * ahead - sin * side + SUN[0] * shift,
                actor.at[1] + sin * ahead + cos * side + SUN[1] * shift,
                actor.at[2],
            ];
            self.backdrop.camera.project(at).map(|p| (p.x, p.y))
        };
        let corners = [(0.46, 0.46), (0.46, -0.46), (-0.46, -0.46), (-0.46, 0.46)];
        let ring = |high: f32| corners.iter().filter_map(move |(a, s)| foot(a * length, s * width, high));
        let mut below: Vec<(f32, f32)> = ring(0.0).collect();
        let Some(middle) = self.backdrop.camera.project(actor.at) else { return };
        if below.len() < 4 || middle.depth > 90.0 {
            return;
        }
        let soft = (self.backdrop.camera.focal.0 / middle.depth * 0.14).max(0.6);
        let backdrop = &self.backdrop;
        let on_ground = |x: usize, y: usize| backdrop.ground_at(x, y) != Ground::Thing;
        let keep = |share: f32| move |x: usize, y: usize| if on_ground(x, y) { share } else { 1.0 };
        canvas.shade(&hull(&mut below), soft * 1.6, keep(0.42));
        let sunny = self.spec.light == Light::Day && self.spec.weather == Weather::Clear;
        let lit = backdrop.light_at(middle.x, middle.y)[1];
        if sunny && lit > 0.5 {
            let mut cast: Vec<(f32, f32)> = ring(0.0).chain(ring(height * 0.92)).collect();
            let share = 1.0 - 0.5 * ((lit - 0.5) * 3.0).min(1.0);
            canvas.shade(&hull(&mut cast), soft * 0.8, keep(share));
        }
    }

    /// What is to be seen at a time from the start of the scene.
    #[must_use]
    pub fn truth(&self, at: Duration) -> Vec<TruthBox> {
        let time = at.as_secs_f32();
        let mut out = Vec::new();
        for (event, (script, happening)) in self.spec.events.iter().zip(&self.happenings).enumerate() {
            let boxes = happening.boxes(&self.backdrop, time).into_iter();
            out.extend(boxes.map(|(label, bbox)| TruthBox { kind: script.kind.kind(), label, bbox, event }));
        }
        out
    }

    /// The scripted events as a person sees them.
    #[must_use]
    pub fn events(&self) -> Vec<TruthEvent> {
        self.events.clone()
    }

    /// Looks at each event from its beginning until it is seen, in steps of a tenth of a second; and back from its end.
    fn watch(&self) -> Vec<TruthEvent> {
        let mut out = Vec::new();
        for (index, (event, happening)) in self.spec.events.iter().zip(&self.happenings).enumerate() {
            let begin = event.from.as_secs_f32();
            let step = 0.1_f32;
            // Fully grown after the growth time, and a loop of gas is over in 12 s: later nothing larger can come.
            let patience = event.growth_secs + 15.0;
            let last = event.to.map_or(begin + patience, |to| to.as_secs_f32());
            let count = ((last - begin) / step).max(0.0) as usize;
            let time = |k: usize| begin + k as f32 * step;
            let seen = |k: &usize| happening.visible(&self.backdrop, time(*k));
            let first = (0..=count).find(seen);
            let until = event.to.and_then(|_| (0..=count).rev().find(seen));
            let moment = |k: usize| Duration::from_millis((time(k).max(0.0) * 1000.0).round() as u64);
            out.push(TruthEvent {
                kind: event.kind.kind(),
                label: event.kind.label(),
                event: index,
                visible_from: first.map(moment),
                visible_to: until.map(|k| moment(k + 1)),
            });
        }
        out
    }
}

fn check(spec: &SceneSpec) -> Result<(), SceneError> {
    let (width, height) = (spec.width, spec.height);
    let even = width.is_multiple_of(2) && height.is_multiple_of(2);
    if !even || !(160..=1920).contains(&width) || !(90..=1080).contains(&height) {
        return Err(SceneError::Size { width, height });
    }
    if !(1..=30).contains(&spec.fps) {
        return Err(SceneError::FrameRate(spec.fps));
    }
    if !(0.0..=1.0).contains(&spec.traffic) {
        return Err(SceneError::Traffic(spec.traffic));
    }
    for (index, event) in spec.events.iter().enumerate() {
        if event.to.is_some_and(|to| to <= event.from) {
            return Err(SceneError::Order { event: index });
        }
        let ranges = [("size", event.size, 0.2, 4.0), ("growth_secs", event.growth_secs, 0.0, 3600.0)];
        for (field, value, low, high) in ranges {
            if !(low..=high).contains(&value) {
                return Err(SceneError::Range { event: index, field, value, low, high });
            }
        }
    }
    Ok(())
}
