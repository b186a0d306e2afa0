//! `citybrain simulate`: a street is filmed until somebody says stop.

use crate::cli::SimulateArgs;
use crate::signals::{Asked, Signals};
use anyhow::Context;
use citybrain_simulator::{SimulatedStreet, Street, StreetOptions};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Serves the street, tells where, and waits for SIGINT or SIGTERM.
pub fn simulate(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(args))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: SimulateArgs) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    if let Some(cameras) = args.farm.cameras {
        citybrain_pipeline::open_files::allow(cameras);
        return crate::farm::serve(args, &mut signals).await;
    }
    let script = match (&args.street, &args.clips) {
        (Some(file), _) => Street::read(file),
        (None, Some(folder)) => Street::of_clips(folder),
        (None, None) => Street::demo(),
    }?;
    let options = StreetOptions { rtsp: args.rtsp, http: Some(args.http), ..StreetOptions::default() };
    let street = SimulatedStreet::start(script, options).await?;
    tell(&street);
    if let Some(file) = &args.announce {
        announce(&street, file)?;
    }
    while signals.next().await != Asked::Stop {}
    street.shutdown().await;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the addresses are what this command is run for")]
fn tell(street: &SimulatedStreet) {
    for camera in street.cameras() {
        let kinds: Vec<&str> = camera.kinds.iter().map(|kind| kind.as_str()).collect();
        let shows = if kinds.is_empty() { "quiet".to_owned() } else { kinds.join(", ") };
        println!("{:<16} {:<48} {shows}", camera.id, camera.url);
    }
    if let Some(http) = street.http_address() {
        println!("ground truth: http://{http}/truth");
    }
}

/// Writes to a neighbouring file first, so that a reader never sees half of it.
fn announce(street: &SimulatedStreet, file: &Path) -> anyhow::Result<()> {
    let text = json!({ "cameras": street.cameras(), "http": street.http_address(), "started_at": street.started_at() });
    crate::announce::write(file, &text)
        .with_context(|| format!("cannot announce the street in {}", file.display()))
}
