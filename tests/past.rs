//! Rendered streets over weeks in front of the real worker with the shipped model: what has changed and what has not.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is wrong")]

use citybrain_dispatcher::evidence::{Evidence, Sighting};
use citybrain_ingest_config::resolved::{City, Model};
use citybrain_models::{Runtime, SessionOptions};
use citybrain_pipeline::picture::{Picture, RawFrame, Yuv420};
use citybrain_pipeline::replay::Replay;
use citybrain_simulator::scene::{EventKind as Shown, Light, Scene, SceneSpec, ScriptedEvent, View};
use citybrain_types::{CameraId, Detection, EventKind, FrameDetections, Timestamp};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const START: Timestamp = Timestamp::from_millis(1_748_757_600_000);
const HOUR: Duration = Duration::from_secs(3_600);

/// A street as a camera sees it at some hour, with or without the thing in it.
fn street(view: View, light: Light, seed: u64, thing: Option<Shown>) -> Yuv420 {
    let mut spec = SceneSpec { light, seed, traffic: 0.3, ..SceneSpec::quiet(view) };
    spec.events.extend(
        thing.map(|kind| ScriptedEvent { growth_secs: 1.0, ..ScriptedEvent::new(kind, Duration::ZERO) }),
    );
    let (width, height) = (spec.width, spec.height);
    let mut scene = Scene::new(spec).unwrap();
    let mut picture = image::RgbImage::new(width, height);
    // Long after it began: the machine stands, the water has risen.
    scene.render(Duration::from_secs(90), &mut picture);
    yuv(&picture)
}

/// BT.601 in full range, as JPEG has it.
fn yuv(picture: &image::RgbImage) -> Yuv420 {
    let (width, height) = picture.dimensions();
    let channels = |x: u32, y: u32| picture.get_pixel(x, y).0.map(f32::from);
    let rows = |step: usize| {
        (0..height).step_by(step).flat_map(move |y| (0..width).step_by(step).map(move |x| (x, y)))
    };
    let y = rows(1).map(|(x, y)| channels(x, y)).map(|[r, g, b]| (0.299 * r + 0.587 * g + 0.114 * b) as u8);
    let difference = |weights: [f32; 3]| {
        let mixed =
            move |[r, g, b]: [f32; 3]| (128.0 + weights[0] * r + weights[1] * g + weights[2] * b) as u8;
        rows(2).map(|(x, y)| mixed(channels(x, y))).collect::<Vec<u8>>()
    };
    let (u, v) = (difference([-0.1687, -0.3313, 0.5]), difference([0.5, -0.4187, -0.0813]));
    Yuv420 { width, height, y: y.collect(), u, v, full_range: true }
}

struct Watch {
    city: Arc<City>,
    replay: Replay,
    camera: CameraId,
    _folder: tempfile::TempDir,
}

impl Watch {
    /// A camera that looks for one kind with the shipped model.
    fn start(kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let model = Model::of(root.join("models/zoo/street-lite0"));
        let address = "rtsp://127.0.0.1:9/none".to_owned();
        let mut city = City::for_cameras(&[address], folder.path(), vec![model]).unwrap();
        let camera = city.cameras.values_mut().next().unwrap();
        camera.kinds = BTreeSet::from([EventKind::new(kind)]);
        let camera = camera.id.clone();
        let runtime = Runtime::load(None).unwrap();
        let replay = Replay::start(&city, &runtime, SessionOptions::default(), START, folder.path()).unwrap();
        Self { city: Arc::new(city), replay, camera, _folder: folder }
    }

    /// One picture, and what was found in it.
    fn see(&mut self, at: Timestamp, pixels: &Yuv420) -> Vec<FrameDetections> {
        let mut seen = self.run_until(at);
        let (camera, yuv) = (self.camera.clone(), pixels.clone());
        self.replay.put(Picture::Raw(RawFrame { camera, captured_at: at, received_at: at, yuv }));
        seen.extend(self.run_until(at));
        seen.retain(|frame| frame.captured_at == at);
        seen
    }

    fn run_until(&mut self, until: Timestamp) -> Vec<FrameDetections> {
        std::iter::from_fn(|| self.replay.step(until)).flatten().collect()
    }

    /// A week of it, by day and by night.
    fn a_week(&mut self, view: View, thing: Option<Shown>) -> Timestamp {
        let lights = [Light::Day, Light::Night, Light::Dusk, Light::Night];
        let pictures: Vec<_> =
            (0..4).map(|n: u8| street(view, lights[usize::from(n)], u64::from(n), thing)).collect();
        for n in 0..12_u32 {
            self.see(START.plus(HOUR * 15 * n), &pictures[n as usize % 4]);
        }
        START.plus(HOUR * 15 * 12)
    }
}

fn surest(frames: &[FrameDetections]) -> Option<&Detection> {
    let all = frames.iter().flat_map(|frame| &frame.detections);
    all.max_by(|a, b| a.score.get().total_cmp(&b.score.get()))
}

#[test]
fn a_machine_on_an_empty_site_is_a_change_that_a_case_names_and_one_that_always_stood_there_is_none() {
    let machine = street(View::Site, Light::Day, 9, Some(Shown::Machinery));
    let mut watch = Watch::start("illegal_construction");
    let now = watch.a_week(View::Site, None);
    let mut evidence = Evidence::new(Arc::clone(&watch.city), []);
    let mut opened = None;
    for n in 0..4_u32 {
        let frames = watch.see(now.plus(HOUR * n / 4), &machine);
        let found = surest(&frames).unwrap_or_else(|| panic!("the machine is not seen: {frames:?}"));
        assert!(found.change.unwrap().get() > 0.5, "{found:?}");
        for frame in &frames {
            for sighting in evidence.judge(frame).look.sightings {
                if let Sighting::Opened(sight) = sighting {
                    opened = Some(sight);
                }
            }
        }
    }
    let sight = opened.expect("evidence opens");
    assert!(sight.change.unwrap().get() > 0.5, "{sight:?}");

    let mut watch = Watch::start("illegal_construction");
    let now = watch.a_week(View::Site, Some(Shown::Machinery));
    let frames = watch.see(now, &machine);
    let found = surest(&frames).unwrap();
    // It works there, and moves: less than half a change takes from its score.
    assert!(found.change.unwrap().get() < 0.5, "{found:?}");
}

#[test]
fn water_on_a_road_that_was_dry_for_weeks_is_a_change_and_the_dry_road_at_another_hour_is_none() {
    let mut watch = Watch::start("waterlogging");
    let now = watch.a_week(View::Underpass, None);
    let flooded = street(View::Underpass, Light::Day, 9, Some(Shown::Waterlogging));
    let frames = watch.see(now, &flooded);
    let found = surest(&frames).unwrap_or_else(|| panic!("the water is not seen: {frames:?}"));
    let wet = found.change.unwrap().get();
    assert!(wet > 0.4, "{found:?}");
    let dry = watch.see(now.plus(HOUR), &street(View::Underpass, Light::Dusk, 10, None));
    if let Some(found) = surest(&dry) {
        assert!(found.change.unwrap().get() < wet, "{found:?}");
    }
}
