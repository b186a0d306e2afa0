//! A small HTTP server: the files of a folder, and `/mjpeg`, a camera's endless multipart stream.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub struct HttpServer {
    address: SocketAddr,
}

impl HttpServer {
    pub async fn start(folder: &Path, jpegs: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = folder.to_owned();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (folder, jpegs) = (folder.clone(), jpegs.clone());
                // A client that goes away ends its answer, nothing else.
                tokio::spawn(async move { drop(answer(client, folder, jpegs).await) });
            }
        });
        Self { address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn answer(client: TcpStream, folder: PathBuf, jpegs: Vec<Vec<u8>>) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if client.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let path = lines[0].split(' ').nth(1).unwrap_or("/").to_owned();
        match path.as_str() {
            "/mjpeg" => return mjpeg(client, &jpegs).await,
            "/secret" => {
                reply(&mut client, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"cam\"\r\n", b"")
                    .await?
            }
            _ => file(&mut client, &folder, &path, &lines).await?,
        }
    }
}

async fn file(
    client: &mut BufReader<TcpStream>,
    folder: &Path,
    path: &str,
    lines: &[String],
) -> std::io::Result<()> {
    let Ok(bytes) = tokio::fs::read(folder.join(path.trim_start_matches('/'))).await else {
        return reply(client, "404 Not Found", "", b"").await;
    };
    let range = lines
        .iter()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
    let Some(range) = range else {
        return reply(client, "200 OK", "Accept-Ranges: bytes\r\n", &bytes).await;
    };
    let (from, to) = range.split_once('-').unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0).min(bytes.len());
    let to: usize = to.parse().map_or(bytes.len(), |to: usize| (to + 1).min(bytes.len()));
    let header =
        format!("Accept-Ranges: bytes\r\nContent-Range: bytes {from}-{}/{}\r\n", to.max(1) - 1, bytes.len());
    reply(client, "206 Partial Content", &header, &bytes[from..to.max(from)]).await
}

async fn reply(
    client: &mut BufReader<TcpStream>,
    status: &str,
    header: &str,
    body: &[u8],
) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).await?;
    client.write_all(body).await
}

async fn mjpeg(mut client: BufReader<TcpStream>, jpegs: &[Vec<u8>]) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
    client.write_all(head.as_bytes()).await?;
    for jpeg in jpegs.iter().cycle() {
        let part = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        client.write_all(part.as_bytes()).await?;
        client.write_all(jpeg).await?;
        client.write_all(b"\r\n").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
