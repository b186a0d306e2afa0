//! Cameras that cannot be trusted, from their RTSP packets to the case on the desk: the real binary on a farm.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use citybrain_simulator::access_unit::AccessUnit;
use citybrain_simulator::clip::Clip;
use citybrain_simulator::encode::{EncoderSpec, Gop};
use citybrain_simulator::farm::{Farm, FarmSpec};
use citybrain_simulator::painter::{Painter, ScenePainter};
use citybrain_simulator::scene::{SceneSpec, View};
use citybrain_simulator::{Codec, Fault};
use citybrain_types::{Clock, SystemClock, Timestamp};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use support::{City, until};

const SIZE: (u32, u32) = (320, 184);
const FPS: u32 = 10;
/// A keyframe every second.
const SPEC: EncoderSpec = EncoderSpec {
    codec: Codec::H264,
    width: SIZE.0,
    height: SIZE.1,
    fps: FPS,
    gop: Gop::Closed,
    keyframe_interval: FPS,
    bitrate_kbps: 200,
};
/// The street of the camera that freezes is filmed for so long.
const FILMED: u32 = 12;
/// It lives so long, which is the film again and again: the city must have seen it alive, and starts slowly where the
/// machine is busy. After that it stands still for so long.
const LIVES: u32 = 10 * FILMED;
const STANDS_STILL: u32 = 400;
/// Two minutes is what it takes; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(240);

fn street() -> ScenePainter {
    let spec = SceneSpec { width: SIZE.0, height: SIZE.1, fps: FPS, ..SceneSpec::quiet(View::Avenue) };
    ScenePainter::new(spec).unwrap()
}

/// A street whose time stops.
struct Stopped(ScenePainter);

impl Painter for Stopped {
    fn size(&self) -> (u32, u32) {
        self.0.size()
    }

    fn paint(&mut self, _: Duration, rgb: &mut Vec<u8>) {
        self.0.paint(Duration::from_secs(u64::from(FILMED)), rgb);
    }
}

/// A camera whose encoder goes on and whose sensor does not: a living street, and then its last picture, again and again.
fn freezing() -> Clip {
    let second = Duration::from_secs(1);
    let alive = Clip::film(&mut street(), &SPEC, second * FILMED).unwrap();
    let still = Clip::film(&mut Stopped(street()), &SPEC, second * 6).unwrap();
    // The same keyframe again and again: an encoder's rate control would still refine what does not change.
    let last = still.units().iter().rfind(|unit| unit.starts).unwrap();
    let later = |unit: &AccessUnit, by: Duration| AccessUnit { at: unit.at + by, ..unit.clone() };
    let living = (0..LIVES / FILMED)
        .flat_map(|n| alive.units().iter().map(move |unit| later(unit, second * FILMED * n)));
    let frozen = (LIVES * FPS..(LIVES + STANDS_STILL) * FPS)
        .map(|n| AccessUnit { at: second * n / FPS, ..last.clone() });
    let units = living.chain(frozen).collect();
    Clip::new(units, second / FPS, SIZE).unwrap()
}

fn configuration(folder: &Path, farm: &Farm) -> PathBuf {
    let cameras: String = farm
        .cameras()
        .zip(["stopped", "sound", "torn"])
        .map(|((_, url), id)| format!("[[cameras]]\nid = \"{id}\"\nurl = \"{url}\"\nkinds = [\"fire\"]\n"))
        .collect();
    let text = format!(
        "[site]\nname = \"Test\"\ntime_zone = \"UTC\"\ndata_dir = \"{}\"\n[dispatch]\ncamera_fault_after_secs = 4.0\n\
         {cameras}[[departments]]\nid = \"centre\"\nname = \"Centre\"\ndistrict_centre = true\n",
        folder.join("data").display()
    );
    let file = folder.join("citybrain.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn camera(city: &City, id: &str) -> Value {
    let cameras = city.get("api/v1/cameras")["cameras"].as_array().unwrap().clone();
    cameras.into_iter().find(|camera| camera["camera"] == id).unwrap()
}

/// The camera's fault of that name with its onset.
fn fault(camera: &Value, name: &str) -> Option<Timestamp> {
    let fault = camera["faults"].as_array()?.iter().find(|fault| fault["fault"] == name)?;
    Some(serde_json::from_value(fault["since"].clone()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_freezes_and_one_that_loses_packets_become_camera_faults_and_a_sound_one_does_not() {
    let live = Clip::film(&mut street(), &SPEC, Duration::from_secs(8)).unwrap();
    // Some twenty packets a second: a loss every other second, which leaves most keyframes whole. Were each torn, the
    // camera would stall and not lose packets.
    let loss = Fault::PacketLoss { after_secs: 5.0, every: 40 };
    let spec = FarmSpec { faults: vec![(loss, 1)], ..FarmSpec::sound(3) };
    let clips = [freezing(), live.clone(), live];
    let began = SystemClock.now();
    let farm = Farm::start(&spec, &clips, Arc::new(SystemClock)).await.unwrap();
    let work = tempfile::tempdir().unwrap();
    let file = configuration(work.path(), &farm);
    let asked = tokio::task::spawn_blocking(move || {
        let city = City::start(work.path(), &["--config", file.to_str().unwrap()]);
        let case_of = |id: &str| {
            let cases = city.get("api/v1/cases")["cases"].as_array().unwrap().clone();
            cases.into_iter().find(|case| case["kind"] == "camera_fault" && case["camera"] == id)
        };
        let said = |id: &str| format!("{}\n{}", camera(&city, id), city.log());
        for (id, name) in [("torn", "packet_loss"), ("stopped", "frozen")] {
            let case =
                until(PATIENCE, || case_of(id)).unwrap_or_else(|| panic!("no case of {id}: {}", said(id)));
            let page = city.page(&format!("cases/{}", case["id"].as_str().unwrap()));
            assert!(page.contains(name), "the case does not say why: {page}");
            let looks = format!("citybrain_looks_total{{kind=\"fire\",outcome=\"{name}\"}}");
            assert!(
                city.page("metrics").contains(&looks),
                "its looks count as not seen: {}",
                city.page("metrics")
            );
        }
        let since =
            |id: &str, name: &str| fault(&camera(&city, id), name).unwrap_or_else(|| panic!("{}", said(id)));
        // It stands still from then on; a look every two seconds sees that.
        let froze_after = since("stopped", "frozen").since(began).as_secs();
        assert!(
            (u64::from(LIVES) - 1..u64::from(LIVES) + 20).contains(&froze_after),
            "after {froze_after} s"
        );
        assert!(since("torn", "packet_loss") > began);
        let sound = camera(&city, "sound");
        assert_eq!(sound["faults"], serde_json::json!([]), "{sound}");
        assert!(case_of("sound").is_none() && sound["state"] == "live", "{sound}");
        assert!(city.stop().0.success());
    });
    asked.await.unwrap();
    farm.shutdown().await;
}
