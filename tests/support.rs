//! The real binary, run as a user would: its output, its address, its end.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
pub fn citybrain() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_citybrain"));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The checkout: models and ONNX Runtime are found from there.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout").to_path_buf()
}

/// Runs to the end.
pub fn output(arguments: &[&str]) -> Output {
    citybrain().args(arguments).output().expect("the binary starts")
}

/// A `citybrain run` that listens on a free port.
pub struct City {
    child: Child,
    console: String,
    log: PathBuf,
}

impl City {
    /// Starts it and waits until it listens; nobody has to sign in. `work` takes its log.
    pub fn start(work: &Path, arguments: &[&str]) -> Self {
        Self::start_closed(work, &[&["--open"], arguments].concat())
    }

    /// The same, and people have to sign in.
    pub fn start_closed(work: &Path, arguments: &[&str]) -> Self {
        let (log, announce) = (work.join("city.log"), work.join("city.json"));
        let file = std::fs::File::create(&log).expect("the log can be written");
        let child = citybrain()
            .args(["run", "--listen", "127.0.0.1:0", "--announce"])
            .arg(&announce)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        let mut city = Self { child, console: String::new(), log };
        let told = until(Duration::from_secs(60), || std::fs::read(&announce).ok());
        let told: Value =
            serde_json::from_slice(&told.unwrap_or_else(|| panic!("not ready:\n{}", city.log())))
                .expect("JSON");
        city.console = told["console"].as_str().expect("an address").to_owned();
        city
    }

    /// Where the console is, with a slash at its end.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// Asks the API.
    pub fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.page(path)).expect("JSON")
    }

    /// Fetches a page as text.
    pub fn page(&self, path: &str) -> String {
        let address = format!("{}{path}", self.console);
        let answer =
            Command::new("curl").args(["-sS", "--max-time", "10", &address]).output().expect("curl runs");
        assert!(answer.status.success(), "{address}: {}", String::from_utf8_lossy(&answer.stderr));
        String::from_utf8(answer.stdout).expect("UTF-8")
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Sends SIGTERM; how it ended and how long that took.
    pub fn stop(mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal("TERM");
        let status = until(Duration::from_secs(30), || self.child.try_wait().expect("it can be waited for"));
        (status.unwrap_or_else(|| panic!("it does not end:\n{}", self.log())), asked.elapsed())
    }
}

impl Drop for City {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer.
pub fn until<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if started.elapsed() > within {
            return None;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A disk so small that it is full at once: a file system in memory, mounted for as long as this lives.
pub struct TinyDisk(PathBuf);

impl TinyDisk {
    /// Mounts one of `kib` KiB; needs root, or sudo without a question.
    pub fn mount(folder: &Path, kib: u32) -> Self {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        let size = format!("size={kib}k,mode=777");
        let folder_name = folder.to_str().expect("UTF-8");
        as_root(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs", folder_name]);
        Self(folder.to_path_buf())
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy", self.0.to_str().expect("UTF-8")]);
    }
}

fn as_root(command: &[&str]) {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    let words: Vec<&str> = if is_root { command.to_vec() } else { [&["sudo", "-n"], command].concat() };
    let status = Command::new(words[0]).args(&words[1..]).status().expect("the command runs");
    assert!(status.success(), "{words:?} failed");
}

/// A short H.264 clip with a keyframe each second.
pub fn clip(work: &Path) -> PathBuf {
    film(work, "testsrc2=size=640x360:rate=10:duration=30")
}

/// A clip of what an ffmpeg source shows.
pub fn film(work: &Path, source: &str) -> PathBuf {
    let file = work.join("clip.mp4");
    let made = Command::new("ffmpeg")
        .args([
            "-loglevel",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            source,
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
        ])
        .args(["-g", "10"])
        .arg(&file)
        .status();
    assert!(made.expect("ffmpeg runs").success());
    file
}
