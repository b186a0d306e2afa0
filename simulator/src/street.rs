//! The script of a street: which cameras stand in it, what they film, and what is wrong with them.

use crate::access_unit::Codec;
use crate::clip::{self, ClipError};
use crate::encode::{EncoderSpec, Gop};
use crate::faults::{Fault, Faults, size_is_served};
use crate::pattern::Pattern;
use crate::scene::SceneSpec;
use citybrain_types::CameraId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// A whole street.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Street {
    /// Its cameras, `[[camera]]` in the script.
    #[serde(default, rename = "camera")]
    pub cameras: Vec<CameraScript>,
}

/// One camera of a street. It films exactly one of `scene`, `clip` and `pattern`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraScript {
    /// Its id, and the path of its address.
    pub id: CameraId,
    /// Name for people; the id by default.
    #[serde(default)]
    pub name: Option<String>,
    /// How its pictures are compressed. A clip brings its own.
    #[serde(default = "h264")]
    pub codec: Codec,
    /// Width of its picture in pixels, a multiple of 8.
    #[serde(default = "width")]
    pub width: u32,
    /// Height of its picture in pixels, even.
    #[serde(default = "height")]
    pub height: u32,
    /// Frames per second, `1..=30`.
    #[serde(default = "fps")]
    pub fps: u32,
    /// How its stream can be entered.
    #[serde(default)]
    pub gop: Gop,
    /// Seconds from one entry picture to the next, `0.1..=60`.
    #[serde(default = "keyframe_interval_secs")]
    pub keyframe_interval_secs: f64,
    /// Bit rate to aim at in kbit/s, `32..=20000`.
    #[serde(default = "bitrate_kbps")]
    pub bitrate_kbps: u32,
    /// How its packets may travel; a camera with faults sends over TCP only.
    #[serde(default = "transports")]
    pub transports: BTreeSet<LowerTransport>,
    /// User and password that it asks for.
    #[serde(default)]
    pub login: Option<Login>,
    /// A rendered scene; it is painted in the camera's size, at the camera's frame rate.
    #[serde(default)]
    pub scene: Option<SceneSpec>,
    /// A video file, relative to the script; played again and again.
    #[serde(default)]
    pub clip: Option<PathBuf>,
    /// `"clock"`, `"solid:#RRGGBB"` or `"alternate:#RRGGBB:#RRGGBB"`.
    #[serde(default)]
    pub pattern: Option<String>,
    /// What is wrong with it.
    #[serde(default)]
    pub fault: Vec<Fault>,
}

/// How RTP packets may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LowerTransport {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// In datagrams.
    Udp,
}

/// A user and a password. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, …)", self.user)
    }
}

const fn h264() -> Codec {
    Codec::H264
}
const fn width() -> u32 {
    640
}
const fn height() -> u32 {
    360
}
const fn fps() -> u32 {
    6
}
const fn keyframe_interval_secs() -> f64 {
    1.0
}
const fn bitrate_kbps() -> u32 {
    700
}
fn transports() -> BTreeSet<LowerTransport> {
    BTreeSet::from([LowerTransport::Tcp, LowerTransport::Udp])
}

/// Why a script is not a street.
#[derive(Debug, thiserror::Error)]
pub enum StreetError {
    /// The file cannot be read.
    #[error("street script {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not TOML, or has a key that is not known; the text names line and key.
    #[error("the street script is not understood: {0}")]
    Syntax(#[from] toml::de::Error),
    /// What it says cannot be; every error at once, one a line.
    #[error("the street script has {} error(s):\n{}", .0.len(), .0.join("\n"))]
    Invalid(Vec<String>),
    /// A folder of clips cannot be listed.
    #[error(transparent)]
    Clips(#[from] ClipError),
}

/// The street of the demo.
const DEMO: &str = include_str!("../streets/demo.toml");

impl Street {
    /// Reads a script; clips are looked for beside it.
    ///
    /// # Errors
    /// [`StreetError`] with everything that is wrong.
    pub fn read(path: &Path) -> Result<Self, StreetError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| StreetError::Unreadable { path: path.to_owned(), source })?;
        let mut street = Self::parse(&text)?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        for clip in street.cameras.iter_mut().filter_map(|camera| camera.clip.as_mut()) {
            *clip = folder.join(&*clip);
        }
        Ok(street)
    }

    /// Understands the text of a script.
    ///
    /// # Errors
    /// [`StreetError`] with everything that is wrong.
    pub fn parse(text: &str) -> Result<Self, StreetError> {
        let street: Self = toml::from_str(text)?;
        street.check()?;
        Ok(street)
    }

    /// The street of the demo: twelve cameras.
    ///
    /// # Errors
    /// None as long as the test of this module passes.
    pub fn demo() -> Result<Self, StreetError> {
        Self::parse(DEMO)
    }

    /// A camera for each video file in a folder, named like the file.
    ///
    /// # Errors
    /// [`StreetError`] when the folder cannot be read or two files give the same id.
    pub fn of_clips(folder: &Path) -> Result<Self, StreetError> {
        let camera = |path: PathBuf| {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
            let id: String = stem.chars().map(safe).take(citybrain_types::id::MAX_ID_LEN).collect();
            let id = CameraId::new(&id).map_err(|e| StreetError::Invalid(vec![e.to_string()]))?;
            Ok(CameraScript { name: Some(stem), clip: Some(path), ..CameraScript::new(id) })
        };
        let cameras: Result<Vec<_>, StreetError> = clip::files_in(folder)?.into_iter().map(camera).collect();
        let street = Self { cameras: cameras? };
        street.check()?;
        Ok(street)
    }

    /// Checks what types cannot say; all errors at once.
    ///
    /// # Errors
    /// [`StreetError::Invalid`].
    pub fn check(&self) -> Result<(), StreetError> {
        let mut errors: Vec<String> = self.cameras.iter().flat_map(CameraScript::errors).collect();
        let mut ids = BTreeSet::new();
        let mut passwords = BTreeMap::new();
        for camera in &self.cameras {
            if !ids.insert(&camera.id) {
                errors.push(format!("camera {}: there are two of that id", camera.id));
            }
            // The server keeps one password a user for all its cameras.
            let Some(login) = &camera.login else { continue };
            if *passwords.entry(&login.user).or_insert(&login.password) != &login.password {
                errors.push(format!(
                    "camera {}: user {} has another password elsewhere, give it another user",
                    camera.id, login.user
                ));
            }
        }
        if self.cameras.is_empty() {
            errors.push("there is no camera: add a [[camera]]".to_owned());
        }
        if errors.is_empty() { Ok(()) } else { Err(StreetError::Invalid(errors)) }
    }
}

impl CameraScript {
    /// A camera with every default, which films nothing yet.
    #[must_use]
    pub fn new(id: CameraId) -> Self {
        Self {
            id,
            name: None,
            codec: h264(),
            width: width(),
            height: height(),
            fps: fps(),
            gop: Gop::Closed,
            keyframe_interval_secs: keyframe_interval_secs(),
            bitrate_kbps: bitrate_kbps(),
            transports: transports(),
            login: None,
            scene: None,
            clip: None,
            pattern: None,
            fault: Vec::new(),
        }
    }

    /// How its pictures are compressed.
    #[must_use]
    pub fn encoder(&self) -> EncoderSpec {
        let interval = (self.keyframe_interval_secs * f64::from(self.fps)).round().max(1.0);
        EncoderSpec {
            codec: self.codec,
            width: self.width,
            height: self.height,
            fps: self.fps,
            gop: self.gop,
            keyframe_interval: interval as u32,
            bitrate_kbps: self.bitrate_kbps,
        }
    }

    /// The scene in the camera's size and frame rate, with the camera's name as caption.
    #[must_use]
    pub fn scene_as_filmed(&self) -> Option<SceneSpec> {
        let scene = self.scene.clone()?;
        let caption = scene.caption.clone().or_else(|| self.name.clone());
        Some(SceneSpec { width: self.width, height: self.height, fps: self.fps, caption, ..scene })
    }

    fn errors(&self) -> Vec<String> {
        let subjects = [self.scene.is_some(), self.clip.is_some(), self.pattern.is_some()];
        let subjects = subjects.into_iter().filter(|there| *there).count();
        let pattern = self.pattern.as_deref().map(str::parse::<Pattern>).and_then(Result::err);
        let fault = Faults::new(self.fault.clone()).err();
        let refuse = |wrong: bool, text: &str| wrong.then(|| text.to_owned());
        let found = [
            refuse(subjects != 1, "films not one thing: give it one of scene, clip and pattern"),
            refuse(
                !size_is_served(self.width, self.height),
                "width must be a multiple of 8 in 160..=1920, height even in 90..=1088",
            ),
            refuse(!(1..=30).contains(&self.fps), "fps must be in 1..=30"),
            refuse(
                !(0.1..=60.0).contains(&self.keyframe_interval_secs),
                "keyframe_interval_secs must be in 0.1..=60",
            ),
            refuse(!(32..=20_000).contains(&self.bitrate_kbps), "bitrate_kbps must be in 32..=20000"),
            refuse(self.transports.is_empty(), "transports is empty: name tcp or udp or both"),
            refuse(
                self.gop == Gop::IntraRefresh && self.codec != Codec::H264,
                "only h264 has gop = \"intra_refresh\"",
            ),
            refuse(
                self.gop != Gop::Closed && self.codec == Codec::Mjpeg,
                "mjpeg has no groups of pictures: leave gop out",
            ),
            refuse(
                !self.fault.is_empty() && self.codec == Codec::Mjpeg,
                "faults are for h264 and h265: choose another codec",
            ),
            refuse(
                !self.fault.is_empty() && self.login.is_some(),
                "a camera with faults has no login: use the fault refuse_password",
            ),
            pattern.map(|e| e.to_string()),
            fault.map(|e| e.to_string()),
        ];
        found.into_iter().flatten().map(|text| format!("camera {}: {text}", self.id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_with_five_errors_tells_all_five() {
        let script = r#"
            [[camera]]
            id = "a"
            pattern = "clock"
            fps = 0
            width = 641
            [[camera]]
            id = "a"
            [[camera]]
            id = "b"
            codec = "mjpeg"
            pattern = "stripes"
            fault = [{ kind = "mute" }]
        "#;
        let Err(StreetError::Invalid(errors)) = Street::parse(script) else { panic!("it was accepted") };
        assert_eq!(errors.len(), 6, "{errors:#?}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_name() {
        for text in
            ["[[camera]]\nid=\"a\"\npatern=\"clock\"", "[[camera]]\nid=\"a\"\nfault=[{kind=\"mute\",why=1}]"]
        {
            let error = Street::parse(text).unwrap_err().to_string();
            assert!(error.contains("patern") || error.contains("why"), "{error}");
        }
    }

    #[test]
    fn faults_and_gops_are_read_from_a_script() {
        let script = r#"
            [[camera]]
            id = "a"
            pattern = "solid:#102030"
            gop = "intra_refresh"
            login = { user = "u", password = "secret" }
            [[camera]]
            id = "b"
            codec = "h265"
            pattern = "clock"
            fault = [{ kind = "stall", after_secs = 3.5 }, { kind = "drop_connection", every_secs = 5 }]
        "#;
        let street = Street::parse(script).unwrap();
        assert_eq!(street.cameras[0].gop, Gop::IntraRefresh);
        assert!(!format!("{street:?}").contains("secret"));
        assert_eq!(street.cameras[1].fault[0], Fault::Stall { after_secs: 3.5, for_secs: None });
    }

    #[test]
    fn the_demo_has_twelve_cameras_that_can_be_filmed() {
        let street = Street::demo().unwrap();
        assert_eq!(street.cameras.len(), 12);
        for camera in &street.cameras {
            let spec = camera.scene_as_filmed().unwrap();
            crate::scene::Scene::new(spec).unwrap_or_else(|e| panic!("{}: {e}", camera.id));
        }
    }

    #[test]
    fn the_street_of_faults_has_each_fault_once() {
        let street = Street::parse(include_str!("../streets/faults.toml")).unwrap();
        let names: BTreeSet<_> =
            street.cameras.iter().flat_map(|camera| &camera.fault).map(Fault::name).collect();
        assert_eq!(names.len(), 9);
    }
}
