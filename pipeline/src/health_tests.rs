//! Cameras that lose their sight, on rendered pictures.

use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const WIDTH: usize = 192;
const HEIGHT: usize = 108;

struct Street {
    chance: StdRng,
    second: i64,
    health: PictureHealth,
}

/// Luma of a street with houses, at a place of the picture.
fn street(x: i32, y: i32) -> f32 {
    let house = ((x / 24).rem_euclid(5) * 35 + 40) as f32;
    let windows = if x.rem_euclid(6) < 3 && y.rem_euclid(8) < 4 { 60.0 } else { 0.0 };
    if y < 30 {
        190.0
    } else if y > 80 {
        90.0 + ((x * 7 + y * 3) % 11) as f32
    } else {
        house + windows
    }
}

/// A place elsewhere in the town.
fn elsewhere(x: i32, y: i32) -> f32 {
    let tree = if (x - 60) * (x - 60) + (y - 40) * (y - 40) < 900 { 40.0 } else { 150.0 };
    if x > 120 {
        230.0 - y as f32 + ((x * y) % 13) as f32 * 4.0
    } else {
        tree + ((x * 5 + y) % 7) as f32 * 8.0
    }
}

fn area() -> Area {
    Area { canvas: (200, 200), left: 4, top: 40, width: WIDTH as u32, height: HEIGHT as u32 }
}

impl Street {
    fn new() -> Self {
        Self { chance: StdRng::seed_from_u64(7), second: 10_000, health: PictureHealth::default() }
    }

    fn sample(&mut self, noise: f32, luma: &dyn Fn(i32, i32) -> f32) -> Sample {
        let mut rgb = vec![114; 200 * 200 * 3];
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let grain = if noise > 0.0 { self.chance.random_range(-noise..=noise) } else { 0.0 };
                let value = (luma(x as i32, y as i32) + grain).clamp(0.0, 255.0) as u8;
                let at = ((40 + y) * 200 + 4 + x) * 3;
                rgb[at..at + 3].fill(value);
            }
        }
        Sample::of(&rgb, &area()).unwrap()
    }

    /// So many looks, 4 s apart.
    fn looks(&mut self, count: u32, still: bool, luma: &dyn Fn(i32, i32) -> f32) -> Option<CameraFault> {
        self.noisy_looks(count, still, 5.0, luma)
    }

    fn noisy_looks(
        &mut self,
        count: u32,
        still: bool,
        noise: f32,
        luma: &dyn Fn(i32, i32) -> f32,
    ) -> Option<CameraFault> {
        let mut fault = None;
        for _ in 0..count {
            self.second += 4;
            let sample = self.sample(noise, luma);
            fault = self.health.look(&sample, still, Timestamp::from_millis(self.second * 1_000));
        }
        fault
    }
}

fn blurred(x: i32, y: i32) -> f32 {
    let near = (-6..=6).flat_map(|dx| [-4, -2, 0, 2, 4].map(|dy| street(x + dx, y + dy)));
    near.sum::<f32>() / 65.0
}

#[test]
fn each_fault_is_told_by_its_name_from_its_onset_and_is_over_when_the_picture_is_back() {
    type Luma = fn(i32, i32) -> f32;
    let faults: [(FaultKind, Luma); 5] = [
        (FaultKind::Covered, |x, _| 100.0 + x as f32 * 0.05),
        (FaultKind::Defocused, blurred),
        (FaultKind::Black, |_, _| 2.0),
        (FaultKind::OverExposed, |x, y| street(x, y) + 210.0),
        (FaultKind::Turned, elsewhere),
    ];
    for (kind, luma) in faults {
        let mut street_camera = Street::new();
        assert_eq!(street_camera.looks(40, false, &street), None, "{kind:?}");
        let onset = street_camera.second + 4;
        assert_eq!(
            street_camera.noisy_looks(4, false, 1.0, &luma),
            None,
            "{kind:?}: four looks are not enough"
        );
        let fault = street_camera.noisy_looks(4, false, 1.0, &luma).unwrap_or_else(|| panic!("no {kind:?}"));
        assert_eq!((fault.fault, fault.since), (kind, Timestamp::from_millis(onset * 1_000)));
        assert!(street_camera.looks(2, false, &street).is_some(), "{kind:?}: two good looks are not enough");
        assert_eq!(street_camera.looks(2, false, &street), None, "{kind:?} is over");
    }
}

#[test]
fn a_picture_that_is_the_same_to_the_bit_is_frozen_only_when_its_stream_stands_still_too() {
    let mut camera = Street::new();
    camera.looks(40, false, &street);
    assert_eq!(camera.noisy_looks(20, false, 0.0, &street), None, "a clip that is played again");
    let mut camera = Street::new();
    camera.looks(40, false, &street);
    let onset = camera.second + 4;
    let fault = camera.noisy_looks(20, true, 0.0, &street).expect("frozen");
    assert_eq!((fault.fault, fault.since), (FaultKind::Frozen, Timestamp::from_millis(onset * 1_000)));
    assert_eq!(camera.looks(20, true, &street), None, "a still night has noise");
}

#[test]
fn dusk_rain_and_a_lorry_are_no_faults() {
    let mut camera = Street::new();
    camera.looks(40, false, &street);
    for step in 0..120 {
        let light = 1.0 - f32::from(step as u8) * 0.004;
        let dusk = move |x: i32, y: i32| street(x, y) * light;
        assert_eq!(camera.looks(1, false, &dusk), None, "dusk, step {step}");
    }
    let rain = |x: i32, y: i32| if (x * 31 + y * 17) % 23 == 0 { 200.0 } else { street(x, y) * 0.55 };
    assert_eq!(camera.looks(10, false, &rain), None, "rain");
    let lorry = |x: i32, y: i32| {
        if (40..110).contains(&x) && (40..100).contains(&y) { 150.0 } else { street(x, y) * 0.52 }
    };
    assert_eq!(camera.looks(20, false, &lorry), None, "a lorry that stands in the picture");
}

#[test]
fn a_camera_that_stays_turned_is_taken_as_it_stands_after_hours() {
    let mut camera = Street::new();
    camera.looks(40, false, &street);
    assert!(camera.looks(40, false, &elsewhere).is_some());
    camera.second += 6 * 3_600;
    camera.looks(40, false, &elsewhere);
    assert_eq!(camera.looks(1, false, &elsewhere), None);
}

#[test]
fn padding_does_not_count_and_a_picture_too_small_is_not_judged() {
    let mut camera = Street::new();
    let sample = camera.sample(0.0, &|_, _| 50.0);
    assert_eq!((sample.mean, sample.deviation, sample.gradient), (50.0, 0.0, 0.0));
    let small = Area { width: 16, ..area() };
    assert_eq!(Sample::of(&[0; 200 * 200 * 3], &small), None);
    assert_eq!(Sample::of(&[0; 100], &area()), None);
}
