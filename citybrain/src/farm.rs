//! `citybrain simulate --cameras N`: a farm of cameras from four filmed streets.

use crate::cli::{FarmArgs, SimulateArgs};
use crate::signals::{Asked, Signals};
use anyhow::{Context, bail, ensure};
use citybrain_simulator::clip::{Clip, files_in};
use citybrain_simulator::encode::{EncoderSpec, Gop};
use citybrain_simulator::farm::{Farm, FarmSpec, film_streets};
use citybrain_simulator::faults::size_is_served;
use citybrain_simulator::{Codec, Fault};
use citybrain_types::SystemClock;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Films the streets, serves them, tells where, and waits for SIGINT or SIGTERM.
pub async fn serve(args: SimulateArgs, signals: &mut Signals) -> anyhow::Result<()> {
    let FarmArgs { cameras, faults, aligned_keyframes, city, kinds, .. } = &args.farm;
    let cameras = cameras.context("--cameras says how many")?;
    let spec = FarmSpec { listen: args.rtsp, cameras, faults: faults.clone(), aligned: *aligned_keyframes };
    // Filming takes a while: a mistake is told before.
    spec.check()?;
    let encoder = encoder(&args.farm)?;
    let (folder, length) = (args.clips.clone(), Duration::from_secs(args.farm.clip_secs));
    let clips = tokio::task::spawn_blocking(move || clips(folder.as_deref(), &encoder, length)).await??;
    let farm = Farm::start(&spec, &clips, Arc::new(SystemClock)).await?;
    tell(&farm, &clips);
    if let Some(file) = city {
        let text = city_text(&farm, kinds)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &args.announce {
        crate::announce::write(file, &announcement(&farm))
            .with_context(|| format!("cannot announce the farm in {}", file.display()))?;
    }
    while signals.next().await != Asked::Stop {}
    farm.shutdown().await;
    Ok(())
}

fn encoder(args: &FarmArgs) -> anyhow::Result<EncoderSpec> {
    let FarmArgs { size: (width, height), fps, keyframe_secs, bitrate_kbps, .. } = *args;
    ensure!(
        size_is_served(width, height),
        "--size must be a multiple of 8 by an even number, 160x90 to 1920x1088"
    );
    ensure!((0.1..=60.0).contains(&keyframe_secs), "--keyframe-secs must be in 0.1 to 60");
    let codec = match args.codec.as_str() {
        "h264" => Codec::H264,
        "h265" => Codec::H265,
        other => bail!("--codec {other} is not served by a farm: use h264 or h265"),
    };
    let keyframe_interval = (keyframe_secs * f64::from(fps)).round().max(1.0) as u32;
    Ok(EncoderSpec { codec, width, height, fps, gop: Gop::Closed, keyframe_interval, bitrate_kbps })
}

/// The video files of a folder, or four streets filmed now.
fn clips(folder: Option<&Path>, encoder: &EncoderSpec, length: Duration) -> anyhow::Result<Vec<Clip>> {
    if let Some(folder) = folder {
        let files: Vec<PathBuf> = files_in(folder)?;
        return files.iter().map(|file| Ok(Clip::read(file)?)).collect();
    }
    let bar = ProgressBar::new(0).with_message("filming streets");
    bar.set_style(ProgressStyle::with_template("{msg} {pos}/{len} {bar:30} {elapsed}")?);
    bar.enable_steady_tick(Duration::from_millis(500));
    let clips = film_streets(encoder, length, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    Ok(clips?)
}

#[allow(clippy::print_stdout, reason = "the addresses are what this command is run for")]
fn tell(farm: &Farm, clips: &[Clip]) {
    for clip in clips {
        let bytes: usize = clip.units().iter().map(|unit| unit.data.len()).sum();
        let kbps = bytes as f64 * 8.0 / 1_000.0 / clip.length().as_secs_f64();
        let ((width, height), secs) = (clip.size(), clip.length().as_secs_f64());
        println!("clip  {:?} {width}x{height}, {secs:.1} s, {kbps:.0} kbit/s", clip.codec());
    }
    let all: Vec<_> = farm.cameras().collect();
    if let (Some((_, first)), Some((_, last))) = (all.first(), all.last()) {
        println!("{} cameras: {first} to {last}", all.len());
    }
    for (id, url) in all {
        let faults = farm.faults(id);
        if !faults.is_empty() {
            println!("{id}  {url}  {}", faults.join(", "));
        }
    }
}

fn announcement(farm: &Farm) -> Value {
    let camera = |(id, url): (_, String)| json!({ "id": id, "name": id, "url": url, "kinds": [], "faults": farm.faults(id) });
    json!({ "cameras": farm.cameras().map(camera).collect::<Vec<_>>(), "http": null })
}

/// A city of the farm's cameras that `citybrain run --config` takes.
fn city_text(farm: &Farm, kinds: &[String]) -> anyhow::Result<String> {
    let camera = |(id, url): (_, String)| json!({ "id": id, "url": url, "kinds": kinds });
    let city = json!({
        "site": { "name": "Farm", "time_zone": "UTC", "data_dir": "farm-data", "listen": "127.0.0.1:8080" },
        "cameras": farm.cameras().map(camera).collect::<Vec<_>>(),
        "departments": [{ "id": "district-centre", "name": "District centre", "district_centre": true }],
    });
    Ok(toml::to_string(&city)?)
}

/// `WIDTHxHEIGHT`.
pub fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let (width, height) = text.split_once('x').ok_or("write WIDTHxHEIGHT, as 1280x720")?;
    let side = |side: &str| side.parse().map_err(|_| format!("'{side}' is not a number of pixels"));
    Ok((side(width)?, side(height)?))
}

/// `KIND=COUNT`: so many cameras have this fault.
pub fn parse_fault(text: &str) -> Result<(Fault, usize), String> {
    let (kind, count) = text.split_once('=').ok_or("write KIND=COUNT, as stall=5")?;
    let fault = match kind {
        "stall" => Fault::Stall { after_secs: 20.0, for_secs: None },
        "drop" => Fault::DropConnection { every_secs: 15.0 },
        "garbage" => Fault::GarbageAfterHandshake {},
        "slow" => Fault::Slow { answer_after_ms: 2_000, bytes_per_sec: 20_000 },
        "mute" => Fault::Mute {},
        "loss" => Fault::PacketLoss { after_secs: 60.0, every: 25 },
        "low-rate" => Fault::LowFrameRate { after_secs: 90.0, keep_every: 5 },
        _ => {
            return Err(format!(
                "'{kind}' is not a fault of a farm: use stall, drop, garbage, slow, mute, loss or low-rate"
            ));
        }
    };
    let count = count.parse().map_err(|_| format!("'{count}' is not a number of cameras"))?;
    Ok((fault, count))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_faults_are_read_and_mistakes_named() {
        assert_eq!(parse_size("1280x720").unwrap(), (1280, 720));
        assert!(parse_size("1280").is_err() && parse_size("ax2").is_err());
        assert_eq!(parse_fault("mute=3").unwrap(), (Fault::Mute {}, 3));
        assert!(parse_fault("stall").is_err() && parse_fault("stall=x").is_err());
        assert!(parse_fault("flood=1").unwrap_err().contains("stall, drop"));
    }
}
