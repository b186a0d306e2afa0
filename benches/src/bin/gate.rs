//! `./x bench gate`: what the gate and the schedule save of decoding, and what that costs in events that are missed.
//!
//! Rendered streets in which something begins (every kind the simulator knows, in several views, by day and by night) are
//! encoded as cameras encode them: 640×360, 25 pictures a second, a keyframe every two. Each is played as a stream that
//! runs for as long as the kind's deadline allows: quiet street, again and again; the beginning; what stays, again and
//! again. Each stream is watched twice by schedule, model, evidence and incidents. The reference looks at every keyframe.
//! The other looks when the gate and the look intervals of the built-in catalogue say so, with the event at several places
//! in the interval. An event is found when its incident opens within the kind's deadline.
//!
//! Decoding is compared in CPU time on the same streams: every access unit through one libavcodec context, as whoever
//! decodes everything does it, against taking the stream apart, the gate, and the keyframes that were looked at, each in a
//! fresh context. Every kind counts the same, whatever its interval; the table tells each.
//!
//! With `DATA` set, the clips of that folder (`clips.csv`, as for `./x eval`) are played the same way and counted along.
#![forbid(unsafe_code)]

use anyhow::{Context, ensure};
use citybrain_benches::cpu;
use citybrain_benches::desk::Desk;
use citybrain_benches::figure::{Bar, Figure};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Model;
use citybrain_models::Runtime;
use citybrain_models::eval::clips;
use citybrain_pipeline::decode::{StreamDecoder, decode_keyframe};
use citybrain_pipeline::gate::Gate;
use citybrain_pipeline::keyframe::{Assembler, Framing, Outcome};
use citybrain_pipeline::picture::{self, Keyframe, Picture};
use citybrain_simulator::Codec;
use citybrain_simulator::access_unit::AccessUnit;
use citybrain_simulator::clip::Clip;
use citybrain_simulator::encode::{EncoderSpec, Gop};
use citybrain_simulator::painter::ScenePainter;
use citybrain_simulator::scene::{self, Light, Place, Point, SceneSpec, ScriptedEvent, View};
use citybrain_types::{CameraId, EventKind, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const SIZE: (u32, u32) = (640, 360);
const FPS: u32 = 25;
const KEYFRAME_EVERY: u32 = 50;
const KBPS: u32 = 600;
/// What is filmed: a quiet street, the beginning of an event, and the event that stays.
const QUIET: Duration = Duration::from_secs(12);
const BEGINS: Duration = Duration::from_secs(16);
/// No look interval is a multiple of this: looks fall on one keyframe of it after another.
const STAYS: Duration = Duration::from_secs(14);
/// The gate has learnt, and the first look is long over.
const LEAD: Duration = Duration::from_secs(60);
/// The event begins at so many places in the look interval, one after the other.
const PHASES: u32 = 5;
/// Streets filmed of each kind of event.
const SCENES: usize = 4;
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const MAX_BYTES: usize = 4 << 20;

/// A stretch of a stream that begins with a keyframe.
struct Part {
    units: Vec<AccessUnit>,
    length: Duration,
    /// Decoding all of it, and taking it apart for the gate.
    everything: Duration,
    gate: Duration,
}

/// A street or clip in which something happens, cut into parts.
struct Footage {
    name: String,
    kind: EventKind,
    codec: picture::Codec,
    size: (u32, u32),
    quiet: Option<Part>,
    begins: Option<Part>,
    stays: Part,
    /// How long after the end of the quiet part a person can see it.
    visible_after: Duration,
    decoded: HashMap<(usize, usize), Duration>,
}

/// What was made of a stream.
struct Watched {
    /// The moment an incident of the kind opened, from the beginning of the event.
    found_after: Option<Duration>,
    /// One had opened before: the quiet street is taken for an event.
    too_early: bool,
    span: Duration,
    looks: usize,
    everything: Duration,
    ours: Duration,
}

#[derive(Debug, Default)]
struct Sums {
    events: u32,
    found: u32,
    lost: u32,
    gained: u32,
    void: u32,
    span: Duration,
    looks: usize,
    everything: Duration,
    ours: Duration,
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo/street-lite0");
    let runtime = Runtime::load(None)?;
    let data = tempfile::tempdir()?;
    let city = City::for_cameras(&["rtsp://127.0.0.1/".to_owned()], data.path(), vec![Model::of(model)])?;
    let mut sums: BTreeMap<(&str, EventKind), Sums> = BTreeMap::new();
    for street in streets() {
        let mut footage = street?;
        let sums = sums.entry(("streets", footage.kind.clone())).or_default();
        watch_both(&mut footage, &city, &runtime, data.path(), sums)?;
    }
    if let Some(folder) = std::env::var_os("DATA") {
        for clip in clips::read(&PathBuf::from(folder))? {
            for mut footage in of_clip(&clip, &city)? {
                let sums = sums.entry(("clips", footage.kind.clone())).or_default();
                watch_both(&mut footage, &city, &runtime, data.path(), sums)?;
            }
        }
    }
    println!(
        "source | kind | events | found at every keyframe | lost | gained | looks a minute | CPU ms a second: every frame, ours | saved"
    );
    for ((source, kind), sums) in &sums {
        println!(
            "{source} | {kind} | {} ({} void) | {} | {} | {} | {:.2} | {:.2}, {:.3} | {:.1} %",
            sums.events,
            sums.void,
            sums.found,
            sums.lost,
            sums.gained,
            sums.looks as f64 / sums.span.as_secs_f64() * 60.0,
            per_second(sums.everything, sums.span),
            per_second(sums.ours, sums.span),
            100.0 * (1.0 - sums.share())
        );
    }
    figures(&sums)?.iter().for_each(|figure| println!("{figure}"));
    Ok(())
}

fn per_second(cpu: Duration, span: Duration) -> f64 {
    cpu.as_secs_f64() * 1e3 / span.as_secs_f64().max(f64::MIN_POSITIVE)
}

impl Sums {
    /// What is left of the cost of decoding everything.
    fn share(&self) -> f64 {
        self.ours.as_secs_f64() / self.everything.as_secs_f64()
    }
}

fn figures(sums: &BTreeMap<(&str, EventKind), Sums>) -> anyhow::Result<Vec<Figure>> {
    let streets: Vec<&Sums> =
        sums.iter().filter(|((source, _), _)| *source == "streets").map(|(_, s)| s).collect();
    ensure!(!streets.is_empty(), "there was no street to watch");
    let share = streets.iter().map(|sums| sums.share()).sum::<f64>() / streets.len() as f64;
    let events: u32 = sums.values().map(|sums| sums.events).sum();
    let lost: u32 = sums.values().map(|sums| sums.lost).sum();
    let lost = f64::from(lost) / f64::from(events) * 100.0;
    Ok(vec![
        Figure {
            name: "gate_decode_saved",
            value: (1.0 - share) * 100.0,
            unit: "%",
            bar: Bar::AtLeast(90.0),
        },
        Figure { name: "gate_recall_lost", value: lost, unit: "points", bar: Bar::AtMost(1.0) },
    ])
}

/// Watches a footage once at every keyframe, and with the gate at every phase.
#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn watch_both(
    footage: &mut Footage,
    city: &City,
    runtime: &Runtime,
    folder: &Path,
    sums: &mut Sums,
) -> anyhow::Result<()> {
    let kind = city.kinds.get(&footage.kind).context("a kind that is not in the catalogue")?.clone();
    let looking = |every_keyframe: bool| {
        let mut city = city.clone();
        for camera in city.cameras.values_mut() {
            camera.kinds = BTreeSet::from([kind.kind.clone()]);
        }
        if let Some(kind) = city.kinds.get_mut(&kind.kind).filter(|_| every_keyframe) {
            kind.look_interval = Duration::from_millis(100);
        }
        Arc::new(city)
    };
    let (reference, gated) = (looking(true), looking(false));
    let until = footage.visible_after + kind.deadline;
    let seen = footage.watch(&reference, runtime, folder, LEAD, until)?;
    let mut lost = 0;
    for phase in 0..PHASES {
        let lead = LEAD + kind.look_interval * phase / PHASES;
        let ours = footage.watch(&gated, runtime, folder, lead, until)?;
        sums.span += ours.span;
        sums.looks += ours.looks;
        sums.everything += ours.everything;
        sums.ours += ours.ours;
        if seen.too_early || ours.too_early {
            sums.void += 1;
            continue;
        }
        sums.events += 1;
        sums.found += u32::from(seen.found_after.is_some());
        lost += u32::from(seen.found_after.is_some() && ours.found_after.is_none());
        sums.gained += u32::from(seen.found_after.is_none() && ours.found_after.is_some());
    }
    sums.lost += lost;
    let when = seen
        .found_after
        .map_or("not found".to_owned(), |after| format!("found after {:.0} s", after.as_secs_f64()));
    let early = if seen.too_early { ", too early" } else { "" };
    println!(
        "{}: at every keyframe {when}{early}; lost at {lost} of {PHASES} places in the interval",
        footage.name
    );
    Ok(())
}

impl Footage {
    /// The parts of a stream whose event begins after `lead` at the earliest, with how often each is played.
    fn timeline(&self, lead: Duration, until: Duration) -> Vec<(usize, &Part, u32)> {
        let times = |part: &Part, span: Duration| {
            (span.as_secs_f64() / part.length.as_secs_f64()).ceil().max(1.0) as u32
        };
        let quiet = self.quiet.as_ref().map(|part| (0, part, times(part, lead)));
        let begins = self.begins.as_ref().map(|part| (1, part, 1));
        let left = until.saturating_sub(self.begins.as_ref().map_or(Duration::ZERO, |part| part.length));
        quiet.into_iter().chain(begins).chain([(2, &self.stays, times(&self.stays, left))]).collect()
    }

    /// Plays it to a city whose only camera it is, until the incident opens or `until` after its beginning.
    fn watch(
        &mut self,
        city: &Arc<City>,
        runtime: &Runtime,
        folder: &Path,
        lead: Duration,
        until: Duration,
    ) -> anyhow::Result<Watched> {
        let camera = city.cameras.keys().next().context("a city without a camera")?.clone();
        let folder = tempfile::tempdir_in(folder)?;
        let mut desk = Desk::open(city, runtime, START, folder.path())?;
        let (mut assembler, mut gate) = (Assembler::new(self.codec, MAX_BYTES), Gate::default());
        gate.size(self.size);
        let mut keyframes: BTreeMap<Timestamp, ((usize, usize), bytes::Bytes)> = BTreeMap::new();
        let (mut everything, mut taken_apart) = (Duration::ZERO, Duration::ZERO);
        let (mut at, mut begins_at) = (START, None);
        'stream: for (number, part, repeats) in self.timeline(lead, until) {
            if number > 0 {
                begins_at.get_or_insert(at);
            }
            for _ in 0..repeats {
                for (index, unit) in part.units.iter().enumerate() {
                    let now = at.plus(unit.at);
                    match assembler.push(Framing::AnnexB, &unit.data) {
                        Outcome::Keyframe { data, .. } => {
                            keyframes.insert(now, ((number, index), data.clone()));
                            let eager = gate.keyframe(data.len(), now).verdict.is_eager();
                            desk.take(picture_of(&camera, self.codec, now, data), eager);
                        }
                        Outcome::Delta => gate.delta(unit.data.len(), now),
                        _ => {}
                    }
                }
                at = at.plus(part.length);
                everything += part.everything;
                taken_apart += part.gate;
                desk.run_until(at);
                if desk.opened.iter().any(|(kind, _)| *kind == self.kind) {
                    break 'stream;
                }
            }
        }
        let begins_at = begins_at.unwrap_or(at);
        let opened = desk.opened.iter().find(|(kind, _)| *kind == self.kind).map(|(_, at)| *at);
        let found_after = opened.filter(|opened| *opened >= begins_at).map(|opened| opened.since(begins_at));
        let mut ours = taken_apart;
        for looked in &desk.looked {
            let (place, data) = keyframes.get(looked).context("a look at a picture that was not there")?;
            ours += self.decode(*place, data)?;
        }
        Ok(Watched {
            found_after: found_after.filter(|after| *after <= until),
            too_early: opened.is_some_and(|opened| opened < begins_at),
            span: at.since(START),
            looks: desk.looked.len(),
            everything,
            ours,
        })
    }

    /// CPU time of decoding one keyframe in a fresh context; measured once.
    fn decode(&mut self, place: (usize, usize), data: &bytes::Bytes) -> anyhow::Result<Duration> {
        if let Some(known) = self.decoded.get(&place) {
            return Ok(*known);
        }
        let (camera, data, codec) = (CameraId::new("gate")?, data.clone(), self.codec);
        let keyframe = Keyframe { camera, captured_at: START, received_at: START, codec, data };
        let before = cpu::of_thread();
        let frame = decode_keyframe(&keyframe)?;
        let spent = cpu::of_thread().saturating_sub(before);
        drop(frame);
        self.decoded.insert(place, spent);
        Ok(spent)
    }
}

fn picture_of(camera: &CameraId, codec: picture::Codec, at: Timestamp, data: bytes::Bytes) -> Picture {
    Picture::Keyframe(Keyframe { camera: camera.clone(), captured_at: at, received_at: at, codec, data })
}

impl Part {
    /// The units from one keyframe to another; `None` when there is none in between.
    fn cut(clip: &Clip, from: Duration, to: Duration) -> anyhow::Result<Option<Self>> {
        let entry = |at: Duration| {
            let entries = clip.units().iter().filter(|unit| unit.starts).map(|unit| unit.at);
            entries.filter(|entry| *entry >= at).min().unwrap_or(clip.length())
        };
        let (from, to) = (entry(from), entry(to));
        if from >= to {
            return Ok(None);
        }
        let inside = clip.units().iter().filter(|unit| (from..to).contains(&unit.at));
        let units: Vec<AccessUnit> =
            inside.map(|unit| AccessUnit { at: unit.at - from, ..unit.clone() }).collect();
        let codec = codec_of(clip.codec())?;
        let (everything, gate) = (decode_everything(&units, codec), take_apart(&units, codec));
        Ok(Some(Self { units, length: to - from, everything, gate }))
    }
}

/// CPU time of decoding every unit; the pixels are not even copied out.
fn decode_everything(units: &[AccessUnit], codec: picture::Codec) -> Duration {
    let mut decoder = StreamDecoder::new(codec);
    let before = cpu::of_thread();
    for unit in units {
        // A clip may hold a frame that is refused; what it cost is counted all the same.
        let _ = decoder.skip(&unit.data, START.plus(unit.at));
    }
    cpu::of_thread().saturating_sub(before)
}

/// CPU time of what is done to every unit without decoding it.
fn take_apart(units: &[AccessUnit], codec: picture::Codec) -> Duration {
    let (mut assembler, mut gate) = (Assembler::new(codec, MAX_BYTES), Gate::default());
    let before = cpu::of_thread();
    for unit in units {
        match assembler.push(Framing::AnnexB, &unit.data) {
            Outcome::Keyframe { data, .. } => drop(gate.keyframe(data.len(), START.plus(unit.at))),
            _ => gate.delta(unit.data.len(), START.plus(unit.at)),
        }
    }
    cpu::of_thread().saturating_sub(before)
}

fn codec_of(codec: Codec) -> anyhow::Result<picture::Codec> {
    match codec {
        Codec::H264 => Ok(picture::Codec::H264),
        Codec::H265 => Ok(picture::Codec::H265),
        Codec::Mjpeg => anyhow::bail!("JPEG clips are encoded again by whoever reads them"),
    }
}

/// Some streets of each kind of event.
fn streets() -> impl Iterator<Item = anyhow::Result<Footage>> {
    scene::EventKind::ALL.into_iter().flat_map(|event| {
        let places = View::ALL.into_iter().rev().enumerate().filter_map(move |(n, view)| {
            let litter = event == scene::EventKind::Littering;
            // Bags are small: the shipped detector sees those in front, by day, and not in every street.
            let light =
                if litter { Light::Day } else { [Light::Day, Light::Dusk, Light::Day, Light::Night][n % 4] };
            let front = match view {
                View::Underpass | View::Residential => Point { x: 0.4, y: 0.8 },
                _ => Point { x: 0.75, y: 0.85 },
            };
            let place = litter.then_some(Place::At(front));
            let spec = SceneSpec {
                light,
                seed: n as u64 + 40,
                width: SIZE.0,
                height: SIZE.1,
                fps: FPS,
                events: vec![ScriptedEvent {
                    size: size_of(event),
                    place,
                    ..ScriptedEvent::new(event, QUIET)
                }],
                ..SceneSpec::quiet(view)
            };
            // Not every view has a place for every kind.
            let painter = ScenePainter::new(spec).ok()?;
            let visible = painter.events().first().and_then(|event| event.visible_from)?;
            let name = format!("{event} in the {} by {light:?}", view.name()).to_lowercase();
            Some((name, painter, visible))
        });
        places.take(SCENES).map(move |(name, painter, visible)| film(name, event, painter, visible))
    })
}

/// Large enough for the shipped detector: it is not what is measured here.
const fn size_of(event: scene::EventKind) -> f32 {
    match event {
        scene::EventKind::Littering => 1.1,
        scene::EventKind::Smoke | scene::EventKind::Waterlogging => 2.0,
        _ => 1.3,
    }
}

fn film(
    name: String,
    event: scene::EventKind,
    mut painter: ScenePainter,
    visible: Duration,
) -> anyhow::Result<Footage> {
    let spec = EncoderSpec {
        codec: Codec::H264,
        width: SIZE.0,
        height: SIZE.1,
        fps: FPS,
        gop: Gop::Closed,
        keyframe_interval: KEYFRAME_EVERY,
        bitrate_kbps: KBPS,
    };
    let clip = Clip::film(&mut painter, &spec, QUIET + BEGINS + STAYS)?;
    let quiet = Part::cut(&clip, Duration::ZERO, QUIET)?;
    let quiet_for = quiet.as_ref().map_or(Duration::ZERO, |part| part.length);
    Ok(Footage {
        name,
        kind: EventKind::new(event.kind()),
        codec: codec_of(clip.codec())?,
        size: clip.size(),
        quiet,
        begins: Part::cut(&clip, QUIET, QUIET + BEGINS)?,
        stays: Part::cut(&clip, QUIET + BEGINS, clip.length())?.context("a street that is too short")?,
        visible_after: visible.saturating_sub(quiet_for),
        decoded: HashMap::new(),
    })
}

/// A clip once for each of its events, with what comes before it as the quiet street.
fn of_clip(clip: &clips::Clip, city: &City) -> anyhow::Result<Vec<Footage>> {
    let read = Clip::read(&clip.path)?;
    let seconds = |secs: f64| Duration::try_from_secs_f64(secs).unwrap_or_default().min(read.length());
    let mut kinds: BTreeMap<EventKind, (Duration, Duration)> = BTreeMap::new();
    for (name, span) in &clip.events {
        let speaks = |kind: &&citybrain_ingest_config::resolved::Kind| {
            kind.kind.as_str() == name || kind.labels.iter().any(|label| label.as_str() == name)
        };
        let Some(kind) = city.kinds.values().find(speaks) else { continue };
        let (start, end) = (seconds(span.start_secs), seconds(span.end_secs));
        let known = kinds.entry(kind.kind.clone()).or_insert((start, end));
        *known = (known.0.min(start), known.1.max(end));
    }
    let mut all = Vec::new();
    for (kind, (start, end)) in kinds {
        let Some(stays) = Part::cut(&read, start, end)? else { continue };
        all.push(Footage {
            name: format!("{kind} in {}", clip.file),
            kind,
            codec: codec_of(read.codec())?,
            size: read.size(),
            quiet: Part::cut(&read, Duration::ZERO, start)?,
            begins: None,
            stays,
            visible_after: Duration::ZERO,
            decoded: HashMap::new(),
        });
    }
    Ok(all)
}
