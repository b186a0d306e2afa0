//! One camera's film: painted and encoded once, at street time, for everyone who watches.

use crate::access_unit::AccessUnit;
use crate::clip::Clip;
use crate::encode::{EncodeError, Encoder, EncoderSpec};
use crate::painter::Painter;
use crate::street_clock::StreetClock;
use citybrain_types::CameraId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a film shows.
pub enum Source {
    /// Pictures painted and encoded as they are needed.
    Painted {
        /// Who paints.
        painter: Box<dyn Painter>,
        /// How the pictures are compressed.
        encoder: EncoderSpec,
        /// Sizes the picture changes to, `(street time, width, height)`, in order of time.
        sizes: Vec<(Duration, u32, u32)>,
    },
    /// A clip, again and again.
    Clip(Arc<Clip>),
}

/// Whether a viewer stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewing {
    /// It wants the next access unit too.
    Stays,
    /// It has gone.
    Left,
}

/// Takes access units as they are made; called on the film's thread and must not block.
pub type Viewer = Box<dyn FnMut(&AccessUnit) -> Viewing + Send>;

#[derive(Default)]
struct Shared {
    viewers: Mutex<Vec<Viewer>>,
    commanded_size: Mutex<Option<(u32, u32)>>,
    over: AtomicBool,
}

impl Shared {
    fn show(&self, unit: &AccessUnit) {
        let mut viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        viewers.retain_mut(|viewer| viewer(unit) == Viewing::Stays);
    }
}

/// A camera that films from the street's start until it is dropped.
pub struct Film {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Film {
    /// Starts filming on a thread of its own.
    ///
    /// # Errors
    /// [`EncodeError`] when the encoder does not start.
    pub fn roll(camera: &CameraId, source: Source, street: StreetClock) -> Result<Self, EncodeError> {
        let shared = Arc::<Shared>::default();
        let mut roll = Roll::new(camera.clone(), source, street, Arc::clone(&shared))?;
        // Thread names hold 15 bytes; the camera's id is in every log line.
        let thread = std::thread::Builder::new().name(format!("film {camera}"));
        let thread = thread.spawn(move || roll.run()).map_err(|e| EncodeError::Failed(e.to_string()))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Adds a viewer; it sees what is filmed from now on.
    pub fn watch(&self, viewer: Viewer) {
        self.shared.viewers.lock().unwrap_or_else(PoisonError::into_inner).push(viewer);
    }

    /// Changes the size of a painted picture from the next frame on. A clip keeps its own.
    pub fn resize(&self, width: u32, height: u32) {
        *self.shared.commanded_size.lock().unwrap_or_else(PoisonError::into_inner) = Some((width, height));
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a film's thread panicked");
            }
        }
    }
}

/// What the film's thread works on.
struct Roll {
    camera: CameraId,
    street: StreetClock,
    shared: Arc<Shared>,
    reel: Reel,
}

enum Reel {
    Painted {
        painter: Box<dyn Painter>,
        spec: EncoderSpec,
        encoder: Encoder,
        sizes: std::iter::Peekable<std::vec::IntoIter<(Duration, u32, u32)>>,
    },
    Clip(Arc<Clip>),
}

/// A painter that is this far behind leaves frames out, so that street time stays true on a busy machine.
const FALLEN_BEHIND: Duration = Duration::from_millis(500);

impl Roll {
    fn new(
        camera: CameraId,
        source: Source,
        street: StreetClock,
        shared: Arc<Shared>,
    ) -> Result<Self, EncodeError> {
        let reel = match source {
            Source::Clip(clip) => Reel::Clip(clip),
            Source::Painted { painter, encoder: spec, sizes } => {
                let encoder = start_encoder(&spec, painter.size(), &shared)?;
                Reel::Painted { painter, spec, encoder, sizes: sizes.into_iter().peekable() }
            }
        };
        Ok(Self { camera, street, shared, reel })
    }

    fn run(&mut self) {
        if let Err(error) = self.film() {
            tracing::error!(camera = %self.camera, %error, "a camera stopped filming");
        }
    }

    fn film(&mut self) -> Result<(), EncodeError> {
        let mut n = 0_u64;
        while !self.shared.over.load(Ordering::SeqCst) {
            n = match &mut self.reel {
                Reel::Clip(clip) => {
                    let (unit, at) = clip.nth(n);
                    let unit = AccessUnit { at, ..unit.clone() };
                    if wait_until(&self.street, unit.at, &self.shared.over) {
                        self.shared.show(&unit);
                    }
                    n + 1
                }
                Reel::Painted { painter, spec, encoder, sizes } => {
                    let at = Duration::from_secs(1).mul_f64(n as f64 / f64::from(spec.fps.max(1)));
                    if !wait_until(&self.street, at, &self.shared.over) {
                        break;
                    }
                    if let Some((width, height)) = next_size(at, sizes, &self.shared) {
                        *spec = EncoderSpec { width, height, ..*spec };
                        *encoder = start_encoder(spec, painter.size(), &self.shared)?;
                    }
                    let mut rgb = Vec::new();
                    painter.paint(at, &mut rgb);
                    encoder.push(rgb, at)?;
                    next_frame(n, at, self.street.elapsed(), spec.fps)
                }
            };
        }
        Ok(())
    }
}

/// The number of the frame after `n`: the next, or the first that is not yet due when the painter fell behind.
fn next_frame(n: u64, at: Duration, now: Duration, fps: u32) -> u64 {
    if now.saturating_sub(at) <= FALLEN_BEHIND {
        return n + 1;
    }
    (n + 1).max((now.as_secs_f64() * f64::from(fps)).ceil() as u64)
}

fn next_size(
    at: Duration,
    sizes: &mut std::iter::Peekable<std::vec::IntoIter<(Duration, u32, u32)>>,
    shared: &Shared,
) -> Option<(u32, u32)> {
    let commanded = shared.commanded_size.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut scripted = None;
    while let Some((_, width, height)) = sizes.next_if(|(from, _, _)| *from <= at) {
        scripted = Some((width, height));
    }
    commanded.or(scripted)
}

fn start_encoder(
    spec: &EncoderSpec,
    input: (u32, u32),
    shared: &Arc<Shared>,
) -> Result<Encoder, EncodeError> {
    let shared = Arc::clone(shared);
    Encoder::start(spec, input, move |unit| shared.show(&unit))
}

/// Sleeps until a street time; `false` when the film ended meanwhile.
fn wait_until(street: &StreetClock, at: Duration, over: &AtomicBool) -> bool {
    loop {
        if over.load(Ordering::SeqCst) {
            return false;
        }
        let wait = street.until(at);
        if wait.is_zero() {
            return true;
        }
        std::thread::park_timeout(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_painter_that_falls_behind_leaves_frames_out_and_keeps_street_time() {
        let second = Duration::from_secs(1);
        assert_eq!(next_frame(10, second, second + Duration::from_millis(90), 10), 11);
        assert_eq!(next_frame(10, second, second * 3, 10), 30);
        assert_eq!(next_frame(10, second, second + Duration::from_millis(501), 1), 11);
    }

    #[test]
    fn the_last_size_that_is_due_counts_and_a_command_overrules_the_script() {
        let shared = Shared::default();
        let at = Duration::from_secs;
        let mut sizes = vec![(at(1), 320, 184), (at(2), 640, 360), (at(9), 160, 90)].into_iter().peekable();
        assert_eq!(next_size(at(0), &mut sizes, &shared), None);
        assert_eq!(next_size(at(3), &mut sizes, &shared), Some((640, 360)));
        *shared.commanded_size.lock().unwrap() = Some((1280, 720));
        assert_eq!(next_size(at(4), &mut sizes, &shared), Some((1280, 720)));
        assert_eq!(next_size(at(4), &mut sizes, &shared), None);
    }
}
