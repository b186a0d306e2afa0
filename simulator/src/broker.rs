//! A private mosquitto on loopback, for the demo and for tests that kill it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Where Debian puts it; it is not on every user's path.
const PROGRAMS: [&str; 2] = ["/usr/sbin/mosquitto", "mosquitto"];
/// Longest wait for it to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two looks whether it listens.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Ports tried when another program took the free one in between.
const TRIES: usize = 5;

/// Why the broker does not run.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The program is missing.
    #[error("mosquitto is not installed: install the package mosquitto")]
    Missing,
    /// The system refused.
    #[error("mosquitto cannot be started: {0}")]
    Start(#[from] std::io::Error),
    /// It ended or did not listen; with the end of its log.
    #[error("mosquitto does not listen on port {port}: {log}")]
    NotListening {
        /// The port.
        port: u16,
        /// The end of its log.
        log: String,
    },
}

/// A running broker with a folder of its own, on one port for its whole life. Dropping it kills it.
///
/// Sessions and subscriptions are written to disk with every change, so that a subscriber which was there before
/// [`Broker::kill`] gets what is published after [`Broker::restart`], even when it comes back later than the publisher.
pub struct Broker {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Broker {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// [`BrokerError`] when mosquitto is missing or does not listen.
    pub async fn start() -> Result<Self, BrokerError> {
        let mut last = BrokerError::Missing;
        for _ in 0..TRIES {
            let folder = tempfile::Builder::new().prefix("citybrain-broker-").tempdir()?;
            let mut broker = Self { folder, port: free_port().await?, child: None };
            match broker.launch().await {
                Ok(()) => return Ok(broker),
                Err(error @ BrokerError::NotListening { .. }) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// The port, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `mqtt://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Ends it at once, as a power cut would (SIGKILL).
    ///
    /// # Errors
    /// When the system cannot end it.
    pub async fn kill(&mut self) -> std::io::Result<()> {
        match self.child.take() {
            Some(mut child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// Starts it again on the same port, with what it has on disk; kills it before where it still runs.
    ///
    /// # Errors
    /// [`BrokerError`] when it does not listen.
    pub async fn restart(&mut self) -> Result<(), BrokerError> {
        self.kill().await?;
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), BrokerError> {
        let config = self.write_config()?;
        let mut command = Command::new(program());
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.stderr(std::fs::File::create(self.log_path())?);
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => BrokerError::Missing,
            _ => BrokerError::Start(error),
        })?;
        let child = self.child.insert(child);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let give_up_at = Instant::now() + START_TIMEOUT;
        while Instant::now() < give_up_at && child.try_wait()?.is_none() {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let end = log.lines().rev().take(3).collect::<Vec<_>>().join("; ");
        Err(BrokerError::NotListening { port: self.port, log: end })
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("broker.log")
    }

    fn write_config(&self) -> std::io::Result<PathBuf> {
        let folder = self.folder.path();
        let path = folder.join("broker.conf");
        let user = if is_root(folder) { "user root\n" } else { "" };
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\n{user}log_dest stderr\nset_tcp_nodelay true\n\
             persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\n",
            self.port,
            folder.display()
        );
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

fn program() -> &'static str {
    PROGRAMS.into_iter().find(|path| std::path::Path::new(path).exists()).unwrap_or(PROGRAMS[1])
}

/// Started by root, mosquitto becomes a user that may not write to the folder, unless told to stay. A folder made by
/// root belongs to user 0.
fn is_root(folder: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(folder).is_ok_and(|folder| folder.uid() == 0)
}

async fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(listener.local_addr()?.port())
}
