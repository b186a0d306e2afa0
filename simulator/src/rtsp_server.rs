//! Sound cameras, served by gst-rtsp-server: RTP over TCP and UDP, basic and digest passwords.
//!
//! Each camera is shared media fed from its film, so every client of a camera sees the same picture at the same time
//! and encoding is done once however many there are.

use crate::access_unit::{AccessUnit, Codec};
use crate::film::{Film, Viewing};
use crate::street::{Login, LowerTransport};
use citybrain_types::CameraId;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::prelude::*;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

/// Role of a client that gave no password.
const ANYBODY: &str = "anybody";
/// Sessions whose client has gone silently are looked for this often.
const CLEANUP_SECS: u32 = 5;
/// Access units that wait for gst-rtsp-server to take them: a second or two; older ones make room for newer.
const UNITS_WAITING: u32 = 16;

/// A camera to serve.
pub struct Mount {
    /// Its id, the path of its address.
    pub id: CameraId,
    /// How its film is compressed.
    pub codec: Codec,
    /// Size in pixels.
    pub size: (u32, u32),
    /// What it films.
    pub film: Arc<Film>,
    /// How its packets may travel.
    pub transports: BTreeSet<LowerTransport>,
    /// What it asks for.
    pub login: Option<Login>,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// GStreamer does not start, or its RTSP server is missing.
    #[error("the RTSP server cannot start, install GStreamer and its RTSP server: {0}")]
    Start(String),
    /// The address is taken.
    #[error("the RTSP server cannot listen on {0}: choose another port, or 0 for a free one")]
    Listen(SocketAddr),
}

/// The running server, on a thread of its own.
pub struct RtspServer {
    address: SocketAddr,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

impl RtspServer {
    /// Listens and serves; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ServerError`] when it cannot.
    pub fn start(listen: SocketAddr, mounts: Vec<Mount>) -> Result<Self, ServerError> {
        gst::init().map_err(|e| ServerError::Start(e.to_string()))?;
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let running = main_loop.clone();
        let (ready, started) = sync_channel(1);
        let thread = std::thread::Builder::new().name("rtsp-server".to_owned());
        let serve =
            move || serve(&context, &running, listen, &mounts, |outcome| drop(ready.try_send(outcome)));
        let thread = thread.spawn(serve).map_err(|e| ServerError::Start(e.to_string()))?;
        let address = started.recv().map_err(|_| ServerError::Start("its thread ended".to_owned()))??;
        Ok(Self { address, main_loop, thread: Some(thread) })
    }

    /// The address of a camera, without password.
    #[must_use]
    pub fn url(&self, camera: &CameraId) -> String {
        format!("rtsp://{}/{camera}", self.address)
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        self.main_loop.quit();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the RTSP server's thread panicked");
        }
    }
}

fn serve(
    context: &glib::MainContext,
    main_loop: &glib::MainLoop,
    listen: SocketAddr,
    mounts: &[Mount],
    ready: impl FnOnce(Result<SocketAddr, ServerError>),
) {
    let outcome = context.with_thread_default(|| {
        let server = make_server(listen, mounts);
        let source = match server.attach(Some(context)) {
            Ok(source) => source,
            Err(_) => return ready(Err(ServerError::Listen(listen))),
        };
        let cleanup = clean_up_sessions(&server, context);
        let port = u16::try_from(server.bound_port()).unwrap_or_default();
        ready(Ok(SocketAddr::new(listen.ip(), port)));
        main_loop.run();
        cleanup.destroy();
        server.client_filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
        if let Some(source) = context.find_source_by_id(&source) {
            source.destroy();
        }
    });
    if let Err(error) = outcome {
        tracing::error!(%error, "the RTSP server's main context is in use");
    }
}

fn clean_up_sessions(server: &rtsp::RTSPServer, context: &glib::MainContext) -> glib::Source {
    let server = server.downgrade();
    let source = glib::timeout_source_new_seconds(CLEANUP_SECS, None, glib::Priority::DEFAULT, move || {
        let Some(pool) = server.upgrade().and_then(|server| server.session_pool()) else {
            return glib::ControlFlow::Break;
        };
        pool.cleanup();
        glib::ControlFlow::Continue
    });
    source.attach(Some(context));
    source
}

fn make_server(listen: SocketAddr, mounts: &[Mount]) -> rtsp::RTSPServer {
    let server = rtsp::RTSPServer::new();
    server.set_address(&listen.ip().to_string());
    server.set_service(&listen.port().to_string());
    server.set_auth(Some(&make_auth(mounts)));
    let points = rtsp::RTSPMountPoints::new();
    for mount in mounts {
        points.add_factory(&format!("/{}", mount.id), make_factory(mount));
    }
    server.set_mount_points(Some(&points));
    server
}

fn make_auth(mounts: &[Mount]) -> rtsp::RTSPAuth {
    let auth = rtsp::RTSPAuth::new();
    auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Digest);
    let token =
        |role: &str| rtsp::RTSPToken::builder().field(rtsp::RTSP_TOKEN_MEDIA_FACTORY_ROLE, role).build();
    auth.set_default_token(Some(&mut token(ANYBODY)));
    for login in mounts.iter().filter_map(|mount| mount.login.as_ref()) {
        auth.add_digest(&login.user, &login.password, &token(&login.user));
    }
    auth
}

/// Who may see a camera: its user, or anybody. gst-rtsp-server answers 401 to a client that may know of the camera but
/// not start it, and 404 to one that may not know of it.
fn add_roles(factory: &rtsp::RTSPMediaFactory, login: Option<&Login>) {
    let add = |role: &str, allowed: bool| {
        let permissions = gst::Structure::builder(role)
            .field(rtsp::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
            .field(rtsp::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, allowed);
        factory.add_role_from_structure(&permissions.build());
    };
    add(ANYBODY, login.is_none());
    if let Some(login) = login {
        add(&login.user, true);
    }
}

fn make_factory(mount: &Mount) -> rtsp::RTSPMediaFactory {
    let factory = rtsp::RTSPMediaFactory::new();
    factory.set_launch(&launch_text(mount.codec, mount.size));
    factory.set_shared(true);
    factory.set_latency(0);
    factory.set_suspend_mode(rtsp::RTSPSuspendMode::None);
    let protocols = mount.transports.iter().map(|transport| match transport {
        LowerTransport::Tcp => gst_rtsp::RTSPLowerTrans::TCP,
        LowerTransport::Udp => gst_rtsp::RTSPLowerTrans::UDP,
    });
    factory.set_protocols(protocols.collect());
    add_roles(&factory, mount.login.as_ref());
    let film = Arc::clone(&mount.film);
    factory.connect_media_configure(move |_, media| feed_media(media, &film));
    factory
}

fn launch_text(codec: Codec, (width, height): (u32, u32)) -> String {
    let (caps, payloader) = match codec {
        Codec::H264 => (
            "video/x-h264,stream-format=byte-stream,alignment=au".to_owned(),
            "h264parse ! rtph264pay name=pay0 pt=96",
        ),
        Codec::H265 => (
            "video/x-h265,stream-format=byte-stream,alignment=au".to_owned(),
            "h265parse ! rtph265pay name=pay0 pt=96",
        ),
        Codec::Mjpeg => {
            (format!("image/jpeg,width={width},height={height},framerate=0/1"), "rtpjpegpay name=pay0 pt=26")
        }
    };
    format!(
        "( appsrc name=film is-live=true format=time max-bytes=0 max-buffers={UNITS_WAITING} leaky-type=downstream \
         caps={caps} ! {payloader} )"
    )
}

/// Lets shared media watch a film from its first client to its last.
fn feed_media(media: &rtsp::RTSPMedia, film: &Film) {
    let bin = media.element().downcast::<gst::Bin>().ok();
    let source = bin.and_then(|bin| bin.by_name("film")).and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
    let Some(source) = source else {
        tracing::error!("media without a source for its film");
        return;
    };
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    media.connect_unprepared(move |_| ended.store(true, Ordering::SeqCst));
    let source = source.downgrade();
    let mut shift = None;
    film.watch(Box::new(move |unit| {
        let source = source.upgrade().filter(|_| !over.load(Ordering::SeqCst));
        let Some(source) = source else { return Viewing::Left };
        push(&source, unit, &mut shift);
        Viewing::Stays
    }));
}

/// Puts a unit into a media pipeline at `shift` after its street time: the pipeline's time starts with its first client.
fn push(source: &gst_app::AppSrc, unit: &AccessUnit, shift: &mut Option<i128>) {
    let Some(now) = source.current_running_time() else { return };
    let at = unit.at.as_nanos() as i128;
    if shift.is_none() && !unit.starts {
        return;
    }
    let shift = *shift.get_or_insert(i128::from(now.nseconds()) - at);
    let Ok(nanos) = u64::try_from(at + shift) else { return };
    let mut buffer = gst::Buffer::from_slice(unit.data.clone());
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::from_nseconds(nanos));
        if !unit.starts {
            buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
    }
    // A pipeline that is being taken down refuses buffers; its viewer is taken away by the signal.
    if let Err(flow) = source.push_buffer(buffer) {
        tracing::trace!(?flow, "media did not take a unit");
    }
}
