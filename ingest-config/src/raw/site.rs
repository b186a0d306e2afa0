//! `[site]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The installation.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSite {
    /// Name of the city or district, shown in the console's title.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Time zone of the city, by its name in the tz database, for instance `Asia/Shanghai`.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// Folder that holds the database, snapshots and the spool; made when missing.
    #[schemars(length(min = 1, max = 4096))]
    pub data_dir: String,
    /// Address and port where API and console listen. Put a proxy with TLS in front before others can reach it.
    #[schemars(length(min = 1, max = 64))]
    pub listen: String,
    /// Address under which others reach this server, for links in deliveries; `http://` and `listen` when not given.
    #[schemars(length(min = 1, max = 2048))]
    pub public_url: Option<String>,
}

impl Default for RawSite {
    fn default() -> Self {
        Self {
            name: "citybrain".to_owned(),
            time_zone: "UTC".to_owned(),
            data_dir: "data".to_owned(),
            listen: "127.0.0.1:8080".to_owned(),
            public_url: None,
        }
    }
}
