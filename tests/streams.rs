//! Bad cameras in front of the real pipeline, each beside a healthy one; and many cameras of known colours at once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends at the first thing that is wrong, and says what it measured"
)]

mod streams_support;

use citybrain_ingest_config::resolved::{Credentials, Transport};
use citybrain_simulator::pattern::{ALTERNATES_EVERY, Pattern};
use citybrain_types::{CameraId, CameraState, FailReason, FrameDetections, FrameOutcome, NotSeen};
use std::time::Duration;
use streams_support::{PATIENCE, RECONNECT_MIN, RED, Rig, assert_shows, camera, good_and_bad, shows};

fn failed(state: &CameraState) -> Option<FailReason> {
    match state {
        CameraState::Failed { reason, .. } => Some(*reason),
        _ => None,
    }
}

fn seconds(secs: u64) -> impl Future<Output = ()> {
    tokio::time::sleep(Duration::from_secs(secs))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_refuses_the_password_has_failed_as_unauthorized() {
    let wrong = "login = { user = \"operator\", password = \"the-right-one\" }";
    let script = good_and_bad("fault = [{ kind = \"refuse_password\" }]") + &camera("locked", RED, wrong);
    let rig = Rig::start(&script, |city| {
        for id in ["bad", "locked"].map(|id| CameraId::new(id).unwrap()) {
            let credentials = Credentials { user: "operator".into(), password: "a-wrong-one".into() };
            city.cameras.get_mut(&id).unwrap().stream.credentials = Some(credentials);
        }
    });
    let rig = rig.await;
    for camera in ["bad", "locked"] {
        rig.until("the refusal", |rig| failed(&rig.status(camera).state) == Some(FailReason::Unauthorized))
            .await;
        let CameraState::Failed { detail, .. } = rig.status(camera).state else { continue };
        assert!(!detail.is_empty() && !detail.contains("a-wrong-one"), "{detail}");
    }
    seconds(4).await;
    for camera in ["bad", "locked"] {
        let frames = rig.frames(camera);
        let blind = |frame: &FrameDetections| frame.outcome == FrameOutcome::NotSeen(NotSeen::Disconnected);
        assert!(!frames.is_empty() && frames.iter().all(blind), "{camera}: {frames:?}");
    }
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_sends_garbage_after_the_handshake_has_failed_with_the_protocol() {
    let rig = Rig::start(&good_and_bad("fault = [{ kind = \"garbage_after_handshake\" }]"), |_| {}).await;
    rig.until("the failure", |rig| failed(&rig.status("bad").state) == Some(FailReason::Protocol)).await;
    rig.until("another try", |rig| rig.status("bad").connects >= 2).await;
    seconds(2).await;
    assert!(rig.analysed("bad").is_empty());
    assert!(!rig.states("bad").contains(&CameraState::Live));
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_never_answers_has_failed_in_time() {
    let rig = Rig::start(&good_and_bad("fault = [{ kind = \"mute\" }]"), |_| {}).await;
    rig.until("the failure", |rig| failed(&rig.status("bad").state) == Some(FailReason::Timeout)).await;
    seconds(2).await;
    assert!(rig.analysed("bad").is_empty());
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_stalls_is_seen_to_stall_and_is_connected_again() {
    let rig = Rig::start(&good_and_bad("fault = [{ kind = \"stall\", after_secs = 3 }]"), |_| {}).await;
    rig.until("the stall", |rig| rig.states("bad").contains(&CameraState::Stalled)).await;
    let before = rig.analysed("bad").len();
    assert!(before >= 1);
    rig.until("another connection", |rig| rig.status("bad").connects >= 2).await;
    rig.until("looks after it", |rig| rig.analysed("bad").len() > before + 2).await;
    let states = rig.states("bad");
    let stalled = states.iter().position(|state| *state == CameraState::Stalled).unwrap();
    assert!(states[stalled..].contains(&CameraState::Live), "{states:?}");
    rig.analysed("bad").iter().for_each(|frame| assert_shows(frame, RED));
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_changes_its_resolution_is_looked_at_before_and_after() {
    let fault = "fault = [{ kind = \"resolution_change\", after_secs = 6, width = 640, height = 360 }]";
    let rig = Rig::start(&good_and_bad(fault), |_| {}).await;
    rig.until("looks before", |rig| rig.analysed("bad").len() >= 3).await;
    assert!(rig.status("bad").media.unwrap().contains("320x184"));
    rig.until("the change", |rig| rig.status("bad").media.is_some_and(|media| media.contains("640x360")))
        .await;
    let before = rig.analysed("bad").len();
    rig.until("looks after", |rig| rig.analysed("bad").len() >= before + 4).await;
    assert_eq!(rig.status("bad").state, CameraState::Live);
    rig.analysed("bad").iter().for_each(|frame| assert_shows(frame, RED));
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_without_parameter_sets_is_never_live_and_says_why() {
    let rig = Rig::start(&good_and_bad("fault = [{ kind = \"missing_parameter_sets\" }]"), |_| {}).await;
    let reasons = [FailReason::Undecodable, FailReason::UnsupportedMedia, FailReason::NoKeyframes];
    let told = |state: &CameraState| failed(state).is_some_and(|reason| reasons.contains(&reason));
    rig.until("the reason", |rig| rig.states("bad").iter().any(told)).await;
    seconds(3).await;
    let states = rig.states("bad");
    assert!(!states.contains(&CameraState::Live), "{states:?}");
    let detailed =
        |state: &CameraState| matches!(state, CameraState::Failed { detail, .. } if !detail.is_empty());
    assert!(states.iter().filter(|state| told(state)).all(detailed), "{states:?}");
    assert!(rig.analysed("bad").is_empty());
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_drops_every_five_seconds_is_connected_again_and_still_looked_at() {
    let rig =
        Rig::start(&good_and_bad("fault = [{ kind = \"drop_connection\", every_secs = 5 }]"), |_| {}).await;
    rig.until("four connections", |rig| rig.status("bad").connects >= 4).await;
    let lost = |state: &CameraState| failed(state) == Some(FailReason::Disconnected);
    let history = rig.states("bad");
    assert!(history.iter().filter(|state| lost(state)).count() >= 2, "{history:?}");
    assert!(history.iter().filter(|state| **state == CameraState::Live).count() >= 3, "{history:?}");
    let waits = rig.waits_before_reconnecting("bad");
    // Jitter may take half of the first wait away.
    assert!(waits.iter().all(|wait| *wait >= RECONNECT_MIN / 2 && *wait <= PATIENCE), "{waits:?}");
    let frames = rig.analysed("bad");
    assert!(frames.len() >= 12, "looked at {} times in four connections", frames.len());
    frames.iter().for_each(|frame| assert_shows(frame, RED));
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_keyframe_costs_that_keyframe_only() {
    // A clock has contents to lose; a solid picture's slice is a few bytes.
    let clock = "[[camera]]\nid = \"bad\"\nwidth = 640\nheight = 360\nfps = 5\nkeyframe_interval_secs = 0.4\n\
        pattern = \"clock\"\nfault = [{ kind = \"truncated_keyframes\", keep = 0.4, every = 3 }]\n";
    let script = camera("good", streams_support::GREEN, "") + clock;
    let rig = Rig::start(&script, |_| {}).await;
    let undecodable = FrameOutcome::NotSeen(NotSeen::Undecodable);
    let torn = move |rig: &Rig| rig.frames("bad").iter().filter(|frame| frame.outcome == undecodable).count();
    rig.until("whole and torn keyframes", |rig| torn(rig) >= 2 && rig.analysed("bad").len() >= 6).await;
    assert_eq!(rig.status("bad").connects, 1);
    assert!(rig.states("bad").iter().all(|state| failed(state).is_none()), "{:?}", rig.states("bad"));
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_idr_frames_are_looked_at_like_any_other() {
    let gops = [("open", "h264"), ("open", "h265"), ("intra_refresh", "h264")];
    let cameras = gops.map(|(gop, codec)| {
        camera(&format!("{gop}-{codec}"), RED, &format!("gop = \"{gop}\"\ncodec = \"{codec}\""))
    });
    let rig = Rig::start(&(camera("good", streams_support::GREEN, "") + &cameras.concat()), |_| {}).await;
    for (gop, codec) in gops {
        let id = format!("{gop}-{codec}");
        rig.until(&format!("looks at {id}"), |rig| rig.analysed(&id).len() >= 6).await;
        // An intra-refreshed picture is whole only after a round of the refresh: the first looks may come before.
        let frames = rig.analysed(&id);
        frames.iter().skip(2).for_each(|frame| assert_shows(frame, RED));
    }
    rig.good_is_untouched().await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cameras_over_datagrams_and_with_passwords_are_looked_at() {
    let login = "login = { user = \"operator\", password = \"pass word:1\" }";
    let script =
        camera("good", streams_support::GREEN, "") + &camera("udp", RED, "") + &camera("locked", RED, login);
    let rig = Rig::start(&script, |city| {
        city.cameras.get_mut(&CameraId::new("udp").unwrap()).unwrap().stream.transport = Transport::Udp;
    });
    let rig = rig.await;
    for camera in ["udp", "locked"] {
        rig.until(camera, |rig| rig.analysed(camera).len() >= 3).await;
        rig.analysed(camera).iter().for_each(|frame| assert_shows(frame, RED));
    }
    rig.good_is_untouched().await;
    rig.end().await;
}

/// How long the colour test runs, unless this says otherwise, in seconds.
const COLOUR_SECS: &str = "CITYBRAIN_COLOUR_SECS";

/// Colours a third of the range apart in one part at least.
fn colours() -> Vec<[u8; 3]> {
    const STEPS: [u8; 3] = [40, 128, 216];
    let colour = |n: usize| [STEPS[n / 9], STEPS[n / 3 % 3], STEPS[n % 3]];
    (0..27).map(colour).collect()
}

struct Coloured {
    id: String,
    pattern: Pattern,
}

/// Twenty-seven cameras of a colour each, in three codecs, every fourth alternating with the opposite colour; and three
/// that send torn keyframes between them.
fn coloured_street() -> (String, Vec<Coloured>) {
    let colours = colours();
    let hex = |[red, green, blue]: [u8; 3]| format!("#{red:02x}{green:02x}{blue:02x}");
    let mut script = String::new();
    let mut cameras = Vec::new();
    for n in 0..colours.len() + 3 {
        let (one, other) = (colours[n % 27], colours[(n + 13) % 27]);
        let codec = ["h264", "h265", "h264", "mjpeg"][n % 4];
        let torn = n >= colours.len();
        let (codec, more) = match torn {
            true => ("h264", "fault = [{ kind = \"truncated_keyframes\", keep = 0.5, every = 2 }]"),
            false => (codec, ""),
        };
        let (pattern, text) = if n % 4 == 1 {
            (Pattern::Alternate(one, other), format!("alternate:{}:{}", hex(one), hex(other)))
        } else {
            (Pattern::Solid(one), format!("solid:{}", hex(one)))
        };
        let id = format!("colour-{n:02}");
        script.push_str(&format!(
            "[[camera]]\nid = \"{id}\"\ncodec = \"{codec}\"\nwidth = 320\nheight = 184\nfps = 5\n\
             keyframe_interval_secs = 0.6\nbitrate_kbps = 200\npattern = \"{text}\"\n{more}\n"
        ));
        cameras.push(Coloured { id, pattern });
    }
    (script, cameras)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_ever_attached_to_another_camera_or_moment() {
    let run_for = std::env::var(COLOUR_SECS).ok().and_then(|secs| secs.parse().ok()).unwrap_or(45);
    let (script, cameras) = coloured_street();
    let rig = Rig::start(&script, |_| {}).await;
    seconds(run_for).await;
    let mut checked = 0;
    for camera in &cameras {
        let frames = rig.analysed(&camera.id);
        assert!(frames.len() as u64 >= run_for / 5, "{} was looked at {} times", camera.id, frames.len());
        let connected_once =
            rig.states(&camera.id).iter().filter(|state| **state == CameraState::Live).count() == 1;
        let mut turns = Turns::default();
        for frame in &frames {
            let at = frame.captured_at.since(rig.street.started_at());
            let [now, before] = [at, at + ALTERNATES_EVERY].map(|at| camera.pattern.colour(at).unwrap());
            let shown = &frame.detections;
            let (is_now, is_before) = (shows(frame, now), shows(frame, before));
            assert!(
                is_now || is_before,
                "{} shows {shown:?} at {at:?}, not {now:?} or {before:?}",
                camera.id
            );
            if now != before && connected_once {
                let told = turns.tell(at, is_now);
                assert!(told.is_ok(), "{} shows {before:?} at {at:?}, not {now:?}: {told:?}", camera.id);
            }
            checked += 1;
        }
    }
    println!("{checked} answers of {} cameras checked in {run_for} s", cameras.len());
    assert!(checked as u64 >= run_for * 10, "only {checked} answers could be checked");
    rig.end().await;
}

/// What the turns of a camera's colour say of the moments that its pictures are given.
///
/// A picture is dated too late by how late the soonest arrival of the last minute was, which is little, unless the machine was too
/// busy to serve the street since it began. However much it is, it can only shrink within that minute: who once saw a new
/// colour half a second after its turn never again sees the old one later than that.
#[derive(Default)]
struct Turns {
    seen: Vec<(Duration, Duration)>,
}

impl Turns {
    const MEMORY: Duration = Duration::from_secs(55);

    /// Whether a picture taken `at` may show what it shows: the colour of its moment, or the one before.
    fn tell(&mut self, at: Duration, shows_new: bool) -> Result<(), String> {
        let since_turn = Duration::from_nanos((at.as_nanos() % ALTERNATES_EVERY.as_nanos()) as u64);
        if shows_new {
            self.seen.push((at, since_turn));
            return Ok(());
        }
        let recent = self.seen.iter().filter(|(seen, _)| at.saturating_sub(*seen) < Self::MEMORY);
        match recent.min_by_key(|(_, since_turn)| *since_turn) {
            Some((seen, soonest)) if *soonest <= since_turn => Err(format!(
                "{since_turn:?} after the turn, and at {seen:?} the new one was there after {soonest:?}"
            )),
            _ => Ok(()),
        }
    }
}

#[test]
fn an_old_colour_after_a_new_one_is_seen_by_the_colour_test_itself() {
    let ms = Duration::from_millis;
    let mut turns = Turns::default();
    assert!(turns.tell(ms(4_900), false).is_ok(), "nothing is known yet");
    assert!(turns.tell(ms(8_800), true).is_ok());
    assert!(turns.tell(ms(12_700), false).is_ok(), "sooner after the turn");
    assert!(turns.tell(ms(16_900), false).is_err());
    assert!(turns.tell(ms(80_900), false).is_ok(), "forgotten");
}
