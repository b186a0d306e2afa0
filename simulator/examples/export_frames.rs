//! Writes rendered frames with their truth into a folder.
//!
//! ```text
//! export_frames OUT [SCENES]             many scenes: all kinds of events in equal shares, and quiet ones
//! export_frames OUT --spec SPEC.toml [COUNT [EVERY_SECS [FROM_SECS]]]
//! export_frames OUT --time               milliseconds per frame of a busy 640x360 scene in each light
//! ```
use citybrain_simulator::scene::{
    self, Distractor, EventKind, FrameTruth, Light, Scene, SceneError, SceneSpec, ScriptedEvent, View,
    Weather,
};
use image::RgbImage;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FRAMES_PER_SCENE: u32 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let usage =
        "usage: export_frames OUT [SCENES | --spec SPEC.toml [COUNT [EVERY_SECS [FROM_SECS]]] | --time]";
    let out = PathBuf::from(args.first().ok_or(usage)?);
    match args.get(1).map(String::as_str) {
        Some("--time") => time()?,
        Some("--spec") => {
            let spec: SceneSpec = toml::from_str(&std::fs::read_to_string(args.get(2).ok_or(usage)?)?)?;
            let number =
                |index: usize, default: f32| args.get(index).map_or(Ok(default), |text| text.parse::<f32>());
            let (count, every, from) = (number(3, 10.0)?, number(4, 1.0)?, number(5, 0.0)?);
            let [every, from] = [every, from].map(Duration::from_secs_f32);
            let truth = scene::frames(spec, &out, "frame", from, every, count as u32)?;
            scene::write_truth(&out, &truth)?;
        }
        count => many(&out, count.map_or(Ok(100), str::parse)?)?,
    }
    Ok(())
}

fn many(out: &Path, scenes: u64) -> Result<(), SceneError> {
    let mut truth: Vec<FrameTruth> = Vec::new();
    for number in 0..scenes {
        let mut chance = Pcg64::seed_from_u64(number);
        let spec = any_scene(number, &mut chance);
        let from = Duration::from_secs_f32(chance.random_range(6.0..40.0));
        let every = Duration::from_secs_f32(chance.random_range(1.0..7.0));
        truth.extend(scene::frames(spec, out, &format!("scene{number:04}"), from, every, FRAMES_PER_SCENE)?);
        scene::write_truth(out, &truth)?;
    }
    Ok(())
}

/// Seeds of training scenes begin here, above those of the streets in `streets/`, which judge what was learnt.
const FIRST_SEED: u64 = 1000;
/// What a scene shows, in turn; a third of them nothing.
const TURNS: [Option<EventKind>; 9] = [
    Some(EventKind::Fire),
    Some(EventKind::Waterlogging),
    None,
    Some(EventKind::Littering),
    Some(EventKind::Machinery),
    None,
    Some(EventKind::Scaffolding),
    Some(EventKind::Smoke),
    None,
];

/// Any light and weather, and any view that has a place for what the scene shows.
fn any_scene(number: u64, chance: &mut Pcg64) -> SceneSpec {
    let mut pick = |count: usize| chance.random_range(0..count);
    let kind = TURNS[(number % TURNS.len() as u64) as usize];
    let suited = |view: &View| kind.is_none_or(|kind| !scene::spots(*view, kind).is_empty());
    let views: Vec<View> = View::ALL.into_iter().filter(suited).collect();
    let view = views[pick(views.len())];
    let light = [Light::Day, Light::Day, Light::Dusk, Light::Night, Light::Night][pick(5)];
    let weather = if pick(3) == 0 { Weather::Rain } else { Weather::Clear };
    let distractors = Distractor::ALL.into_iter().filter(|_| pick(3) == 0).collect();
    let place = kind.map(|kind| {
        let spots = scene::spots(view, kind);
        scene::Place::Spot(spots[pick(spots.len())].to_owned())
    });
    let size = chance.random_range(0.6..1.8);
    let growth_secs = chance.random_range(3.0..20.0);
    let events = kind.map(|kind| ScriptedEvent {
        kind,
        from: Duration::from_secs(2),
        to: None,
        place,
        size,
        growth_secs,
    });
    SceneSpec {
        light,
        weather,
        seed: FIRST_SEED + number,
        traffic: chance.random_range(0.1..0.9),
        distractors,
        events: events.into_iter().collect(),
        ..SceneSpec::quiet(view)
    }
}

fn time() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for light in [Light::Day, Light::Dusk, Light::Night] {
        for weather in [Weather::Clear, Weather::Rain] {
            let spec = SceneSpec {
                light,
                weather,
                traffic: 0.6,
                distractors: vec![Distractor::RedFlags, Distractor::Neon],
                events: vec![
                    ScriptedEvent::new(EventKind::Fire, Duration::ZERO),
                    ScriptedEvent::new(EventKind::Waterlogging, Duration::ZERO),
                ],
                ..SceneSpec::quiet(View::Junction)
            };
            let begin = Instant::now();
            let mut scene = Scene::new(spec)?;
            let ready = begin.elapsed();
            let mut picture = RgbImage::new(1, 1);
            let frames = 100_u32;
            let begin = Instant::now();
            for index in 0..frames {
                scene.render(Duration::from_millis(10_000 + 125 * u64::from(index)), &mut picture);
            }
            let each = begin.elapsed().as_secs_f64() * 1000.0 / f64::from(frames);
            writeln!(
                out,
                "{light:?} {weather:?}: {each:.2} ms per frame, {} ms to prepare",
                ready.as_millis()
            )?;
        }
    }
    Ok(())
}
