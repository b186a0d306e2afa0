//! The gate on what x264 writes of rendered pictures.

use super::*;
use crate::keyframe::real_streams::collect_line;
use crate::keyframe::{Assembler, Framing, Outcome};
use crate::picture::Codec;

const FRAME: i64 = 40_000;
const SIZE: (u32, u32) = (320, 240);

/// Access units of `frames` pictures made by a source, 25 a second, with a keyframe every 25.
fn encoded(source: &str, frames: u32) -> Vec<Vec<u8>> {
    let line = format!(
        "{source} num-buffers={frames} ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast pass=qual quantizer=24 key-int-max=25 bframes=0 \
         ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false"
    );
    collect_line(&line)
}

struct Stream {
    gate: Gate,
    assembler: Assembler,
    at: Timestamp,
    readings: Vec<Reading>,
}

impl Stream {
    fn new() -> Self {
        let mut gate = Gate::default();
        gate.size(SIZE);
        let assembler = Assembler::new(Codec::H264, 1 << 20);
        Self { gate, assembler, at: Timestamp::from_millis(1_000_000), readings: Vec::new() }
    }

    fn feed(&mut self, units: &[Vec<u8>]) {
        for unit in units {
            self.at = Timestamp::from_micros(self.at.as_micros() + FRAME);
            match self.assembler.push(Framing::AnnexB, unit) {
                Outcome::Keyframe { data, .. } => self.readings.push(self.gate.keyframe(data.len(), self.at)),
                Outcome::Delta => self.gate.delta(unit.len(), self.at),
                other => panic!("{other:?}"),
            }
        }
    }

    fn verdicts(&mut self) -> Vec<Verdict> {
        self.readings.drain(..).map(|reading| reading.verdict).collect()
    }
}

/// A ball that moves in a still scene with a sensor's noise would be coded like this: little, always the same.
const QUIET: &str = "videotestsrc pattern=ball";
/// Every pixel is another in each picture.
const WILD: &str = "videotestsrc pattern=snow";

#[test]
fn motion_is_seen_in_the_sizes_when_it_begins_and_is_the_usual_when_it_stays() {
    let mut stream = Stream::new();
    stream.feed(&encoded(QUIET, 400));
    let quiet = stream.verdicts();
    assert!(quiet[8..].iter().all(|verdict| *verdict == Verdict::Usual), "{quiet:?}");
    stream.feed(&encoded(WILD, 75));
    let wild = stream.verdicts();
    assert!(wild[1..].iter().any(|verdict| verdict.is_eager()), "{wild:?}");
    stream.feed(&encoded(WILD, 750));
    let later = stream.verdicts();
    assert!(later[20..].iter().all(|verdict| *verdict == Verdict::Usual), "{later:?}");
}

#[test]
fn a_frozen_and_a_black_stream_are_told_apart_and_neither_is_called_so_at_once() {
    for (source, expected) in [
        ("videotestsrc pattern=smpte75", Verdict::Frozen),
        ("videotestsrc pattern=checkers-8", Verdict::Frozen),
        ("videotestsrc pattern=black", Verdict::Black),
    ] {
        let mut stream = Stream::new();
        stream.feed(&encoded(source, 500));
        let verdicts = stream.verdicts();
        assert!(!verdicts[..8].iter().any(|verdict| verdict.is_still()), "{source}: {verdicts:?}");
        assert!(verdicts[12..].iter().all(|verdict| *verdict == expected), "{source}: {verdicts:?}");
    }
}

#[test]
fn another_scene_is_seen_as_a_cut() {
    let mut stream = Stream::new();
    for _ in 0..6 {
        stream.feed(&encoded(QUIET, 50));
    }
    stream.verdicts();
    // The encoder of the other scene begins with a keyframe of its own, ten pictures after the last one.
    stream.feed(&encoded(QUIET, 10));
    stream.feed(&encoded("videotestsrc pattern=zone-plate kx2=20 ky2=20", 1));
    assert_eq!(stream.verdicts().last(), Some(&Verdict::SceneCut));
}

#[test]
fn the_distance_of_keyframes_is_measured() {
    let mut stream = Stream::new();
    stream.feed(&encoded(QUIET, 100));
    let last = stream.readings.last().unwrap();
    assert_eq!((last.gop_pictures, last.gop), (25, Duration::from_secs(1)));
    assert_eq!(stream.readings[0].gop_pictures, 0);
}

#[test]
fn a_camera_costs_a_fixed_and_small_state() {
    assert!(size_of::<Gate>() <= 256, "{} bytes", size_of::<Gate>());
}

fn pictures(gate: &mut Gate, from: i64, seconds: i64, per_second: i64) -> Reading {
    let mut reading = None;
    for n in 0..seconds * per_second {
        let at = Timestamp::from_micros(from * 1_000_000 + n * 1_000_000 / per_second);
        if n % per_second == 0 {
            reading = Some(gate.keyframe(20_000, at));
        } else {
            gate.delta(2_000, at);
        }
    }
    reading.unwrap()
}

#[test]
fn a_frame_rate_that_falls_is_a_fault_from_when_it_fell_until_it_is_back() {
    let mut gate = Gate::default();
    assert_eq!(pictures(&mut gate, 1_000, 100, 25).faults, [None; 3]);
    let [low, ..] = pictures(&mut gate, 1_100, 60, 5).faults;
    let (fault, since) = low.expect("5 of 25 pictures a second");
    assert_eq!(fault, FaultKind::LowFrameRate);
    assert!((1_090..1_125).contains(&(since.as_millis() / 1_000)), "{since}");
    assert_eq!(pictures(&mut gate, 1_160, 60, 25).faults, [None; 3]);
}

#[test]
fn lost_packets_are_a_fault_while_they_are_many() {
    let mut gate = Gate::default();
    pictures(&mut gate, 1_000, 30, 25);
    gate.lost(1);
    assert_eq!(pictures(&mut gate, 1_030, 30, 25).faults, [None; 3]);
    gate.lost(200);
    let faults = pictures(&mut gate, 1_060, 15, 25).faults;
    assert!(matches!(faults[1], Some((FaultKind::PacketLoss, _))), "{faults:?}");
    assert_eq!(pictures(&mut gate, 1_075, 60, 25).faults, [None; 3]);
}

#[test]
fn media_time_that_runs_away_from_the_clock_is_a_fault() {
    for (speed, expected) in [(1.0, false), (1.01, false), (1.1, true), (0.5, true)] {
        let mut gate = Gate::default();
        for second in 0..200_i64 {
            let media = (second as f64 * 1e6 * speed) as i64;
            gate.media_time(media, Timestamp::from_micros(5_000_000_000 + second * 1_000_000));
        }
        let fault = gate.keyframe(1_000, Timestamp::from_millis(5_200_000)).faults[2];
        assert_eq!(fault.is_some(), expected, "{speed}: {fault:?}");
    }
}
