//! Finds ONNX Runtime's shared library, checks that it is the one this project was measured with, and loads it once.
//!
//! The library is looked for in this order:
//!
//! 1. the path given to [`Runtime::load`] by the program;
//! 2. the path in the environment variable `CITYBRAIN_ONNXRUNTIME`;
//! 3. `../lib/citybrain/libonnxruntime.so*` beside the folder of the executable (where packages put it);
//! 4. `.citybrain/onnxruntime/libonnxruntime.so.1.31.1` in the current folder or one above it (where `./x` puts it);
//! 5. `libonnxruntime.so*` in the system's library folders.
//!
//! The build is pinned: version [`VERSION`] as packed in the Python wheel `onnxruntime`, with the checksum
//! [`PINNED_SHA256`]. A library that was *found* (3, 4, 5) and has another checksum is refused before any of its code
//! runs. One that was *named* (1, 2) is somebody's decision: it is loaded with a warning, as long as it is new enough
//! for the bindings. Loading starts no download and reads nothing else from the network.

use ort::environment::Environment;
use ort::logging::LogLevel;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Version of ONNX Runtime that this project is measured with.
pub const VERSION: &str = "1.31.1";

/// SHA-256 of the pinned build of [`VERSION`] for this processor; `None` where none is pinned.
pub const PINNED_SHA256: Option<&str> = if cfg!(target_arch = "x86_64") {
    Some("fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3")
} else if cfg!(target_arch = "aarch64") {
    Some("8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467")
} else {
    None
};

/// Names a library when nothing else is said.
pub const ENVIRONMENT_VARIABLE: &str = "CITYBRAIN_ONNXRUNTIME";

const FILE_NAME: &str = "libonnxruntime.so";
const SYSTEM_FOLDERS: [&str; 6] = [
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/opt/onnxruntime/lib",
];

/// Who chose the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The caller gave its path.
    Given,
    /// `CITYBRAIN_ONNXRUNTIME` names it.
    Environment,
    /// It lies beside the executable.
    Beside,
    /// It lies in `.citybrain` of the current folder or one above.
    Checkout,
    /// It lies in a library folder of the system.
    System,
}

impl Origin {
    /// Whether somebody named this very file.
    #[must_use]
    pub const fn is_named(self) -> bool {
        matches!(self, Self::Given | Self::Environment)
    }
}

/// Why ONNX Runtime could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No place held one.
    #[error(
        "onnx runtime {VERSION} was not found; run './x install' in the checkout, install the package, or set {ENVIRONMENT_VARIABLE} to the path of {FILE_NAME}; looked in {}",
        list(.looked_in)
    )]
    NotFound {
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The library.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A library was found that is not the pinned build.
    #[error(
        "{} has sha256 {found}, the pinned onnx runtime {VERSION} has {}; put the pinned build there, or set {ENVIRONMENT_VARIABLE} to this path to use it all the same",
        .path.display(), PINNED_SHA256.unwrap_or("none for this processor")
    )]
    NotPinned {
        /// The library.
        path: PathBuf,
        /// Its checksum.
        found: String,
    },
    /// The dynamic linker or the bindings refused it.
    #[error("{} cannot be used as onnx runtime: {reason}", .path.display())]
    Refused {
        /// The library.
        path: PathBuf,
        /// What was said.
        reason: String,
    },
    /// Another one is loaded, and a process can hold only one.
    #[error("onnx runtime {} is in use in this process; {} cannot be loaded beside it", .loaded.display(), .asked.display())]
    AlreadyLoaded {
        /// The one in use.
        loaded: PathBuf,
        /// The one asked for.
        asked: PathBuf,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// ONNX Runtime, loaded. Clones share it.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    library: Arc<Library>,
}

#[derive(Debug)]
struct Library {
    path: PathBuf,
    origin: Origin,
    pinned: bool,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.library.fmt(f)
    }
}

/// The bindings hold one library and one environment per process, and so do we.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads the library at `path`, or the one found as the module's documentation says. Later calls give the same one.
    ///
    /// # Errors
    /// [`RuntimeError`], which names what was tried and what to do.
    pub fn load(path: Option<&Path>) -> Result<Self, RuntimeError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = loaded.as_ref() {
            return match path {
                Some(asked) if !same_file(asked, runtime.path()) => Err(RuntimeError::AlreadyLoaded {
                    loaded: runtime.path().to_owned(),
                    asked: asked.to_owned(),
                }),
                _ => Ok(runtime.clone()),
            };
        }
        let (path, origin) = find(path, &Places::of_this_process())?;
        let pinned = check(&path, origin)?;
        let environment = open(&path)?;
        tracing::info!(path = %path.display(), ?origin, pinned, version = VERSION, "onnx runtime is loaded");
        let runtime = Self { environment, library: Arc::new(Library { path, origin, pinned }) };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library in use.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.library.path
    }

    /// Who chose it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.library.origin
    }

    /// Whether it is the pinned build.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.library.pinned
    }

    /// What a session of `ort` is opened in, for those that need one without a detector around it.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// The places that depend on the process.
struct Places {
    named: Option<PathBuf>,
    executable_folder: Option<PathBuf>,
    current_folder: Option<PathBuf>,
    system_folders: Vec<PathBuf>,
}

impl Places {
    fn of_this_process() -> Self {
        Self {
            named: std::env::var_os(ENVIRONMENT_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from),
            executable_folder: std::env::current_exe()
                .ok()
                .and_then(|executable| executable.canonicalize().ok())
                .and_then(|executable| executable.parent().map(Path::to_owned)),
            current_folder: std::env::current_dir().ok(),
            system_folders: SYSTEM_FOLDERS.iter().map(PathBuf::from).collect(),
        }
    }
}

fn find(given: Option<&Path>, places: &Places) -> Result<(PathBuf, Origin), RuntimeError> {
    if let Some(path) = given {
        return Ok((path.to_owned(), Origin::Given));
    }
    if let Some(path) = &places.named {
        return Ok((path.clone(), Origin::Environment));
    }
    let mut looked_in = Vec::new();
    let beside =
        places.executable_folder.iter().filter_map(|folder| Some(folder.parent()?.join("lib/citybrain")));
    let above = places.current_folder.iter().flat_map(|folder| folder.ancestors());
    let checkout = above.map(|folder| folder.join(".citybrain/onnxruntime"));
    let system = places.system_folders.iter().cloned();
    let folders = beside
        .map(|folder| (folder, Origin::Beside))
        .chain(checkout.map(|folder| (folder, Origin::Checkout)))
        .chain(system.map(|folder| (folder, Origin::System)));
    for (folder, origin) in folders {
        if let Some(path) = library_in(&folder) {
            return Ok((path, origin));
        }
        looked_in.push(folder);
    }
    Err(RuntimeError::NotFound { looked_in })
}

/// The pinned version where there is one, else the first by name.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let pinned = folder.join(format!("{FILE_NAME}.{VERSION}"));
    if pinned.is_file() {
        return Some(pinned);
    }
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FILE_NAME)))
        .filter(|path| path.is_file())
        .min()
}

/// Whether it is the pinned build; refuses one that nobody named and that is not.
fn check(path: &Path, origin: Origin) -> Result<bool, RuntimeError> {
    let found =
        sha256_of_file(path).map_err(|source| RuntimeError::Unreadable { path: path.to_owned(), source })?;
    let pinned = PINNED_SHA256 == Some(found.as_str());
    if !pinned && !origin.is_named() {
        return Err(RuntimeError::NotPinned { path: path.to_owned(), found });
    }
    if !pinned {
        tracing::warn!(
            path = %path.display(),
            sha256 = found,
            "this is not the pinned onnx runtime {VERSION}; speed and accuracy were measured with that one"
        );
    }
    Ok(pinned)
}

fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(&hasher.finalize())),
            length => hasher.update(&chunk[..length]),
        }
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open(path: &Path) -> Result<Environment, RuntimeError> {
    let refused = |reason: String| RuntimeError::Refused { path: path.to_owned(), reason };
    // A path with a slash: the dynamic linker would search its own places for a bare name.
    let path_to_load = path.canonicalize().map_err(|error| refused(error.to_string()))?;
    let builder = ort::init_from(&path_to_load).map_err(|error| refused(error.to_string()))?;
    let environment = builder
        .with_name("citybrain")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|error| refused(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}

fn log(level: LogLevel, category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Fatal | LogLevel::Error => {
            tracing::error!(target: "onnxruntime", category, place, "{message}")
        }
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", category, place, "{message}"),
        LogLevel::Info | LogLevel::Verbose => {
            tracing::trace!(target: "onnxruntime", category, place, "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path) -> Places {
        Places {
            named: None,
            executable_folder: Some(root.join("bin")),
            current_folder: Some(root.join("a/b")),
            system_folders: vec![root.join("usr/lib")],
        }
    }

    fn put(path: PathBuf) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "no library").unwrap();
        path
    }

    #[test]
    fn a_named_library_comes_before_a_found_one_and_the_nearest_found_comes_first() {
        let root = tempfile::tempdir().unwrap();
        let mut places = places(root.path());
        let system = put(root.path().join("usr/lib/libonnxruntime.so.1.20.0"));
        assert_eq!(find(None, &places).unwrap(), (system, Origin::System));
        let checkout = put(root.path().join(".citybrain/onnxruntime/libonnxruntime.so.1.31.1"));
        assert_eq!(find(None, &places).unwrap(), (checkout, Origin::Checkout));
        let beside = put(root.path().join("lib/citybrain/libonnxruntime.so"));
        assert_eq!(find(None, &places).unwrap(), (beside, Origin::Beside));
        places.named = Some("/named.so".into());
        assert_eq!(find(None, &places).unwrap(), ("/named.so".into(), Origin::Environment));
        assert_eq!(find(Some("/given.so".as_ref()), &places).unwrap(), ("/given.so".into(), Origin::Given));
    }

    #[test]
    fn the_pinned_version_is_taken_where_several_lie_in_one_folder() {
        let root = tempfile::tempdir().unwrap();
        put(root.path().join("usr/lib/libonnxruntime.so.1.20.0"));
        let pinned = put(root.path().join("usr/lib/libonnxruntime.so.1.31.1"));
        assert_eq!(find(None, &places(root.path())).unwrap(), (pinned, Origin::System));
    }

    #[test]
    fn when_none_is_found_the_error_says_where_it_was_looked_for_and_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let error = find(None, &places(root.path())).unwrap_err().to_string();
        assert!(error.contains("set CITYBRAIN_ONNXRUNTIME"), "{error}");
        assert!(error.contains("lib/citybrain") && error.contains("a/b/.citybrain/onnxruntime"), "{error}");
    }

    #[test]
    fn a_found_library_that_is_not_the_pinned_one_is_refused_and_a_named_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let path = put(root.path().join("libonnxruntime.so.1.31.1"));
        for origin in [Origin::Beside, Origin::Checkout, Origin::System] {
            let error = check(&path, origin).unwrap_err();
            assert!(matches!(error, RuntimeError::NotPinned { .. }), "{error}");
        }
        for origin in [Origin::Given, Origin::Environment] {
            assert!(!check(&path, origin).unwrap());
        }
    }

    #[test]
    fn a_folder_or_a_missing_file_is_unreadable() {
        let root = tempfile::tempdir().unwrap();
        for path in [root.path().to_owned(), root.path().join("none.so")] {
            let error = check(&path, Origin::Given).unwrap_err();
            assert!(matches!(error, RuntimeError::Unreadable { .. }), "{error}");
        }
    }
}
