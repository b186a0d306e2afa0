//! A camera that speaks just enough RTSP to send what no sound server would send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Payload of one RTP packet.
const FRAGMENT: usize = 1200;

pub struct FakeCamera {
    pub address: SocketAddr,
}

impl FakeCamera {
    /// Plays H.264 NAL units over and over, one access unit of them every 100 ms; its SDP holds no parameter sets.
    pub async fn h264(access_units: Vec<Vec<Vec<u8>>>) -> Self {
        let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=fake\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
                   a=rtpmap:96 H264/90000\r\na=control:track1\r\n";
        Self::start(sdp, access_units).await
    }

    /// Describes `sdp` and plays nothing.
    pub async fn silent(sdp: &'static str) -> Self {
        Self::start(sdp, Vec::new()).await
    }

    async fn start(sdp: &'static str, access_units: Vec<Vec<Vec<u8>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let access_units = Arc::new(access_units);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let access_units = Arc::clone(&access_units);
                tokio::spawn(async move { drop(serve(client, address, sdp, &access_units).await) });
            }
        });
        Self { address }
    }

    /// Accepts and never answers.
    pub async fn mute() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((client, _)) = listener.accept().await {
                held.push(client);
            }
        });
        Self { address }
    }

    /// Answers every connection with these bytes and closes it.
    pub async fn saying(bytes: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let _ = client.write_all(bytes).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { address }
    }

    pub fn url(&self) -> String {
        format!("rtsp://{}/stream", self.address)
    }
}

async fn serve(
    client: TcpStream,
    address: SocketAddr,
    sdp: &str,
    access_units: &[Vec<Vec<u8>>],
) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    loop {
        let (mut method, mut sequence) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if client.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if method.is_empty() {
                method = line.split(' ').next().unwrap_or_default().to_owned();
            }
            if let Some(value) = line.strip_prefix("CSeq: ") {
                sequence = value.to_owned();
            }
        }
        let (headers, body) = match method.as_str() {
            "DESCRIBE" => {
                (format!("Content-Type: application/sdp\r\nContent-Base: rtsp://{address}/stream/\r\n"), sdp)
            }
            "SETUP" => ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n".to_owned(), ""),
            _ => ("Session: 1\r\n".to_owned(), ""),
        };
        let reply = format!(
            "RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(reply.as_bytes()).await?;
        if method == "PLAY" && !access_units.is_empty() {
            return play(client.into_inner(), access_units).await;
        }
    }
}

async fn play(mut client: TcpStream, access_units: &[Vec<Vec<u8>>]) -> std::io::Result<()> {
    let mut sequence = 0_u16;
    for (time, nals) in (0_u32..).step_by(9000).zip(access_units.iter().cycle()) {
        for (index, nal) in nals.iter().enumerate() {
            for payload in payloads(nal) {
                let is_last_of_unit = index + 1 == nals.len() && payload.1;
                let mut packet = vec![0x80, 96 | if is_last_of_unit { 0x80 } else { 0 }];
                packet.extend_from_slice(&sequence.to_be_bytes());
                packet.extend_from_slice(&time.to_be_bytes());
                packet.extend_from_slice(&[0, 0, 0, 7]);
                packet.extend_from_slice(&payload.0);
                sequence = sequence.wrapping_add(1);
                let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
                client.write_all(&[b'$', 0, length[0], length[1]]).await?;
                client.write_all(&packet).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// RTP payloads of a NAL unit after RFC 6184, and whether each is its last.
fn payloads(nal: &[u8]) -> Vec<(Vec<u8>, bool)> {
    if nal.len() <= FRAGMENT {
        return vec![(nal.to_vec(), true)];
    }
    let (header, body) = (nal[0], &nal[1..]);
    let count = body.len().div_ceil(FRAGMENT);
    let fragment = |(index, piece): (usize, &[u8])| {
        let (first, last) = (index == 0, index + 1 == count);
        let fu = header & 0x1f | if first { 0x80 } else { 0 } | if last { 0x40 } else { 0 };
        ([&[header & 0x60 | 28, fu][..], piece].concat(), last)
    };
    body.chunks(FRAGMENT).enumerate().map(fragment).collect()
}
