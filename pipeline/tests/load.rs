//! Many cameras and tired ones, over real RTSP: polled in turn, started and reconnected in an orderly way, distrusted
//! when their pictures go bad.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod capture_support;

use capture_support::fake_camera::FakeCamera;
use capture_support::media;
use capture_support::rig::{PATIENCE, Rig, city, id, stream};
use capture_support::rtsp_server::RtspServer;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Connection, Stream};
use citybrain_pipeline::decode::{Area, Scaler, open_picture};
use citybrain_pipeline::health::Sample;
use citybrain_pipeline::picture::Picture;
use citybrain_types::{CameraState, EventKind, FailReason, FaultKind, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// Cameras that look for one slow kind, every `interval`.
fn slow_city(cameras: &[(&str, Stream)], interval: Duration) -> City {
    let mut city = city(cameras);
    let built_in = tempfile::tempdir().unwrap();
    let file = built_in.path().join("citybrain.toml");
    std::fs::write(&file, "").unwrap();
    city.kinds = citybrain_ingest_config::load(&file).unwrap().city.kinds;
    let kind = EventKind::new("illegal_construction");
    city.kinds.get_mut(&kind).unwrap().look_interval = interval;
    for camera in city.cameras.values_mut() {
        camera.kinds = BTreeSet::from([kind.clone()]);
    }
    city.pipeline.connect_timeout = Duration::from_secs(5);
    city
}

fn polled(address: &str) -> Stream {
    Stream { connection: Connection::Polled, ..stream(address) }
}

#[tokio::test(flavor = "multi_thread")]
async fn polled_cameras_are_swept_in_turn_and_one_that_hangs_holds_nobody() {
    let mounts = ["/a", "/b", "/c", "/d"].map(|path| (path, media::rtsp_h264()));
    let server = RtspServer::start(&mounts);
    let mute = FakeCamera::mute().await;
    let urls = mounts.each_ref().map(|(path, _)| server.url(path));
    let mut cameras: Vec<(&str, Stream)> =
        ["a", "b", "c", "d"].into_iter().zip(&urls).map(|(name, url)| (name, polled(url))).collect();
    cameras.push(("mute", polled(&mute.url())));
    let mut city = slow_city(&cameras, Duration::from_secs(4));
    // The mute one takes one of two connections for five seconds at a time.
    city.pipeline.load.polled_connections = 2;
    let rig = Rig::in_city(&city);
    for turn in 1..=3 {
        for name in ["a", "b", "c", "d"] {
            let fetched = rig.pictures(name, 1, PATIENCE).await;
            assert_eq!(fetched.len(), 1, "turn {turn} of {name}: {:?}\n{}", rig.status(name), rig.metrics());
            assert!(open_picture(fetched[0].clone()).is_ok());
            let resting = |state: &CameraState| matches!(state, CameraState::Resting { .. });
            let status = rig.until(name, resting).await;
            let CameraState::Resting { next_at } = status.state else { unreachable!() };
            assert!(next_at > status.since && status.last_keyframe_at.is_some(), "{status:?}");
        }
    }
    assert!(rig.status("a").connects >= 3, "a connection for each turn");
    rig.until_failures(FailReason::Timeout, 1).await;
    assert!(matches!(rig.status("mute").state, CameraState::Failed { .. }), "{:?}", rig.status("mute"));
    let (polled, sweep) = rig.board.sweep(citybrain_types::Clock::now(&citybrain_types::SystemClock));
    assert_eq!(polled, 4, "the mute one was never seen");
    assert!(sweep < PATIENCE, "{sweep:?}");
    assert!(rig.metrics().contains("citybrain_polls_total{outcome=\"fetched\"}"), "{}", rig.metrics());
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_of_slow_kinds_is_polled_by_itself_and_a_fire_camera_never() {
    let (slow, fast) = (stream("rtsp://127.0.0.1:9/slow"), stream("rtsp://127.0.0.1:9/fast"));
    let auto = |stream: Stream| Stream { connection: Connection::Auto, ..stream };
    let mut city = slow_city(&[("slow", auto(slow)), ("fast", auto(fast))], Duration::from_secs(600));
    let fire = EventKind::new("fire");
    city.cameras.get_mut(&id("fast")).unwrap().kinds.insert(fire);
    let interval = |camera| citybrain_pipeline::capture::poll_interval(&city, &city.cameras[&id(camera)]);
    assert_eq!(interval("slow"), Some(Duration::from_secs(600)));
    assert_eq!(interval("fast"), None);
}

/// A server that counts connections and closes each at once.
async fn storm() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtsp://{}/gone", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::AcqRel);
            let _ = client.shutdown().await;
        }
    });
    (url, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_that_are_lost_together_do_not_come_back_in_a_storm() {
    const PER_SECOND: usize = 40;
    let (url, count) = storm().await;
    let names: Vec<String> = (0..400).map(|n| format!("camera-{n}")).collect();
    let cameras: Vec<(&str, Stream)> = names.iter().map(|name| (name.as_str(), stream(&url))).collect();
    let mut city = city(&cameras);
    city.pipeline.load.connects_per_second = PER_SECOND as u32;
    let began = Instant::now();
    let rig = Rig::in_city(&city);
    // Each wants to come back within 0.2 to 0.8 s: a thousand attempts a second, were they let.
    while began.elapsed() < Duration::from_secs(6) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (seen, allowed) =
            (count.load(Ordering::Acquire), PER_SECOND as f64 * began.elapsed().as_secs_f64() + 2.0);
        assert!(seen as f64 <= allowed, "{seen} connections, {allowed} are allowed");
    }
    assert!(count.load(Ordering::Acquire) > PER_SECOND, "nobody tries any more");
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_cameras_are_live_soon_after_a_start_though_some_do_not_answer() {
    let units = media::buffers(&format!(
        "videotestsrc num-buffers=1 pattern=ball ! video/x-raw,format=I420,width=160,height=96,framerate=10/1 \
         ! {} ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false",
        media::H264
    ));
    let split = |unit: &Vec<u8>| {
        let nals =
            citybrain_pipeline::keyframe::nal::split(citybrain_pipeline::keyframe::Framing::AnnexB, unit);
        nals.unwrap().into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let (camera, mute) =
        (FakeCamera::h264(units.iter().map(split).collect()).await, FakeCamera::mute().await);
    let names: Vec<String> = (0..200).map(|n| format!("camera-{n}")).collect();
    let url = |n: usize| if n.is_multiple_of(20) { mute.url() } else { camera.url() };
    let cameras: Vec<(&str, Stream)> =
        names.iter().enumerate().map(|(n, name)| (name.as_str(), stream(&url(n)))).collect();
    let began = Instant::now();
    let rig = Rig::in_city(&city(&cameras));
    for (n, name) in names.iter().enumerate() {
        if !n.is_multiple_of(20) {
            rig.until_live(name).await;
        }
    }
    // 50 a second: four seconds, and what the machine needs.
    let took = began.elapsed();
    assert!((Duration::from_millis(3_500)..Duration::from_secs(40)).contains(&took), "{took:?}");
    rig.capture.shutdown().await;
}

/// Judges the next pictures of a camera as a worker does, as if they were four seconds apart.
async fn examine(rig: &Rig, count: usize, look: &mut i64) -> Option<FaultKind> {
    let mut fault = None;
    let pictures: Vec<Picture> = rig.pictures("cam", count, PATIENCE).await;
    assert_eq!(pictures.len(), count, "{:?}", rig.status("cam"));
    for picture in pictures {
        let frame = open_picture(picture).unwrap();
        let (area, mut rgb) = (Area::within(frame.size(), 320), Vec::new());
        Scaler::default().render(&frame, area, [0; 3], &mut rgb).unwrap();
        *look += 4_000;
        let at = Timestamp::from_millis(1_000_000 + *look);
        fault = rig.board.examine(&id("cam"), &Sample::of(&rgb, &area).unwrap(), at);
    }
    fault
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_whose_stream_goes_black_is_told_so_with_its_onset_until_it_is_back() {
    let with = |pattern: &str| media::rtsp_h264().replace("pattern=ball", &format!("pattern={pattern}"));
    let server = RtspServer::start(&[("/cam", with("smpte"))]);
    let port = server.port;
    let rig = Rig::with(stream(&server.url("/cam")));
    let mut look = 0;
    assert_eq!(examine(&rig, 24, &mut look).await, None);
    drop(server);
    let server = RtspServer::on_port(&[("/cam", with("black"))], port);
    rig.until_failures(FailReason::Disconnected, 1).await;
    rig.until_live("cam").await;
    rig.pictures("cam", 1, PATIENCE).await;
    let onset = Timestamp::from_millis(1_000_000 + look + 4_000);
    assert_eq!(examine(&rig, 8, &mut look).await, Some(FaultKind::Black));
    let faults = rig.status("cam").faults;
    assert!(faults.iter().any(|fault| fault.fault == FaultKind::Black && fault.since == onset), "{faults:?}");
    assert!(rig.metrics().contains("citybrain_cameras_impaired{fault=\"black\"} 1"), "{}", rig.metrics());
    drop(server);
    let _server = RtspServer::on_port(&[("/cam", with("smpte"))], port);
    rig.until_failures(FailReason::Disconnected, 2).await;
    rig.until_live("cam").await;
    rig.pictures("cam", 1, PATIENCE).await;
    assert_eq!(examine(&rig, 4, &mut look).await, None);
    assert!(rig.metrics().contains("citybrain_cameras_impaired{fault=\"black\"} 0"), "{}", rig.metrics());
    rig.capture.shutdown().await;
}
