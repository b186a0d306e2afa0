//! What is remembered of each camera, and when a picture is worth a file.

use super::annotate::{Mark, draw};
use super::store::{Pending, SnapshotFailure, SnapshotStore};
use super::veil::{Veil, cover};
use crate::decode::{Area, Frame, MAX_SIDE, Scaler, decode_keyframe};
use crate::metrics::PipelineMetrics;
use crate::picture::Keyframe;
use bytes::Bytes;
use citybrain_ingest_config::resolved::Blur;
use citybrain_types::{BoundingBox, CameraId, Detection, EventKind, SnapshotRef, Snapshots, Timestamp};
use jpeg_encoder::{ColorType, Encoder};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A burning kind is photographed at its first hit and then this often.
const HIT_EVERY: Duration = Duration::from_secs(10);
/// The quiet picture is at least this old before a newer one takes its place, so that it does not already show
/// the beginning of what comes next.
const QUIET_EVERY: Duration = Duration::from_secs(5);
/// As above where the quiet picture has to be made into a JPEG.
const QUIET_JPEG_EVERY: Duration = Duration::from_secs(30);
/// Larger keyframes are kept as a small JPEG instead.
const QUIET_KEYFRAME_BYTES: usize = 192 << 10;
/// All quiet pictures together. Cameras beyond it keep the one they have.
const QUIET_BUDGET_BYTES: usize = 256 << 20;
/// The last look of a camera is written for the console this often …
const LATEST_EVERY: Duration = Duration::from_secs(10);
/// … and of all cameras together no more than one in this time: JPEG costs milliseconds.
const LATEST_GAP: Duration = Duration::from_secs(1);
/// Longest side of pictures that only a person glances at.
const GLANCE_SIDE: u32 = 480;
const JPEG_QUALITY: u8 = 80;

/// What became of a hit's pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// A picture of this kind was kept a moment ago.
    NotDue,
    /// They lie in the store; `lost` when one of them does not.
    Saved {
        /// Where they lie.
        snapshots: Option<Snapshots>,
        /// One of them could not be written.
        lost: bool,
    },
}

/// Remembers the last quiet picture of every camera and writes pictures of hits.
#[derive(Debug)]
pub struct SnapshotKeeper {
    store: SnapshotStore,
    /// Where the originals of pictures go in which something was covered.
    originals: SnapshotStore,
    metrics: PipelineMetrics,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    cameras: HashMap<CameraId, CameraMemory>,
    quiet_bytes: usize,
    last_latest: Option<Timestamp>,
    max_side: u32,
    blur: bool,
}

#[derive(Debug, Default)]
struct CameraMemory {
    quiet: Option<Quiet>,
    hits: BTreeMap<EventKind, Timestamp>,
    latest: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Quiet {
    captured_at: Timestamp,
    data: QuietData,
    /// Where it was written, once it was.
    place: Option<SnapshotRef>,
}

#[derive(Debug, Clone)]
enum QuietData {
    Keyframe(Keyframe),
    Jpeg(Bytes),
}

impl QuietData {
    fn len(&self) -> usize {
        match self {
            Self::Keyframe(keyframe) => keyframe.data.len(),
            Self::Jpeg(jpeg) => jpeg.len(),
        }
    }
}

/// A frame that was looked at, for the keeper.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The camera.
    pub camera: &'a CameraId,
    /// When the picture was taken.
    pub captured_at: Timestamp,
    /// Its pixels.
    pub frame: &'a Frame,
    /// What it was decoded from, where it was compressed.
    pub keyframe: Option<&'a Keyframe>,
    /// Parts that not everybody may see; `None` where nothing has looked for them.
    pub private: Option<&'a [BoundingBox]>,
}

/// Buffers of one worker.
#[derive(Debug, Default)]
pub struct Darkroom {
    scaler: Scaler,
    rgb: Vec<u8>,
}

impl SnapshotKeeper {
    /// A keeper without memories.
    #[must_use]
    pub fn new(
        store: SnapshotStore,
        originals: SnapshotStore,
        max_side: u32,
        blur: Blur,
        metrics: PipelineMetrics,
    ) -> Self {
        let memory = Memory { max_side, blur: blur != Blur::Off, ..Memory::default() };
        Self { store, originals, metrics, memory: Mutex::new(memory) }
    }

    /// Forgets cameras that are gone, and takes the longest side of a stored picture and whether parts are covered.
    pub fn reload(&self, stays: impl Fn(&CameraId) -> bool, max_side: u32, blur: Blur) {
        let mut memory = self.lock();
        memory.max_side = max_side;
        let blur = blur != Blur::Off;
        if blur && !memory.blur {
            // What is remembered was meant for everybody.
            memory.cameras.values_mut().for_each(|camera| camera.quiet = None);
        }
        memory.blur = blur;
        memory.cameras.retain(|camera, _| stays(camera));
        let quiets = memory.cameras.values().filter_map(|camera| camera.quiet.as_ref());
        memory.quiet_bytes = quiets.map(|quiet| quiet.data.len()).sum();
    }

    /// Whether no quiet picture of this camera is remembered yet.
    #[must_use]
    pub fn lacks_quiet(&self, camera: &CameraId) -> bool {
        self.lock().camera(camera).quiet.is_none()
    }

    /// Remembers a frame in which nothing was found.
    pub fn quiet(&self, seen: Seen<'_>, darkroom: &mut Darkroom) {
        let keyframe = seen.keyframe.filter(|keyframe| keyframe.data.len() <= QUIET_KEYFRAME_BYTES);
        let every = if keyframe.is_some() { QUIET_EVERY } else { QUIET_JPEG_EVERY };
        {
            let mut memory = self.lock();
            let camera = memory.camera(seen.camera);
            // A quiet frame ends a row of hits: the next hit is a new one.
            camera.hits.retain(|_, at| seen.captured_at.since(*at) < HIT_EVERY);
            if camera.quiet.as_ref().is_some_and(|quiet| seen.captured_at.since(quiet.captured_at) < every) {
                return;
            }
        }
        let data = match keyframe {
            Some(keyframe) => QuietData::Keyframe(keyframe.clone()),
            None => match darkroom.jpeg(seen.frame, GLANCE_SIDE, self.veil(seen.private), &[]) {
                Ok(jpeg) => QuietData::Jpeg(jpeg.into()),
                Err(failure) => return self.metrics.snapshot_failure(failure),
            },
        };
        self.lock().remember(seen.camera, Quiet { captured_at: seen.captured_at, data, place: None });
    }

    /// Writes the pictures of a frame with hits, where they are due. Waits for the disk only briefly.
    pub fn hit(&self, seen: Seen<'_>, hits: &[Detection], darkroom: &mut Darkroom) -> Kept {
        let (before, max_side) = {
            let mut memory = self.lock();
            let max_side = memory.max_side;
            let camera = memory.camera(seen.camera);
            let at = seen.captured_at;
            let is_due =
                |hit: &Detection| camera.hits.get(&hit.kind).is_none_or(|last| at.since(*last) >= HIT_EVERY);
            if !hits.iter().any(is_due) {
                return Kept::NotDue;
            }
            camera.hits.extend(hits.iter().map(|hit| (hit.kind.clone(), at)));
            (camera.quiet.clone(), max_side)
        };
        let at = self.begin(seen, max_side, hits, darkroom);
        let before = before.map(|quiet| self.begin_before(seen.camera, quiet, max_side, darkroom));
        let at = at.and_then(|(place, pending)| self.store.finish(&pending).map(|()| place));
        let before = before.map(|before| before.and_then(|before| self.finish_before(seen.camera, before)));
        let lost = at.is_err() || before.as_ref().is_some_and(Result::is_err);
        let snapshots = at.ok().map(|at| Snapshots { at, before: before.and_then(Result::ok) });
        Kept::Saved { snapshots, lost }
    }

    /// Writes the last look of a camera for the console, where it is due. Does not wait for the disk.
    pub fn latest(
        &self,
        seen: Seen<'_>,
        shown: &[Detection],
        darkroom: &mut Darkroom,
    ) -> Option<SnapshotRef> {
        {
            let mut memory = self.lock();
            let at = seen.captured_at;
            let recent =
                |last: Option<Timestamp>, gap| last.is_some_and(|last| at.since(last) < gap && last <= at);
            if recent(memory.last_latest, LATEST_GAP)
                || recent(memory.camera(seen.camera).latest, LATEST_EVERY)
            {
                return None;
            }
            memory.last_latest = Some(at);
            memory.camera(seen.camera).latest = Some(at);
        }
        let marks: Vec<Mark<'_>> = shown.iter().map(Mark::of).collect();
        let place = SnapshotRef::new(format!("{}/latest.jpg", seen.camera)).ok()?;
        match darkroom.jpeg(seen.frame, GLANCE_SIDE, self.veil(seen.private), &marks) {
            Ok(jpeg) => self.store.begin(place.clone(), jpeg).ok().map(|_| place),
            Err(failure) => {
                self.metrics.snapshot_failure(failure);
                None
            }
        }
    }

    fn begin(
        &self,
        seen: Seen<'_>,
        max_side: u32,
        shown: &[Detection],
        darkroom: &mut Darkroom,
    ) -> Result<(SnapshotRef, Pending), SnapshotFailure> {
        let marks: Vec<Mark<'_>> = shown.iter().map(Mark::of).collect();
        let place = place_of(seen.camera, seen.captured_at, "at").ok_or(SnapshotFailure::Encode)?;
        let print = Print { frame: seen.frame, max_side, marks: &marks, veil: self.veil(seen.private) };
        let pending = self.print(&place, &print, darkroom)?;
        Ok((place, pending))
    }

    /// What is covered in a picture in which these parts are not for everybody.
    fn veil<'p>(&self, private: Option<&'p [BoundingBox]>) -> Veil<'p> {
        match (self.lock().blur, private) {
            (false, _) => Veil::None,
            (true, None) => Veil::Whole,
            (true, Some(parts)) => Veil::Parts(parts),
        }
    }

    /// Hands the picture for everybody to the writer; where something is covered in it, the original first.
    fn print(
        &self,
        place: &SnapshotRef,
        print: &Print<'_>,
        darkroom: &mut Darkroom,
    ) -> Result<Pending, SnapshotFailure> {
        let Print { frame, max_side, marks, veil } = *print;
        let fails = |failure: &SnapshotFailure| self.metrics.snapshot_failure(*failure);
        if veil != Veil::None {
            let original = darkroom.jpeg(frame, max_side, Veil::None, marks).inspect_err(fails)?;
            // Nobody waits for it: one that is lost is counted by the store.
            drop(self.originals.begin(place.clone(), original));
        }
        let jpeg = darkroom.jpeg(frame, max_side, veil, marks).inspect_err(fails)?;
        self.store.begin(place.clone(), jpeg)
    }

    /// The quiet picture as a file, unless it is one already.
    fn begin_before(
        &self,
        camera: &CameraId,
        quiet: Quiet,
        max_side: u32,
        darkroom: &mut Darkroom,
    ) -> Result<Before, SnapshotFailure> {
        if let Some(place) = quiet.place {
            return Ok(Before { captured_at: quiet.captured_at, place, pending: None });
        }
        let place = place_of(camera, quiet.captured_at, "before").ok_or(SnapshotFailure::Encode)?;
        let pending = match quiet.data {
            QuietData::Jpeg(jpeg) => self.store.begin(place.clone(), jpeg.to_vec())?,
            QuietData::Keyframe(keyframe) => {
                let frame = decode_keyframe(&keyframe).map_err(|_| {
                    self.metrics.snapshot_failure(SnapshotFailure::Encode);
                    SnapshotFailure::Encode
                })?;
                // What was found in it then is not remembered: all of it is covered, if anything is.
                let print = Print { frame: &frame, max_side, marks: &[], veil: self.veil(None) };
                self.print(&place, &print, darkroom)?
            }
        };
        Ok(Before { captured_at: quiet.captured_at, place, pending: Some(pending) })
    }

    fn finish_before(&self, camera: &CameraId, before: Before) -> Result<SnapshotRef, SnapshotFailure> {
        if let Some(pending) = &before.pending {
            self.store.finish(pending)?;
            let mut memory = self.lock();
            if let Some(quiet) = &mut memory.camera(camera).quiet
                && quiet.captured_at == before.captured_at
            {
                quiet.place = Some(before.place.clone());
            }
        }
        Ok(before.place)
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // Every change is complete in itself, so a panic elsewhere spoils nothing.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A picture to be made.
#[derive(Clone, Copy)]
struct Print<'a> {
    frame: &'a Frame,
    max_side: u32,
    marks: &'a [Mark<'a>],
    veil: Veil<'a>,
}

struct Before {
    captured_at: Timestamp,
    place: SnapshotRef,
    pending: Option<Pending>,
}

impl Memory {
    fn camera(&mut self, camera: &CameraId) -> &mut CameraMemory {
        if !self.cameras.contains_key(camera) {
            self.cameras.insert(camera.clone(), CameraMemory::default());
        }
        self.cameras.entry(camera.clone()).or_default()
    }

    fn remember(&mut self, camera: &CameraId, quiet: Quiet) {
        let old = self.camera(camera).quiet.as_ref().map_or(0, |old| old.data.len());
        let total = (self.quiet_bytes + quiet.data.len()).saturating_sub(old);
        if total > QUIET_BUDGET_BYTES {
            tracing::debug!(%camera, "quiet pictures have used up their memory, the older one is kept");
            return;
        }
        self.quiet_bytes = total;
        self.camera(camera).quiet = Some(quiet);
    }
}

impl Darkroom {
    pub(super) fn jpeg(
        &mut self,
        frame: &Frame,
        max_side: u32,
        veil: Veil<'_>,
        marks: &[Mark<'_>],
    ) -> Result<Vec<u8>, SnapshotFailure> {
        let area = Area::within(frame.size(), max_side);
        let encode = |_| SnapshotFailure::Encode;
        self.scaler.render(frame, area, [0; 3], &mut self.rgb).map_err(encode)?;
        let (width, height) = area.canvas;
        cover(&mut self.rgb, width, height, veil);
        draw(&mut self.rgb, width, height, marks);
        let mut jpeg = Vec::with_capacity(64 << 10);
        // Both sides are at most `decode::MAX_SIDE`.
        let (width, height) = (width.min(MAX_SIDE) as u16, height.min(MAX_SIDE) as u16);
        let encoder = Encoder::new(&mut jpeg, JPEG_QUALITY);
        encoder.encode(&self.rgb, width, height, ColorType::Rgb).map_err(|_| SnapshotFailure::Encode)?;
        Ok(jpeg)
    }
}

/// `camera/2026-11-22/03-20-00.123-what.jpg`, in UTC.
fn place_of(camera: &CameraId, at: Timestamp, what: &str) -> Option<SnapshotRef> {
    let text = at.to_string();
    let (day, time) = text.split_once('T')?;
    let time = time.trim_end_matches('Z').replace(':', "-");
    SnapshotRef::new(format!("{camera}/{day}/{time}-{what}.jpg")).ok()
}
