//! Capture against real servers, and against servers that misbehave: the right pictures, the right state.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test by panicking")]

mod capture_support;

use capture_support::fake_camera::FakeCamera;
use capture_support::http_server::HttpServer;
use capture_support::media::{self, H264, H265, LIVE, SIZE};
use capture_support::proxy::{Fault, Proxy};
use capture_support::rig::{Rig, city, stream};
use capture_support::rtsp_server::{PASSWORD, RtspServer, USER};
use citybrain_ingest_config::resolved::{Credentials, DecodeMode, Stream, Transport};
use citybrain_pipeline::keyframe::{Framing, nal};
use citybrain_pipeline::picture::Picture;
use citybrain_types::{CameraState, FailReason};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn file_stream(path: &std::path::Path) -> Stream {
    stream(&format!("file://{}", path.display()))
}

fn udp(address: &str) -> Stream {
    Stream { transport: Transport::Udp, ..stream(address) }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_codec_comes_in_over_tcp_as_keyframes_that_can_be_decoded() {
    let mounts = [
        ("/h264", media::rtsp_h264(), "H.264 160x96"),
        ("/h265", media::rtsp_h265(), "H.265 160x96"),
        ("/mjpeg", media::rtsp_mjpeg(), "MJPEG 160x96"),
    ];
    let server = RtspServer::start(&mounts.each_ref().map(|(path, launch, _)| (*path, launch.clone())));
    for (path, _, media) in mounts {
        let rig = Rig::with(stream(&server.url(path)));
        let pictures = rig.expect_pictures(4, SIZE).await;
        assert!(pictures.iter().all(|picture| matches!(picture, Picture::Keyframe(_))), "{path}");
        let status = rig.status("cam");
        assert_eq!(
            (status.state, status.media.as_deref(), status.connects),
            (CameraState::Live, Some(media), 1)
        );
        rig.capture.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_codec_comes_in_over_udp() {
    let mounts =
        [("/h264", media::rtsp_h264()), ("/h265", media::rtsp_h265()), ("/mjpeg", media::rtsp_mjpeg())];
    let server = RtspServer::start(&mounts);
    for (path, _) in mounts {
        let rig = Rig::with(udp(&server.url(path)));
        rig.expect_pictures(3, SIZE).await;
        assert_eq!(rig.status("cam").state, CameraState::Live);
        rig.capture.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_dated_close_to_when_it_was_taken() {
    let server = RtspServer::start(&[("/cam", media::rtsp_h264())]);
    for stream in [stream(&server.url("/cam")), udp(&server.url("/cam"))] {
        let rig = Rig::with(stream);
        let pictures = rig.expect_pictures(4, SIZE).await;
        let intervals: Vec<_> =
            pictures.windows(2).map(|two| two[1].captured_at().since(two[0].captured_at())).collect();
        let expected = Duration::from_millis(500);
        let off = intervals.iter().map(|interval| interval.abs_diff(expected)).max().unwrap();
        assert!(off < Duration::from_millis(250), "{intervals:?}");
        let age = pictures.iter().map(|p| p.received_at().since(p.captured_at())).max().unwrap();
        assert!(age < Duration::from_millis(900), "a picture claims to be {age:?} old");
        rig.capture.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_played_at_its_own_pace_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rest) in [
        ("h264.mp4", format!("{H264} ! h264parse ! mp4mux")),
        ("h265.mkv", format!("{H265} ! h265parse ! matroskamux")),
    ] {
        let path = folder.path().join(name);
        media::write_file(&path, 20, &rest);
        let counted = format!("citybrain_keyframes_total{{codec=\"{}\"}} 4\n", &name[..4]);
        let began = Instant::now();
        let rig = Rig::with(file_stream(&path));
        rig.expect_pictures(2, SIZE).await;
        rig.until("cam", |state| *state == CameraState::Ended).await;
        let took = began.elapsed();
        assert!(took > Duration::from_millis(1_500), "{name}: two seconds in {took:?}");
        assert!(rig.metrics().contains(&counted), "{name}: {}", rig.metrics());
        rig.capture.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_file_goes_on_and_never_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loop.mp4");
    media::write_file(&path, 10, &format!("{H264} ! h264parse ! mp4mux"));
    let rig = Rig::with(Stream { repeat: true, ..file_stream(&path) });
    rig.expect_pictures(7, SIZE).await;
    assert_eq!(rig.status("cam").state, CameraState::Live);
    assert!(!rig.metrics().contains("citybrain_camera_failures_total{"), "{}", rig.metrics());
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_codec_is_decoded_and_comes_as_raw_frames_at_a_bounded_rate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mpeg4.avi");
    media::write_file(&path, 80, "avenc_mpeg4 ! avimux");
    let rig = Rig::with(file_stream(&path));
    // No kind is looked for, so a raw frame is due each half of the stall limit: 1 s.
    let pictures = rig.expect_pictures(3, SIZE).await;
    assert!(pictures.iter().all(|picture| matches!(picture, Picture::Raw(_))));
    let span = pictures[2].captured_at().since(pictures[0].captured_at());
    assert!(span >= Duration::from_millis(1_700), "three frames within {span:?}");
    assert_eq!(rig.status("cam").media.as_deref(), Some("raw 160x96"));
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_playlists_and_camera_streams_come_in_over_http() {
    let folder = tempfile::tempdir().unwrap();
    media::write_file(&folder.path().join("clip.mp4"), 20, &format!("{H264} ! h264parse ! mp4mux"));
    media::run_to_end(&format!(
        "videotestsrc num-buffers=40 ! video/x-raw,format=I420,width=160,height=96,framerate=10/1 ! {H264} ! h264parse \
         ! hlssink2 location={0}/part%05d.ts playlist-location={0}/live.m3u8 target-duration=1 playlist-length=0",
        folder.path().display()
    ));
    let jpegs = media::buffers(
        "videotestsrc num-buffers=5 pattern=ball ! video/x-raw,width=160,height=96 ! jpegenc ! appsink name=out",
    );
    let server = HttpServer::start(folder.path(), jpegs).await;
    for (path, media) in
        [("/clip.mp4", "H.264 160x96"), ("/live.m3u8", "H.264 160x96"), ("/mjpeg", "MJPEG 160x96")]
    {
        let rig = Rig::with(stream(&server.url(path)));
        rig.expect_pictures(3, SIZE).await;
        assert_eq!(rig.status("cam").media.as_deref(), Some(media), "{path}");
        rig.capture.shutdown().await;
    }
    for (path, reason) in [("/nothing.mp4", FailReason::NotFound), ("/secret", FailReason::Unauthorized)] {
        let rig = Rig::with(stream(&server.url(path)));
        rig.until_failed(reason).await;
        rig.capture.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_given_by_digest_and_a_refusal_is_told_without_it() {
    let server = RtspServer::with_password(&[("/cam", media::rtsp_h264())]);
    let credentials = |password: &str| Some(Credentials { user: USER.into(), password: password.into() });
    for transport in [Transport::Tcp, Transport::Udp] {
        let with = |password| Stream {
            transport,
            credentials: credentials(password),
            ..stream(&server.url("/cam"))
        };
        let rig = Rig::with(with(PASSWORD));
        rig.expect_pictures(1, SIZE).await;
        rig.capture.shutdown().await;

        let rig = Rig::with(with("guessed-secret"));
        let detail = rig.until_failed(FailReason::Unauthorized).await;
        assert!(!detail.contains("guessed-secret") && !detail.contains(USER), "{detail}");
        rig.capture.shutdown().await;
    }
    let rig = Rig::with(stream(&server.url("/cam")));
    rig.until_failed(FailReason::Unauthorized).await;
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_apart() {
    let server = RtspServer::start(&[("/cam", media::rtsp_h264())]);
    let free_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (address, reason) in [
        (server.url("/other"), FailReason::NotFound),
        (format!("rtsp://127.0.0.1:{free_port}/cam"), FailReason::Unreachable),
        (format!("http://127.0.0.1:{free_port}/cam.m3u8"), FailReason::Unreachable),
        ("rtsp://no-such-host.invalid/cam".to_owned(), FailReason::Unreachable),
        ("file:///no/such/file.mp4".to_owned(), FailReason::NotFound),
        ("rtsps://127.0.0.1/cam".to_owned(), FailReason::UnsupportedMedia),
        ("ftp://127.0.0.1/cam".to_owned(), FailReason::UnsupportedMedia),
    ] {
        let rig = Rig::with(stream(&address));
        let detail = rig.until_failed(reason).await;
        assert!(!detail.is_empty(), "{address}");
        rig.capture.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_times_out() {
    let camera = FakeCamera::mute().await;
    for stream in
        [stream(&camera.url()), udp(&camera.url()), stream(&format!("http://{}/a.mp4", camera.address))]
    {
        let rig = Rig::limited(stream, |limits| limits.connect_timeout = Duration::from_secs(2));
        rig.until_failed(FailReason::Timeout).await;
        rig.capture.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_rtsp_or_not_video_is_named() {
    let http = FakeCamera::saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let rig = Rig::with(stream(&http.url()));
    rig.until_failed(FailReason::Protocol).await;
    rig.capture.shutdown().await;

    let audio =
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=a\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n";
    let camera = FakeCamera::silent(audio).await;
    let rig = Rig::with(stream(&camera.url()));
    rig.until_failed(FailReason::UnsupportedMedia).await;
    rig.capture.shutdown().await;

    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.mp4");
    std::fs::write(&text, "this is no film, only words ".repeat(200)).unwrap();
    let rig = Rig::with(file_stream(&text));
    rig.until_failed(FailReason::UnsupportedMedia).await;
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_after_the_handshake_is_a_protocol_failure_and_the_camera_comes_back() {
    let server = RtspServer::start(&[("/cam", media::rtsp_h264())]);
    let proxy = Proxy::to(server.port).await;
    let rig = Rig::with(stream(&proxy.url("/cam")));
    rig.expect_pictures(1, SIZE).await;
    proxy.set(Fault::Garbage);
    rig.until_failures(FailReason::Protocol, 1).await;
    proxy.set(Fault::None);
    rig.until_live("cam").await;
    rig.expect_pictures(2, SIZE).await;
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stops_is_stalled_and_connected_again() {
    let server = RtspServer::start(&[("/cam", media::rtsp_h264())]);
    let proxy = Proxy::to(server.port).await;
    // The state is shown until the next attempt: long enough to be seen on a busy machine.
    let rig = Rig::limited(stream(&proxy.url("/cam")), |limits| {
        (limits.reconnect_min, limits.reconnect_max) = (Duration::from_secs(3), Duration::from_secs(3));
    });
    rig.expect_pictures(1, SIZE).await;
    proxy.set(Fault::Stall);
    rig.until("cam", |state| *state == CameraState::Stalled).await;
    proxy.set(Fault::None);
    let status = rig.until_live("cam").await;
    assert!(status.connects >= 2, "{status:?}");
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_drops_the_connection_again_and_again_is_seen_in_between() {
    let server = RtspServer::start(&[("/cam", media::rtsp_h264())]);
    let proxy = Proxy::to(server.port).await;
    let rig = Rig::with(stream(&proxy.url("/cam")));
    for round in 1..=3 {
        rig.until_live("cam").await;
        rig.expect_pictures(2, SIZE).await;
        assert!(rig.status("cam").connects >= round);
        proxy.set(Fault::Close);
        rig.until_failures(FailReason::Disconnected, round).await;
    }
    rig.until_live("cam").await;
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_is_found_again() {
    let mounts = [("/tcp", media::rtsp_h264()), ("/udp", media::rtsp_h264())];
    let server = RtspServer::start(&mounts);
    let port = server.port;
    let rig = Rig::start(&[("cam", stream(&server.url("/tcp"))), ("over-udp", udp(&server.url("/udp")))]);
    rig.until_live("cam").await;
    rig.until_live("over-udp").await;
    drop(server);
    rig.until("cam", |state| matches!(state, CameraState::Failed { reason: FailReason::Unreachable, .. }))
        .await;
    rig.until("over-udp", |state| matches!(state, CameraState::Failed { .. } | CameraState::Stalled)).await;
    let _server = RtspServer::on_port(&mounts, port);
    rig.until_live("cam").await;
    rig.until_live("over-udp").await;
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_groups_of_pictures_are_seen_more_often_than_their_idr() {
    let open_gop = "x264enc speed-preset=ultrafast threads=1 key-int-max=5 \
                    option-string=open-gop=1:bframes=2:b-adapt=0:scenecut=0:rc-lookahead=0";
    let server = RtspServer::start(&[("/cam", format!("{LIVE} ! {open_gop} ! rtph264pay name=pay0 pt=96"))]);
    let rig = Rig::with(stream(&server.url("/cam")));
    let pictures = rig.expect_pictures(4, SIZE).await;
    assert!(pictures.iter().all(|picture| matches!(picture, Picture::Keyframe(_))));
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intra_refresh_is_decoded_in_full_instead_of_staying_blind() {
    let h264 = "x264enc speed-preset=ultrafast tune=zerolatency threads=1 intra-refresh=true key-int-max=10";
    let h265 = "x265enc speed-preset=ultrafast tune=zerolatency \
                option-string=intra-refresh=1:keyint=10:bframes=0:pools=none:frame-threads=1";
    let server = RtspServer::start(&[
        ("/h264", format!("{LIVE} ! {h264} ! rtph264pay name=pay0 pt=96")),
        ("/h265", format!("{LIVE} ! {h265} ! rtph265pay name=pay0 pt=96")),
    ]);
    for path in ["/h264", "/h265"] {
        let rig = Rig::with(stream(&server.url(path)));
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut raw = 0;
        while raw < 3 {
            let pictures = rig.pictures("cam", 1, Duration::from_secs(1)).await;
            raw += pictures.iter().filter(|picture| matches!(picture, Picture::Raw(_))).count();
            assert!(
                Instant::now() < deadline,
                "{path}: {raw} raw frames; {:?}\n{}",
                rig.status("cam"),
                rig.metrics()
            );
        }
        rig.until_live("cam").await;
        rig.capture.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_told_to_use_keyframes_only_fails_where_there_are_none() {
    let refresh =
        "x264enc speed-preset=ultrafast tune=zerolatency threads=1 intra-refresh=true key-int-max=10";
    let server = RtspServer::start(&[("/cam", format!("{LIVE} ! {refresh} ! rtph264pay name=pay0 pt=96"))]);
    let rig = Rig::with(Stream { decode: DecodeMode::Keyframes, ..stream(&server.url("/cam")) });
    rig.until_failed(FailReason::NoKeyframes).await;
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyframes_without_parameter_sets_are_told_and_those_with_them_are_seen() {
    let units = media::buffers(&format!(
        "videotestsrc num-buffers=5 pattern=snow ! video/x-raw,format=I420,width=160,height=96 ! {H264} \
         ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out"
    ));
    let all: Vec<Vec<Vec<u8>>> = units
        .iter()
        .map(|unit| nal::split(Framing::AnnexB, unit).unwrap().into_iter().map(<[u8]>::to_vec).collect())
        .collect();
    let camera = FakeCamera::h264(all.clone()).await;
    let rig = Rig::with(stream(&camera.url()));
    rig.expect_pictures(2, SIZE).await;
    rig.capture.shutdown().await;

    let is_sps = |nal: &Vec<u8>| nal[0] & 0x1f == 7;
    let without_sps =
        all.into_iter().map(|unit| unit.into_iter().filter(|nal| !is_sps(nal)).collect()).collect();
    let camera = FakeCamera::h264(without_sps).await;
    let rig = Rig::with(stream(&camera.url()));
    let detail = rig.until_failed(FailReason::Undecodable).await;
    assert!(detail.contains("parameter sets"), "{detail}");
    assert!(rig.metrics().contains("citybrain_capture_dropped_total{reason=\"missing_parameter_sets\"}"));
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_makes_no_sense_costs_its_own_picture_only() {
    let unit = media::buffers(&format!(
        "videotestsrc num-buffers=1 ! video/x-raw,format=I420,width=160,height=96 ! {H264} \
         ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out"
    ));
    let sound = nal::split(Framing::AnnexB, &unit[0]).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    // NAL type 31 is not specified, neither in H.264 nor in its RTP payload.
    let senseless = vec![vec![0x7f, 1, 2, 3]];
    let camera = FakeCamera::h264(vec![sound, senseless]).await;
    let rig = Rig::with(stream(&camera.url()));
    rig.expect_pictures(5, SIZE).await;
    assert_eq!(rig.status("cam").connects, 1);
    assert!(
        rig.metrics().contains("citybrain_capture_dropped_total{reason=\"bad_packet\"}"),
        "{}",
        rig.metrics()
    );
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_changes_its_size_stays_decodable() {
    let unit = |size: &str| {
        media::buffers(&format!(
            "videotestsrc num-buffers=1 ! video/x-raw,format=I420,{size} ! {H264} \
             ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out"
        ))
        .remove(0)
    };
    let units: Vec<_> = [unit("width=160,height=96"), unit("width=320,height=192")]
        .iter()
        .map(|unit| nal::split(Framing::AnnexB, unit).unwrap().into_iter().map(<[u8]>::to_vec).collect())
        .collect();
    let camera = FakeCamera::h264(units).await;
    let rig = Rig::with(stream(&camera.url()));
    let pictures = rig.pictures("cam", 12, Duration::from_secs(10)).await;
    let mut widths: Vec<_> = pictures
        .into_iter()
        .map(|picture| citybrain_pipeline::decode::open_picture(picture).unwrap().width())
        .collect();
    widths.sort_unstable();
    widths.dedup();
    assert_eq!(widths, [160, 320]);
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_touches_only_the_cameras_that_changed() {
    let server = RtspServer::start(&["/a", "/b", "/c", "/d", "/e"].map(|path| (path, media::rtsp_h264())));
    let proxy = Proxy::to(server.port).await;
    let kept = ("kept", stream(&proxy.url("/a")));
    let mut rig = Rig::start(&[
        kept.clone(),
        ("changed", stream(&server.url("/b"))),
        ("removed", stream(&server.url("/c"))),
    ]);
    for camera in ["kept", "changed", "removed"] {
        rig.until_live(camera).await;
    }
    let changed = city(&[kept, ("changed", stream(&server.url("/d"))), ("added", stream(&server.url("/e")))]);
    rig.capture.reload(&changed);
    rig.until_live("added").await;
    rig.until_live("changed").await;
    assert_eq!(rig.status("changed").address, server.url("/d"));
    assert!(rig.board.status(&capture_support::rig::id("removed")).is_none());
    assert_eq!((rig.status("kept").connects, proxy.accepted.load(Ordering::SeqCst)), (1, 1));
    let metrics = rig.metrics();
    assert!(metrics.contains("citybrain_cameras{state=\"live\"} 3"), "{metrics}");
    rig.capture.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_takes_less_than_two_seconds_whatever_the_cameras_do() {
    let server = RtspServer::start(&["/tcp", "/udp"].map(|path| (path, media::rtsp_h264())));
    let mute = FakeCamera::mute().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    media::write_file(&path, 30, &format!("{H264} ! h264parse ! mp4mux"));
    let rig = Rig::start(&[
        ("tcp", stream(&server.url("/tcp"))),
        ("udp", udp(&server.url("/udp"))),
        ("file", Stream { repeat: true, ..file_stream(&path) }),
        ("mute", stream(&mute.url())),
        ("mute-udp", udp(&mute.url())),
        ("mute-http", stream(&format!("http://{}/a.mp4", mute.address))),
    ]);
    for camera in ["tcp", "udp", "file"] {
        rig.until_live(camera).await;
    }
    let began = Instant::now();
    rig.capture.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
}
