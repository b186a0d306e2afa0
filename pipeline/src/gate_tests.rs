//! The gate on what real encoders write of rendered pictures.

use super::*;
use crate::keyframe::real_streams::collect_line;
use crate::keyframe::{Assembler, Framing, Outcome};
use crate::picture::Codec;

const FRAME: i64 = 40_000;
const SIZE: (u32, u32) = (320, 240);

/// Tries until the encoder writes a sound beginning; see `encoded`.
const TRIES: usize = 8;

/// Access units of `frames` pictures made by a source, 25 a second, with a keyframe every 25 (every one a JPEG's).
fn encoded(codec: Codec, source: &str, frames: u32) -> Vec<Vec<u8>> {
    let encoder = match codec {
        Codec::H264 => {
            "x264enc tune=zerolatency speed-preset=ultrafast pass=qual quantizer=24 key-int-max=25 bframes=0 \
             ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au"
        }
        Codec::H265 => {
            "x265enc tune=zerolatency speed-preset=ultrafast qp=28 key-int-max=25 \
             option-string=pools=none:frame-threads=1:bframes=0:scenecut=0:repeat-headers=1 \
             ! h265parse ! video/x-h265,stream-format=byte-stream,alignment=au"
        }
        Codec::Jpeg => "jpegenc quality=85 ! jpegparse",
    };
    let line = format!(
        "{source} num-buffers={frames} ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 \
         ! {encoder} ! appsink name=out sync=false"
    );
    // The first unit of GStreamer's x265enc 1.22 now and then holds freed memory where its headers should be.
    let is_sound = |units: &Vec<Vec<u8>>| {
        let first = Assembler::new(codec, 1 << 20).push(Framing::AnnexB, &units[0]);
        units.len() == frames as usize && matches!(first, Outcome::Keyframe { .. })
    };
    let mut tries = std::iter::repeat_with(|| collect_line(&line)).take(TRIES);
    tries.find(is_sound).expect("the encoder makes a unit of each frame")
}

struct Stream {
    gate: Gate,
    assembler: Assembler,
    at: Timestamp,
    readings: Vec<Reading>,
}

impl Stream {
    fn new(codec: Codec) -> Self {
        let mut gate = Gate::default();
        gate.size(SIZE);
        let assembler = Assembler::new(codec, 1 << 20);
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

    /// Another connection, a while later.
    fn reconnect(&mut self, after: Duration) {
        self.at = self.at.plus(after);
        self.gate.reconnected();
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
    for codec in [Codec::H264, Codec::H265, Codec::Jpeg] {
        let a_second = if codec == Codec::Jpeg { 25 } else { 1 };
        let mut stream = Stream::new(codec);
        stream.feed(&encoded(codec, QUIET, 400));
        let quiet = stream.verdicts();
        let trusted = &quiet[8 * a_second..];
        assert!(trusted.iter().all(|verdict| *verdict == Verdict::Usual), "{codec:?}: {quiet:?}");
        stream.feed(&encoded(codec, WILD, 75));
        let wild = stream.verdicts();
        assert!(wild[1..].iter().any(|verdict| verdict.is_eager()), "{codec:?}: {wild:?}");
        stream.feed(&encoded(codec, WILD, 750));
        let later = stream.verdicts();
        let later = &later[20 * a_second..];
        assert!(later.iter().all(|verdict| *verdict == Verdict::Usual), "{codec:?}: {later:?}");
    }
}

#[test]
fn a_frozen_and_a_black_stream_are_told_apart_and_neither_is_called_so_at_once() {
    for (codec, source, expected) in [
        (Codec::H264, "videotestsrc pattern=smpte75", Verdict::Frozen),
        (Codec::H264, "videotestsrc pattern=checkers-8", Verdict::Frozen),
        (Codec::H264, "videotestsrc pattern=black", Verdict::Black),
        (Codec::H265, "videotestsrc pattern=zone-plate kx2=20 ky2=20", Verdict::Frozen),
        (Codec::H265, "videotestsrc pattern=black", Verdict::Black),
        // The tables of a JPEG alone are larger than a black picture: that it is black is seen when it is looked at.
        (Codec::Jpeg, "videotestsrc pattern=smpte75", Verdict::Frozen),
        (Codec::Jpeg, "videotestsrc pattern=black", Verdict::Frozen),
    ] {
        let a_second = if codec == Codec::Jpeg { 25 } else { 1 };
        let mut stream = Stream::new(codec);
        stream.feed(&encoded(codec, source, 500));
        let verdicts = stream.verdicts();
        let (first, later) = (&verdicts[..8 * a_second], &verdicts[12 * a_second..]);
        assert!(!first.iter().any(|verdict| verdict.is_still()), "{codec:?} {source}: {first:?}");
        assert!(later.iter().all(|verdict| *verdict == expected), "{codec:?} {source}: {later:?}");
    }
}

#[test]
fn what_is_usual_is_known_after_connections_of_which_none_was_long_enough_to_learn_it() {
    let mut stream = Stream::new(Codec::H264);
    // Three seconds each, and none is taken for a scene cut or for motion because it is another connection.
    for _ in 0..4 {
        stream.feed(&encoded(Codec::H264, QUIET, 75));
        stream.reconnect(Duration::from_secs(30));
    }
    let quiet = stream.verdicts();
    assert!(quiet.iter().all(|verdict| !verdict.is_eager()), "{quiet:?}");
    assert_eq!(quiet[quiet.len() - 2..], [Verdict::Usual; 2]);
    stream.feed(&encoded(Codec::H264, WILD, 75));
    let wild = stream.verdicts();
    assert!(wild.iter().any(|verdict| verdict.is_eager()), "{wild:?}");
}

#[test]
fn a_camera_that_is_polled_is_learnt_from_its_keyframes_alone() {
    for codec in [Codec::H264, Codec::H265] {
        let quiet = encoded(codec, QUIET, 25 * 16);
        let mut stream = Stream::new(codec);
        for keyframe in quiet.iter().step_by(25) {
            // What comes before the keyframe is the rest of a group of pictures.
            stream.gate.delta(50_000, stream.at);
            stream.feed(std::slice::from_ref(keyframe));
            stream.reconnect(Duration::from_secs(600));
        }
        let verdicts = stream.verdicts();
        assert_eq!(verdicts[..9], [Verdict::Learning; 9], "{codec:?}");
        assert!(verdicts[9..].iter().all(|verdict| *verdict == Verdict::Usual), "{codec:?}: {verdicts:?}");
        stream.feed(&encoded(codec, WILD, 1));
        assert_eq!(stream.verdicts(), [Verdict::Motion], "{codec:?}: another picture");
    }
}

#[test]
fn a_polled_camera_that_shows_the_same_to_the_byte_is_frozen() {
    let mut gate = Gate::default();
    let mut verdicts = Vec::new();
    for turn in 0..20_i64 {
        gate.reconnected();
        let bytes = if turn < 12 { 20_000 + turn as usize * 7 % 50 } else { 20_000 };
        verdicts.push(gate.keyframe(bytes, Timestamp::from_millis(turn * 120_000)).verdict);
    }
    assert!(!verdicts[..12].iter().any(|verdict| verdict.is_still()), "{verdicts:?}");
    assert_eq!(verdicts[14..], [Verdict::Frozen; 6]);
}

#[test]
fn another_scene_is_seen_as_a_cut() {
    let mut stream = Stream::new(Codec::H264);
    for _ in 0..6 {
        stream.feed(&encoded(Codec::H264, QUIET, 50));
    }
    stream.verdicts();
    // The encoder of the other scene begins with a keyframe of its own, ten pictures after the last one.
    stream.feed(&encoded(Codec::H264, QUIET, 10));
    stream.feed(&encoded(Codec::H264, "videotestsrc pattern=zone-plate kx2=20 ky2=20", 1));
    assert_eq!(stream.verdicts().last(), Some(&Verdict::SceneCut));
}

#[test]
fn the_distance_of_keyframes_is_measured() {
    let mut stream = Stream::new(Codec::H264);
    stream.feed(&encoded(Codec::H264, QUIET, 100));
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

#[test]
fn pictures_that_come_late_at_a_start_or_in_crowds_are_no_drift_and_neither_is_a_jump() {
    type Late = fn(i64) -> i64;
    let ways: [(&str, Late); 3] = [
        ("what the server has kept comes at once", |second| (8 - second).max(0)),
        ("a busy network", |second| if second % 50 < 45 { second % 50 / 5 } else { 0 }),
        ("media time jumps once", |second| if second < 100 { 0 } else { -7 }),
    ];
    for (way, late) in ways {
        let mut gate = Gate::default();
        for second in 0..400_i64 {
            let arrived = Timestamp::from_micros(5_000_000_000 + (second + late(second)) * 1_000_000);
            gate.media_time(second * 1_000_000, arrived);
            let fault = gate.keyframe(1_000, arrived).faults[2];
            assert_eq!(fault, None, "{way}, second {second}");
        }
    }
}

#[test]
fn a_fault_of_the_stream_is_not_forgotten_with_the_connection_and_not_invented_by_a_pause() {
    let mut gate = Gate::default();
    pictures(&mut gate, 1_000, 100, 25);
    gate.reconnected();
    // An hour away: no pictures came, and that is no low frame rate.
    assert_eq!(pictures(&mut gate, 4_600, 60, 25).faults, [None; 3]);
    let [low, ..] = pictures(&mut gate, 4_660, 60, 5).faults;
    gate.reconnected();
    let [still_low, ..] = pictures(&mut gate, 4_730, 5, 5).faults;
    assert!(low.is_some() && still_low == low, "{low:?} became {still_low:?}");
    // Somebody has set it so: after six hours it is the usual rate.
    let [later, ..] = pictures(&mut gate, 4_740, 6 * 3_600 + 60, 5).faults;
    assert_eq!(later, None);
}
