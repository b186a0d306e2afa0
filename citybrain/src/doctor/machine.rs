//! What this machine has.

use super::Finding;
use crate::lineup;
use citybrain_ingest_config::City;
use citybrain_models::{Detector, Runtime, SessionOptions};
use citybrain_pipeline::{open_files, requirements};
use citybrain_types::{Clock, SystemClock, Timestamp};
use rustix::fs::statvfs;
use std::collections::BTreeMap;
use std::path::Path;

/// A clock before this is one that was never set: 2026-01-01.
const EARLIEST: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// Room that cases and logs want beside the budgets.
const ROOM_FOR_CASES: u64 = 1 << 30;
/// What an SQLite database begins with.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

pub(super) fn gstreamer() -> Vec<Finding> {
    let mut findings = Vec::new();
    match requirements::gstreamer() {
        Err(error) => {
            findings.push(Finding::failure("GStreamer", error, "install gstreamer1.0-plugins-base"))
        }
        Ok(found) if !found.is_new_enough => {
            findings.push(Finding::failure(
                "GStreamer",
                found.version,
                "1.22 or later is needed: Debian 12 has it",
            ));
        }
        Ok(found) if found.missing.is_empty() => {
            findings.push(Finding::ok("GStreamer", format!("{}, every plug-in is there", found.version)));
        }
        Ok(found) => {
            let mut by_package: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for element in found.missing {
                let words = format!("{} ({})", element.name, element.wanted_for);
                by_package.entry(element.package).or_default().push(words);
            }
            findings.extend(by_package.into_iter().map(|(package, missing)| {
                let missing = format!("missing: {}", missing.join(", "));
                Finding::failure("GStreamer", missing, format!("apt-get install {package}"))
            }));
        }
    }
    let missing = requirements::missing_codecs();
    findings.push(if missing.is_empty() {
        Finding::ok("libavcodec", "decodes H.264, H.265 and JPEG")
    } else {
        Finding::failure(
            "libavcodec",
            format!("cannot decode {missing:?}"),
            "install Debian's libavcodec59 with these decoders",
        )
    });
    findings
}

/// ONNX Runtime, and every model of the city, or every shipped one.
pub(super) fn models(city: Option<&City>) -> Vec<Finding> {
    let runtime = match Runtime::load(None) {
        Ok(runtime) => runtime,
        Err(error) => {
            return vec![Finding::failure(
                "ONNX Runtime",
                error.to_string(),
                "./x install fetches the pinned one",
            )];
        }
    };
    let path = runtime.path().display();
    let mut findings = vec![if runtime.is_pinned() {
        Finding::ok("ONNX Runtime", format!("{path}, the pinned build"))
    } else {
        let advice = "answers may differ from those that the models were measured with";
        Finding::warning("ONNX Runtime", format!("{path}, not the pinned build"), advice)
    }];
    let models = match city {
        Some(city) => city.models.clone(),
        None => match lineup::shipped() {
            Ok(models) => models,
            Err(error) => {
                findings.push(Finding::failure(
                    "models",
                    error.to_string(),
                    "run from the checkout or set CITYBRAIN_MODELS",
                ));
                return findings;
            }
        },
    };
    findings.extend(models.iter().map(|model| {
        let check = format!("model {}", model.dir.display());
        let options = SessionOptions {
            provider: model.provider,
            precision: model.precision,
            ..SessionOptions::default()
        };
        match Detector::load(&model.dir, &runtime, options) {
            Ok(detector) => Finding::ok(check, format!("{} loads and answers", detector.model_id())),
            Err(error) => Finding::failure(check, error.to_string(), "citybrain models check DIR says more"),
        }
    }));
    findings
}

pub(super) fn clock() -> Finding {
    if SystemClock.now() < EARLIEST {
        return Finding::failure(
            "clock",
            "it shows a time before 2026",
            "set it: cases and deadlines are dated by it",
        );
    }
    // systemd-timesyncd and chrony leave these when they have set the clock.
    let kept = [
        "/run/systemd/timesync/synchronized",
        "/run/chrony/chronyd.pid",
        "/run/chronyd.pid",
        "/run/ntpd.pid",
    ];
    match kept.iter().find(|file| Path::new(file).exists()) {
        Some(file) => Finding::ok("clock", format!("kept by a time service ({file})")),
        None => Finding::warning(
            "clock",
            "no time service is seen to keep it",
            "apt-get install systemd-timesyncd, unless the host keeps the clock of this machine",
        ),
    }
}

pub(super) fn open_files(cameras: usize) -> Finding {
    let (limit, wanted) = open_files::limit_for(cameras);
    match limit {
        Some(limit) if limit < wanted => Finding::failure(
            "open files",
            format!("{limit} are allowed, {wanted} are wanted for {cameras} cameras"),
            "raise LimitNOFILE in the service, or ulimit -n",
        ),
        Some(limit) => Finding::ok("open files", format!("{limit} are allowed, {wanted} are wanted")),
        None => Finding::ok("open files", "no limit"),
    }
}

/// The data folder: can it be written, is there room, is the database one.
pub(super) fn storage(city: &City) -> Vec<Finding> {
    let folder = &city.site.data_dir;
    let check = format!("data folder {}", folder.display());
    if let Err(error) = writable(folder) {
        return vec![Finding::failure(
            check,
            format!("cannot be written: {error}"),
            "make it, and give it to the service's user",
        )];
    }
    let mut findings = vec![Finding::ok(check, "can be written")];
    let budgets = city.pipeline.snapshot_budget_bytes + city.pipeline.spool_budget_bytes + ROOM_FOR_CASES;
    match statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} MiB free, budgets and cases want {} MiB", free >> 20, budgets >> 20);
            findings.push(if free < budgets {
                Finding::warning(
                    "disk",
                    found,
                    "what is there counts towards the budgets; else make room or lower them",
                )
            } else {
                Finding::ok("disk", found)
            });
        }
        Err(error) => {
            findings.push(Finding::warning("disk", error.to_string(), "its free space cannot be told"))
        }
    }
    findings.extend(databases(folder));
    findings
}

fn writable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    tempfile::Builder::new().prefix(".doctor-").tempfile_in(folder).map(drop)
}

fn databases(folder: &Path) -> Vec<Finding> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "db" || e == "sqlite"));
    let look = |path: std::path::PathBuf| {
        let check = format!("database {}", path.display());
        match std::fs::read(&path).map(|data| data.is_empty() || data.starts_with(SQLITE_MAGIC)) {
            Ok(true) => Finding::ok(check, "is an SQLite database"),
            Ok(false) => Finding::failure(
                check,
                "is no SQLite database",
                "restore it from a backup, or move it away to begin anew",
            ),
            Err(error) => Finding::failure(check, error.to_string(), "give it to the service's user"),
        }
    };
    files.map(look).collect()
}
