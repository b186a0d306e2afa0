//! The pictures inside the program: views by light, maps of distance and ground, sheets of sprites, loops of gas.
//!
//! Made by the scripts in `assets/make/`. Everything is decoded on first use and shared by all scenes of a process.

use crate::scene::error::SceneError;
use crate::scene::spec::{Light, View, Weather};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Every file under `assets/` by its name.
        static FILES: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("../../assets/", $name)))),*];
    };
}

files!(
    "junction.day.jpg",
    "junction.day_rain.jpg",
    "junction.dusk.jpg",
    "junction.dusk_rain.jpg",
    "junction.night.jpg",
    "junction.night_rain.jpg",
    "junction.depth.png",
    "junction.ground.png",
    "residential.day.jpg",
    "residential.day_rain.jpg",
    "residential.dusk.jpg",
    "residential.dusk_rain.jpg",
    "residential.night.jpg",
    "residential.night_rain.jpg",
    "residential.depth.png",
    "residential.ground.png",
    "market.day.jpg",
    "market.day_rain.jpg",
    "market.dusk.jpg",
    "market.dusk_rain.jpg",
    "market.night.jpg",
    "market.night_rain.jpg",
    "market.depth.png",
    "market.ground.png",
    "underpass.day.jpg",
    "underpass.day_rain.jpg",
    "underpass.dusk.jpg",
    "underpass.dusk_rain.jpg",
    "underpass.night.jpg",
    "underpass.night_rain.jpg",
    "underpass.depth.png",
    "underpass.ground.png",
    "site.day.jpg",
    "site.day_rain.jpg",
    "site.dusk.jpg",
    "site.dusk_rain.jpg",
    "site.night.jpg",
    "site.night_rain.jpg",
    "site.depth.png",
    "site.ground.png",
    "avenue.day.jpg",
    "avenue.day_rain.jpg",
    "avenue.dusk.jpg",
    "avenue.dusk_rain.jpg",
    "avenue.night.jpg",
    "avenue.night_rain.jpg",
    "avenue.depth.png",
    "avenue.ground.png",
    "residential.scaffold.png",
    "market.scaffold.png",
    "site.scaffold.png",
    "avenue.scaffold.png",
    "sedan.jpg",
    "sedan.png",
    "suv.jpg",
    "suv.png",
    "van.jpg",
    "van.png",
    "truck.jpg",
    "truck.png",
    "bus.jpg",
    "bus.png",
    "scooter.jpg",
    "scooter.png",
    "man.jpg",
    "man.png",
    "woman.jpg",
    "woman.png",
    "umbrella.jpg",
    "umbrella.png",
    "standing.jpg",
    "standing.png",
    "excavator.jpg",
    "excavator.png",
    "litter.jpg",
    "litter.png",
    "flame_small.jpg",
    "flame_tall.jpg",
    "flame_wide.jpg",
    "smoke_cover.jpg",
    "smoke_shade.jpg",
);

static VIEWS: LazyLock<HashMap<String, ViewFacts>> = LazyLock::new(|| {
    let list: Vec<ViewFacts> = json("views.json", include_str!("../../assets/views.json"));
    list.into_iter().map(|facts| (facts.name.clone(), facts)).collect()
});

static SHEETS: LazyLock<HashMap<String, SheetFacts>> =
    LazyLock::new(|| json("sprites.json", include_str!("../../assets/sprites.json")));

static LOOPS: LazyLock<HashMap<String, LoopFacts>> =
    LazyLock::new(|| json("fluid.json", include_str!("../../assets/fluid.json")));

/// The facts are compiled in, so that a file that does not parse is a broken build and no state of the world.
#[expect(
    clippy::panic,
    reason = "a compiled-in file that does not parse is a broken build; a test reads each"
)]
fn json<T: for<'de> Deserialize<'de>>(name: &str, text: &str) -> T {
    serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("asset {name} is not what the program expects: {error}"))
}

/// What the program knows of a view besides its pictures.
#[derive(Debug, Clone, Deserialize)]
pub struct ViewFacts {
    /// Its name, as in [`View::name`].
    pub name: String,
    /// Focal length as a fraction of the picture's width.
    pub lens_over_width: f32,
    /// Where the camera is, metres.
    pub eye: [f32; 3],
    /// Its right.
    pub right: [f32; 3],
    /// Its upward direction.
    pub up: [f32; 3],
    /// Against its line of sight.
    pub back: [f32; 3],
    /// Where vehicles drive.
    pub lanes: Vec<Lane>,
    /// Where people walk.
    pub walks: Vec<Walk>,
    /// Where events happen.
    pub spots: Vec<Spot>,
    /// Where flags hang.
    pub flags: Vec<[f32; 3]>,
    /// Where neon signs hang.
    pub neon: Vec<[f32; 3]>,
}

/// A line that vehicles follow.
#[derive(Debug, Clone, Deserialize)]
pub struct Lane {
    /// Corners, metres.
    pub points: Vec<[f32; 3]>,
    /// Metres per second.
    pub speed: f32,
    /// Which vehicles: `car`, `truck`, `bus`, `scooter`.
    pub kinds: Vec<String>,
    /// When it has green: 0 or 1; lanes without one never wait.
    #[serde(default)]
    pub phase: Option<u32>,
}

/// A line that people follow.
#[derive(Debug, Clone, Deserialize)]
pub struct Walk {
    /// Corners, metres.
    pub points: Vec<[f32; 3]>,
    /// When it has green: 0 or 1.
    #[serde(default)]
    pub phase: Option<u32>,
}

/// A place where events can happen.
#[derive(Debug, Clone, Deserialize)]
pub struct Spot {
    /// Its name in scripts.
    pub name: String,
    /// Metres.
    pub at: [f32; 3],
    /// What can happen there: names of [`crate::scene::EventKind`].
    pub kinds: Vec<String>,
    /// What it is: `bin`, `vehicle`, `road`, `roof`, `facade` and so on.
    pub surface: String,
    /// Usual size there, as a factor.
    pub scale: f32,
}

/// How a sheet of sprites is laid out: headings across, poses down, elevations below one another.
#[derive(Debug, Clone, Deserialize)]
pub struct SheetFacts {
    /// Degrees: 90 away, 0 right, -90 toward the camera.
    pub headings: Vec<f32>,
    /// How many poses.
    pub poses: usize,
    /// Degrees that the camera looks down.
    pub elevations: Vec<f32>,
    /// Width and height of a cell in pixels.
    pub cell: [usize; 2],
    /// Where in a cell the point on the ground is.
    pub foot: [f32; 2],
    /// Pixels per metre.
    pub scale: f32,
}

/// How a loop of gas is laid out: frames below one another.
#[derive(Debug, Clone, Deserialize)]
pub struct LoopFacts {
    /// Width and height of a frame in pixels.
    pub size: [usize; 2],
    /// How many frames.
    pub frames: usize,
    /// Where in a frame the source is.
    pub foot: [f32; 2],
    /// How wide the source is, pixels.
    pub source: f32,
}

/// The facts of a view.
#[expect(clippy::panic, reason = "views are compiled in; a test reads each")]
pub fn view(view: View) -> &'static ViewFacts {
    VIEWS.get(view.name()).unwrap_or_else(|| panic!("views.json has no view {}", view.name()))
}

/// The facts of a sheet.
#[expect(clippy::panic, reason = "sheets are compiled in; a test reads each")]
pub fn sheet_facts(name: &str) -> &'static SheetFacts {
    SHEETS.get(name).unwrap_or_else(|| panic!("sprites.json has no sheet {name}"))
}

/// The facts of a loop.
#[expect(clippy::panic, reason = "loops are compiled in; a test reads each")]
pub fn loop_facts(name: &str) -> &'static LoopFacts {
    LOOPS.get(name).unwrap_or_else(|| panic!("fluid.json has no loop {name}"))
}

/// Decodes a file.
///
/// # Errors
/// [`SceneError::Asset`] when there is none of that name or it is broken.
pub fn picture(name: &str) -> Result<DynamicImage, SceneError> {
    let wrap = |source| SceneError::Asset { name: name.to_owned(), source };
    let missing = || {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "no such asset");
        wrap(image::ImageError::IoError(source))
    };
    let (_, bytes) = FILES.iter().find(|(file, _)| *file == name).ok_or_else(missing)?;
    let format = if name.ends_with(".jpg") { ImageFormat::Jpeg } else { ImageFormat::Png };
    image::load_from_memory_with_format(bytes, format).map_err(wrap)
}

/// Whether a file is there.
pub fn has(name: &str) -> bool {
    FILES.iter().any(|(file, _)| *file == name)
}

/// The picture of a view in a light.
///
/// # Errors
/// As [`picture`].
pub fn backdrop(view: View, light: Light, weather: Weather) -> Result<RgbImage, SceneError> {
    let light = match light {
        Light::Day => "day",
        Light::Dusk => "dusk",
        Light::Night => "night",
    };
    let rain = if weather == Weather::Rain { "_rain" } else { "" };
    Ok(picture(&format!("{}.{light}{rain}.jpg", view.name()))?.into_rgb8())
}

/// A loop of grey frames.
#[derive(Debug)]
pub struct Loop {
    /// Its layout.
    pub facts: &'static LoopFacts,
    /// One byte per pixel, frame after frame.
    pub pixels: Vec<u8>,
}

impl Loop {
    /// One frame.
    pub fn frame(&self, index: usize) -> &[u8] {
        let size = self.facts.size[0] * self.facts.size[1];
        let begin = (index % self.facts.frames) * size;
        &self.pixels[begin..begin + size]
    }
}

/// A loop by its file, without the ending.
///
/// # Errors
/// As [`picture`].
pub fn gas(file: &'static str, facts: &str) -> Result<Arc<Loop>, SceneError> {
    static CACHE: LazyLock<Mutex<HashMap<&'static str, Arc<Loop>>>> = LazyLock::new(Mutex::default);
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = cache.get(file) {
        return Ok(Arc::clone(found));
    }
    let pixels = picture(&format!("{file}.jpg"))?.into_luma8().into_raw();
    let made = Arc::new(Loop { facts: loop_facts(facts), pixels });
    cache.insert(file, Arc::clone(&made));
    Ok(made)
}
