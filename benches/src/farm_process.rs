//! A farm of simulated cameras in a process of its own, so that serving is not counted with receiving.

use anyhow::{Context, ensure};
use citybrain_simulator::clip::Clip;
use citybrain_simulator::farm::Farm;
use citybrain_types::{CameraId, SystemClock};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use url::Url;

/// First argument of a bench that is to be the farm instead.
const ARGUMENT: &str = "--farm";

/// A farm process; it ends when this is dropped.
pub struct FarmProcess {
    child: Child,
    /// Each camera with its address; camera `n` shows clip `n` modulo their number.
    pub cameras: Vec<(CameraId, Url)>,
}

impl FarmProcess {
    /// Starts this very program as a farm; its `main` must call [`serve_if_asked`] first.
    ///
    /// # Errors
    /// When the process does not start or names no cameras.
    pub fn start(clips: &[PathBuf], cameras: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .arg(cameras.to_string())
            .args(clips)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the farm has no output")?;
        let mut farm = Self { child, cameras: Vec::new() };
        for line in BufReader::new(output).lines().take(cameras) {
            let line = line?;
            let (id, address) = line.split_once(' ').context("the farm said something else")?;
            farm.cameras.push((id.parse()?, address.parse()?));
        }
        ensure!(farm.cameras.len() == cameras, "the farm serves {} of {cameras} cameras", farm.cameras.len());
        Ok(farm)
    }
}

impl Drop for FarmProcess {
    fn drop(&mut self) {
        // The farm ends with its input; waiting leaves no process behind.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves, and does not return before its input is closed, when this process was started as a farm; `false` when not.
///
/// # Errors
/// When a clip cannot be read or no port is free.
pub fn serve_if_asked() -> anyhow::Result<bool> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(ARGUMENT) {
        return Ok(false);
    }
    let cameras = arguments.next().context("the number of cameras is missing")?.parse()?;
    let clips: Vec<Clip> = arguments.map(|path| Clip::read(Path::new(&path))).collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let farm = Farm::start(([127, 0, 0, 1], 0).into(), cameras, &clips, Arc::new(SystemClock)).await?;
        let mut output = std::io::stdout().lock();
        for (id, address) in farm.cameras() {
            writeln!(output, "{id} {address}")?;
        }
        output.flush()?;
        tokio::task::spawn_blocking(|| std::io::stdin().lock().read_to_end(&mut Vec::new())).await??;
        farm.shutdown().await;
        Ok::<_, anyhow::Error>(())
    })?;
    Ok(true)
}
