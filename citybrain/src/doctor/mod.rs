//! `citybrain doctor`: whether this machine, and what the configuration names, will do; and what to do where not.

mod database;
mod log;
mod machine;
mod network;

use crate::cli::DoctorArgs;
use crate::lineup;
use citybrain_ingest_config::City;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to do.
    Ok,
    /// It works, and something should be seen to.
    Warning,
    /// It does not work.
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was found, without secrets.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warning(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            verdict: Verdict::Warning,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    fn failure(check: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            verdict: Verdict::Failure,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

/// Checks everything and says what it found; exit code 1 when something does not work.
#[allow(clippy::print_stdout, reason = "the findings are what this command is run for")]
pub fn doctor(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    crate::tls::install();
    let mut findings = Vec::new();
    let mut add = |finding: Finding| {
        if !args.json {
            tell(&finding);
        }
        findings.push(finding);
    };
    machine::gstreamer().into_iter().for_each(&mut add);
    let city = args.config.as_deref().and_then(|file| read(file, &mut add));
    machine::models(city.as_ref()).into_iter().for_each(&mut add);
    add(machine::clock());
    add(machine::open_files(city.as_ref().map_or(0, |city| city.cameras.len())));
    if let Some(city) = &city {
        machine::storage(city).into_iter().for_each(&mut add);
        add(network::listener(city.site.listen));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        add(runtime.block_on(database::check(city)));
        runtime.block_on(log::check(city)).into_iter().for_each(&mut add);
        runtime.block_on(network::reach(city)).into_iter().for_each(&mut add);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    }
    let worst = findings.iter().map(|finding| finding.verdict).max();
    Ok(if worst == Some(Verdict::Failure) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(file: &Path, add: &mut impl FnMut(Finding)) -> Option<City> {
    match citybrain_ingest_config::load(file) {
        Ok(loaded) => {
            let found = format!("{} cameras, {} warnings", loaded.city.cameras.len(), loaded.warnings.len());
            if loaded.warnings.is_empty() {
                add(Finding::ok("configuration", found));
            } else {
                add(Finding::warning("configuration", found, "citybrain check names them"));
            }
            let mut city = loaded.city;
            if city.models.is_empty() {
                city.models = lineup::shipped().unwrap_or_default();
            }
            Some(city)
        }
        Err(error) => {
            add(Finding::failure("configuration", error.to_string(), "citybrain check names every mistake"));
            None
        }
    }
}

#[allow(clippy::print_stdout, reason = "the findings are what this command is run for")]
fn tell(finding: &Finding) {
    let mark = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "WARN",
        Verdict::Failure => "FAIL",
    };
    println!("{mark:<5} {}: {}", finding.check, finding.found);
    if let Some(advice) = &finding.advice {
        println!("      -> {advice}");
    }
}
