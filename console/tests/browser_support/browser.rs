//! A real Chromium, driven by WebDriver over HTTP.

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Everything in a browser happens within this, also on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// WebDriver's code of the Enter key.
#[allow(dead_code, reason = "each user of this file needs a part of it")]
pub const ENTER: &str = "\u{e007}";
/// WebDriver's code of the Tab key.
#[allow(dead_code, reason = "each user of this file needs a part of it")]
pub const TAB: &str = "\u{e004}";

/// How the browser is to be.
pub struct Look {
    /// Language it asks for.
    pub language: &'static str,
    /// Whether it prefers dark pages.
    pub dark: bool,
    /// Width and height of the window.
    pub size: (u32, u32),
    /// Whether it draws in three dimensions.
    pub webgl: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { language: "en", dark: false, size: (1366, 768), webgl: false }
    }
}

/// A browser with one page. It ends when this is dropped.
pub struct Browser {
    http: reqwest::Client,
    session: String,
    home: String,
    driver: Child,
    _profile: tempfile::TempDir,
}

#[allow(dead_code, reason = "each user of this file needs a part of it")]
impl Browser {
    /// Opens a browser; paths are below `home`, which ends without a slash.
    pub async fn open(home: &str, look: &Look) -> anyhow::Result<Self> {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver does not start: ./x install --all brings it")?;
        let said = BufReader::new(driver.stdout.take().context("it has an output")?);
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.context("chromedriver does not say its port")?;
        let profile = tempfile::tempdir()?;
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
        let (width, height) = look.size;
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--autoplay-policy=user-gesture-required".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--window-size={width},{height}"),
            format!("--accept-lang={}", look.language),
        ];
        if !look.webgl {
            arguments.push("--disable-gpu".to_owned());
            arguments.push("--disable-3d-apis".to_owned());
        }
        let options = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "pageLoad": 120_000, "script": 120_000 },
            "goog:chromeOptions": { "args": arguments, "prefs": { "intl.accept_languages": look.language } },
        }}});
        let address = format!("http://127.0.0.1:{port}/session");
        let answer: Value = http.post(&address).json(&options).send().await?.json().await?;
        let id = answer["value"]["sessionId"].as_str().with_context(|| format!("no session: {answer}"))?;
        let session = format!("{address}/{id}");
        let browser = Self { http, session, home: home.to_owned(), driver, _profile: profile };
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        browser
            .devtools(
                "Emulation.setDeviceMetricsOverride",
                json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 }),
            )
            .await?;
        Ok(browser)
    }

    async fn post(&self, what: &str, body: Value) -> anyhow::Result<Value> {
        let answer: Value =
            self.http.post(format!("{}/{what}", self.session)).json(&body).send().await?.json().await?;
        if let Some(error) = answer["value"]["error"].as_str() {
            bail!("{what}: {error}: {}", answer["value"]["message"].as_str().unwrap_or_default());
        }
        Ok(answer["value"].clone())
    }

    async fn devtools(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Loads a page.
    pub async fn go(&self, path: &str) -> anyhow::Result<()> {
        self.post("url", json!({ "url": format!("{}{path}", self.home) })).await?;
        Ok(())
    }

    /// Runs a function's body in the page; `arguments[0]` is what is given.
    pub async fn run(&self, body: &str, given: Value) -> anyhow::Result<Value> {
        self.post("execute/sync", json!({ "script": body, "args": [given] })).await
    }

    /// Runs a function's body that ends with a call of `arguments[1]`.
    pub async fn run_async(&self, body: &str, given: Value) -> anyhow::Result<Value> {
        self.post("execute/async", json!({ "script": body, "args": [given] })).await
    }

    /// Waits until an expression is true in the page.
    pub async fn until(&self, expression: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            // A page that is just being left answers nothing.
            let answer = self.run(&format!("return Boolean({expression})"), Value::Null).await;
            if matches!(answer, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                let seen = self.run("return document.body.innerText", Value::Null).await;
                bail!("never true: {expression} ({answer:?}); the page says: {seen:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the page says.
    pub async fn text(&self) -> anyhow::Result<String> {
        let text = self.run("return document.body.innerText", Value::Null).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub async fn keys(&self, keys: &str) -> anyhow::Result<()> {
        let press = |key: char| {
            let key = key.to_string();
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }))
            .await?;
        Ok(())
    }

    /// Clicks what a selector names.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let found = self.post("element", json!({ "using": "css selector", "value": selector })).await?;
        let id = found.as_object().and_then(|ids| ids.values().next()).and_then(Value::as_str);
        let id = id.with_context(|| format!("there is no {selector}"))?;
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", json!(selector))
            .await?;
        self.post(&format!("element/{id}/click"), json!({})).await?;
        Ok(())
    }

    /// What the browser has complained of since the last call: scripts that failed, resources refused by the policy.
    pub async fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let log = self.post("se/log", json!({ "type": "browser" })).await?;
        let is_grave = |entry: &&Value| entry["level"] == "SEVERE";
        let entries = log.as_array().into_iter().flatten().filter(is_grave);
        Ok(entries.filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect())
    }

    /// Writes a picture of the window to a file.
    pub async fn picture(&self, file: &Path) -> anyhow::Result<()> {
        let found =
            self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": false })).await?;
        let data = found["data"].as_str().context("there is a picture")?;
        std::fs::write(file, decoded(data)?)?;
        Ok(())
    }
}

/// Base64 (RFC 4648, 4), enough for what Chromium sends.
fn decoded(text: &str) -> anyhow::Result<Vec<u8>> {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0);
    for sign in text.bytes().filter(|sign| *sign != b'=') {
        let value = SIGNS.iter().position(|known| *known == sign);
        ensure!(value.is_some(), "the picture is not base64");
        bits = (bits << 6) | value.unwrap_or_default() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Ok(bytes)
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that is not asked to end leaves processes of its own behind.
        let quit = ["--silent", "--max-time", "20", "--request", "DELETE", &self.session];
        let _ = Command::new("curl").args(quit).stdout(Stdio::null()).status();
        let _ = Command::new("kill").args(["-TERM", &self.driver.id().to_string()]).status();
        let _ = self.driver.wait();
    }
}
