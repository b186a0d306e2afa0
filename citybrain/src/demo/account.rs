//! The demo's account: made by the command line as an installer would, signed in with as a person would.

use anyhow::{Context, bail};
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use reqwest::redirect::Policy;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

/// Whoever watches the demo.
const NAME: &str = "duty-officer";
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Name and password of an account on the demo's city.
pub struct Account {
    /// The name.
    pub name: &'static str,
    /// The password, made for this run.
    pub password: String,
}

impl Account {
    /// Makes the account of a city that does not run yet.
    pub async fn make(config: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let made = Command::new(program)
            .args(["user", "add", NAME, "--role", "admin", "--config"])
            .arg(config)
            .output()
            .await
            .context("cannot make an account")?;
        let said = String::from_utf8_lossy(&made.stdout);
        let password = said.lines().find_map(|line| line.strip_prefix("password: "));
        match password {
            Some(password) if made.status.success() => Ok(Self { name: NAME, password: password.to_owned() }),
            _ => bail!("no account was made: {}", String::from_utf8_lossy(&made.stderr)),
        }
    }

    /// Signs in; the client that comes back carries the session.
    pub async fn sign_in(&self, console: &str) -> anyhow::Result<reqwest::Client> {
        let door = reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build()?;
        // Name and password hold nothing that a form would have to escape.
        let form = format!("name={}&password={}", self.name, self.password);
        let answer = door
            .post(format!("{console}sign-in"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .context("the city does not answer")?;
        let cookie = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
        let Some(cookie) = cookie.and_then(|cookie| cookie.split(';').next()) else {
            bail!("signing in was answered with {}", answer.status());
        };
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie)?)]);
        Ok(reqwest::Client::builder().timeout(TIMEOUT).default_headers(headers).build()?)
    }
}
