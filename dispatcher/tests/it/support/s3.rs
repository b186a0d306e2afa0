//! An S3 server of the tests' own: OpenStack Swift from the Debian package, in a temporary folder.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Who may come in, and the one bucket.
pub const ACCESS_KEY: &str = "city:log";
pub const SECRET_KEY: &str = "geheim-und-lang";
pub const BUCKET: &str = "detections";

/// A server that ends, and whose folder goes, with the process that has started it.
pub struct S3 {
    folder: TempDir,
    port: u16,
    running: Option<Child>,
}

impl S3 {
    pub fn start() -> Self {
        let mut server =
            Self { folder: tempfile::tempdir().unwrap(), port: four_free_ports(), running: None };
        server.start_again();
        server
    }

    /// The server with what it held when it was stopped.
    pub fn start_again(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let script = script.join("dispatcher/tests/it/support/s3_server.py");
        // Debian's own Python: Swift is among its packages.
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(self.folder.path())
            .args([&self.port.to_string(), ACCESS_KEY, SECRET_KEY, BUCKET])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(
            line.trim(),
            "ready",
            "Swift does not run: python3-swift is among the Debian packages for the tests, `./x install --all` \
             installs them"
        );
        self.running = Some(child);
    }

    /// Ends it as a power cut would.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            // Its servers end with it, a moment later.
            while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    }

    /// What the environment of a city says of it.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
        ]
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The first of four ports in a row that nobody listens on.
fn four_free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let rest = (1..4).map(|n| TcpListener::bind(("127.0.0.1", port.checked_add(n)?)).ok());
        if rest.collect::<Vec<_>>().iter().all(Option::is_some) {
            return port;
        }
    }
}
