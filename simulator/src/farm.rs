//! A farm: many cameras from few clips, encoded once, each at its own place in the clip.

use crate::clip::Clip;
use crate::faults::Faults;
use crate::feed::{CannedClip, Feed};
use crate::raw_rtsp::{RawCamera, RawServer};
use crate::street_clock::StreetClock;
use citybrain_types::{CameraId, Clock, IdError};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

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
    /// The address cannot be listened on.
    #[error("the farm cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A camera's id is not one.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl Farm {
    /// Serves so many cameras, `farm-0000` and on; camera `n` shows clip `n` modulo their number. Cameras of one clip are
    /// spread over its length, so that their entry pictures do not come at once.
    ///
    /// # Errors
    /// [`FarmError`] when there is no clip or the address is taken.
    pub async fn start(
        listen: SocketAddr,
        cameras: usize,
        clips: &[Clip],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FarmError> {
        let canned: Vec<Arc<CannedClip>> = clips.iter().map(|clip| Arc::new(CannedClip::new(clip))).collect();
        if canned.is_empty() || canned.iter().any(|clip| clip.codec() == crate::Codec::Mjpeg) {
            return Err(FarmError::NoClip);
        }
        let street = StreetClock::start(clock.as_ref());
        let of_each = cameras.div_ceil(canned.len()).max(1);
        let camera = |n: usize| {
            let clip = Arc::clone(&canned[n % canned.len()]);
            let place = (n / canned.len()) as f64 / of_each as f64;
            let phase = clips[n % canned.len()].length().mul_f64(place);
            let codec = clip.codec();
            let feed = Feed::Canned { clip, phase, street };
            let (faults, _) = watch::channel(Faults::default());
            Ok(RawCamera { id: CameraId::new(format!("farm-{n:04}"))?, codec, feed, faults })
        };
        let cameras: Vec<RawCamera> = (0..cameras).map(camera).collect::<Result<_, FarmError>>()?;
        let ids = cameras.iter().map(|camera| camera.id.clone()).collect();
        let server = RawServer::start(listen, cameras, move |at| street.wall(at)).await?;
        Ok(Self { server, ids })
    }

    /// Each camera with its address.
    pub fn cameras(&self) -> impl Iterator<Item = (&CameraId, String)> {
        self.ids.iter().map(|id| (id, self.server.url(id)))
    }

    /// Closes every connection.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
