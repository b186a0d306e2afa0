//! Other programs of the demo: started with their own log file, ended in order.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// Another run of this same program.
pub struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// How long a program may take to end once it was asked to.
const END_WITHIN: Duration = Duration::from_secs(12);

impl Program {
    /// Starts this binary with other arguments; what it says goes to `<work>/<name>.log`.
    pub fn start(name: &'static str, work: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let log = work.join(format!("{name}.log"));
        let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log })
    }

    /// Waits until the program has written `file`.
    pub async fn announced(&mut self, file: &Path, within: Duration) -> anyhow::Result<serde_json::Value> {
        let mut waited = Duration::ZERO;
        let step = Duration::from_millis(100);
        while waited < within {
            if let Ok(text) = std::fs::read(file) {
                return serde_json::from_slice(&text)
                    .with_context(|| format!("{} announced no JSON", self.name));
            }
            self.still_runs()?;
            tokio::time::sleep(step).await;
            waited += step;
        }
        bail!("{} is not ready after {} s; see {}", self.name, within.as_secs(), self.log.display())
    }

    /// Fails when the program has ended by itself, with its last words.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        bail!("{} ended with {status}:\n{}", self.name, self.last_words())
    }

    /// Asks the program to end and waits; a program that does not is killed, and that is an error.
    pub async fn end(mut self) -> anyhow::Result<ExitStatus> {
        if let Some(id) = self.child.id() {
            let asked = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
            asked.with_context(|| format!("cannot ask {} to end", self.name))?;
        }
        match tokio::time::timeout(END_WITHIN, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => {
                self.child.kill().await?;
                bail!("{} did not end within {} s and was killed", self.name, END_WITHIN.as_secs())
            }
        }
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}
