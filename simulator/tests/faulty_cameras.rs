//! Each fault does what its name says.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends at the first thing that is wrong, and says what it measured"
)]

mod common;

use citybrain_simulator::clip::Clip;
use citybrain_simulator::encode::{EncoderSpec, Gop};
use citybrain_simulator::farm::{Farm, FarmSpec};
use citybrain_simulator::painter::PatternPainter;
use citybrain_simulator::pattern::Pattern;
use citybrain_simulator::{Codec, Fault, SimulatedStreet};
use citybrain_types::SystemClock;
use common::{Bare, Watcher, nal_type, street};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(15);

async fn camera_with(fault: &str) -> SimulatedStreet {
    street(&format!(
        "[[camera]]\nid = \"bad\"\nwidth = 320\nheight = 184\nfps = 10\npattern = \"clock\"\n\
         keyframe_interval_secs = 0.5\nfault = [{fault}]"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuse_password_lets_nobody_in() {
    let street = camera_with("{ kind = \"refuse_password\" }").await;
    let url = street.address("bad").unwrap();
    let answer = Bare::connect(url).ask("DESCRIBE", "", "Authorization: Basic b3A6cHc=\r\n").unwrap();
    assert_eq!(answer.status, 401);
    assert!(answer.head.contains("WWW-Authenticate: "));
    let refused = Watcher::open(url, "protocols=tcp user-id=op user-pw=pw").next(PATIENCE).unwrap_err();
    assert!(refused.contains("401") || refused.contains("Unauthorized"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mute_takes_connections_and_never_answers() {
    let street = camera_with("{ kind = \"mute\" }").await;
    let mut client = Bare::connect(street.address("bad").unwrap());
    client.read_timeout(Duration::from_secs(1));
    let silence = client.ask("OPTIONS", "", "").unwrap_err();
    assert!(
        matches!(silence.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        "{silence}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_after_handshake_is_neither_packet_nor_message() {
    let street = camera_with("{ kind = \"garbage_after_handshake\" }").await;
    let mut client = Bare::play(street.address("bad").unwrap());
    let bytes: Vec<u8> = (0..64).map(|_| client.byte().unwrap()).collect();
    assert!(bytes.iter().all(|byte| *byte >= 0x80), "{bytes:?}");
    assert!(bytes.iter().collect::<BTreeSet<_>>().len() > 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_camera_keeps_its_connection_and_goes_on_later() {
    let street = camera_with("{ kind = \"stall\", after_secs = 1, for_secs = 3 }").await;
    let mut client = Bare::play(street.address("bad").unwrap());
    client.read_timeout(Duration::from_millis(900));
    let start = Instant::now();
    while client.unit().is_ok() {}
    assert!((0.8..3.0).contains(&start.elapsed().as_secs_f64()), "stalled after {:?}", start.elapsed());
    assert_eq!(client.ask("GET_PARAMETER", "", "").unwrap().status, 200);
    client.read_timeout(PATIENCE);
    let first = client.unit().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(3_500), "went on after {:?}", start.elapsed());
    assert!(first.iter().any(|payload| nal_type(payload) == 5), "it goes on in the middle of a group");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_resolution_comes_in_band() {
    let fault = "{ kind = \"resolution_change\", after_secs = 3, width = 640, height = 360 }";
    let street = camera_with(fault).await;
    let mut client = Bare::play(street.address("bad").unwrap());
    let mut sets = BTreeSet::new();
    while street.elapsed() < Duration::from_secs(5) {
        sets.extend(client.unit().unwrap().into_iter().filter(|payload| nal_type(payload) == 7));
    }
    assert_eq!(sets.len(), 2);
    let after = Watcher::open(street.address("bad").unwrap(), "protocols=tcp").next(PATIENCE).unwrap();
    assert_eq!((after.width, after.height), (640, 360));
    assert!(after.clock.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_parameter_sets_are_missing_everywhere() {
    let street = camera_with("{ kind = \"missing_parameter_sets\" }").await;
    let url = street.address("bad").unwrap();
    let sdp = Bare::connect(url).ask("DESCRIBE", "", "").unwrap().body;
    assert!(sdp.contains("H264/90000") && !sdp.contains("sprop"), "{sdp}");
    let mut client = Bare::play(url);
    let types: BTreeSet<u8> = (0..12).flat_map(|_| client.unit().unwrap()).map(|p| nal_type(&p)).collect();
    assert!(types.contains(&5) && !types.contains(&7) && !types.contains(&8), "{types:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_connection_closes_each_connection_in_its_turn() {
    let street = camera_with("{ kind = \"drop_connection\", every_secs = 1.5 }").await;
    for _ in 0..2 {
        let start = Instant::now();
        let mut client = Bare::play(street.address("bad").unwrap());
        let mut units = 0;
        while client.unit().is_ok() {
            units += 1;
        }
        assert!((1.4..4.0).contains(&start.elapsed().as_secs_f64()), "closed after {:?}", start.elapsed());
        assert!(units >= 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_second_keyframe_is_cut_to_its_share() {
    let street = camera_with("{ kind = \"truncated_keyframes\", keep = 0.3, every = 2 }").await;
    let mut client = Bare::play(street.address("bad").unwrap());
    let mut sizes = Vec::new();
    while sizes.len() < 6 {
        let payloads = client.unit().unwrap();
        let size: usize = payloads.iter().filter(|p| nal_type(p) == 5).map(Vec::len).sum();
        if size > 0 {
            sizes.push(size);
        }
    }
    // Keyframes of a clock are much alike in size.
    let (even, odd): (usize, usize) = (sizes[0] + sizes[2] + sizes[4], sizes[1] + sizes[3] + sizes[5]);
    assert!(even.min(odd) * 2 < even.max(odd), "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_camera_answers_late_and_sends_no_faster_than_its_line() {
    let street = camera_with("{ kind = \"slow\", answer_after_ms = 300, bytes_per_sec = 4000 }").await;
    let start = Instant::now();
    let mut client = Bare::play(street.address("bad").unwrap());
    assert!(start.elapsed() >= Duration::from_millis(900));
    let (start, mut bytes) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(3) {
        bytes += client.packet().unwrap().1.len() + 4;
    }
    let allowed = 4_000.0 * start.elapsed().as_secs_f64() + 4_000.0;
    assert!(bytes > 2_000 && (bytes as f64) < allowed, "{bytes} bytes in {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commanded_fault_begins_and_ends_and_a_sound_camera_takes_none() {
    let script = "[[camera]]\nid = \"good\"\npattern = \"clock\"\n[[camera]]\nid = \"bad\"\nwidth = 320\nheight = 184\n\
        fps = 10\npattern = \"clock\"\nfault = [{ kind = \"stall\", after_secs = 0 }]";
    let street = street(script).await;
    assert!(street.command("good", vec![Fault::Mute {}]).is_err());
    assert!(street.command("bad", vec![Fault::DropConnection { every_secs: -1.0 }]).is_err());
    let mut client = Bare::play(street.address("bad").unwrap());
    client.read_timeout(Duration::from_millis(800));
    assert!(client.unit().is_err());
    street.command("bad", Vec::new()).unwrap();
    client.read_timeout(PATIENCE);
    assert!(client.unit().is_ok());
    let body = serde_json::json!([{ "kind": "refuse_password" }]);
    let url = format!("http://{}/cameras/bad/faults", street.http_address().unwrap());
    let answer = common::http().post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(Bare::connect(street.address("bad").unwrap()).ask("DESCRIBE", "", "").unwrap().status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_is_not_there_or_asked_for_datagrams_is_refused_politely() {
    let street = camera_with("{ kind = \"drop_connection\", every_secs = 60 }").await;
    let url = street.address("bad").unwrap();
    let missing = url.replace("/bad", "/none");
    assert_eq!(Bare::connect(&missing).ask("DESCRIBE", "", "").unwrap().status, 404);
    let mut client = Bare::connect(url);
    assert_eq!(client.ask("PLAY", "", "").unwrap().status, 455);
    assert_eq!(
        client
            .ask("SETUP", "/track0", "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n")
            .unwrap()
            .status,
        461
    );
    assert_eq!(client.ask("RECORD", "", "").unwrap().status, 501);
    assert_eq!(client.ask("TEARDOWN", "", "").unwrap().status, 200);
    assert!(client.byte().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_serves_many_cameras_from_one_clip_each_at_its_own_place() {
    let spec = EncoderSpec {
        codec: Codec::H265,
        width: 320,
        height: 184,
        fps: 10,
        gop: Gop::Closed,
        keyframe_interval: 10,
        bitrate_kbps: 200,
    };
    let film = move || {
        let mut painter = PatternPainter::new(Pattern::Clock, (320, 184));
        Clip::film(&mut painter, &spec, Duration::from_secs(10)).unwrap()
    };
    let clip = tokio::task::spawn_blocking(film).await.unwrap();
    let farm = Farm::start(&FarmSpec::sound(100), &[clip], Arc::new(SystemClock)).await.unwrap();
    let urls: Vec<String> = farm.cameras().map(|(_, url)| url).collect();
    assert_eq!(urls.len(), 100);
    let mut clients: Vec<Bare> = urls.iter().map(|url| Bare::play(url)).collect();
    for client in &mut clients {
        client.unit().unwrap();
    }
    // Half a clip of ten seconds apart, as the clock in the picture tells.
    let [first, other] = [0, 50].map(|n| Watcher::open(&urls[n], "protocols=tcp").next(PATIENCE).unwrap());
    let apart = first.clock.unwrap().as_secs_f64() - other.clock.unwrap().as_secs_f64()
        + other.arrived.duration_since(first.arrived).as_secs_f64();
    assert!((3.0..7.0).contains(&apart.rem_euclid(10.0)), "{apart} s apart");
    farm.shutdown().await;
}
