//! `citybrain replay`: which cases a detection log leads to.

use crate::cli::ReplayArgs;
use anyhow::Context;
use citybrain_dispatcher::log::LOG_FOLDER;
use citybrain_dispatcher::permit::{self, Register};
use citybrain_dispatcher::replay::Replay;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::PermitAddress;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

/// Reads the log and prints its cases, one JSON object a line, in the order of their ids.
pub fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let city = Arc::new(citybrain_ingest_config::load(&args.config)?.city);
    let mut replay = Replay::new(Arc::clone(&city), Arc::new(register(&city)?));
    let torn = |path: &std::path::Path| {
        tracing::warn!(path = %path.display(), "the log ends in the middle of a batch; what is whole was read");
    };
    let recorded = match &args.recorded {
        Some(recorded) => recorded.clone(),
        None => {
            bring(&city)?;
            city.site.data_dir.join(LOG_FOLDER)
        }
    };
    citybrain_dispatcher::log::read_entries(&recorded, |entry| replay.entry(&entry), torn)?;
    for (reason, frames) in replay.refused() {
        tracing::info!(reason, frames, "frames of the log were refused");
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for case in replay.cases() {
        serde_json::to_writer(&mut out, case)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Brings what lies in a store elsewhere to the data folder, where the log is read.
pub fn bring(city: &City) -> anyhow::Result<()> {
    crate::tls::install();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let brought = runtime.block_on(citybrain_dispatcher::log::bring(city, None))?;
    if brought > 0 {
        tracing::info!(files = brought, "files of the log were brought from its store");
    }
    Ok(())
}

/// The permit registers that are files, for a log of the time before it held what registers answered. An address is not
/// asked: what it answered then is not known now.
pub fn register(city: &City) -> anyhow::Result<Register> {
    let mut register = Register::default();
    for source in &city.permits {
        match &source.at {
            PermitAddress::File(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                let (permits, _) = permit::parse(&text, &city.site.time_zone).map_err(anyhow::Error::msg)?;
                register.names.push(source.name.clone());
                register.permits.extend(permits);
            }
            PermitAddress::Http(_) => {
                register.unread.push(format!("register {} is not asked in a replay", source.name));
            }
        }
    }
    Ok(register)
}
