//! A small RTSP server of our own: cameras with faults, and many cameras from few encoders.
//!
//! It speaks as much of RFC 2326 as a client needs to play one video track interleaved in the connection: OPTIONS,
//! DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN. One task serves a connection; nothing is decoded or
//! encoded here, so one thread serves a thousand.

use crate::access_unit::Codec;
use crate::connection::Connection;
use crate::faults::Faults;
use crate::feed::Feed;
use citybrain_types::{CameraId, Timestamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections served at once: the largest farm, each camera watched four times.
const MAX_CONNECTIONS: usize = 4_096;
/// A pause after the system refused a connection, so that a lack of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A camera of the raw server.
pub struct RawCamera {
    /// Its id, the path of its address.
    pub id: CameraId,
    /// H.264 or H.265.
    pub codec: Codec,
    /// What it sends.
    pub feed: Feed,
    /// What is wrong with it; may change at any time.
    pub faults: watch::Sender<Faults>,
}

/// What all connections share.
pub(crate) struct Cameras {
    pub(crate) by_id: BTreeMap<CameraId, RawCamera>,
    pub(crate) wall: Box<dyn Fn(Duration) -> Timestamp + Send + Sync>,
}

/// The running server.
pub struct RawServer {
    address: SocketAddr,
    cameras: Arc<Cameras>,
    over: CancellationToken,
    tasks: TaskTracker,
}

impl RawServer {
    /// Listens and serves. `wall` tells the wall time of a street time, for sender reports.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(
        listen: SocketAddr,
        cameras: Vec<RawCamera>,
        wall: impl Fn(Duration) -> Timestamp + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let by_id = cameras.into_iter().map(|camera| (camera.id.clone(), camera)).collect();
        let server = Self {
            address,
            cameras: Arc::new(Cameras { by_id, wall: Box::new(wall) }),
            over: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let accepting =
            accept(listener, Arc::clone(&server.cameras), server.tasks.clone(), server.over.clone());
        server.tasks.spawn(accepting);
        Ok(server)
    }

    /// The address of a camera.
    #[must_use]
    pub fn url(&self, camera: &CameraId) -> String {
        format!("rtsp://{}/{camera}", self.address)
    }

    /// The cameras, by id.
    #[must_use]
    pub fn cameras(&self) -> &BTreeMap<CameraId, RawCamera> {
        &self.cameras.by_id
    }

    /// Closes every connection.
    pub async fn shutdown(self) {
        self.over.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

async fn accept(listener: TcpListener, cameras: Arc<Cameras>, tasks: TaskTracker, over: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let number = AtomicU64::new(0);
    loop {
        let accepted = tokio::select! {
            () = over.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(limit = MAX_CONNECTIONS, "a connection was closed, there are too many");
            continue;
        };
        let serving =
            serve(socket, Arc::clone(&cameras), number.fetch_add(1, Ordering::Relaxed), over.clone());
        tasks.spawn(async move {
            serving.await;
            drop(place);
        });
    }
}

async fn serve(socket: TcpStream, cameras: Arc<Cameras>, number: u64, over: CancellationToken) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "no-delay was refused");
    }
    let mut connection = Connection::new(socket, cameras, number);
    if let Some(end) = over.run_until_cancelled(connection.run()).await {
        tracing::debug!(
            connection = number,
            camera = connection.camera(),
            end = end.name(),
            "a connection ended"
        );
    }
}
