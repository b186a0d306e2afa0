//! A farm: many cameras from few clips, encoded once, each at its own place in the clip.

use crate::clip::{Clip, ClipError};
use crate::encode::EncoderSpec;
use crate::faults::{Fault, FaultError, Faults};
use crate::feed::{CannedClip, Feed};
use crate::painter::ScenePainter;
use crate::raw_rtsp::{RawCamera, RawServer};
use crate::scene::{Light, SceneError, SceneSpec, View};
use crate::street_clock::StreetClock;
use citybrain_types::{CameraId, Clock, IdError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Most cameras of a farm: each may be watched once, with some to spare for those that connect again.
pub const MAX_CAMERAS: usize = 4_000;

/// What a farm is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct FarmSpec {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many cameras, `1..=`[`MAX_CAMERAS`].
    pub cameras: usize,
    /// What is wrong with how many of them. The last cameras have the faults, each at most one.
    pub faults: Vec<(Fault, usize)>,
    /// All cameras of a clip show the same moment, so that all keyframes come at once.
    pub aligned: bool,
}

impl FarmSpec {
    /// So many sound cameras on a free port of this machine.
    #[must_use]
    pub fn sound(cameras: usize) -> Self {
        Self { listen: ([127, 0, 0, 1], 0).into(), cameras, faults: Vec::new(), aligned: false }
    }

    /// The fault of each camera that has one: the number of the camera, and what is wrong.
    fn fault_of(&self, camera: usize) -> Option<Fault> {
        let mut from_the_end = self.cameras - 1 - camera;
        self.faults.iter().find_map(|(fault, count)| {
            let is_its = from_the_end < *count;
            from_the_end = from_the_end.saturating_sub(*count);
            is_its.then_some(*fault)
        })
    }

    /// Checks its numbers; [`Farm::start`] does so too.
    ///
    /// # Errors
    /// [`FarmError`] with the range of the first number that is out of it.
    pub fn check(&self) -> Result<(), FarmError> {
        let faulty = self.faults.iter().fold(0_usize, |sum, (_, count)| sum.saturating_add(*count));
        let cameras = self.cameras;
        if !(1..=MAX_CAMERAS).contains(&cameras) {
            return Err(FarmError::Cameras(cameras));
        }
        if faulty > cameras {
            return Err(FarmError::Faults { faulty, cameras });
        }
        Ok(self.faults.iter().try_for_each(|(fault, _)| fault.check())?)
    }
}

/// Many cameras that show the same few clips.
pub struct Farm {
    server: RawServer,
    ids: Vec<CameraId>,
}

/// Why a farm cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FarmError {
    /// There is nothing to show.
    #[error("a farm needs at least one h264 or h265 clip")]
    NoClip,
    /// Too many cameras, or none.
    #[error("a farm of {0} cameras is not served: ask for 1 to {MAX_CAMERAS}")]
    Cameras(usize),
    /// More faults than cameras.
    #[error("{faulty} cameras are to have faults, and there are {cameras}")]
    Faults {
        /// Cameras with faults.
        faulty: usize,
        /// Cameras.
        cameras: usize,
    },
    /// A fault that cannot be had.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// A clip cannot be made.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// A scene cannot be painted in this size.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// The address cannot be listened on.
    #[error("the farm cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A camera's id is not one.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// What a farm shows when it is given no films: so many of the views, by day and by night.
const VIEWS: [(View, Light); 4] = [
    (View::Junction, Light::Day),
    (View::Residential, Light::Night),
    (View::Market, Light::Dusk),
    (View::Avenue, Light::Day),
];

/// Films four streets in which nothing happens, for `length` each; `told` hears of each that is done. Takes seconds.
///
/// # Errors
/// [`FarmError`] when GStreamer's encoder is missing or a scene cannot have the size.
pub fn film_streets(
    spec: &EncoderSpec,
    length: Duration,
    mut told: impl FnMut(usize, usize),
) -> Result<Vec<Clip>, FarmError> {
    let film = |(n, (view, light)): (usize, &(View, Light))| {
        let scene = SceneSpec {
            light: *light,
            seed: n as u64,
            width: spec.width,
            height: spec.height,
            fps: spec.fps,
            ..SceneSpec::quiet(*view)
        };
        let clip = Clip::film(&mut ScenePainter::new(scene)?, spec, length)?;
        told(n + 1, VIEWS.len());
        Ok(clip)
    };
    VIEWS.iter().enumerate().map(film).collect()
}

impl Farm {
    /// Serves cameras `farm-0000` and on; camera `n` shows clip `n` modulo their number. Cameras of one clip are
    /// spread over its length, so that their entry pictures do not come at once, unless the farm is `aligned`.
    ///
    /// # Errors
    /// [`FarmError`] when there is no clip, a number is out of range or the address is taken.
    pub async fn start(spec: &FarmSpec, clips: &[Clip], clock: Arc<dyn Clock>) -> Result<Self, FarmError> {
        spec.check()?;
        let canned: Vec<Arc<CannedClip>> = clips.iter().map(|clip| Arc::new(CannedClip::new(clip))).collect();
        if canned.is_empty() || canned.iter().any(|clip| clip.codec() == crate::Codec::Mjpeg) {
            return Err(FarmError::NoClip);
        }
        let street = StreetClock::start(clock.as_ref());
        let of_each = spec.cameras.div_ceil(canned.len()).max(1);
        let camera = |n: usize| {
            let clip = Arc::clone(&canned[n % canned.len()]);
            let place = if spec.aligned { 0.0 } else { (n / canned.len()) as f64 / of_each as f64 };
            let phase = clips[n % canned.len()].length().mul_f64(place);
            let codec = clip.codec();
            let feed = Feed::Canned { clip, phase, street };
            let (faults, _) = watch::channel(Faults::new(spec.fault_of(n).into_iter().collect())?);
            Ok(RawCamera { id: CameraId::new(format!("farm-{n:04}"))?, codec, feed, faults })
        };
        let cameras: Vec<RawCamera> = (0..spec.cameras).map(camera).collect::<Result<_, FarmError>>()?;
        let ids = cameras.iter().map(|camera| camera.id.clone()).collect();
        let server = RawServer::start(spec.listen, cameras, move |at| street.wall(at)).await?;
        Ok(Self { server, ids })
    }

    /// Each camera with its address.
    pub fn cameras(&self) -> impl Iterator<Item = (&CameraId, String)> {
        self.ids.iter().map(|id| (id, self.server.url(id)))
    }

    /// The names of a camera's faults.
    pub fn faults(&self, camera: &CameraId) -> Vec<&'static str> {
        let camera = self.server.cameras().get(camera);
        camera.map(|camera| camera.faults.borrow().iter().map(Fault::name).collect()).unwrap_or_default()
    }

    /// Closes every connection.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Fault = Fault::Stall { after_secs: 5.0, for_secs: None };

    #[test]
    fn the_last_cameras_have_the_faults_and_each_at_most_one() {
        let spec = FarmSpec { faults: vec![(STALL, 2), (Fault::Mute {}, 1)], ..FarmSpec::sound(5) };
        let names: Vec<_> = (0..5).map(|n| spec.fault_of(n).map(|fault| fault.name())).collect();
        assert_eq!(names, [None, None, Some("mute"), Some("stall"), Some("stall")]);
    }

    #[test]
    fn a_farm_that_cannot_be_is_refused() {
        for cameras in [0, MAX_CAMERAS + 1] {
            assert!(matches!(FarmSpec::sound(cameras).check(), Err(FarmError::Cameras(_))), "{cameras}");
        }
        assert!(FarmSpec::sound(MAX_CAMERAS).check().is_ok());
        let faulty = FarmSpec { faults: vec![(STALL, usize::MAX), (STALL, 3)], ..FarmSpec::sound(5) };
        assert!(matches!(faulty.check(), Err(FarmError::Faults { .. })));
        let endless = Fault::DropConnection { every_secs: 0.0 };
        let faulty = FarmSpec { faults: vec![(endless, 1)], ..FarmSpec::sound(5) };
        assert!(matches!(faulty.check(), Err(FarmError::Fault(_))));
    }
}
