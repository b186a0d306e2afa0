//! `[[cameras]]`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RawEvidence, RawZone, SecretText};

/// A camera.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCamera {
    /// Its id: letters, digits, `-`, `_` and `.`, at most 64 characters, unique in the city.
    #[schemars(required)]
    pub id: Option<String>,
    /// Name for people; the id when not given.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Where its pictures come from: an `rtsp`, `http`, `https`, `file` or `v4l2` address, or the path of a video file.
    /// User name and password may stand in it, percent-encoded; better are `user` and one of the `password` keys.
    #[schemars(required, length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// Address of the camera's smaller second stream. It is taken instead of `url` where it is given: models look at
    /// small pictures anyway, and decoding costs a quarter or less.
    #[schemars(length(min = 1, max = 2048))]
    pub sub_stream_url: Option<String>,
    /// User name the camera asks for.
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
    /// Password, in clear; `password_env` and `password_file` keep it out of this file.
    pub password: Option<SecretText>,
    /// Environment variable that holds the password.
    #[schemars(length(min = 1, max = 256))]
    pub password_env: Option<String>,
    /// File that holds the password; a line break at its end is not part of it.
    #[schemars(length(min = 1, max = 4096))]
    pub password_file: Option<String>,
    /// How RTSP media travels.
    #[serde(default)]
    pub transport: RawTransport,
    /// What is decoded.
    #[serde(default)]
    pub decode: RawDecode,
    /// Whether the camera stays connected.
    #[serde(default)]
    pub connection: RawConnection,
    /// A file is played again from its start when it ends.
    #[serde(default)]
    pub repeat: bool,
    /// Where it stands: longitude, then latitude, in degrees (WGS 84).
    pub position: Option<[f64; 2]>,
    /// What it hangs on. Cameras with the same text here count as one witness.
    #[schemars(length(min = 1, max = 200))]
    pub mast: Option<String>,
    /// Where it looks: the direction of the middle of its picture, in degrees clockwise from north. Needs `position`.
    #[schemars(range(min = 0.0, max = 360.0))]
    pub heading_deg: Option<f64>,
    /// With `heading_deg`: the width of its field of view; 60 when not given.
    #[schemars(range(min = 1.0, max = 180.0))]
    pub field_of_view_deg: Option<f64>,
    /// With `heading_deg`: how far it is used; 60 when not given.
    #[schemars(range(min = 1.0, max = 5000.0))]
    pub reach_m: Option<f64>,
    /// Four points of the ground that were surveyed, `[x, y, longitude, latitude]` each: `x` and `y` in fractions of the
    /// picture, no three of them in a line. They place everything that is seen on the ground to the metre.
    pub ground: Option<Vec<[f64; 4]>>,
    /// Grid or area it belongs to; routes ask for it.
    #[schemars(length(min = 1, max = 200))]
    pub area: Option<String>,
    /// Codes of the kinds looked for in it; every kind that has labels when not given.
    #[schemars(length(max = 256))]
    pub kinds: Option<Vec<String>>,
    /// Parts of the picture in which nothing counts: polygons of at least three corners `[x, y]`, in fractions of the
    /// picture's width and height from its upper left corner.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub ignore: Vec<Vec<[f64; 2]>>,
    /// Parts of the picture with rules of their own. Where a kind has zones that are not `ignore`, it counts only in
    /// them.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub zones: Vec<RawZone>,
    /// This camera's own thresholds: a table for each kind, with the keys of `[kinds.evidence]`. What is not named
    /// follows the catalogue.
    #[serde(default)]
    pub evidence: BTreeMap<String, RawEvidence>,
}

/// How RTSP media travels.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawTransport {
    /// Inside the RTSP connection: nothing is lost, firewalls are passed.
    #[default]
    Tcp,
    /// RTP over UDP, for cameras that cannot do otherwise.
    Udp,
}

/// Whether a camera stays connected.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawConnection {
    /// Polled when all its kinds are slow (`polled_from_secs` of `[pipeline]`), connected all the time otherwise.
    #[default]
    Auto,
    /// Connected all the time.
    Always,
    /// Connected for one keyframe in each look interval; for `rtsp` addresses.
    Polled,
}

/// What of a stream is decoded.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawDecode {
    /// Keyframes where the stream has them; recovery points or full decoding where it has not.
    #[default]
    Auto,
    /// Keyframes only.
    Keyframes,
    /// Every frame, for streams with intra refresh; costs some ten times as much.
    Full,
}
