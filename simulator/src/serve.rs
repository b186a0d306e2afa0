//! A running street: its films, its servers, and what is true in it.

use crate::clip::{Clip, ClipError};
use crate::encode::EncodeError;
use crate::faults::{Fault, FaultError, Faults};
use crate::feed::Feed;
use crate::film::{Film, Source};
use crate::http;
use crate::painter::{PatternPainter, ScenePainter};
use crate::pattern::{Pattern, PatternError};
use crate::raw_rtsp::{RawCamera, RawServer};
use crate::rtsp_server::{Mount, RtspServer, ServerError};
use crate::scene::{SceneError, TruthEvent};
use crate::street::{CameraScript, Login, Street};
use crate::street_clock::StreetClock;
use citybrain_types::{CameraId, Clock, EventKind, Label, SystemClock, Timestamp};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::watch;

/// Where a street is served, and in whose time.
#[derive(Debug, Clone)]
pub struct StreetOptions {
    /// Where sound cameras listen; port 0 takes a free one.
    pub rtsp: SocketAddr,
    /// Where cameras with faults listen; port 0 takes a free one.
    pub raw_rtsp: SocketAddr,
    /// Where truth and cameras are told over HTTP; `None` for nowhere.
    pub http: Option<SocketAddr>,
    /// Tells the wall time of the street's start.
    pub clock: Arc<dyn Clock>,
}

impl Default for StreetOptions {
    fn default() -> Self {
        let free = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self { rtsp: free, raw_rtsp: free, http: Some(free), clock: Arc::new(SystemClock) }
    }
}

/// Why a street cannot be served, or a camera not be commanded.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The script is wrong.
    #[error(transparent)]
    Street(#[from] crate::street::StreetError),
    /// A scene cannot be painted.
    #[error("camera {camera}: {source}")]
    Scene {
        /// Which camera.
        camera: CameraId,
        /// Why.
        source: SceneError,
    },
    /// A pattern is not known.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A clip cannot be read.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// An encoder does not start.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The RTSP server does not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// An address cannot be listened on.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A fault that cannot be had.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// No camera of that id is served by the raw server.
    #[error(
        "camera {0} takes no commands: give it a fault in the script, an h264 or h265 camera with one does"
    )]
    NotCommanded(CameraId),
    /// Preparing was cut short.
    #[error("preparing the street was cut short: {0}")]
    Prepare(String),
}

/// An event that a person in front of the camera's picture sees, in wall time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreetEvent {
    /// Which camera.
    pub camera: CameraId,
    /// The catalogue's code, for instance `fire`.
    pub kind: EventKind,
    /// What is seen first, for instance `smoke`.
    pub label: Label,
    /// When it can first be seen.
    pub visible_at: Timestamp,
    /// When it is gone; `None` when it stays.
    pub visible_until: Option<Timestamp>,
}

/// How a client reaches a camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraAddress {
    /// Which camera.
    pub id: CameraId,
    /// Name for people.
    pub name: String,
    /// RTSP address, without user and password.
    pub url: String,
    /// User and password that it asks for.
    pub login: Option<Login>,
    /// Kinds of event that its script holds; empty for a quiet camera.
    pub kinds: Vec<EventKind>,
    /// Names of its faults.
    pub faults: Vec<&'static str>,
}

/// A street that is being filmed. Dropping it ends it; [`SimulatedStreet::shutdown`] also waits.
pub struct SimulatedStreet {
    inner: Arc<Inner>,
    http: Option<http::HttpServer>,
}

pub(crate) struct Inner {
    addresses: Vec<CameraAddress>,
    truth: Vec<StreetEvent>,
    films: Vec<(CameraId, Arc<Film>)>,
    raw: RawServer,
    // Held so that it goes with the street.
    _sound: Option<RtspServer>,
    street: StreetClock,
}

struct Prepared {
    script: CameraScript,
    source: Source,
    size: (u32, u32),
    events: Vec<TruthEvent>,
}

impl SimulatedStreet {
    /// Prepares every camera, starts street time, and serves. Runs on the caller's tokio runtime.
    ///
    /// # Errors
    /// [`ServeError`] with the first camera or server that cannot be had.
    pub async fn start(script: Street, options: StreetOptions) -> Result<Self, ServeError> {
        script.check()?;
        let prepare = move || script.cameras.into_iter().map(prepare).collect::<Result<Vec<_>, ServeError>>();
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let prepared = prepared.map_err(|e| ServeError::Prepare(e.to_string()))??;
        let street = StreetClock::start(options.clock.as_ref());
        let truth = prepared.iter().flat_map(|camera| wall_truth(camera, &street)).collect();
        let mut described: Vec<CameraAddress> = prepared.iter().map(describe).collect();
        let (mut films, mut mounts, mut raw) = (Vec::new(), Vec::new(), Vec::new());
        for Prepared { script, source, size, .. } in prepared {
            let codec = codec_of(&source);
            let film = Arc::new(Film::roll(&script.id, source, street)?);
            films.push((script.id.clone(), Arc::clone(&film)));
            if script.fault.is_empty() {
                let CameraScript { id, transports, login, .. } = script;
                mounts.push(Mount { id, codec, size, film, transports, login });
            } else {
                let (faults, watched) = watch::channel(Faults::new(script.fault)?);
                raw.push(RawCamera { id: script.id, codec, feed: Feed::of_film(&film, watched), faults });
            }
        }
        let raw = RawServer::start(options.raw_rtsp, raw, move |at| street.wall(at)).await?;
        let listen = options.rtsp;
        let sound = tokio::task::spawn_blocking(move || RtspServer::start(listen, mounts)).await;
        let sound = sound.map_err(|e| ServeError::Prepare(e.to_string()))??;
        for camera in &mut described {
            let faulty = raw.cameras().contains_key(&camera.id);
            camera.url = if faulty { raw.url(&camera.id) } else { sound.url(&camera.id) };
        }
        let inner = Inner { addresses: described, truth, films, raw, _sound: Some(sound), street };
        let inner = Arc::new(inner);
        let http = match options.http {
            Some(listen) => {
                Some(http::HttpServer::start(listen, http::street_routes(Arc::downgrade(&inner))).await?)
            }
            None => None,
        };
        Ok(Self { inner, http })
    }

    /// The cameras and their addresses, in the order of the script.
    #[must_use]
    pub fn cameras(&self) -> &[CameraAddress] {
        &self.inner.addresses
    }

    /// The RTSP address of a camera, without user and password.
    #[must_use]
    pub fn address(&self, camera: &str) -> Option<&str> {
        self.inner.addresses.iter().find(|known| known.id.as_str() == camera).map(|known| known.url.as_str())
    }

    /// Every scripted event, past and to come, in wall time.
    #[must_use]
    pub fn truth(&self) -> &[StreetEvent] {
        &self.inner.truth
    }

    /// When the street started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.inner.street.wall(std::time::Duration::ZERO)
    }

    /// Street time now.
    #[must_use]
    pub fn elapsed(&self) -> std::time::Duration {
        self.inner.street.elapsed()
    }

    /// Where truth and cameras are told over HTTP.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(http::HttpServer::address)
    }

    /// Replaces the faults of a camera that was scripted with some; none makes it sound. A change of resolution
    /// happens with the next picture, whatever its `after_secs`.
    ///
    /// # Errors
    /// [`ServeError`] when a fault cannot be had or the camera takes no commands.
    pub fn command(&self, camera: &str, faults: Vec<Fault>) -> Result<(), ServeError> {
        self.inner.command(camera, faults)
    }

    /// Closes every connection and waits for the servers to end.
    pub async fn shutdown(self) {
        let Self { inner, http } = self;
        if let Some(http) = http {
            http.shutdown().await;
        }
        // A request that is being answered still holds the street; it then ends with that answer.
        let Some(Inner { films, raw, _sound, .. }) = Arc::into_inner(inner) else { return };
        raw.shutdown().await;
        // Films and the RTSP server join their threads when they are dropped.
        let ending = tokio::task::spawn_blocking(move || drop((_sound, films)));
        if let Err(error) = ending.await {
            tracing::error!(%error, "the street did not end in order");
        }
    }
}

impl Inner {
    pub(crate) fn addresses(&self) -> &[CameraAddress] {
        &self.addresses
    }

    pub(crate) fn truth(&self) -> &[StreetEvent] {
        &self.truth
    }

    pub(crate) fn command(&self, camera: &str, faults: Vec<Fault>) -> Result<(), ServeError> {
        let faults = Faults::new(faults)?;
        let commanded = self.raw.cameras().iter().find(|(id, _)| id.as_str() == camera);
        let Some((id, raw)) = commanded else {
            let id = CameraId::new(camera).map_err(|e| ServeError::Prepare(e.to_string()))?;
            return Err(ServeError::NotCommanded(id));
        };
        let film = self.films.iter().find(|(known, _)| known == id).map(|(_, film)| film);
        if let (Some(film), Some((_, width, height))) = (film, faults.sizes().pop()) {
            film.resize(width, height);
        }
        tracing::info!(camera = %id, faults = ?faults.iter().map(Fault::name).collect::<Vec<_>>(), "commanded");
        raw.faults.send_replace(faults);
        Ok(())
    }
}

fn codec_of(source: &Source) -> crate::access_unit::Codec {
    match source {
        Source::Painted { encoder, .. } => encoder.codec,
        Source::Clip(clip) => clip.codec(),
    }
}

fn prepare(script: CameraScript) -> Result<Prepared, ServeError> {
    let mut size = (script.width, script.height);
    let mut events = Vec::new();
    let source = if let Some(path) = &script.clip {
        let clip = Clip::read(path)?;
        size = clip.size();
        Source::Clip(Arc::new(clip))
    } else {
        let painter: Box<dyn crate::painter::Painter> = if let Some(spec) = script.scene_as_filmed() {
            let refused = |source| ServeError::Scene { camera: script.id.clone(), source };
            let painter = ScenePainter::new(spec).map_err(refused)?;
            events = painter.events();
            Box::new(painter)
        } else {
            let pattern: Pattern = script.pattern.as_deref().unwrap_or_default().parse()?;
            Box::new(PatternPainter::new(pattern, size))
        };
        let sizes = Faults::new(script.fault.clone())?.sizes();
        Source::Painted { painter, encoder: script.encoder(), sizes }
    };
    Ok(Prepared { script, source, size, events })
}

fn wall_truth(camera: &Prepared, street: &StreetClock) -> Vec<StreetEvent> {
    let wall = |event: &TruthEvent| {
        Some(StreetEvent {
            camera: camera.script.id.clone(),
            kind: EventKind::new(event.kind),
            label: Label::new(event.label),
            visible_at: street.wall(event.visible_from?),
            visible_until: event.visible_to.map(|until| street.wall(until)),
        })
    };
    camera.events.iter().filter_map(wall).collect()
}

fn describe(camera: &Prepared) -> CameraAddress {
    let script = &camera.script;
    let mut kinds: Vec<EventKind> = camera.events.iter().map(|event| EventKind::new(event.kind)).collect();
    kinds.sort();
    kinds.dedup();
    CameraAddress {
        id: script.id.clone(),
        name: script.name.clone().unwrap_or_else(|| script.id.to_string()),
        url: String::new(),
        login: script.login.clone(),
        kinds,
        faults: script.fault.iter().map(Fault::name).collect(),
    }
}
