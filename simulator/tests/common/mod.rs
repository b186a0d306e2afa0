//! Clients as a test needs them: a real one (GStreamer's `rtspsrc`) and a bare one that shows every byte.
#![allow(dead_code, reason = "each test file uses its part")]

use citybrain_simulator::pattern::read_clock;
use citybrain_simulator::{SimulatedStreet, Street, StreetOptions};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Serves a script on free ports.
pub async fn street(script: &str) -> SimulatedStreet {
    let script = Street::parse(script).unwrap();
    SimulatedStreet::start(script, StreetOptions::default()).await.unwrap()
}

/// An HTTP client.
pub fn http() -> reqwest::Client {
    // Fails when another test was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A decoded picture as a client got it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub width: i32,
    pub height: i32,
    /// What the clock in the picture says.
    pub clock: Option<Duration>,
    pub arrived: Instant,
}

/// A real client.
pub struct Watcher {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
}

impl Watcher {
    /// `settings` are properties of `rtspsrc`, for instance `protocols=tcp`.
    pub fn open(url: &str, settings: &str) -> Self {
        gst::init().unwrap();
        let text = format!(
            "rtspsrc location={url} latency=0 timeout=20000000 tcp-timeout=20000000 {settings} ! decodebin \
             ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=out sync=false max-buffers=64"
        );
        let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
        let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, sink }
    }

    /// The next picture, or the error that came instead.
    pub fn next(&self, within: Duration) -> Result<Seen, String> {
        let end = Instant::now() + within;
        while Instant::now() < end {
            if let Some(sample) = self.sink.try_pull_sample(gst::ClockTime::from_mseconds(50)) {
                return Ok(seen(&sample));
            }
            let bus = self.pipeline.bus().unwrap();
            if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos]) {
                return Err(match message.view() {
                    gst::MessageView::Error(error) => format!("{} {:?}", error.error(), error.debug()),
                    _ => "the stream ended".to_owned(),
                });
            }
        }
        Err("nothing came".to_owned())
    }

    /// The pictures of a stretch of time.
    pub fn watch(&self, stretch: Duration) -> Vec<Seen> {
        let end = Instant::now() + stretch;
        let mut all = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Ok(seen) = self.next(left) {
                all.push(seen);
            }
        }
        all
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn seen(sample: &gst::Sample) -> Seen {
    let structure = sample.caps().unwrap().structure(0).unwrap();
    let (width, height) = (structure.get::<i32>("width").unwrap(), structure.get::<i32>("height").unwrap());
    let map = sample.buffer().unwrap().map_readable().unwrap();
    // Rows of GRAY8 are padded to four bytes, and a camera's width is a multiple of 8.
    let row = usize::try_from(height / 2 * width).unwrap();
    let clock = read_clock(&map[row..row + usize::try_from(width).unwrap()]);
    Seen { width, height, clock, arrived: Instant::now() }
}

/// A bare RTSP client.
pub struct Bare {
    stream: BufReader<TcpStream>,
    url: String,
    sequence: u32,
}

/// An answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Bare {
    pub fn connect(url: &str) -> Self {
        let host = url.strip_prefix("rtsp://").unwrap().split('/').next().unwrap();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self { stream: BufReader::new(stream), url: url.to_owned(), sequence: 0 }
    }

    /// Connects and plays.
    pub fn play(url: &str) -> Self {
        let mut client = Self::connect(url);
        let described = client.ask("DESCRIBE", "", "Accept: application/sdp\r\n").unwrap();
        assert_eq!(described.status, 200, "{described:?}");
        let set_up =
            client.ask("SETUP", "/track0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n").unwrap();
        assert_eq!(set_up.status, 200, "{set_up:?}");
        assert_eq!(client.ask("PLAY", "", "").unwrap().status, 200);
        client
    }

    pub fn read_timeout(&self, timeout: Duration) {
        self.stream.get_ref().set_read_timeout(Some(timeout)).unwrap();
    }

    pub fn ask(&mut self, method: &str, path: &str, headers: &str) -> std::io::Result<Answer> {
        self.sequence += 1;
        let request =
            format!("{method} {}{path} RTSP/1.0\r\nCSeq: {}\r\n{headers}\r\n", self.url, self.sequence);
        self.stream.get_mut().write_all(request.as_bytes())?;
        // Packets may stand before the answer.
        while self.stream.fill_buf()?.first() == Some(&b'$') {
            self.packet()?;
        }
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |n| n.parse().unwrap())];
        self.stream.read_exact(&mut body)?;
        let status = head[9..12].parse().unwrap();
        Ok(Answer { status, head, body: String::from_utf8(body).unwrap() })
    }

    /// The next interleaved packet: channel and bytes.
    pub fn packet(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        assert_eq!(head[0], b'$', "no packet, but {head:?}");
        let mut bytes = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
        self.stream.read_exact(&mut bytes)?;
        Ok((head[1], bytes))
    }

    pub fn byte(&mut self) -> std::io::Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).map(|()| byte[0])
    }

    /// The RTP payloads of the next unit: all packets up to a marker.
    pub fn unit(&mut self) -> std::io::Result<Vec<Vec<u8>>> {
        let mut payloads = Vec::new();
        loop {
            let (channel, packet) = self.packet()?;
            if channel != 0 {
                continue;
            }
            payloads.push(packet[12..].to_vec());
            if packet[1] & 0x80 != 0 {
                return Ok(payloads);
            }
        }
    }
}

/// H.264 NAL type of an RTP payload (the type inside, for a fragment).
pub fn nal_type(payload: &[u8]) -> u8 {
    match payload[0] & 0x1f {
        28 => payload[1] & 0x1f,
        whole => whole,
    }
}
