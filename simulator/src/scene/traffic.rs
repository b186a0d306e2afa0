//! Who drives and walks by. Each lane has slots in time; what a slot holds, and where it is, follows from the seed.

use crate::scene::assets::{Lane, ViewFacts, Walk};
use crate::scene::camera::{Vec3, along, minus};
use crate::scene::chance::Chance;
use crate::scene::spec::{Distractor, SceneSpec};

/// Somebody or something that moves along the ground.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Name of its sheet.
    pub sheet: &'static str,
    /// Where its foot is, metres.
    pub at: Vec3,
    /// Where it heads, radians from +x on the map.
    pub heading: f32,
    /// Which pose of the sheet.
    pub pose: usize,
    /// Colours of its paints.
    pub paint: [[f32; 3]; 2],
    /// Length, width and height, metres.
    pub size: [f32; 3],
    /// Where its lamps are, when it has some.
    pub lamps: Option<Lamps>,
}

/// Where the lamps of a vehicle are: ahead, behind, to the side and the heights, metres.
#[derive(Debug, Clone, Copy)]
pub struct Lamps {
    /// Headlights ahead of the middle.
    pub front: f32,
    /// Height of the headlights.
    pub front_height: f32,
    /// Tail lights behind the middle.
    pub rear: f32,
    /// Height of the tail lights.
    pub rear_height: f32,
    /// Half the distance between the two; zero for one lamp.
    pub side: f32,
}

/// A time and a place that traffic keeps clear of, because something happens there.
#[derive(Debug, Clone, Copy)]
pub struct Closure {
    /// Middle, metres on the map.
    pub at: [f32; 2],
    /// Vehicles within this many metres are held back.
    pub radius: f32,
    /// From, seconds.
    pub from: f32,
    /// To, seconds.
    pub to: f32,
}

const CYCLE_SECS: f32 = 44.0;
const GREEN_SECS: f32 = 17.0;
/// The middle of the one crossing that has lights.
const CROSSING: [f32; 2] = [0.0, 21.0];

const CAR_PAINTS: [[f32; 3]; 9] = [
    [0.92, 0.92, 0.91],
    [0.90, 0.90, 0.88],
    [0.10, 0.10, 0.11],
    [0.14, 0.14, 0.15],
    [0.58, 0.59, 0.61],
    [0.45, 0.47, 0.50],
    [0.52, 0.07, 0.06],
    [0.10, 0.17, 0.34],
    [0.40, 0.33, 0.24],
];
const CLOTHS: [[f32; 3]; 12] = [
    [0.12, 0.13, 0.15],
    [0.16, 0.20, 0.30],
    [0.55, 0.56, 0.57],
    [0.85, 0.84, 0.80],
    [0.50, 0.13, 0.12],
    [0.22, 0.32, 0.26],
    [0.62, 0.52, 0.38],
    [0.30, 0.24, 0.20],
    [0.75, 0.55, 0.58],
    [0.28, 0.38, 0.55],
    [0.70, 0.62, 0.20],
    [0.10, 0.10, 0.10],
];
const UMBRELLAS: [[f32; 3]; 5] =
    [[0.62, 0.08, 0.08], [0.15, 0.18, 0.30], [0.10, 0.10, 0.11], [0.25, 0.45, 0.60], [0.75, 0.60, 0.20]];
const ORANGE: [f32; 3] = [0.95, 0.36, 0.06];
const RED: [f32; 3] = [0.78, 0.06, 0.06];

/// A line with its length.
#[derive(Debug)]
struct Path {
    points: Vec<Vec3>,
    length: f32,
}

impl Path {
    fn new(points: &[Vec3]) -> Self {
        let length = points.windows(2).map(|w| norm(minus(w[1], w[0]))).sum();
        Self { points: points.to_vec(), length }
    }

    /// The point and heading after some metres.
    fn at(&self, mut metres: f32) -> (Vec3, f32) {
        for pair in self.points.windows(2) {
            let step = minus(pair[1], pair[0]);
            let length = norm(step).max(1e-3);
            if metres <= length {
                return (along(pair[0], step, metres / length), step[1].atan2(step[0]));
            }
            metres -= length;
        }
        let last = self.points.len() - 1;
        let step = minus(self.points[last], self.points[last - 1]);
        (self.points[last], step[1].atan2(step[0]))
    }

    /// Metres along the path at which it comes closest to a point, and how close.
    fn closest(&self, to: [f32; 2]) -> (f32, f32) {
        let steps = (self.length / 0.5) as usize + 1;
        let mut best = (0.0, f32::MAX);
        for i in 0..=steps {
            let metres = self.length * i as f32 / steps as f32;
            let (p, _) = self.at(metres);
            let distance = (p[0] - to[0]).hypot(p[1] - to[1]);
            if distance < best.1 {
                best = (metres, distance);
            }
        }
        best
    }
}

fn norm(v: Vec3) -> f32 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

/// A lane or walk with what it needs to answer quickly.
#[derive(Debug)]
struct Stream {
    path: Path,
    speed: f32,
    period: f32,
    phase: Option<u32>,
    gate: f32,
    kinds: Vec<String>,
    people: bool,
    /// Stretches that are closed: from and to in metres, from and to in seconds.
    closed: Vec<(f32, f32, f32, f32)>,
    chance: Chance,
}

/// All that moves along the lanes and walks of a view.
#[derive(Debug)]
pub struct Traffic {
    streams: Vec<Stream>,
    density: f32,
    rain: bool,
    vests: bool,
}

impl Traffic {
    /// Prepares the lanes of a view.
    pub fn new(facts: &ViewFacts, spec: &SceneSpec, closures: &[Closure]) -> Self {
        let chance = Chance::new(spec.seed).with(1);
        let lanes = facts.lanes.iter().enumerate().map(|(i, lane)| Stream::lane(lane, chance.with(i as u64)));
        let walks = facts.walks.iter().enumerate();
        let walks = walks.map(|(i, walk)| Stream::walk(walk, chance.with(1000 + i as u64)));
        let mut streams: Vec<Stream> = lanes.chain(walks).collect();
        for stream in &mut streams {
            stream.close(closures);
        }
        Self {
            streams,
            density: spec.traffic,
            rain: spec.weather == crate::scene::spec::Weather::Rain,
            vests: spec.distractors.contains(&Distractor::OrangeVests),
        }
    }

    /// Everyone who is on the way at a time in seconds.
    pub fn actors(&self, at: f32) -> Vec<Actor> {
        let mut out = Vec::new();
        for stream in &self.streams {
            let density = if stream.people { self.density.sqrt() } else { self.density };
            let first = ((at - stream.path.length / stream.speed) / stream.period).floor() as i64 - 1;
            let last = (at / stream.period).floor() as i64;
            for slot in first..=last {
                let chance = stream.chance.with(slot as u64);
                if chance.unit(0) < density {
                    out.extend(stream.actor(slot, chance, at, self));
                }
            }
        }
        out
    }
}

impl Stream {
    fn lane(lane: &Lane, chance: Chance) -> Self {
        let path = Path::new(&lane.points);
        let period = (26.0 / lane.speed).max(2.6);
        let gate = path.closest(CROSSING).0;
        let kinds = lane.kinds.clone();
        let (speed, phase) = (lane.speed, lane.phase);
        Self { path, speed, period, phase, gate, kinds, people: false, closed: Vec::new(), chance }
    }

    fn walk(walk: &Walk, chance: Chance) -> Self {
        let path = Path::new(&walk.points);
        let gate = path.length / 2.0;
        let speed = chance.range(77, 1.05, 1.45);
        let phase = walk.phase;
        Self {
            path,
            speed,
            period: 5.5,
            phase,
            gate,
            kinds: Vec::new(),
            people: true,
            closed: Vec::new(),
            chance,
        }
    }

    fn close(&mut self, closures: &[Closure]) {
        for closure in closures {
            let (metres, distance) = self.path.closest(closure.at);
            let radius = if self.people { closure.radius.min(2.5) } else { closure.radius };
            if distance < radius + 1.0 {
                let reach = (radius + 1.0).max(2.0);
                self.closed.push((metres - reach, metres + reach, closure.from, closure.to));
            }
        }
    }

    fn actor(&self, slot: i64, chance: Chance, at: f32, traffic: &Traffic) -> Option<Actor> {
        let start = (slot as f32 + chance.range(1, 0.0, 0.35)) * self.period;
        let metres = (at - start) * self.speed;
        if !(0.0..=self.path.length).contains(&metres) || self.held(start) {
            return None;
        }
        let (mut place, heading) = self.path.at(metres);
        let drift = if self.people { chance.range(2, -0.7, 0.7) } else { chance.range(2, -0.25, 0.25) };
        place[0] -= heading.sin() * drift;
        place[1] += heading.cos() * drift;
        Some(if self.people {
            pedestrian(place, heading, metres, chance, traffic)
        } else {
            // The first kind of a lane is its usual one.
            let other =
                if chance.unit(12) < 0.62 { 0 } else { chance.with(3).bits() as usize % self.kinds.len() };
            vehicle(&self.kinds[other], place, heading, chance)
        })
    }

    /// Whether what starts at a time would run into a closed stretch or a red light.
    fn held(&self, start: f32) -> bool {
        let red = self.phase.is_some_and(|phase| {
            let cross = start + self.gate / self.speed;
            let into = (cross - phase as f32 * CYCLE_SECS / 2.0).rem_euclid(CYCLE_SECS);
            into > GREEN_SECS
        });
        red || self.closed.iter().any(|&(enter, leave, from, to)| {
            let (enter, leave) = (start + enter / self.speed, start + leave / self.speed);
            enter < to && leave > from
        })
    }
}

fn pedestrian(at: Vec3, heading: f32, metres: f32, chance: Chance, traffic: &Traffic) -> Actor {
    let umbrella = traffic.rain && chance.unit(4) < 0.7;
    let vest = traffic.vests && chance.unit(5) < 0.5;
    let sheet = if umbrella || (vest && chance.unit(6) < 0.4) {
        "umbrella"
    } else {
        chance.pick(7, &["man", "man", "woman"])
    };
    // The umbrella's cover shares the first paint with the jacket.
    let first = match (vest, sheet) {
        (true, "umbrella") => RED,
        (true, _) => ORANGE,
        (false, "umbrella") => chance.pick(8, &UMBRELLAS),
        _ => chance.pick(8, &CLOTHS),
    };
    // One cycle of the sheet is two steps, 1.4 m.
    let pose = (metres / 1.4 * 8.0).rem_euclid(8.0) as usize;
    let size = [0.4, 0.5, 1.7];
    Actor { sheet, at, heading, pose, paint: [first, chance.pick(9, &CLOTHS)], size, lamps: None }
}

/// A vehicle of a sort: a car is a saloon, an off-roader or a van.
pub fn vehicle(kind: &str, at: Vec3, heading: f32, chance: Chance) -> Actor {
    let sheet = match kind {
        "truck" => "truck",
        "bus" => "bus",
        "scooter" => "scooter",
        _ => chance.pick(10, &["sedan", "sedan", "suv", "suv", "van"]),
    };
    let lamps = |front, front_height, rear, rear_height, side| {
        Some(Lamps { front, front_height, rear, rear_height, side })
    };
    let (size, lamps) = match sheet {
        "truck" => ([6.1, 2.1, 3.0], lamps(3.1, 0.82, 3.0, 0.8, 0.75)),
        "bus" => ([10.4, 2.5, 3.05], lamps(5.22, 0.72, 5.2, 0.9, 0.95)),
        "scooter" => ([1.8, 0.6, 1.7], lamps(0.6, 0.85, 0.76, 0.6, 0.0)),
        "suv" => ([4.5, 1.9, 1.74], lamps(2.2, 0.84, 2.2, 1.02, 0.7)),
        "van" => ([4.9, 1.84, 1.98], lamps(2.35, 0.8, 2.44, 1.0, 0.68)),
        _ => ([4.6, 1.82, 1.46], lamps(2.2, 0.66, 2.26, 0.8, 0.64)),
    };
    let first = match sheet {
        "bus" => chance.pick(11, &[[0.20, 0.45, 0.30], [0.22, 0.36, 0.62], [0.70, 0.68, 0.62]]),
        "truck" => chance.pick(11, &[[0.20, 0.30, 0.55], [0.85, 0.85, 0.84], [0.55, 0.12, 0.10]]),
        "scooter" => chance.pick(11, &[[0.15, 0.35, 0.65], [0.80, 0.70, 0.10], [0.12, 0.12, 0.12]]),
        _ => chance.pick(11, &CAR_PAINTS),
    };
    let first = if sheet == "scooter" { chance.pick(8, &CLOTHS) } else { first };
    Actor { sheet, at, heading, pose: 0, paint: [first, chance.pick(9, &CLOTHS)], size, lamps }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{View, assets};

    fn spec(view: View) -> SceneSpec {
        SceneSpec { traffic: 1.0, seed: 4, ..SceneSpec::quiet(view) }
    }

    #[test]
    fn a_street_is_busy_from_the_first_second() {
        for view in View::ALL {
            let traffic = Traffic::new(assets::view(view), &spec(view), &[]);
            assert!(traffic.actors(0.0).len() >= 3, "{view:?}: {}", traffic.actors(0.0).len());
        }
    }

    #[test]
    fn nobody_drives_through_a_closed_place() {
        let facts = assets::view(View::Avenue);
        let closure = Closure { at: [4.4, 14.0], radius: 2.0, from: 0.0, to: 60.0 };
        let traffic = Traffic::new(facts, &spec(View::Avenue), &[closure]);
        let open = Traffic::new(facts, &spec(View::Avenue), &[]);
        let close = |traffic: &Traffic| {
            (0..200)
                .flat_map(|i| traffic.actors(i as f32 * 0.3))
                .filter(|a| (a.at[0] - 4.4).abs() < 2.0 && (a.at[1] - 14.0).abs() < 1.5)
                .count()
        };
        assert!(close(&open) > 0);
        assert_eq!(close(&traffic), 0);
    }

    #[test]
    fn cars_move_at_the_speed_of_their_lane() {
        let traffic = Traffic::new(assets::view(View::Avenue), &spec(View::Avenue), &[]);
        let (then, now) = (traffic.actors(10.0), traffic.actors(10.1));
        let car = then.iter().find(|a| a.lamps.is_some() && a.at[1] > 0.0 && a.at[1] < 100.0).expect("a car");
        let moved =
            now.iter().map(|a| (a.at[0] - car.at[0]).hypot(a.at[1] - car.at[1])).fold(f32::MAX, f32::min);
        assert!((0.2..1.3).contains(&moved), "moved {moved} m in 0.1 s");
    }
}
