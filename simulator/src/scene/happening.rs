//! One scripted event made ready: where it is drawn, and what of it can be seen when.

use crate::scene::backdrop::Backdrop;
use crate::scene::chance::{Chance, smoothstep};
use crate::scene::error::SceneError;
use crate::scene::fire::Fire;
use crate::scene::place::{self, Spotted};
use crate::scene::spec::{EventKind, SceneSpec, ScriptedEvent};
use crate::scene::things::{Litter, Machine, Scaffold};
use crate::scene::traffic::Closure;
use crate::scene::water::{Basin, Water};
use citybrain_types::BoundingBox;

/// Water that rises and falls again.
#[derive(Debug)]
pub struct Flood {
    /// Where it lies.
    pub water: Water,
    from: f32,
    to: f32,
    growth: f32,
    highest: f32,
}

/// Level at which the ground is merely wet, metres.
const DRY: f32 = -0.06;

impl Flood {
    fn new(
        event: &ScriptedEvent,
        index: usize,
        spot: &Spotted,
        spec: &SceneSpec,
        backdrop: &Backdrop,
    ) -> Self {
        let (basin, highest) = if spot.surface == "dip" {
            (Basin::Dip, 1.45 * event.size)
        } else {
            (Basin::Bowl(5.5 * event.size * spot.scale), 0.15)
        };
        let chance = Chance::new(spec.seed).with(700 + index as u64);
        let water = Water::new(backdrop, spot.at, basin, highest, chance);
        let (from, to) = (event.from.as_secs_f32(), event.to.map_or(f32::INFINITY, |to| to.as_secs_f32()));
        Self { water, from, to, growth: event.growth_secs.max(0.1), highest }
    }

    /// The level at a time, metres; `None` when there is none.
    pub fn level(&self, at: f32) -> Option<f32> {
        if at < self.from || at >= self.to {
            return None;
        }
        let rise = smoothstep(0.0, self.growth, at - self.from) * smoothstep(0.0, 4.0, self.to - at);
        Some(DRY + (self.highest - DRY) * rise)
    }
}

/// What an event draws.
#[derive(Debug)]
pub enum Happening {
    /// Flames and smoke, or smoke alone.
    Fire(Box<Fire>),
    /// Water.
    Flood(Box<Flood>),
    /// Bags and boxes.
    Litter(Box<Litter>),
    /// An excavator.
    Machine(Box<Machine>),
    /// A scaffold.
    Scaffold(Box<Scaffold>),
}

/// Smallest share of the picture's height (for water: of its area) at which a person sees a thing of a label.
fn visible_at(label: &str) -> f32 {
    match label {
        "fire" | "machinery" => 0.04,
        "litter" => 0.025,
        "water" => 0.008,
        _ => 0.06,
    }
}

impl Happening {
    /// Prepares an event and tells which part of the street it closes.
    ///
    /// # Errors
    /// [`SceneError`] when the view has no such place or an asset cannot be decoded.
    pub fn new(
        event: &ScriptedEvent,
        index: usize,
        spec: &SceneSpec,
        backdrop: &Backdrop,
    ) -> Result<(Self, Option<Closure>), SceneError> {
        let spot = place::find(event, index, spec, backdrop)?;
        let closure = |radius, early: f32| {
            let from = event.from.as_secs_f32() - early;
            let to = event.to.map_or(f32::INFINITY, |to| to.as_secs_f32());
            Some(Closure { at: [spot.at[0], spot.at[1]], radius, from, to })
        };
        Ok(match event.kind {
            EventKind::Fire | EventKind::Smoke => {
                let fire = Fire::new(event, index, &spot, spec, backdrop)?;
                (Self::Fire(Box::new(fire)), closure(2.2, 0.0))
            }
            EventKind::Waterlogging => {
                let deep = spot.surface == "dip";
                let flood = Flood::new(event, index, &spot, spec, backdrop);
                (Self::Flood(Box::new(flood)), if deep { closure(6.0, 0.0) } else { None })
            }
            EventKind::Littering => {
                let litter = Litter::new(event, index, &spot, spec.seed)?;
                (Self::Litter(Box::new(litter)), closure(1.2, 8.0))
            }
            EventKind::Machinery => {
                let machine = Machine::new(event, index, &spot, spec.seed)?;
                (Self::Machine(Box::new(machine)), closure(5.5, 0.0))
            }
            EventKind::Scaffolding => (Self::Scaffold(Box::new(Scaffold::new(event, spec, backdrop)?)), None),
        })
    }

    /// Boxes of everything of it that is drawn at a time, however small, with the share that decides whether a person
    /// sees it.
    fn shares(&self, backdrop: &Backdrop, at: f32) -> Vec<(&'static str, BoundingBox, f32)> {
        let picture = (backdrop.width, backdrop.height);
        let high = |label: &'static str, bbox: BoundingBox| (label, bbox, bbox.height());
        match self {
            Self::Fire(fire) => fire.boxes(at, picture).into_iter().map(|(l, b)| high(l, b)).collect(),
            Self::Flood(flood) => {
                let found = flood.level(at).and_then(|level| flood.water.bounds(level, picture));
                found.map(|(bbox, share)| ("water", bbox, share)).into_iter().collect()
            }
            Self::Litter(litter) => {
                litter.bounds(backdrop, at).map(|b| high("litter", b)).into_iter().collect()
            }
            Self::Machine(it) => it.bounds(backdrop, at).map(|b| high("machinery", b)).into_iter().collect(),
            Self::Scaffold(it) => {
                it.bounds(at, picture).map(|b| high("scaffolding", b)).into_iter().collect()
            }
        }
    }

    /// Boxes of what a person can see at a time.
    pub fn boxes(&self, backdrop: &Backdrop, at: f32) -> Vec<(&'static str, BoundingBox)> {
        let shares = self.shares(backdrop, at).into_iter();
        // A flame that dips for a moment is still the flame that a person sees: the box stays down to half the size.
        shares.filter(|(label, _, share)| *share >= visible_at(label) * 0.5).map(|(l, b, _)| (l, b)).collect()
    }

    /// Whether a person who looks at the picture sees it at a time.
    pub fn visible(&self, backdrop: &Backdrop, at: f32) -> bool {
        self.shares(backdrop, at).iter().any(|(label, _, share)| *share >= visible_at(label))
    }
}
