//! The real binary as people come in: set-up, sign-in, what each role reaches on the console, and the command line beside it.

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{City, citybrain, clip};

const PASSWORD: &str = "correct horse battery";
const RANKS: [&str; 5] = ["nobody", "viewer", "operator", "supervisor", "admin"];

/// Pages of the console, and the least of the ranks that is let in.
const PAGES: &[(&str, &str, &str)] = &[
    ("GET", "/assets/{*name}", "nobody"),
    ("POST", "/preferences", "nobody"),
    ("GET", "/sign-in", "nobody"),
    ("POST", "/sign-in", "nobody"),
    ("GET", "/sign-in/oidc", "nobody"),
    ("GET", "/sign-in/oidc/answer", "nobody"),
    ("GET", "/set-up", "nobody"),
    ("POST", "/set-up", "nobody"),
    ("GET", "/", "viewer"),
    ("GET", "/map", "viewer"),
    ("GET", "/map/features", "viewer"),
    ("GET", "/cases", "viewer"),
    ("GET", "/cases/{id}", "viewer"),
    ("GET", "/cameras", "viewer"),
    ("GET", "/cameras/{id}", "viewer"),
    ("GET", "/deliveries", "viewer"),
    ("GET", "/policies", "viewer"),
    ("GET", "/policies/{id}", "viewer"),
    ("GET", "/reports", "viewer"),
    ("GET", "/system", "viewer"),
    ("GET", "/account", "viewer"),
    ("POST", "/account/password", "viewer"),
    ("POST", "/account/tokens", "viewer"),
    ("POST", "/account/tokens/{id}/end", "viewer"),
    ("POST", "/account/sessions", "viewer"),
    ("POST", "/sign-out", "viewer"),
    ("POST", "/cases/{id}/actions", "operator"),
    ("POST", "/alarms/{id}", "operator"),
    ("POST", "/deliveries/replay", "operator"),
    ("GET", "/review", "operator"),
    ("POST", "/review", "operator"),
    ("POST", "/policies/calibrate", "operator"),
    ("POST", "/policies/{id}", "operator"),
    ("POST", "/policies/{id}/forecast", "operator"),
    ("GET", "/tuner", "operator"),
    ("POST", "/tuner", "operator"),
    ("GET", "/audit", "supervisor"),
    ("POST", "/cameras/{id}/zones", "admin"),
    ("GET", "/users", "admin"),
    ("POST", "/users", "admin"),
    ("POST", "/users/{id}", "admin"),
];

/// What a page answered.
struct Answer {
    status: u16,
    location: String,
    body: String,
}

/// A browser without scripts: it keeps its cookies, and sends forms with what they carry.
struct Browser<'c> {
    city: &'c City,
    jar: PathBuf,
    csrf: String,
}

impl<'c> Browser<'c> {
    fn new(city: &'c City, work: &Path, name: &str) -> Self {
        let jar = work.join(format!("{name}.cookies"));
        let _ = std::fs::remove_file(&jar);
        Self { city, jar, csrf: String::new() }
    }

    fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "-X", method, "-w", "\n%{http_code} %{redirect_url}", "-b"]);
        curl.arg(&self.jar).arg("-c").arg(&self.jar);
        for (name, value) in fields {
            curl.arg("--data-urlencode").arg(format!("{name}={value}"));
        }
        if method == "POST" {
            curl.arg("--data-urlencode").arg(format!("csrf={}", self.csrf));
        }
        let told = curl.arg(format!("{}{}", self.city.console(), &path[1..])).output().expect("curl runs");
        assert!(told.status.success(), "{method} {path}: {}", String::from_utf8_lossy(&told.stderr));
        let text = String::from_utf8(told.stdout).expect("UTF-8");
        let (body, last) = text.rsplit_once('\n').expect("a last line");
        let (status, location) = last.split_once(' ').expect("status and address");
        Answer {
            status: status.parse().expect("a status"),
            location: location.replace(self.city.console(), "/"),
            body: body.to_owned(),
        }
    }

    /// Takes from a page what its forms carry.
    fn learn(&mut self, page: &Answer) {
        let carried =
            page.body.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        self.csrf = carried.unwrap_or_else(|| panic!("no form on the page:\n{}", page.body)).to_owned();
    }

    fn sign_in(&mut self, name: &str, password: &str) {
        let came = self.ask("POST", "/sign-in", &[("name", name), ("password", password)]);
        assert_eq!((came.status, came.location.as_str()), (303, "/"), "{name}: {}", came.body);
        self.learn(&self.ask("GET", "/account", &[]));
    }
}

/// Runs `citybrain user …` with something on standard input.
fn user(data: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = citybrain()
        .arg("user")
        .args(arguments)
        .arg("--data-dir")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let told = child.wait_with_output().expect("it ends");
    assert!(told.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).expect("UTF-8")
}

/// A city on a clip, in which people have to sign in.
fn closed_city(work: &Path) -> (City, PathBuf) {
    let (file, data) = (clip(work), work.join("data"));
    let arguments = ["--camera", file.to_str().expect("UTF-8"), "--data-dir", data.to_str().expect("UTF-8")];
    (City::start_closed(work, &arguments), data)
}

/// The first admin, made with the code of the data folder.
fn set_up<'c>(city: &'c City, work: &Path, data: &Path) -> Browser<'c> {
    let mut boss = Browser::new(city, work, "boss");
    let door = boss.ask("GET", "/cases?state=filed", &[]);
    assert_eq!((door.status, door.location.as_str()), (303, "/sign-in?next=%2Fcases%3Fstate%3Dfiled"));
    assert_eq!(boss.ask("GET", "/sign-in", &[]).location, "/set-up");
    let code = std::fs::read_to_string(data.join("set-up-code")).expect("a code was written");
    assert!(city.log().contains(code.trim()), "the log says the code");
    let wrong = [("code", "AAAA-AAAA-AAAA-AAAA-AAAA"), ("name", "boss"), ("password", PASSWORD)];
    assert_eq!(boss.ask("POST", "/set-up", &wrong).status, 422);
    let right = [("code", code.trim()), ("name", "boss"), ("password", PASSWORD)];
    let made = boss.ask("POST", "/set-up", &right);
    assert_eq!((made.status, made.location.as_str()), (303, "/"), "{}", made.body);
    boss.learn(&boss.ask("GET", "/account", &[]));
    boss
}

#[test]
fn each_role_reaches_exactly_the_pages_that_the_table_of_this_test_gives_it() {
    let work = tempfile::tempdir().expect("a folder");
    let (city, data) = closed_city(work.path());
    drop(set_up(&city, work.path(), &data));
    // The command line works beside the city that runs.
    for role in &RANKS[1..] {
        user(&data, &["add", role, "--role", role, "--password-stdin"], "correct horse battery staple");
    }
    let known: BTreeSet<_> =
        citybrain_console::ACCESS.iter().map(|(method, path, _)| (*method, *path)).collect();
    let tested: BTreeSet<_> = PAGES.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(known, tested, "every page that the console lets anybody in to stands in this test");
    for (rank, who) in RANKS.iter().enumerate() {
        let mut browser = Browser::new(&city, work.path(), who);
        if rank > 0 {
            browser.sign_in(who, "correct horse battery staple");
        }
        for (method, path, least) in PAGES {
            let from = RANKS.iter().position(|rank| rank == least).expect("a rank");
            let place = path.replace("{id}", "none").replace("{*name}", "style.css");
            let answer = browser.ask(method, &place, &[]);
            let told = format!("{method} {path} as {who}: {} {}", answer.status, answer.location);
            let asked_in = answer.status == 303 && answer.location.starts_with("/sign-in");
            match (from, rank) {
                (0, _) => assert!(answer.status != 403, "{told}"),
                (_, 0) => assert!(asked_in, "{told}"),
                _ if rank < from => assert_eq!(answer.status, 403, "{told}"),
                _ if ["/sign-out", "/account/sessions"].contains(path) => {
                    assert!(asked_in, "{told}");
                    assert_eq!(browser.ask("GET", "/", &[]).location, "/sign-in", "{told}");
                    browser.sign_in(who, "correct horse battery staple");
                }
                _ => assert!(answer.status != 403 && !asked_in, "{told}\n{}", answer.body),
            }
        }
    }
}

#[test]
fn an_admin_makes_a_user_who_makes_a_token_and_all_of_it_stands_in_the_log() {
    let work = tempfile::tempdir().expect("a folder");
    let (city, data) = closed_city(work.path());
    let boss = set_up(&city, work.path(), &data);
    let secret = |page: &Answer| {
        let shown = page.body.split("<code>").nth(1).and_then(|rest| rest.split("</code>").next());
        shown.unwrap_or_else(|| panic!("nothing is shown:\n{}", page.body)).to_owned()
    };
    let made = boss.ask("POST", "/users", &[("name", "李伟"), ("role", "operator")]);
    assert_eq!(made.status, 201);
    let mut li = Browser::new(&city, work.path(), "li");
    li.sign_in("李伟", &secret(&made));
    // A form that does not carry what the session's forms carry changes nothing.
    let csrf = std::mem::take(&mut li.csrf);
    assert_eq!(
        li.ask("POST", "/account/tokens", &[("name", "x"), ("scope", "view"), ("days", "1")]).status,
        403
    );
    li.csrf = csrf;
    let too_much = [("name", "hotline"), ("scope", "users"), ("days", "30")];
    assert_eq!(li.ask("POST", "/account/tokens", &too_much).status, 422);
    let token = li.ask("POST", "/account/tokens", &[("name", "hotline"), ("scope", "view"), ("days", "30")]);
    assert_eq!(token.status, 201);
    let bearer = format!("authorization: Bearer {}", secret(&token));
    let ask = |path: &str| {
        let address = format!("{}{path}", city.console());
        let told = Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", &bearer, &address])
            .output()
            .expect("curl runs");
        String::from_utf8(told.stdout).expect("UTF-8")
    };
    assert_eq!((ask("api/v1/cases").as_str(), ask("api/v1/audit").as_str()), ("200", "403"));
    for lang in ["en", "zh"] {
        let chosen = li.ask("POST", "/preferences", &[("lang", lang), ("back", "/account")]);
        assert_eq!(chosen.location, "/account");
        let page = li.ask("GET", "/account", &[]);
        assert!(
            page.body.contains(if lang == "zh" { "修改密码" } else { "Change password" }),
            "{}",
            page.body
        );
    }
    let told = user(&data, &["disable", "李伟"], "");
    assert!(told.contains("shut out"), "{told}");
    assert_eq!(ask("api/v1/cases"), "401", "a token of a user who is shut out is good for nothing");
    assert_eq!(li.ask("GET", "/", &[]).location, "/sign-in");

    let page = boss.ask("GET", "/audit?verify=1", &[]);
    for event in ["set_up", "set_up_failed", "user.add", "sign_in", "token.add", "user.disable"] {
        assert!(page.body.contains(&format!(">{event}<")), "{event} is not in the log:\n{}", page.body);
    }
    assert!(page.body.contains("The chain holds"), "{}", page.body);
    let verify = |expect: Option<&str>| {
        let mut command = citybrain();
        command.args(["audit", "verify", "--data-dir"]).arg(&data);
        if let Some(head) = expect {
            command.args(["--expect", head]);
        }
        command.output().expect("the binary runs")
    };
    let found = verify(None);
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
    let other = format!("1:{}", "0".repeat(64));
    assert!(!verify(Some(&other)).status.success(), "a head that is another is noticed");
}

#[test]
fn a_city_that_lets_everybody_in_from_everywhere_does_not_start() {
    let work = tempfile::tempdir().expect("a folder");
    let file = work.path().join("citybrain.toml");
    let camera = format!("[[cameras]]\nid = \"a\"\nurl = \"file://{}\"\n", clip(work.path()).display());
    std::fs::write(&file, format!("[site]\nlisten = \"0.0.0.0:0\"\n[people]\nsign_in = \"open\"\n{camera}"))
        .expect("it can be written");
    let told = support::output(&["check", file.to_str().expect("UTF-8")]);
    assert!(!told.status.success());
    assert!(String::from_utf8_lossy(&told.stdout).contains("cannot be 'open'"));
    std::fs::write(&file, camera).expect("it can be written");
    let told = support::output(&[
        "run",
        "--open",
        "--listen",
        "0.0.0.0:0",
        "--config",
        file.to_str().expect("UTF-8"),
    ]);
    assert!(!told.status.success());
    assert!(
        String::from_utf8_lossy(&told.stderr).contains("sign_in"),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
}

/// A JPEG with stripes as fine as letters on a plate.
fn photo(work: &Path) -> Vec<u8> {
    let file = work.join("photo.jpg");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=1600x900:duration=1:rate=1"])
        .args(["-frames:v", "1", "-update", "1"])
        .arg(&file)
        .status();
    assert!(made.expect("ffmpeg runs").success());
    std::fs::read(file).expect("it is there")
}

/// How often neighbours in a JPEG differ by an eighth of the range, inside the squares that a covered photo is made of.
fn steps_inside_squares(jpeg: &[u8], work: &Path) -> usize {
    const SIDE: usize = 1_280;
    let file = work.join("shown.jpg");
    std::fs::write(&file, jpeg).expect("it can be written");
    let told = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(&file)
        .args(["-vf", "scale=1280:-1:flags=neighbor", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let rows = told.stdout.chunks_exact(SIDE);
    let inside = |x: &usize| (2..SIDE / 64 - 2).contains(&(x % (SIDE / 64)));
    let steps = |row: &[u8]| (1..SIDE).filter(inside).filter(|x| row[*x].abs_diff(row[*x - 1]) > 32).count();
    rows.map(steps).sum()
}

#[test]
fn a_photo_that_people_send_is_covered_for_everybody_and_whole_for_those_who_may_see_originals() {
    use base64::Engine;
    let work = tempfile::tempdir().expect("a folder");
    let (data, file) = (work.path().join("data"), work.path().join("citybrain.toml"));
    let camera = clip(work.path());
    let text = format!(
        "[site]\ndata_dir = \"{}\"\n[people]\nblur = \"faces_and_plates\"\n[[cameras]]\nid = \"a\"\nurl = \"file://{}\"\n",
        data.display(),
        camera.display()
    );
    std::fs::write(&file, text).expect("it can be written");
    for role in ["operator", "supervisor"] {
        user(&data, &["add", role, "--role", role, "--password-stdin"], PASSWORD);
    }
    let city = City::start_closed(work.path(), &["--config", file.to_str().expect("UTF-8")]);
    let token = |role: &str, scopes: &[&str]| {
        let mut browser = Browser::new(&city, work.path(), role);
        browser.sign_in(role, PASSWORD);
        let scopes = scopes.iter().map(|scope| ("scope", *scope));
        let fields: Vec<_> = [("name", "desk"), ("days", "1")].into_iter().chain(scopes).collect();
        let made = browser.ask("POST", "/account/tokens", &fields);
        let shown = made.body.split("<code>").nth(1).and_then(|rest| rest.split("</code>").next());
        format!("authorization: Bearer {}", shown.unwrap_or_else(|| panic!("{}", made.body)))
    };
    let (operator, chief) =
        (token("operator", &["view", "report"]), token("supervisor", &["view", "originals"]));
    let sent = photo(work.path());
    let report = serde_json::json!({
        "kind": "littering", "source": "hotline", "by": "caller 7", "position": [121.5, 31.2], "description": "bags",
        "photos": [base64::engine::general_purpose::STANDARD.encode(&sent)],
    });
    let body = work.path().join("report.json");
    std::fs::write(&body, report.to_string()).expect("it can be written");
    let ask = |bearer: &str, path: &str, more: &[&str]| {
        let address = format!("{}{path}", city.console());
        let told = Command::new("curl")
            .args(["-sS", "--max-time", "30", "-w", "\n%{http_code}", "-H", bearer, &address])
            .args(more)
            .output()
            .expect("curl runs");
        let end = told.stdout.iter().rposition(|byte| *byte == b'\n').expect("a last line");
        let status = String::from_utf8_lossy(&told.stdout[end + 1..]).into_owned();
        (status, told.stdout[..end].to_vec())
    };
    let data_of = format!("@{}", body.display());
    let json = ["-H", "content-type: application/json", "--data-binary", &data_of];
    let (status, answer) = ask(&operator, "api/v1/reports", &json);
    assert_eq!(status, "201", "{}", String::from_utf8_lossy(&answer));
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
    let place = answer["case"]["photos"][0].as_str().expect("a photo").to_owned();
    let (status, covered) = ask(&operator, &format!("snapshots/{place}"), &[]);
    assert_eq!(status, "200");
    assert!(steps_inside_squares(&sent, work.path()) > 1_000, "the photo itself is full of detail");
    assert_eq!(steps_inside_squares(&covered, work.path()), 0, "something can be told inside a square");
    assert_eq!(ask(&operator, &format!("originals/{place}"), &[]).0, "403");
    let (status, whole) = ask(&chief, &format!("originals/{place}"), &[]);
    assert_eq!(status, "200");
    assert!(whole.len() * 10 > sent.len() * 9, "{} of {} bytes", whole.len(), sent.len());
}
