//! Clips: a stretch of access units that is played again and again, encoded once and served many times.

use crate::access_unit::{AccessUnit, Codec, NalKind};
use crate::encode::{EncodeError, Encoder, EncoderSpec, Gop, encoder_text, error_text, unit_of};
use crate::painter::Painter;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Access units from one entry point to the last picture before the next round.
#[derive(Debug, Clone)]
pub struct Clip {
    units: Vec<AccessUnit>,
    length: Duration,
    size: (u32, u32),
}

/// Why a clip cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The encoder does not run.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The file is not a video, or cannot be read.
    #[error("{path} cannot be read as a video: {detail}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What GStreamer says.
        detail: String,
    },
    /// The folder cannot be read.
    #[error("folder {path} cannot be read: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// More than fits in memory.
    #[error("{0} is longer than {MAX_UNITS} pictures or {MAX_BYTES} bytes: cut it")]
    TooLong(PathBuf),
    /// No picture came out.
    #[error("a clip without a picture cannot be served")]
    Empty,
}

/// Longest clip, in pictures: ten minutes at 25 a second.
pub const MAX_UNITS: usize = 15_000;
/// Largest clip: all clips of a folder are held in memory.
pub const MAX_BYTES: usize = 256 << 20;
/// Longest wait for one picture before the bus is asked for an error.
const PULL_WAIT: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// Longest time without a picture: a file that is not fed is not waited for.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// A file whose entry points lie farther apart is encoded again: who looks at keyframes only would see nothing.
const MAX_KEYFRAME_DISTANCE: Duration = Duration::from_secs(4);
/// File names taken from a folder of clips.
const VIDEO_EXTENSIONS: [&str; 7] = ["mp4", "mkv", "avi", "mov", "ts", "webm", "mpg"];

impl Clip {
    /// From access units in decoding order; what comes before the first entry point is left out.
    ///
    /// # Errors
    /// [`ClipError::Empty`] when there is no entry point.
    pub fn new(units: Vec<AccessUnit>, frame_time: Duration, size: (u32, u32)) -> Result<Self, ClipError> {
        let mut units: Vec<AccessUnit> = units.into_iter().skip_while(|unit| !unit.starts).collect();
        let first = units.iter().map(|unit| unit.at).min().ok_or(ClipError::Empty)?;
        units.iter_mut().for_each(|unit| unit.at -= first);
        let last = units.iter().map(|unit| unit.at).max().unwrap_or_default();
        Ok(Self { units, length: last + frame_time.max(Duration::from_millis(1)), size })
    }

    /// Films a painter for a while.
    ///
    /// # Errors
    /// [`ClipError`] when the encoder fails.
    pub fn film(painter: &mut dyn Painter, spec: &EncoderSpec, length: Duration) -> Result<Self, ClipError> {
        let units = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&units);
        let on_unit = move |unit| kept.lock().unwrap_or_else(PoisonError::into_inner).push(unit);
        let encoder = Encoder::start(spec, painter.size(), on_unit)?;
        let frame_time = Duration::from_secs(1) / spec.fps.max(1);
        let frames =
            u32::try_from(length.as_nanos() / frame_time.as_nanos().max(1)).unwrap_or(u32::MAX).max(1);
        for n in 0..frames {
            let mut rgb = Vec::new();
            painter.paint(frame_time * n, &mut rgb);
            encoder.push(rgb, frame_time * n)?;
        }
        encoder.finish()?;
        let units = std::mem::take(&mut *units.lock().unwrap_or_else(PoisonError::into_inner));
        Self::new(units, frame_time, (spec.width, spec.height))
    }

    /// Reads a video file. H.264 and H.265 are taken as they are where they can be entered often enough;
    /// everything else is encoded to H.264 once.
    ///
    /// # Errors
    /// [`ClipError`] when the file cannot be read or is too long.
    pub fn read(path: &Path) -> Result<Self, ClipError> {
        gst::init().map_err(EncodeError::Init)?;
        for (codec, elements) in AS_IT_IS {
            match read_through(path, codec, elements) {
                Ok(clip) if clip.keyframe_distance() <= MAX_KEYFRAME_DISTANCE => return Ok(clip),
                Ok(_) => break,
                Err(ClipError::Unreadable { .. } | ClipError::Empty) => {}
                Err(other) => return Err(other),
            }
        }
        read_through(path, Codec::H264, &encoded_again())
    }

    /// Its pictures in decoding order, with times from the clip's start.
    #[must_use]
    pub fn units(&self) -> &[AccessUnit] {
        &self.units
    }

    /// From the first picture to the first picture of the next round.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.length
    }

    /// Width and height in pixels.
    #[must_use]
    pub const fn size(&self) -> (u32, u32) {
        self.size
    }

    /// How it is compressed.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.units[0].codec
    }

    /// The picture shown `n` pictures after the first, rounds counted on, and its time without wrap.
    #[must_use]
    pub fn nth(&self, n: u64) -> (&AccessUnit, Duration) {
        let count = self.units.len() as u64;
        let unit = &self.units[(n % count) as usize];
        let round = u32::try_from(n / count).unwrap_or(u32::MAX);
        (unit, self.length.saturating_mul(round) + unit.at)
    }

    /// The longest time without a picture that decodes on its own. An I picture that is no IDR or CRA does not count:
    /// a parser may call it an entry, a client that looks at keyframes only does not.
    fn keyframe_distance(&self) -> Duration {
        let alone =
            |unit: &&AccessUnit| unit.nals().any(|(kind, _)| matches!(kind, NalKind::Idr | NalKind::Cra));
        let mut entries: Vec<Duration> = self.units.iter().filter(alone).map(|unit| unit.at).collect();
        entries.push(self.length);
        entries.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or(self.length)
    }
}

/// The video files of a folder, by name.
///
/// # Errors
/// [`ClipError::Folder`] when it cannot be read.
pub fn files_in(folder: &Path) -> Result<Vec<PathBuf>, ClipError> {
    let refused = |source| ClipError::Folder { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        if extension.is_some_and(|e| VIDEO_EXTENSIONS.contains(&e.as_str())) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Elements that take a codec from a file as it is, each set of parameters in front of each IDR. JPEG files are
/// encoded again: a camera sends baseline JPEG only, a file need not hold that.
const AS_IT_IS: [(Codec, &str); 2] = [
    (
        Codec::H264,
        "parsebin ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au",
    ),
    (
        Codec::H265,
        "parsebin ! h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au",
    ),
];

fn encoded_again() -> String {
    let spec = EncoderSpec {
        codec: Codec::H264,
        width: 0,
        height: 0,
        fps: 25,
        gop: Gop::Closed,
        keyframe_interval: 25,
        bitrate_kbps: 1500,
    };
    format!("decodebin ! videoconvert ! video/x-raw,format=I420 ! {}", encoder_text(&spec))
}

fn read_through(path: &Path, codec: Codec, elements: &str) -> Result<Clip, ClipError> {
    let unreadable =
        |detail: &str| ClipError::Unreadable { path: path.to_owned(), detail: detail.to_owned() };
    let text = format!("filesrc name=file ! {elements} ! appsink name=out sync=false max-buffers=16");
    let element = gst::parse::launch(&text).map_err(|e| EncodeError::Pipeline(e.to_string()))?;
    let pipeline = element.downcast::<gst::Pipeline>().map_err(|_| unreadable("no pipeline"))?;
    let file = pipeline.by_name("file").ok_or_else(|| unreadable("no reader"))?;
    file.set_property("location", path.to_string_lossy().as_ref());
    let sink = pipeline.by_name("out").and_then(|e| e.downcast::<gst_app::AppSink>().ok());
    let outcome = match sink {
        Some(sink) => collect(&pipeline, &sink, codec, path),
        None => Err(unreadable("no output")),
    };
    if let Err(error) = pipeline.set_state(gst::State::Null) {
        tracing::warn!(%error, "a file reader did not stop");
    }
    outcome
}

fn collect(
    pipeline: &gst::Pipeline,
    sink: &gst_app::AppSink,
    codec: Codec,
    path: &Path,
) -> Result<Clip, ClipError> {
    let unreadable = |detail: String| ClipError::Unreadable { path: path.to_owned(), detail };
    pipeline.set_state(gst::State::Playing).map_err(|e| unreadable(e.to_string()))?;
    let (mut units, mut bytes, mut size) = (Vec::new(), 0, (0, 0));
    let mut frame_time = Duration::from_millis(40);
    let mut waited = Duration::ZERO;
    loop {
        // An error on the bus never reaches the sink, so each wait is short and the bus is looked at in between.
        let Some(sample) = sink.try_pull_sample(PULL_WAIT) else {
            if sink.is_eos() {
                return Clip::new(units, frame_time, size);
            }
            check_bus(pipeline).map_err(unreadable)?;
            waited += Duration::from_nanos(PULL_WAIT.nseconds());
            if waited > READ_TIMEOUT {
                return Err(unreadable(format!("no picture within {} s", READ_TIMEOUT.as_secs())));
            }
            continue;
        };
        waited = Duration::ZERO;
        let structure = sample.caps().and_then(|caps| caps.structure(0));
        if let Some(structure) = structure {
            let side =
                |name| structure.get::<i32>(name).ok().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            size = (side("width"), side("height"));
            frame_time = structure
                .get::<gst::Fraction>("framerate")
                .map_or(frame_time, |f| frame_time_of(f, frame_time));
        }
        let Some(unit) = unit_of(&sample, codec) else { continue };
        bytes += unit.data.len();
        units.push(unit);
        if units.len() > MAX_UNITS || bytes > MAX_BYTES {
            return Err(ClipError::TooLong(path.to_owned()));
        }
    }
}

fn frame_time_of(rate: gst::Fraction, otherwise: Duration) -> Duration {
    let (numer, denom) = (u32::try_from(rate.numer()), u32::try_from(rate.denom()));
    match (numer, denom) {
        (Ok(numer @ 1..), Ok(denom @ 1..)) => Duration::from_secs(u64::from(denom)) / numer,
        _ => otherwise,
    }
}

fn check_bus(pipeline: &gst::Pipeline) -> Result<(), String> {
    let message = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    message.map_or(Ok(()), |message| Err(error_text(&message)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::painter::PatternPainter;
    use crate::pattern::Pattern;

    fn spec() -> EncoderSpec {
        EncoderSpec {
            codec: Codec::H264,
            width: 320,
            height: 184,
            fps: 10,
            gop: Gop::Closed,
            keyframe_interval: 10,
            bitrate_kbps: 300,
        }
    }

    #[test]
    fn a_filmed_clip_goes_round_without_a_gap() {
        let mut painter = PatternPainter::new(Pattern::Clock, (320, 184));
        let clip = Clip::film(&mut painter, &spec(), Duration::from_secs(2)).unwrap();
        assert_eq!(clip.units().len(), 20);
        assert_eq!(clip.length(), Duration::from_secs(2));
        let (first_again, at) = clip.nth(20);
        assert!(first_again.is_idr());
        assert_eq!(at, Duration::from_secs(2));
        assert_eq!(clip.nth(59).1, Duration::from_millis(5_900));
    }

    #[test]
    fn what_is_no_video_is_refused_with_its_name() {
        let folder = std::env::temp_dir().join(format!("citybrain-clip-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("not-a-video.mp4");
        std::fs::write(&file, b"these are words, and no video").unwrap();
        assert_eq!(files_in(&folder).unwrap().first(), Some(&file));
        let error = Clip::read(&file).unwrap_err();
        assert!(error.to_string().contains("not-a-video.mp4"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
