//! `citybrain demo`: a simulated street, a broker, two desks, and a city brain as a user would run it.
//!
//! Design decision: the demo uses the product from outside only. It writes a configuration file, starts
//! `citybrain run` on it, reads the public API, and believes what arrived on the desks.

mod account;
mod child;
mod config;
mod screen;
mod stage;
mod verdict;
mod watch;

use crate::cli::DemoArgs;
use crate::signals::Signals;
use anyhow::Context;
use std::process::ExitCode;

/// Runs the demo; with `--check` until it can be judged, otherwise until somebody says stop.
pub fn demo(args: DemoArgs) -> anyhow::Result<ExitCode> {
    crate::tls::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(play(args))
}

async fn play(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut stage = tokio::select! {
        stage = stage::Stage::set(&args) => stage?,
        _ = signals.next() => return Ok(ExitCode::FAILURE),
    };
    let outcome = tokio::select! {
        outcome = watch::watch(&mut stage, args.check) => outcome?,
        _ = signals.next() => watch::look(&stage).await?,
    };
    screen::table(&outcome);
    if let Some(file) = &args.json {
        let rows = serde_json::to_vec_pretty(&outcome.rows)?;
        std::fs::write(file, rows).with_context(|| format!("cannot write {}", file.display()))?;
    }
    stage.clear().await?;
    let right = outcome.is_right();
    screen::last_word(&outcome, args.check);
    Ok(if right || !args.check { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
