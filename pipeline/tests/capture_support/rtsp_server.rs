//! gst-rtsp-server with launch lines, on a thread and a port of its own.

use gstreamer as gst;
use gstreamer::glib;
use gstreamer_rtsp::RTSPAuthMethod;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::prelude::*;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

pub const USER: &str = "operator";
pub const PASSWORD: &str = "p@ss:word/1";

pub struct RtspServer {
    pub port: u16,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
}

impl RtspServer {
    /// Serves each launch line, which names its payloader `pay0`, under a path. One client a path at a time:
    /// gst-rtsp-server 1.22 aborts the process (`gst_rtsp_media_get_rates`) when two join in one moment.
    pub fn start(mounts: &[(&str, String)]) -> Self {
        Self::serve(mounts, 0, false)
    }

    /// The same, for those who know [`USER`] and [`PASSWORD`] (digest).
    pub fn with_password(mounts: &[(&str, String)]) -> Self {
        Self::serve(mounts, 0, true)
    }

    pub fn on_port(mounts: &[(&str, String)], port: u16) -> Self {
        Self::serve(mounts, port, false)
    }

    fn serve(mounts: &[(&str, String)], port: u16, password: bool) -> Self {
        gst::init().unwrap();
        quieten();
        let mounts: Vec<_> =
            mounts.iter().map(|(path, launch)| ((*path).to_owned(), launch.clone())).collect();
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let running = main_loop.clone();
        let (ready, started) = sync_channel(1);
        let run = move || {
            context
                .with_thread_default(|| {
                    let server = make(&mounts, port, password);
                    let source = server.attach(Some(&context)).expect("the port is free");
                    ready.send(u16::try_from(server.bound_port()).unwrap()).unwrap();
                    running.run();
                    server.client_filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
                    context.find_source_by_id(&source).unwrap().destroy();
                })
                .unwrap();
        };
        let thread = std::thread::Builder::new().name("rtsp-server".into()).spawn(run).unwrap();
        Self { port: started.recv().unwrap(), main_loop, thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        self.main_loop.quit();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// gst-rtsp-server 1.22 may go on reading a connection for a while after its client said TEARDOWN, and complains
/// millions of times.
fn quieten() {
    glib::log_set_handler(Some("GLib-GIO"), glib::LogLevels::LEVEL_CRITICAL, false, false, |_, _, _| {});
}

fn make(mounts: &[(String, String)], port: u16, password: bool) -> rtsp::RTSPServer {
    let server = rtsp::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port.to_string());
    let points = rtsp::RTSPMountPoints::new();
    for (path, launch) in mounts {
        let factory = rtsp::RTSPMediaFactory::new();
        factory.set_launch(&format!("( {launch} )"));
        factory.set_shared(true);
        if password {
            let role = gst::Structure::builder("viewer")
                .field(rtsp::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
                .field(rtsp::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true);
            factory.add_role_from_structure(&role.build());
        }
        points.add_factory(path, factory);
    }
    server.set_mount_points(Some(&points));
    if password {
        let auth = rtsp::RTSPAuth::new();
        auth.set_supported_methods(RTSPAuthMethod::Digest);
        let token = rtsp::RTSPToken::builder().field(rtsp::RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer").build();
        auth.add_digest(USER, PASSWORD, &token);
        server.set_auth(Some(&auth));
    }
    server
}
