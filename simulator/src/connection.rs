//! One connection of the raw server: answers, packets, and what is wrong with them.

use crate::access_unit::ParameterSets;
use crate::faults::{Fault, Faults};
use crate::feed::Listening;
use crate::raw_rtsp::{Cameras, RawCamera};
use crate::rtp::{PacketisedUnit, RtpSender};
use crate::rtsp_request::{Request, RequestError, RequestReader};
use crate::sdp;
use bytes::BytesMut;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

/// A client that takes nothing for this long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not play within this time is sent away.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between RTCP sender reports (RFC 3550 6.2).
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// A thin line is served in pieces of this many a second.
const PIECES_PER_SEC: u32 = 20;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client said TEARDOWN.
    Teardown,
    /// The client closed, or the connection broke.
    PeerClosed,
    /// The client does not speak RTSP.
    Malformed,
    /// The client does not read.
    NotRead,
    /// The client does not play.
    Idle,
    /// A fault of the camera.
    Fault,
    /// The camera stopped filming.
    FilmEnded,
}

impl End {
    /// Its name as a log field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Teardown => "teardown",
            Self::PeerClosed => "peer_closed",
            Self::Malformed => "malformed",
            Self::NotRead => "not_read",
            Self::Idle => "idle",
            Self::Fault => "fault",
            Self::FilmEnded => "film_ended",
        }
    }
}

/// What follows from a request.
enum Answer {
    Reply,
    Silence,
    Goodbye,
}

struct Play {
    listening: Listening,
    since: Instant,
    report_at: Instant,
    stalled: bool,
    // Pictures that were due, entry pictures not counted.
    pictures: u64,
    // Street time of the last picture sent; a sender report ties it to wall time.
    shown: Option<Duration>,
}

pub(crate) struct Connection {
    requests: RequestReader<OwnedReadHalf>,
    line: OwnedWriteHalf,
    cameras: Arc<Cameras>,
    camera: Option<citybrain_types::CameraId>,
    session: String,
    sender: RtpSender,
    set_up: bool,
    play: Option<Play>,
    // Replies and packets in the order in which they go out. Filled with one unit at a time, when empty.
    outbox: BytesMut,
    line_free_at: Instant,
    opened_at: Instant,
    chance: Pcg64Mcg,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream, cameras: Arc<Cameras>, number: u64) -> Self {
        let (read, line) = socket.into_split();
        let mut chance = Pcg64Mcg::seed_from_u64(number);
        let sender = RtpSender::new(chance.random(), chance.random(), chance.random());
        Self {
            requests: RequestReader::new(read),
            line,
            cameras,
            camera: None,
            session: format!("{:016X}", chance.random::<u64>()),
            sender,
            set_up: false,
            play: None,
            outbox: BytesMut::new(),
            line_free_at: Instant::now(),
            opened_at: Instant::now(),
            chance,
        }
    }

    pub(crate) fn camera(&self) -> &str {
        self.camera.as_ref().map_or("", |id| id.as_str())
    }

    pub(crate) async fn run(&mut self) -> End {
        loop {
            let faults = self.faults();
            let drop_at = faults.drop_after().map(|after| self.opened_at + after);
            let idle_at = self.play.is_none().then(|| self.opened_at + IDLE_TIMEOUT);
            let report_at = self.play.as_ref().map(|play| play.report_at);
            let outcome = tokio::select! {
                request = self.requests.next() => self.take(request).await,
                () = at(drop_at) => Err(End::Fault),
                () = at(idle_at) => Err(End::Idle),
                () = tokio::time::sleep_until(self.line_free_at), if !self.outbox.is_empty() => self.send(&faults).await,
                unit = next_unit(&mut self.play), if self.outbox.is_empty() => match unit {
                    Some((unit, shown)) => {
                        self.packets(&unit, shown, &faults);
                        Ok(())
                    }
                    None => Err(End::FilmEnded),
                },
                () = at(report_at), if self.outbox.is_empty() => {
                    self.report();
                    Ok(())
                }
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    fn raw_camera(&self) -> Option<&RawCamera> {
        self.camera.as_ref().and_then(|id| self.cameras.by_id.get(id))
    }

    fn faults(&self) -> Faults {
        self.raw_camera().map(|camera| camera.faults.borrow().clone()).unwrap_or_default()
    }

    async fn take(&mut self, request: Result<Request, RequestError>) -> Result<(), End> {
        let request = request.map_err(|error| match error {
            RequestError::Closed => End::PeerClosed,
            RequestError::Malformed(_) => End::Malformed,
        })?;
        let answer = self.answer(&request).await;
        tokio::time::sleep(self.faults().answer_delay()).await;
        match answer {
            Answer::Reply => Ok(()),
            Answer::Silence => loop {
                self.outbox.clear();
                self.requests.next().await.map_err(|_| End::PeerClosed)?;
            },
            Answer::Goodbye => {
                self.send(&Faults::default()).await?;
                Err(End::Teardown)
            }
        }
    }

    async fn answer(&mut self, request: &Request) -> Answer {
        let found = self.cameras.by_id.keys().find(|id| id.as_str() == request.camera()).cloned();
        if found.is_some() {
            self.camera = found;
        }
        let faults = self.faults();
        if faults.has(&Fault::Mute {}) {
            return Answer::Silence;
        }
        if self.camera.is_none() && request.method != "OPTIONS" {
            return self.reply(request, "404 Not Found", "");
        }
        if faults.has(&Fault::RefusePassword {}) && request.method != "OPTIONS" {
            return self.reply(request, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"street\"\r\n");
        }
        match request.method.as_str() {
            "OPTIONS" => {
                let public = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN";
                self.reply(request, "200 OK", &format!("Public: {public}\r\n"))
            }
            "DESCRIBE" => self.describe(request, &faults).await,
            "SETUP" => self.set_up(request),
            "PLAY" => self.start_to_play(request),
            "GET_PARAMETER" | "SET_PARAMETER" => self.reply(request, "200 OK", &self.session_header()),
            "TEARDOWN" => {
                self.reply(request, "200 OK", "");
                Answer::Goodbye
            }
            _ => self.reply(request, "501 Not Implemented", ""),
        }
    }

    async fn describe(&mut self, request: &Request, faults: &Faults) -> Answer {
        let Some(camera) = self.raw_camera() else { return self.reply(request, "404 Not Found", "") };
        let sets = if faults.has(&Fault::MissingParameterSets {}) {
            ParameterSets::default()
        } else {
            camera.feed.parameter_sets().await
        };
        let body = sdp::describe(camera.codec, &sets);
        let base = request.url.trim_end_matches('/');
        let headers = format!(
            "Content-Base: {base}/\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.reply(request, "200 OK", &headers);
        self.outbox.extend_from_slice(body.as_bytes());
        Answer::Reply
    }

    fn set_up(&mut self, request: &Request) -> Answer {
        let transport = request.header("transport").unwrap_or("");
        if !transport.contains("RTP/AVP/TCP") {
            return self.reply(request, "461 Unsupported Transport", "");
        }
        self.set_up = true;
        let headers = format!("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n{}", self.session_header());
        self.reply(request, "200 OK", &headers)
    }

    fn start_to_play(&mut self, request: &Request) -> Answer {
        if !self.set_up {
            return self.reply(request, "455 Method Not Valid in This State", "");
        }
        let Some(listening) = self.raw_camera().map(|camera| camera.feed.listen()) else {
            return self.reply(request, "404 Not Found", "");
        };
        let now = Instant::now();
        self.play = Some(Play {
            listening,
            since: now,
            report_at: now + REPORT_EVERY,
            stalled: false,
            pictures: 0,
            shown: None,
        });
        let track = format!("{}/track0", request.url.trim_end_matches('/'));
        let info = format!("RTP-Info: url={track};seq={}\r\n", self.sender.next_sequence());
        let headers = format!("{}Range: npt=now-\r\n{info}", self.session_header());
        self.reply(request, "200 OK", &headers)
    }

    fn session_header(&self) -> String {
        format!("Session: {};timeout=60\r\n", self.session)
    }

    fn reply(&mut self, request: &Request, status: &str, headers: &str) -> Answer {
        let sequence = request.header("cseq").unwrap_or("0");
        // Writing into a buffer in memory cannot fail.
        let _ = write!(self.outbox, "RTSP/1.0 {status}\r\nCSeq: {sequence}\r\n{headers}\r\n");
        Answer::Reply
    }

    fn packets(&mut self, unit: &PacketisedUnit, shown: Duration, faults: &Faults) {
        let Some(play) = &mut self.play else { return };
        if faults.has(&Fault::GarbageAfterHandshake {}) {
            // Never '$' and never a letter: neither a packet nor a message.
            self.outbox.resize(unit.len().clamp(64, 4_096), 0);
            self.chance.fill_bytes(&mut self.outbox);
            self.outbox.iter_mut().for_each(|byte| *byte |= 0x80);
            return;
        }
        if faults.stalled_at(play.since.elapsed()) {
            play.stalled = true;
            return;
        }
        if std::mem::take(&mut play.stalled) && !unit.starts {
            play.listening.lost_some();
            return;
        }
        let since_play = play.since.elapsed();
        play.pictures += u64::from(!unit.starts);
        if !unit.starts && faults.leaves_out(play.pictures, since_play) {
            return;
        }
        play.shown = Some(shown);
        self.outbox = match faults.loses_every(since_play) {
            Some(every) => self.sender.fill_with_gaps(unit, shown, every),
            None => self.sender.fill(unit, shown),
        };
    }

    fn report(&mut self) {
        let Some(play) = &mut self.play else { return };
        play.report_at = Instant::now() + REPORT_EVERY;
        if play.stalled {
            return;
        }
        let Some(shown) = play.shown else { return };
        let wall = (self.cameras.wall)(shown);
        self.outbox = self.sender.report(shown, wall);
    }

    /// Sends what waits: all of it, or on a thin line a piece.
    async fn send(&mut self, faults: &Faults) -> Result<(), End> {
        let second = faults.line_time(self.outbox.len());
        let piece = if second.is_zero() {
            self.outbox.len()
        } else {
            let pieces = (second.as_secs_f64() * f64::from(PIECES_PER_SEC)).ceil().max(1.0);
            ((self.outbox.len() as f64 / pieces).ceil() as usize).max(1)
        };
        let piece = self.outbox.split_to(piece.min(self.outbox.len()));
        self.line_free_at = Instant::now() + faults.line_time(piece.len());
        match tokio::time::timeout(WRITE_TIMEOUT, self.line.write_all(&piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::PeerClosed),
            Err(_) => Err(End::NotRead),
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn next_unit(play: &mut Option<Play>) -> Option<(Arc<PacketisedUnit>, Duration)> {
    match play {
        Some(play) => play.listening.next().await,
        None => std::future::pending().await,
    }
}
