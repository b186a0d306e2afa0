//! A scripted street: where what happens is known, and what cameras that flicker and fail report of it.
//!
//! A street of a kilometre with forty cameras on both sides, whose views overlap three- to fourfold, and whose ground is
//! surveyed. Everything comes from one seed.

use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Camera, Ground, View};
use citybrain_types::{
    BoundingBox, CameraId, Detection, EventKind, FrameDetections, FrameOutcome, Label, ModelId, NotSeen,
    Score, StageTimes, Timestamp,
};
use std::time::Duration;

/// When the story begins.
pub const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);
/// Time between two looks of one camera, in milliseconds.
const LOOK_MS: u64 = 4_000;
/// How long the story is, in looks.
const LOOKS: u64 = 36 * 3_600_000 / LOOK_MS;
const CAMERAS: usize = 40;
const LENGTH_M: f64 = 1_000.0;
/// The street's middle, and metres in a degree there.
const ORIGIN: [f64; 2] = [121.5, 31.2];
const NORTH_M: f64 = 111_195.0;
const EAST_M: f64 = 111_195.0 * 0.855_364_4;
/// What a camera sees of the ground: from here …
const NEAR_M: f64 = 5.0;
/// … to here …
const FAR_M: f64 = 45.0;
/// … and so wide, for each metre of distance.
const WIDTH_PER_M: f64 = 0.9;
/// In the picture the far edge lies at this height.
const FAR_Y: f64 = 0.35;
/// A foot of a box is off by this much, as a share of the picture (standard deviation).
const FOOT_NOISE: f64 = 0.003;

/// A generator of numbers that are the same everywhere (xorshift).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Within `0..1`.
    pub const fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Within `from..to`.
    pub const fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.share()
    }

    /// About 0, with standard deviation 1.
    pub fn about_zero(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

/// Something that happens.
#[derive(Debug, Clone)]
pub struct Happening {
    /// What.
    pub kind: EventKind,
    /// Where: metres along the street and across it.
    pub at: [f64; 2],
    /// First look in which it is there.
    pub from: u64,
    /// First look in which it is gone.
    pub to: u64,
    /// Its width in metres.
    size: f64,
}

/// A camera of the street.
#[derive(Debug)]
struct Eye {
    id: CameraId,
    at: [f64; 2],
    /// It looks along the street: 1 or −1.
    along: f64,
    /// Looks in which it is dark.
    dark: Vec<(u64, u64)>,
}

/// The whole script.
#[derive(Debug)]
pub struct Script {
    /// Everything that happens, in its order.
    pub happenings: Vec<Happening>,
    eyes: Vec<Eye>,
    dice: Dice,
    look: u64,
    kinds: Vec<(EventKind, f64)>,
    model: ModelId,
}

/// How a kind of the script is: least distance to a neighbour of its kind, its length in minutes, its width in metres.
const KINDS: [(&str, [f64; 2], [f64; 2], f64); 3] = [
    ("fire", [110.0, 150.0], [6.0, 15.0], 2.0),
    ("waterlogging", [85.0, 120.0], [40.0, 120.0], 4.0),
    ("littering", [24.0, 40.0], [60.0, 240.0], 1.5),
];

impl Script {
    /// A script of `count` happenings; a quarter of them have a neighbour of their kind at the same time.
    #[must_use]
    pub fn new(seed: u64, count: usize) -> Self {
        let mut dice = Dice::new(seed);
        let eyes = (0..CAMERAS).map(|n| eye(n, &mut dice)).collect();
        let mut happenings: Vec<Happening> = Vec::new();
        let mut tries = 0;
        while happenings.len() < count && tries < count * 1_000 {
            tries += 1;
            let (kind, apart, minutes, size) = KINDS[(dice.next() % 3) as usize];
            let from = dice.between(10.0, LOOKS as f64 - 4_500.0) as u64;
            let long = |dice: &mut Dice| (dice.between(minutes[0], minutes[1]) * 60_000.0) as u64 / LOOK_MS;
            let one = Happening {
                kind: EventKind::new(kind),
                at: [dice.between(60.0, LENGTH_M - 60.0), dice.between(-4.0, 4.0)],
                from,
                to: from + long(&mut dice),
                size,
            };
            let mut both = vec![one.clone()];
            if dice.share() < 0.25 && happenings.len() + 1 < count {
                let away = dice.between(apart[0], apart[1]) * if dice.share() < 0.5 { -1.0 } else { 1.0 };
                let from = from + dice.next() % 60;
                let to = from + long(&mut dice);
                let at = [one.at[0] + away, dice.between(-4.0, 4.0)];
                both.push(Happening { at, from, to, ..one });
            }
            if both.iter().all(|new| fits(new, apart[0], &happenings)) {
                happenings.extend(both);
            }
        }
        happenings.sort_by_key(|happening| happening.from);
        let kinds = KINDS.iter().map(|(kind, ..)| (EventKind::new(kind), 0.5)).collect();
        let model = ModelId::new("script-1").expect("it is an id");
        Self { happenings, eyes, dice, look: 0, kinds, model }
    }

    /// The city of the street: the built-in catalogue, and its cameras.
    ///
    /// # Panics
    /// Never: the addresses are good.
    #[must_use]
    pub fn city(&mut self) -> City {
        let addresses: Vec<String> = (0..CAMERAS).map(|n| format!("rtsp://10.0.0.{n}/")).collect();
        let mut city =
            City::for_cameras(&addresses, std::path::Path::new("unused"), Vec::new()).expect("good");
        let pattern = city.cameras.values().next().expect("there is one").clone();
        let camera = |eye: &Eye| Camera {
            id: eye.id.clone(),
            position: Some(position(eye.at)),
            view: View { ground: Some(ground(eye)), ..View::default() },
            ..pattern.clone()
        };
        city.cameras = self.eyes.iter().map(|eye| (eye.id.clone(), camera(eye))).collect();
        for (kind, hit_score) in &mut self.kinds {
            *hit_score = city.kinds.get(kind).map_or(0.5, |row| f64::from(row.evidence.hit_score));
        }
        city
    }

    /// The reports of all cameras for the next moment; `None` when the story is over.
    pub fn reports(&mut self) -> Option<Vec<FrameDetections>> {
        let look = self.look;
        self.look += 1;
        if look >= LOOKS {
            return None;
        }
        let going: Vec<Happening> =
            self.happenings.iter().filter(|h| h.from <= look && look < h.to).cloned().collect();
        let eyes = std::mem::take(&mut self.eyes);
        let frames =
            eyes.iter().enumerate().map(|(n, eye)| self.report(eye, n as u64, look, &going)).collect();
        self.eyes = eyes;
        Some(frames)
    }

    fn report(&mut self, eye: &Eye, n: u64, look: u64, going: &[Happening]) -> FrameDetections {
        let captured_at = START.plus(Duration::from_millis(look * LOOK_MS + n * LOOK_MS / CAMERAS as u64));
        let dark = eye.dark.iter().any(|(from, to)| (*from..*to).contains(&look));
        let outcome =
            if dark { FrameOutcome::NotSeen(NotSeen::Disconnected) } else { FrameOutcome::Analysed };
        let mut detections = Vec::new();
        if !dark {
            for happening in going {
                detections.extend(self.detection(eye, look, happening));
            }
            if self.dice.share() < 0.02 {
                detections.extend(self.noise());
            }
        }
        FrameDetections {
            camera: eye.id.clone(),
            sequence: look + 1,
            captured_at,
            model: self.model.clone(),
            outcome,
            asked: None,
            looked_for: self.kinds.iter().map(|(kind, _)| kind.clone()).collect(),
            detections,
            snapshots: None,
            snapshot_lost: false,
            stages: StageTimes {
                detected_at: captured_at.plus(Duration::from_millis(60)),
                ..StageTimes::default()
            },
        }
    }

    /// What a camera finds of a happening in one look: it flickers, the more the further away, and for a part of the time
    /// something stands in front of it.
    fn detection(&mut self, eye: &Eye, look: u64, happening: &Happening) -> Option<Detection> {
        let [ahead, aside] = seen_from(eye, happening.at);
        let half = ahead * WIDTH_PER_M / 2.0;
        if !(NEAR_M + 1.0..FAR_M - 1.0).contains(&ahead) || aside.abs() > half * 0.9 {
            return None;
        }
        // In front of each camera for its own tenth of every half hour.
        let hidden = (look / 45 + (eye.at[0] as u64) / 7).is_multiple_of(10);
        let found = self.dice.share() < 0.95 - 0.3 * ahead / FAR_M;
        if hidden || !found {
            return None;
        }
        let hit = self.kinds.iter().find(|(kind, _)| *kind == happening.kind).map_or(0.5, |(_, hit)| *hit);
        let score = self.dice.between(hit - 0.06, 0.98);
        let x = 0.5 + aside / (2.0 * half) + self.dice.about_zero() * FOOT_NOISE;
        let y = height(ahead) + self.dice.about_zero() * FOOT_NOISE;
        let width = happening.size / (2.0 * half);
        let (x, y, width) = (x as f32, y as f32, width as f32);
        let bbox = BoundingBox::clipped(x - width / 2.0, y - width, x + width / 2.0, y)?;
        Some(detection(&happening.kind, score, bbox))
    }

    /// Something that is nothing: now and then a hit, somewhere.
    fn noise(&mut self) -> Option<Detection> {
        let kind = self.kinds[(self.dice.next() % 3) as usize].0.clone();
        let (x, y) = (self.dice.between(0.1, 0.9) as f32, self.dice.between(0.4, 0.9) as f32);
        let bbox = BoundingBox::clipped(x - 0.03, y - 0.05, x + 0.03, y)?;
        let score = self.dice.between(0.1, 0.75);
        Some(detection(&kind, score, bbox))
    }

    /// The happening of a kind nearest to a place at a look, with its distance in metres.
    #[must_use]
    pub fn nearest(&self, kind: &EventKind, at: [f64; 2], look: u64) -> Option<(usize, f64)> {
        let there = self.happenings.iter().enumerate().filter(|(_, h)| {
            // Evidence holds on for a while after it is gone.
            h.kind == *kind && h.from <= look && look < h.to + 1_000
        });
        let away = |h: &Happening| ((h.at[0] - at[0]).powi(2) + (h.at[1] - at[1]).powi(2)).sqrt();
        there.map(|(n, h)| (n, away(h))).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The look of a moment.
    #[must_use]
    pub fn look_at(&self, at: Timestamp) -> u64 {
        at.since(START).as_millis() as u64 / LOOK_MS
    }
}

/// Metres along the street and across it, of a position.
#[must_use]
pub fn on_street([longitude, latitude]: [f64; 2]) -> [f64; 2] {
    [(longitude - ORIGIN[0]) * EAST_M, (latitude - ORIGIN[1]) * NORTH_M]
}

fn fits(new: &Happening, apart: f64, happenings: &[Happening]) -> bool {
    // Gone for so long that what comes next is another: longer than any kind's quiet time, and no longer than a fire's
    // by far, of which a street has no two in an hour.
    let gap = if new.kind.as_str() == EventKind::FIRE { 30 } else { 80 } * 60_000 / LOOK_MS;
    (60.0..LENGTH_M - 60.0).contains(&new.at[0])
        && happenings.iter().all(|h| {
            h.kind != new.kind
                || (h.at[0] - new.at[0]).abs() >= apart
                || h.to + gap <= new.from
                || new.to + gap <= h.from
        })
}

fn eye(n: usize, dice: &mut Dice) -> Eye {
    let id = CameraId::new(format!("eye-{n:02}")).expect("it is an id");
    let along = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    let outages = (0..3).map(|_| {
        let from = dice.next() % LOOKS;
        (from, from + 150 + dice.next() % 750)
    });
    Eye { id, at: [n as f64 * LENGTH_M / CAMERAS as f64, 0.0], along, dark: outages.collect() }
}

/// Metres ahead of a camera and aside.
fn seen_from(eye: &Eye, at: [f64; 2]) -> [f64; 2] {
    [(at[0] - eye.at[0]) * eye.along, (at[1] - eye.at[1]) * eye.along]
}

/// Where in the picture the ground lies so far ahead: a perspective with the near edge at the bottom.
fn height(ahead: f64) -> f64 {
    let scale = (1.0 - FAR_Y) / (1.0 / NEAR_M - 1.0 / FAR_M);
    1.0 + scale * (1.0 / ahead - 1.0 / NEAR_M)
}

fn ground(eye: &Eye) -> Ground {
    let corner = |x: f64, ahead: f64| {
        let aside = (x - 0.5) * ahead * WIDTH_PER_M;
        position([eye.at[0] + ahead * eye.along, eye.at[1] + aside * eye.along])
    };
    Ground {
        picture: [[0.0, 1.0], [1.0, 1.0], [1.0, FAR_Y], [0.0, FAR_Y]],
        map: [corner(0.0, NEAR_M), corner(1.0, NEAR_M), corner(1.0, FAR_M), corner(0.0, FAR_M)],
    }
}

fn position([along, across]: [f64; 2]) -> [f64; 2] {
    [ORIGIN[0] + along / EAST_M, ORIGIN[1] + across / NORTH_M]
}

fn detection(kind: &EventKind, score: f64, bbox: BoundingBox) -> Detection {
    let score = Score::new(score.clamp(0.0, 1.0) as f32).expect("it was clamped");
    Detection { kind: kind.clone(), label: Label::new(kind.as_str()), score, bbox, change: None }
}
