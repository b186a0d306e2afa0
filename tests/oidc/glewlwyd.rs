//! Glewlwyd, the provider of OpenID Connect that Debian ships, with a person, a client and a key of its own: a real one,
//! beside the one that lies. `./x install --all` unpacks it into `.citybrain/glewlwyd`.

use super::provider::openssl;
use super::support::{root, until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The secret shared with the client.
pub const SECRET: &str = "0123456789abcdefghijklmnopqrstuv";
/// The person's password there.
const PASSWORD: &str = "a password of the provider";

/// Makes its database, in which people have groups.
const DATABASE: &str = r#"
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[2])
database.executescript(open(sys.argv[1]).read())
kept = json.loads(database.execute("select gumi_parameters from g_user_module_instance").fetchone()[0])
kept["data-format"]["groups"] = {"multiple": True, "read": True, "write": True}
database.execute("update g_user_module_instance set gumi_parameters = ?", (json.dumps(kept),))
database.commit()
"#;

/// Whether it has been unpacked.
pub fn is_there() -> bool {
    folder().join("usr/bin/glewlwyd").exists()
}

fn folder() -> PathBuf {
    root().join(".citybrain/glewlwyd")
}

pub struct Glewlwyd {
    child: Child,
    base: String,
    work: PathBuf,
}

impl Glewlwyd {
    /// Starts it, without a client yet.
    pub fn start(work: &Path) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let (database, config) = (work.join("glewlwyd.db"), work.join("glewlwyd.conf"));
        let script = folder().join("usr/share/dbconfig-common/data/glewlwyd/install/sqlite3");
        let made = Command::new("python3").args(["-c", DATABASE]).arg(script).arg(&database).status();
        assert!(made.expect("python3 runs").success());
        let modules = folder().join("usr/lib/glewlwyd").display().to_string();
        let text = format!(
            r#"
port = {port}
bind_address = "127.0.0.1"
external_url = "http://127.0.0.1:{port}"
login_url = "login.html"
api_prefix = "api"
log_mode = "console"
log_level = "WARNING"
cookie_domain = ""
cookie_secure = 0
session_key = "GLEWLWYD"
admin_session_authentication = "cookie"
profile_session_authentication = "cookie"
login_api_enabled = true
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "{modules}/user"
client_module_path = "{modules}/client"
user_auth_scheme_module_path = "{modules}/scheme"
plugin_module_path = "{modules}/plugin"
use_secure_connection = false
secure_connection_key_file = "/none"
secure_connection_pem_file = "/none"
secure_connection_ca_file = "/none"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3" path = "{}" }};
"#,
            database.display()
        );
        std::fs::write(&config, text).expect("it can be written");
        let log = std::fs::File::create(work.join("glewlwyd.log")).expect("it can be written");
        let libraries = std::fs::read_dir(folder().join("usr/lib")).expect("libraries").flatten();
        let libraries =
            libraries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains("-linux-"));
        let libraries: Vec<String> = libraries.map(|path| path.display().to_string()).collect();
        let child = Command::new(folder().join("usr/bin/glewlwyd"))
            .arg(format!("--config-file={}", config.display()))
            .env("LD_LIBRARY_PATH", libraries.join(":"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("it starts");
        let base = format!("http://127.0.0.1:{port}/api");
        let provider = Self { child, base, work: work.to_owned() };
        let up = until(Duration::from_secs(30), || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        assert!(up.is_some(), "{}", std::fs::read_to_string(work.join("glewlwyd.log")).unwrap_or_default());
        provider
    }

    pub fn issuer(&self) -> String {
        format!("{}/oidc", self.base)
    }

    /// Asks its API with the cookies of a jar.
    fn ask(&self, jar: &Path, method: &str, path: &str, body: &Value) {
        let told = Command::new("curl")
            .args(["-sS", "--max-time", "20", "-X", method, "-H", "content-type: application/json"])
            .args(["-w", "\n%{http_code}", "-d", &body.to_string(), "-b"])
            .arg(jar)
            .arg("-c")
            .arg(jar)
            .arg(format!("{}{path}", self.base))
            .output()
            .expect("curl runs");
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(text.ends_with("\n200"), "{method} {path}: {text}");
    }

    /// Brings in the client, a person of these groups, and the key that signs.
    pub fn furnish(&self, comes_back_to: &str, groups: &[&str]) {
        let admin = self.work.join("glewlwyd-admin.cookies");
        self.ask(&admin, "POST", "/auth/", &json!({ "username": "admin", "password": "password" }));
        let key = String::from_utf8(openssl(&["genrsa", "2048"], b"")).expect("text");
        let public = String::from_utf8(openssl(&["rsa", "-pubout"], key.as_bytes())).expect("text");
        let claim = |name: &str, property: &str| json!({ "name": name, "user-property": property, "type": "string", "mandatory": true });
        let parameters = json!({
            "iss": self.issuer(), "jwt-type": "rsa", "jwt-key-size": "256", "key": key, "cert": public,
            "default-kid": "city", "jwks-show": true, "subject-type": "public", "allow-non-oidc": false,
            "access-token-duration": 3600, "refresh-token-duration": 86400, "code-duration": 600,
            "refresh-token-rolling": true, "auth-type-code-enabled": true, "auth-type-id-token-enabled": true,
            "pkce-allowed": true, "pkce-required": true, "pkce-method-plain-allowed": false,
            "claims": [claim("preferred_username", "username"), claim("groups", "groups")],
        });
        let plugin = json!({ "module": "oidc", "name": "oidc", "enabled": true, "parameters": parameters });
        self.ask(&admin, "POST", "/mod/plugin/", &plugin);
        let client = json!({
            "client_id": super::CLIENT, "password": SECRET, "confidential": true, "enabled": true,
            "redirect_uri": [comes_back_to], "authorization_type": ["code"], "scope": ["openid"],
            "token_endpoint_auth_method": ["client_secret_basic"],
        });
        self.ask(&admin, "POST", "/client/", &client);
        let person = json!({
            "username": "li.wei", "password": PASSWORD, "name": "Li Wei", "email": "li@city.example",
            "enabled": true, "scope": ["openid", "g_profile"], "groups": groups,
        });
        self.ask(&admin, "POST", "/user/", &person);
    }

    /// Signs the person in there and has him agree to the client, in a browser with these cookies.
    pub fn let_in(&self, jar: &Path) {
        self.ask(jar, "POST", "/auth/", &json!({ "username": "li.wei", "password": PASSWORD }));
        let agreed = json!({ "scope": "openid" });
        self.ask(jar, "PUT", &format!("/auth/grant/{}", super::CLIENT), &agreed);
    }
}

impl Drop for Glewlwyd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
