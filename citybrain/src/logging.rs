//! Log lines on standard error, for people or for machines.

use crate::cli::LogFormat;
use anyhow::Context;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging; libraries below speak only when something is wrong.
pub fn start(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    let quiet = "sqlx=warn,hyper=warn,retina=warn,rumqttc=warn,ort=warn,tower_http=warn";
    let filter = EnvFilter::try_new(format!("{quiet},{filter}")).with_context(|| {
        format!("--log '{filter}' is not a log filter; try 'info' or 'citybrain_pipeline=debug'")
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
