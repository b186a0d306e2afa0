//! A city whose people come by a provider, and the browsers they come with.

use super::provider::{CLIENT, Provider, SECRET};
use super::support::{City, citybrain, clip};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The password of whoever has one here.
pub const PASSWORD: &str = "correct horse battery";

/// What a page answered.
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub body: String,
}

/// A browser without scripts, which goes where it is told.
pub struct Browser {
    base: String,
    pub jar: PathBuf,
}

impl Browser {
    pub fn new(city: &City, work: &Path, name: &str) -> Self {
        let jar = work.join(format!("{name}.cookies"));
        let _ = std::fs::remove_file(&jar);
        Self { base: city.console().trim_end_matches('/').to_owned(), jar }
    }

    pub fn ask(&self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let address =
            if address.starts_with('/') { format!("{}{address}", self.base) } else { address.to_owned() };
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "30", "-w", "\n%{http_code} %{redirect_url}", "-b"]);
        curl.arg(&self.jar).arg("-c").arg(&self.jar);
        for (name, value) in fields {
            curl.arg("--data-urlencode").arg(format!("{name}={value}"));
        }
        let told = curl.arg(&address).output().expect("curl runs");
        assert!(told.status.success(), "{address}: {}", String::from_utf8_lossy(&told.stderr));
        let text = String::from_utf8(told.stdout).expect("UTF-8");
        let (body, last) = text.rsplit_once('\n').expect("a last line");
        let (status, location) = last.split_once(' ').expect("status and address");
        let location = location.strip_prefix(&self.base).unwrap_or(location).to_owned();
        Answer { status: status.parse().expect("a status"), location, body: body.to_owned() }
    }

    /// To the provider; where it sends the browser back to.
    pub fn to_provider(&self, begin: &str) -> String {
        let sent = self.ask(begin, &[]);
        assert_eq!(sent.status, 303, "{}", sent.body);
        let back = self.ask(&sent.location, &[]);
        assert_eq!(back.status, 302, "{}", back.body);
        back.location
    }

    /// All the way.
    pub fn sign_in(&self) -> Answer {
        self.ask(&self.to_provider("/sign-in/oidc"), &[])
    }

    /// Whether it is let in to the list of cases.
    pub fn is_in(&self) -> bool {
        self.ask("/cases", &[]).status == 200
    }
}

/// A city with a local admin, whose people come by the provider.
pub struct Town {
    pub work: tempfile::TempDir,
    pub provider: Provider,
    pub city: City,
    pub data: PathBuf,
    pub file: PathBuf,
}

impl Town {
    pub fn open(people: &str, oidc: &str) -> Self {
        let work = tempfile::tempdir().expect("a folder");
        let provider = Provider::start(work.path());
        let issuer = provider.issuer.clone();
        Self::by((work, provider), &issuer, SECRET, people, oidc)
    }

    /// With another provider.
    pub fn by(
        (work, provider): (tempfile::TempDir, Provider),
        issuer: &str,
        client_secret: &str,
        people: &str,
        oidc: &str,
    ) -> Self {
        let data = work.path().join("data");
        let file = work.path().join("citybrain.toml");
        let secret = work.path().join("client-secret");
        std::fs::write(&secret, format!("{client_secret}\n")).expect("it can be written");
        let text = format!(
            r#"
[site]
data_dir = "{}"
listen = "127.0.0.1:0"

[people]
{people}

[people.oidc]
issuer = "{}"
client_id = "{CLIENT}"
client_secret_file = "client-secret"
label = "City account"
operators = ["city-duty"]
supervisors = ["city-chiefs"]
admins = ["city-it"]
{oidc}

[[cameras]]
id = "gate-1"
url = "file://{}"
"#,
            data.display(),
            issuer,
            clip(work.path()).display(),
        );
        std::fs::write(&file, text).expect("it can be written");
        let made = citybrain()
            .args(["user", "add", "boss", "--role", "admin", "--password-stdin", "--data-dir"])
            .arg(&data)
            .stdin(std::fs::File::open(password(work.path())).expect("it is there"))
            .output()
            .expect("the binary runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let city = City::start_closed(work.path(), &["--config", file.to_str().expect("UTF-8")]);
        Self { work, provider, city, data, file }
    }

    pub fn browser(&self, name: &str) -> Browser {
        Browser::new(&self.city, self.work.path(), name)
    }

    /// Name, role and whether he comes by the provider, of every user.
    pub fn users(&self) -> Vec<(String, String, bool)> {
        let told = citybrain().args(["user", "list", "--json", "--data-dir"]).arg(&self.data).output();
        let told: Vec<Value> = serde_json::from_slice(&told.expect("the binary runs").stdout).expect("JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        told.iter().map(|user| (text(&user["name"]), text(&user["role"]), user["outside"] == true)).collect()
    }

    /// Nothing that is secret stands in a page or in the log.
    pub fn tells_no_secret(&self, pages: &[Answer]) {
        let log = self.city.log();
        for secret in self.provider.secrets() {
            assert!(!log.contains(&secret), "the log shows {secret}");
            assert!(pages.iter().all(|page| !page.body.contains(&secret)), "a page shows {secret}");
        }
    }
}

pub fn password(work: &Path) -> PathBuf {
    let file = work.join("password");
    std::fs::write(&file, PASSWORD).expect("it can be written");
    file
}
