//! What a scene is made of, as a script says it. Everything here is data: a street script is a TOML file.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// One of the places that a camera films.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// A crossing of two streets with traffic lights.
    Junction,
    /// A narrow street between blocks of flats, cars at the kerb.
    Residential,
    /// Market stalls under red awnings along a pedestrian street.
    Market,
    /// A road that dips under a railway bridge.
    Underpass,
    /// A street beside a plot where something could be built.
    Site,
    /// A wide avenue with a car park in front of shops.
    Avenue,
}

impl View {
    /// Every view, in a fixed order.
    pub const ALL: [Self; 6] =
        [Self::Junction, Self::Residential, Self::Market, Self::Underpass, Self::Site, Self::Avenue];

    /// The name in scripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Junction => "junction",
            Self::Residential => "residential",
            Self::Market => "market",
            Self::Underpass => "underpass",
            Self::Site => "site",
            Self::Avenue => "avenue",
        }
    }
}

/// What lights the street.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Sun and sky; in rain, an overcast sky.
    #[default]
    Day,
    /// A blue sky that has lost the sun, lamps on.
    Dusk,
    /// Street lamps, windows and signs.
    Night,
}

/// What falls from the sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weather {
    /// Nothing; the ground is dry.
    #[default]
    Clear,
    /// Rain on a wet road that mirrors lights.
    Rain,
}

/// What happens in a scripted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Flames with smoke above them.
    Fire,
    /// Smoke without a flame that the camera sees; its kind is `fire` too.
    Smoke,
    /// Water that rises over the road.
    Waterlogging,
    /// Bags and boxes left on the ground.
    Littering,
    /// An excavator at work, or a crane.
    Machinery,
    /// A scaffold that grows in front of a house.
    Scaffolding,
}

impl EventKind {
    /// Every kind, in a fixed order.
    pub const ALL: [Self; 6] =
        [Self::Fire, Self::Smoke, Self::Waterlogging, Self::Littering, Self::Machinery, Self::Scaffolding];

    /// The kind of event that a city's catalogue knows it by.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Fire | Self::Smoke => "fire",
            Self::Waterlogging => "waterlogging",
            Self::Littering => "littering",
            Self::Machinery | Self::Scaffolding => "illegal_construction",
        }
    }

    /// The label of what is seen first: for a fire the flame.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Fire => "fire",
            Self::Smoke => "smoke",
            Self::Waterlogging => "water",
            Self::Littering => "litter",
            Self::Machinery => "machinery",
            Self::Scaffolding => "scaffolding",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fire => "fire",
            Self::Smoke => "smoke",
            Self::Waterlogging => "waterlogging",
            Self::Littering => "littering",
            Self::Machinery => "machinery",
            Self::Scaffolding => "scaffolding",
        })
    }
}

/// Things that fool detectors and are no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distractor {
    /// Red flags that wave on poles.
    RedFlags,
    /// A flickering red and orange neon sign.
    Neon,
    /// Amber beacon of a service vehicle.
    Beacon,
    /// A low sun or a lamp that blooms in the lens.
    LensGlare,
    /// White steam from a food stall or a manhole.
    Steam,
    /// People in orange and red vests with red umbrellas.
    OrangeVests,
    /// Shallow puddles that mirror the sky but flood nothing.
    Puddles,
    /// Leaves and a sheet of paper that the wind carries along.
    Leaves,
    /// Headlights that sweep through the picture; at night only.
    Headlights,
}

impl Distractor {
    /// Every distractor, in a fixed order.
    pub const ALL: [Self; 9] = [
        Self::RedFlags,
        Self::Neon,
        Self::Beacon,
        Self::LensGlare,
        Self::Steam,
        Self::OrangeVests,
        Self::Puddles,
        Self::Leaves,
        Self::Headlights,
    ];
}

/// Where an event happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// A named spot of the view; see [`crate::scene::spots`].
    Spot(String),
    /// A point on the ground by its place in the picture, in fractions; the thing stands on it.
    At(Point),
}

/// A point in the picture in fractions of its width and height.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// From the left edge, `0..=1`.
    pub x: f32,
    /// From the top edge, `0..=1`.
    pub y: f32,
}

/// One thing that happens in a scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedEvent {
    /// What happens.
    pub kind: EventKind,
    /// When it begins, from the start of the scene.
    #[serde(rename = "from_secs", with = "seconds")]
    pub from: Duration,
    /// When it ends; without it, it stays.
    #[serde(rename = "to_secs", default, with = "maybe_seconds", skip_serializing_if = "Option::is_none")]
    pub to: Option<Duration>,
    /// Where; without it, the view's first spot for this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// How large, as a multiple of the usual size: `0.2..=4`.
    #[serde(default = "one")]
    pub size: f32,
    /// How long it takes to reach that size, in seconds.
    #[serde(rename = "growth_secs", default = "growth")]
    pub growth_secs: f32,
}

impl ScriptedEvent {
    /// An event of the usual size at the first spot of the view for it, from a time on.
    #[must_use]
    pub const fn new(kind: EventKind, from: Duration) -> Self {
        Self { kind, from, to: None, place: None, size: one(), growth_secs: growth() }
    }
}

const fn one() -> f32 {
    1.0
}

const fn growth() -> f32 {
    8.0
}

/// A scene: a view in one light and weather, who is in it and what happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneSpec {
    /// The place filmed.
    pub view: View,
    /// What lights it.
    #[serde(default)]
    pub light: Light,
    /// Rain or not.
    #[serde(default)]
    pub weather: Weather,
    /// Decides everything that chance decides: traffic, people, flicker, noise.
    #[serde(default)]
    pub seed: u64,
    /// Width of the picture in pixels, even, `160..=1920`.
    #[serde(default = "width")]
    pub width: u32,
    /// Height of the picture in pixels, even, `90..=1080`.
    #[serde(default = "height")]
    pub height: u32,
    /// Frames per second at which the scene is meant to be filmed, `1..=30`.
    #[serde(default = "fps")]
    pub fps: u32,
    /// How busy the street is, `0..=1`: cars and people that come by.
    #[serde(default = "half")]
    pub traffic: f32,
    /// The camera's name as burnt into the picture; without it, the view's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// Things that fool detectors.
    #[serde(default)]
    pub distractors: Vec<Distractor>,
    /// What happens.
    #[serde(default)]
    pub events: Vec<ScriptedEvent>,
}

const fn width() -> u32 {
    640
}

const fn height() -> u32 {
    360
}

const fn fps() -> u32 {
    8
}

const fn half() -> f32 {
    0.5
}

impl SceneSpec {
    /// A quiet clear day at a view, 640×360 at 8 frames per second.
    #[must_use]
    pub const fn quiet(view: View) -> Self {
        Self {
            view,
            light: Light::Day,
            weather: Weather::Clear,
            seed: 0,
            width: width(),
            height: height(),
            fps: fps(),
            traffic: half(),
            caption: None,
            distractors: Vec::new(),
            events: Vec::new(),
        }
    }
}

mod seconds {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(span.as_secs_f64())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let secs = f64::deserialize(from)?;
        Duration::try_from_secs_f64(secs).map_err(D::Error::custom)
    }
}

mod maybe_seconds {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => to.serialize_some(&span.as_secs_f64()),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let secs = Option::<f64>::deserialize(from)?;
        secs.map(|secs| Duration::try_from_secs_f64(secs).map_err(D::Error::custom)).transpose()
    }
}
