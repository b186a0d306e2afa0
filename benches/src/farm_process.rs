//! A farm of simulated cameras in a process of its own, so that serving is not counted with receiving.

use anyhow::{Context, ensure};
use citybrain_pipeline::open_files;
use citybrain_simulator::Codec;
use citybrain_simulator::clip::Clip;
use citybrain_simulator::encode::{EncoderSpec, Gop};
use citybrain_simulator::farm::{Farm, FarmSpec, film_streets};
use citybrain_types::{CameraId, SystemClock};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// First argument of a bench that is to be the farm instead.
const ARGUMENT: &str = "--farm";
/// What a farm is to show, where it is no file: width, height and bit rate of streets that it films itself.
const STREETS: &str = "streets:";
/// Seconds of street that are filmed.
const FILMED: Duration = Duration::from_secs(8);

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
        Self::spawn(cameras, clips)
    }

    /// Starts a farm that shows rendered streets at 25 frames a second with a keyframe every two, of this size and near
    /// this bit rate.
    ///
    /// # Errors
    /// When the process does not start or names no cameras.
    pub fn of_streets(cameras: usize, (width, height): (u32, u32), kbps: u32) -> anyhow::Result<Self> {
        Self::spawn(cameras, &[PathBuf::from(format!("{STREETS}{width}x{height}x{kbps}"))])
    }

    fn spawn(cameras: usize, shown: &[PathBuf]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ARGUMENT)
            .arg(cameras.to_string())
            .args(shown)
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
    let cameras: usize = arguments.next().context("the number of cameras is missing")?.parse()?;
    open_files::allow(cameras);
    let mut clips: Vec<Clip> = Vec::new();
    for shown in arguments {
        match shown.strip_prefix(STREETS) {
            Some(numbers) => clips.extend(streets(numbers)?),
            None => clips.push(Clip::read(Path::new(&shown))?),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let farm = Farm::start(&FarmSpec::sound(cameras), &clips, Arc::new(SystemClock)).await?;
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

/// Streets of `WIDTHxHEIGHTxKBPS`.
fn streets(numbers: &str) -> anyhow::Result<Vec<Clip>> {
    let numbers: Vec<u32> = numbers.split('x').map(str::parse).collect::<Result<_, _>>()?;
    let [width, height, bitrate_kbps] = numbers[..] else { anyhow::bail!("streets need three numbers") };
    let spec = EncoderSpec {
        codec: Codec::H264,
        width,
        height,
        fps: 25,
        gop: Gop::Closed,
        keyframe_interval: 50,
        bitrate_kbps,
    };
    Ok(film_streets(&spec, FILMED, |_, _| {})?)
}
