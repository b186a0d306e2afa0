//! RTSP with media inside its TCP connection, through `retina`: no thread of its own, half a millisecond of CPU
//! a second and some 0.1–0.3 MiB a camera, where `rtspsrc` takes four threads and ten times the CPU.
//!
//! Design decision: a picture of a slow kind does not have to be taken in the moment it comes. Most of what receiving costs
//! is being woken for each of 25 pictures a second; where no kind is in a hurry the connection is left alone for up to a
//! quarter of a second, and what has come meanwhile is taken in one go. When a picture was taken is not told by that: see
//! `media_clock`.

use super::events::CaptureDrop;
use super::failure::{self, Failure};
use super::intake::{Intake, Moments};
use super::media_clock::MediaClock;
use crate::keyframe::Framing;
use crate::picture::Codec;
use citybrain_ingest_config::resolved::Stream;
use citybrain_types::FailReason;
use futures::{FutureExt, StreamExt};
use retina::client::{
    Credentials, Demuxed, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, Session,
    SessionOptions, SetupOptions,
};
use retina::codec::h26x;
use retina::codec::{
    CodecItem, FrameFormat, ParameterSetInsertion, ParametersRef, VideoFrame, VideoParametersCodec,
};
use std::time::Duration;

/// A connection is left alone for this part of the time between two frames that are wanted of it: a fortieth of the look
/// interval …
const REST_PART: u32 = 20;
/// … but no longer than this, and not at all where that would be shorter than some pictures.
const LONGEST_REST: Duration = Duration::from_millis(250);
const SHORTEST_REST: Duration = Duration::from_millis(100);

/// Packets in a row that make no picture, after which the other side is taken not to speak the protocol. A
/// damaged picture of 300 KB is some 200 packets.
const BAD_PACKETS_IN_A_ROW: u32 = 500;

/// How a session ended; it never ends well, since a camera has no last picture.
#[derive(Debug)]
pub(crate) enum RtspEnd {
    /// It failed or was closed.
    Failed(Failure),
    /// The video is of a codec that only GStreamer can take apart.
    OtherCodec(String),
}

impl From<Failure> for RtspEnd {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Connects and passes on access units until the session ends. Dropping the future closes the session. Connecting
/// to a server that is silent takes forever: the caller watches the time.
pub(crate) async fn run(stream: &Stream, mut intake: Intake) -> RtspEnd {
    match connect(stream).await {
        Ok((demuxed, video, codec)) => {
            intake.connected();
            intake.media(codec, None);
            RtspEnd::Failed(follow(demuxed, video, codec, &mut intake).await)
        }
        Err(end) => end,
    }
}

async fn connect(stream: &Stream) -> Result<(Demuxed, usize, Codec), RtspEnd> {
    let of_retina = |error: retina::Error| RtspEnd::Failed(failure::of_retina(&error));
    let credentials = stream
        .credentials
        .as_ref()
        .map(|c| Credentials { username: c.user.clone(), password: c.password.clone() });
    let options = SessionOptions::default().creds(credentials).user_agent("citybrain".to_owned());
    let mut session = Session::describe(stream.address.clone(), options).await.map_err(of_retina)?;
    let (video, codec) = choose_video(session.streams())?;
    let format = FrameFormat {
        h26x_framing: h26x::Framing::FourByteLength,
        // The keyframe assembler keeps the sets itself: one picture may need others than the latest.
        parameter_set_insertion: ParameterSetInsertion::Never,
        ..FrameFormat::default()
    };
    session.setup(video, SetupOptions::default().frame_format(format)).await.map_err(refused_transport)?;
    // Shared media of a server is under way already: the numbers it announces are not those that come.
    let play = PlayOptions::default()
        .initial_seq(InitialSequenceNumberPolicy::Ignore)
        .initial_timestamp(InitialTimestampPolicy::Ignore);
    let demuxed = session.play(play).await.map_err(of_retina)?.demuxed().map_err(of_retina)?;
    Ok((demuxed, video, codec))
}

fn refused_transport(error: retina::Error) -> RtspEnd {
    if error.status_code() == Some(461) {
        let detail = "the camera refuses media over TCP: set transport = \"udp\" for it";
        return Failure::new(FailReason::UnsupportedMedia, detail).into();
    }
    failure::of_retina(&error).into()
}

fn choose_video(streams: &[retina::client::Stream]) -> Result<(usize, Codec), RtspEnd> {
    let mut videos =
        streams.iter().enumerate().filter(|(_, s)| matches!(s.media(), "video" | "image")).peekable();
    let Some((_, first)) = videos.peek() else {
        return Err(Failure::new(FailReason::UnsupportedMedia, "the stream has no video track").into());
    };
    let other = first.encoding_name().to_owned();
    videos
        .find_map(|(index, stream)| Some((index, codec_of(stream.encoding_name())?)))
        .ok_or(RtspEnd::OtherCodec(other))
}

fn codec_of(encoding_name: &str) -> Option<Codec> {
    match encoding_name {
        "h264" => Some(Codec::H264),
        "h265" => Some(Codec::H265),
        "jpeg" => Some(Codec::Jpeg),
        _ => None,
    }
}

async fn follow(mut demuxed: Demuxed, video: usize, codec: Codec, intake: &mut Intake) -> Failure {
    take_parameters(&demuxed, video, codec, intake);
    let mut clock = MediaClock::default();
    let mut bad_packets = 0;
    let mut last_bad = None;
    while let Some(item) = next(&mut demuxed, intake).await {
        match item {
            Ok(CodecItem::VideoFrame(frame)) => {
                bad_packets = 0;
                if frame.has_new_parameters() {
                    take_parameters(&demuxed, video, codec, intake);
                }
                take_frame(&frame, codec, &mut clock, intake);
            }
            Ok(_) => {}
            Err(error) if is_about_one_packet(&error) && bad_packets < BAD_PACKETS_IN_A_ROW => {
                bad_packets += 1;
                intake.channel().dropped(CaptureDrop::BadPacket, 1);
                last_bad = Some(failure::of_retina(&error));
            }
            Err(error) => return failure::of_retina(&error),
        }
    }
    // A depacketizer that met nonsense ends the stream as a close does.
    last_bad
        .filter(|_| bad_packets > 0)
        .unwrap_or_else(|| Failure::new(FailReason::Disconnected, "the camera closed the connection"))
}

/// The next item. When all that has come is taken, the connection has its rest.
async fn next(demuxed: &mut Demuxed, intake: &Intake) -> Option<Result<CodecItem, retina::Error>> {
    if let Some(item) = demuxed.next().now_or_never() {
        return item;
    }
    if let Some(rest) = rest(intake.channel().raw_interval()).filter(|_| intake.has_shown_a_keyframe()) {
        tokio::time::sleep(rest).await;
    }
    demuxed.next().await
}

/// How long a connection is left alone of which a frame is wanted this often.
fn rest(wanted_every: Duration) -> Option<Duration> {
    let rest = (wanted_every / REST_PART).min(LONGEST_REST);
    (rest >= SHORTEST_REST).then_some(rest)
}

/// `retina` goes on after such an error; the packet it names is lost. Its error type says so in its text only.
fn is_about_one_packet(error: &retina::Error) -> bool {
    error.to_string().contains("\nssrc: ")
}

fn take_parameters(demuxed: &Demuxed, video: usize, codec: Codec, intake: &mut Intake) {
    let Some(ParametersRef::Video(parameters)) = demuxed.streams().get(video).and_then(|s| s.parameters())
    else {
        return;
    };
    intake.media(codec, Some(parameters.pixel_dimensions()));
    match parameters.codec_params() {
        VideoParametersCodec::H264 { sps, pps } => {
            [sps, pps].into_iter().for_each(|nal| intake.parameter_set(nal))
        }
        VideoParametersCodec::H265 { vps, sps, pps } => {
            [vps, sps, pps].into_iter().for_each(|nal| intake.parameter_set(nal));
        }
        _ => {}
    }
}

fn take_frame(frame: &VideoFrame, codec: Codec, clock: &mut MediaClock, intake: &mut Intake) {
    let now = intake.channel().clock.now();
    let first_packet = now.minus(frame.start_ctx().received().elapsed());
    let received_at = now.minus(frame.end_ctx().received().elapsed());
    let media = media_micros(frame.timestamp());
    let captured_at = clock.captured_at(media, first_packet);
    intake.media_time(media, first_packet);
    if frame.loss() > 0 {
        // What was lost may be the beginning of this picture; it is not told whose it was.
        intake.lost(u32::from(frame.loss()));
        return;
    }
    // JPEG pictures have no framing; the assembler knows.
    let framing = if codec == Codec::Jpeg { Framing::AnnexB } else { Framing::LengthPrefixed };
    intake.access_unit(
        framing,
        frame.data(),
        Moments { captured_at, received_at: received_at.max(captured_at) },
    );
}

fn media_micros(timestamp: retina::Timestamp) -> i64 {
    let micros = i128::from(timestamp.elapsed()) * 1_000_000 / i128::from(timestamp.clock_rate().get());
    i64::try_from(micros).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_rests_where_no_kind_is_in_a_hurry_and_never_for_long() {
        let of_interval = |secs: u64| rest(Duration::from_secs(secs) / 2);
        assert_eq!(of_interval(2), None, "fire is taken in the moment it comes");
        assert_eq!(of_interval(4), Some(Duration::from_millis(100)));
        assert_eq!(of_interval(10), Some(Duration::from_millis(250)));
        assert_eq!(of_interval(600), Some(LONGEST_REST));
    }
}
