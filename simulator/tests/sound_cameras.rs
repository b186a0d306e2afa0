//! Sound cameras, seen by a real client.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends at the first thing that is wrong, and says what it measured"
)]

mod common;

use citybrain_simulator::{SimulatedStreet, Street, StreetOptions};
use common::{Watcher, street};
use gstreamer as gst;
use gstreamer::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// A client on a busy machine gets its first picture within this time.
const PATIENCE: Duration = Duration::from_secs(15);

fn clock_camera(id: &str, more: &str) -> String {
    format!(
        "[[camera]]\nid = \"{id}\"\nwidth = 320\nheight = 184\nfps = 10\nbitrate_kbps = 300\npattern = \"clock\"\n{more}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_codec_is_decoded_by_a_real_client_over_tcp_and_udp() {
    let cameras = ["h264", "h265", "mjpeg"].map(|codec| clock_camera(codec, &format!("codec = \"{codec}\"")));
    let street = street(&cameras.concat()).await;
    for protocol in ["tcp", "udp"] {
        for codec in ["h264", "h265", "mjpeg"] {
            let client = Watcher::open(street.address(codec).unwrap(), &format!("protocols={protocol}"));
            let mut clocks = Vec::new();
            while clocks.len() < 3 {
                let seen = client.next(PATIENCE).unwrap_or_else(|e| panic!("{codec} over {protocol}: {e}"));
                assert_eq!((seen.width, seen.height), (320, 184));
                let late = street.elapsed().saturating_sub(seen.clock.expect("no clock in the picture"));
                assert!(late < Duration::from_secs(3), "{codec} over {protocol} is {late:?} late");
                clocks.push(seen.clock);
            }
            assert!(clocks.is_sorted(), "{codec} over {protocol}: {clocks:?}");
        }
    }
    street.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_password_opens_a_camera_that_asks_for_one() {
    let script =
        clock_camera("gate", "login = { user = \"op\", password = \"right\" }") + &clock_camera("open", "");
    let street = street(&script).await;
    let url = street.address("gate").unwrap();
    for settings in ["", "user-id=op user-pw=wrong", "user-id=other user-pw=right"] {
        let refused = Watcher::open(url, &format!("protocols=tcp {settings}")).next(PATIENCE).unwrap_err();
        assert!(refused.contains("401") || refused.contains("Unauthorized"), "{settings}: {refused}");
    }
    let client = Watcher::open(url, "protocols=tcp user-id=op user-pw=right");
    assert!(client.next(PATIENCE).unwrap().clock.is_some());
    let open = Watcher::open(street.address("open").unwrap(), "protocols=tcp");
    assert!(open.next(PATIENCE).unwrap().clock.is_some());
    street.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_of_a_camera_see_the_same_street_time() {
    let street = street(&clock_camera("gate", "")).await;
    let url = street.address("gate").unwrap().to_owned();
    let first = Watcher::open(&url, "protocols=tcp");
    first.next(PATIENCE).unwrap();
    let second = Watcher::open(&url, "protocols=udp");
    second.next(PATIENCE).unwrap();
    let (seen_by_first, seen_by_second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| first.watch(Duration::from_secs(2)));
        let second = second.watch(Duration::from_secs(2));
        (first.join().unwrap(), second)
    });
    let first: BTreeSet<_> = seen_by_first.iter().filter_map(|seen| seen.clock).collect();
    let second: BTreeSet<_> = seen_by_second.iter().filter_map(|seen| seen.clock).collect();
    let both = first.intersection(&second).count();
    assert!(both >= 5, "{both} pictures in common of {} and {}", first.len(), second.len());
    street.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_sends_over_tcp_only_refuses_datagrams() {
    let street = street(&clock_camera("gate", "transports = [\"tcp\"]")).await;
    let url = street.address("gate").unwrap();
    assert!(Watcher::open(url, "protocols=udp").next(PATIENCE).is_err());
    assert!(Watcher::open(url, "protocols=tcp").next(PATIENCE).is_ok());
    street.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_client_of_an_open_or_refreshed_stream_meets_no_idr() {
    let script = ["open", "intra_refresh"].map(|gop| clock_camera(gop, &format!("gop = \"{gop}\"")));
    let street = street(&script.concat()).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    for camera in ["open", "intra_refresh"] {
        let types = nal_types(street.address(camera).unwrap(), 25);
        assert!(types.contains(&1) && !types.contains(&5), "{camera}: {types:?}");
        assert!(types.contains(&7), "{camera} tells no parameter sets: {types:?}");
    }
    street.shutdown().await;
}

/// NAL types in so many access units, taken without decoding.
fn nal_types(url: &str, units: usize) -> BTreeSet<u8> {
    gst::init().unwrap();
    let text = format!(
        "rtspsrc location={url} protocols=tcp latency=0 ! rtph264depay \
         ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut types = BTreeSet::new();
    for _ in 0..units {
        let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(15)).expect("no access unit came");
        let data = sample.buffer().unwrap().map_readable().unwrap();
        types.extend(citybrain_simulator::access_unit::nal_units(&data).map(|nal| nal[0] & 0x1f));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    types
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_video_file_in_a_folder_is_a_camera_that_plays_it_again_and_again() {
    gst::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old crossing.mp4");
    let text = format!(
        "videotestsrc num-buffers=20 ! video/x-raw,width=320,height=240,framerate=10/1 \
         ! x264enc key-int-max=10 speed-preset=ultrafast bframes=2 ! mp4mux ! filesink location=\"{}\"",
        file.display()
    );
    let writer = gst::parse::launch(&text).unwrap();
    writer.set_state(gst::State::Playing).unwrap();
    let bus = writer.bus().unwrap();
    let ended = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(20),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert_eq!(ended.unwrap().type_(), gst::MessageType::Eos);
    writer.set_state(gst::State::Null).unwrap();

    let script = Street::of_clips(folder.path()).unwrap();
    let street = SimulatedStreet::start(script, StreetOptions::default()).await.unwrap();
    let client = Watcher::open(street.address("old-crossing").unwrap(), "protocols=tcp");
    client.next(PATIENCE).unwrap();
    // The clip lasts two seconds.
    let seen = client.watch(Duration::from_secs(4));
    assert!(seen.len() >= 30, "{} pictures in four seconds", seen.len());
    assert!(seen.iter().all(|seen| (seen.width, seen.height) == (320, 240)));
    street.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_street_tells_its_cameras_and_its_truth_over_http() {
    let scene =
        "scene = { view = \"market\", events = [{ kind = \"fire\", from_secs = 1, growth_secs = 1 }] }";
    let script =
        clock_camera("quiet", "") + &clock_camera("market", scene).replace("pattern = \"clock\"\n", "");
    let street = street(&script).await;
    let ask = async |path: &str| {
        let url = format!("http://{}{path}", street.http_address().unwrap());
        common::http().get(url).send().await.unwrap().json::<serde_json::Value>().await.unwrap()
    };
    let truth = ask("/truth").await;
    assert_eq!((truth[0]["camera"].as_str(), truth[0]["kind"].as_str()), (Some("market"), Some("fire")));
    let visible_at: citybrain_types::Timestamp =
        serde_json::from_value(truth[0]["visible_at"].clone()).unwrap();
    let after = visible_at.since(street.started_at());
    assert!((1..=6).contains(&after.as_secs()), "visible {after:?} after the start");
    let cameras = ask("/cameras").await;
    assert_eq!(cameras[0]["url"].as_str(), street.address("quiet"));
    assert_eq!(cameras[1]["kinds"][0].as_str(), Some("fire"));
    let picture = Watcher::open(street.address("market").unwrap(), "protocols=tcp").next(PATIENCE).unwrap();
    assert_eq!((picture.width, picture.clock), (320, None));
    street.shutdown().await;
}
