//! `citybrain tune --calibrate`: how sure the models may be, from what people have said.

use crate::cli::TuneArgs;
use anyhow::{Context, ensure};
use citybrain_dispatcher::policy::rules::{CalibrationMethod, Ece};
use citybrain_dispatcher::verdict::{Fitted, Refit};
use citybrain_ingest_config::City;
use citybrain_types::{Clock, EventKind, SystemClock};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Fits the calibrations and prints them.
#[allow(clippy::print_stdout, reason = "the calibration is what this command is run for")]
pub fn calibrate(args: &TuneArgs, city: &City) -> anyhow::Result<()> {
    let folder = &city.site.data_dir;
    ensure!(folder.is_dir(), "there is no data folder {}: no verdict was ever given", folder.display());
    let kinds: BTreeSet<EventKind> = args.kind.iter().map(EventKind::new).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let refit = runtime
        .block_on(Refit::beside(city, &kinds, None, SystemClock.now()))
        .context("the models cannot be calibrated from the verdicts")?;
    if args.json {
        println!("{:#}", as_json(&refit));
    } else {
        print!("{}", table(&refit));
    }
    Ok(())
}

/// `policy` is what `--policy` and the API take.
fn as_json(refit: &Refit) -> Value {
    let kind = |(kind, fitted): (&EventKind, &Fitted)| {
        json!({ "kind": kind, "method": fitted.calibration.method, "real": fitted.real, "false": fitted.wrong,
            "ece_before": fitted.calibration.ece_before, "ece_after": fitted.calibration.ece_after })
    };
    let few = |(kind, few): &(EventKind, citybrain_dispatcher::verdict::TooFew)| json!({ "kind": kind, "real": few.real, "false": few.wrong, "why": few.to_string() });
    json!({
        "kinds": refit.fitted.iter().map(kind).collect::<Vec<_>>(),
        "too_few": refit.too_few.iter().map(few).collect::<Vec<_>>(),
        "policy": refit.policy(),
    })
}

fn table(refit: &Refit) -> String {
    let mut text = format!(
        "{:<24} {:<9} {:>6} {:>6}  {:<24} {:<24}\n",
        "kind", "method", "real", "false", "error before (95 %)", "error after (95 %)"
    );
    let error = |ece: Ece| format!("{:.4} ({:.4} to {:.4})", ece.value, ece.low, ece.high);
    for (kind, fitted) in &refit.fitted {
        let calibration = &fitted.calibration;
        let method = match calibration.method {
            CalibrationMethod::Isotonic => "isotonic",
            CalibrationMethod::Platt => "platt",
        };
        let (before, after) = (error(calibration.ece_before), error(calibration.ece_after));
        let _ = writeln!(
            text,
            "{:<24} {method:<9} {:>6} {:>6}  {before:<24} {after:<24}",
            kind.as_str(),
            fitted.real,
            fitted.wrong
        );
    }
    for (kind, few) in &refit.too_few {
        let _ = writeln!(text, "\nnote: {kind}: {few}");
    }
    text
}
