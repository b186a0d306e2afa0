//! The console in a real Chromium: every page, both languages, light and dark, by keyboard, on a telephone, with
//! hostile text in every field, and the story of a fire from the alarm to the closed case.

#[path = "browser_support/browser.rs"]
mod browser;
#[path = "browser_support/people_pages.rs"]
mod people_pages;
#[path = "browser_support/town.rs"]
mod town;

use anyhow::{Context, ensure};
use browser::{Browser, ENTER, Look, TAB};
use citybrain_dispatcher::seats::MAX_STREAMS;
use citybrain_dispatcher::verdict::{Given, Item, Verdict};
use citybrain_types::{CaseState, EventKind};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};
use town::{HOSTILE, Town};

/// One browser at a time: each is as heavy as everything else together.
static TURN: Mutex<()> = Mutex::const_new(());

const PAGES: [&str; 12] = [
    "/",
    "/cases",
    "/cases/CASE",
    "/map",
    "/cameras",
    "/cameras/gate-0",
    "/review",
    "/tuner?kind=fire&hit_score=0.8&go=1",
    "/policies",
    "/deliveries",
    "/reports",
    "/system",
];

/// A town in which something has happened: two fires, and reports with hostile words.
async fn busy_town() -> anyhow::Result<(MutexGuard<'static, ()>, Town, String)> {
    let turn = TURN.lock().await;
    let town = Town::open(6).await?;
    let case = town.tell("littering", HOSTILE, [121.471, 31.201]).await?;
    town.tell("waterlogging", "Water over the road", [121.481, 31.205]).await?;
    town.burn("gate-1").await?;
    fires(&town, 1).await?;
    Ok((turn, town, case.id.to_string()))
}

/// Waits until so many fires are open.
async fn fires(town: &Town, count: usize) -> anyhow::Result<Vec<citybrain_types::Case>> {
    for _ in 0..2_000 {
        let open = town.services.open_of_kind(&EventKind::new(EventKind::FIRE)).await?;
        if open.len() >= count {
            return Ok(open);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    anyhow::bail!("there are not {count} fires")
}

fn path_of(page: &str, case: &str) -> String {
    page.replace("CASE", case)
}

async fn quiet(browser: &Browser, page: &str) -> anyhow::Result<()> {
    let complaints = browser.complaints().await?;
    // A camera without a picture, and the icon a browser asks for by itself, are no faults of a page.
    let faults: Vec<_> = complaints.iter().filter(|line| !line.contains("favicon")).collect();
    ensure!(faults.is_empty(), "{page}: {faults:?}");
    Ok(())
}

/// What axe finds that hinders somebody: rules and places.
async fn hindrances(browser: &Browser) -> anyhow::Result<Vec<String>> {
    const AXE: &str = include_str!("vendor/axe.min.js");
    browser.run(AXE, Value::Null).await?;
    let found = browser
        .run_async(
            "axe.run(document, {resultTypes: ['violations']}).then((found) => arguments[1](found.violations \
             .filter((rule) => ['serious', 'critical'].includes(rule.impact)) \
             .map((rule) => rule.id + ': ' + rule.nodes.map((node) => node.target + ' ' + node.failureSummary).slice(0, 3).join('; '))), \
             (error) => arguments[1]([String(error)]))",
            Value::Null,
        )
        .await?;
    let found = found.as_array().context("axe answers with a list")?;
    Ok(found.iter().map(|rule| rule.as_str().unwrap_or_default().to_owned()).collect())
}

/// Pictures for people to look at go where this variable says.
async fn keep_picture(browser: &Browser, name: &str) -> anyhow::Result<()> {
    match std::env::var_os("CITYBRAIN_PICTURES") {
        Some(folder) => browser.picture(&Path::new(&folder).join(format!("{name}.png"))).await,
        None => Ok(()),
    }
}

async fn every_page(look: &Look, name: &str) -> anyhow::Result<()> {
    let (_turn, town, case) = busy_town().await?;
    let browser = Browser::open(&town.home, look).await?;
    for page in PAGES {
        let path = path_of(page, &case);
        browser.go(&path).await?;
        browser.until("document.getElementById('link').dataset.state === 'open'").await?;
        if page == "/map" {
            browser.until("document.getElementById('map').dataset.drawn").await?;
        }
        let language = browser.run("return document.documentElement.lang", Value::Null).await?;
        ensure!(language == look.language, "{path} speaks {language}");
        let hindered = hindrances(&browser).await?;
        ensure!(hindered.is_empty(), "{path} ({name}): {hindered:#?}");
        let wide =
            browser.run("return document.documentElement.scrollWidth - innerWidth", Value::Null).await?;
        ensure!(wide.as_i64().unwrap_or(i64::MAX) <= 0, "{path} is {wide} px wider than the window");
        let hurt = browser.run("return window.hurt ?? null", Value::Null).await?;
        ensure!(hurt.is_null(), "{path} ran a hostile script");
        keep_picture(&browser, &format!("{name}{}", path.replace(['/', '?'], "-"))).await?;
        quiet(&browser, &path).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sound_in_english_and_light() -> anyhow::Result<()> {
    every_page(&Look::default(), "en-light").await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sound_in_chinese_and_dark() -> anyhow::Result<()> {
    every_page(&Look { language: "zh", dark: true, ..Look::default() }, "zh-dark").await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sound_on_a_telephone() -> anyhow::Result<()> {
    every_page(&Look { size: (390, 844), ..Look::default() }, "phone").await
}

/// A page as people look at it: axe finds nothing, nothing sticks out, no script complains.
async fn sound(browser: &Browser, look: &Look, name: &str) -> anyhow::Result<()> {
    let hindered = hindrances(browser).await?;
    ensure!(hindered.is_empty(), "{name}: {hindered:#?}");
    let language = browser.run("return document.documentElement.lang", Value::Null).await?;
    ensure!(language == look.language, "{name} speaks {language}");
    let wide = browser.run("return document.documentElement.scrollWidth - innerWidth", Value::Null).await?;
    ensure!(wide.as_i64().unwrap_or(i64::MAX) <= 0, "{name} is {wide} px wider than the window");
    keep_picture(browser, name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn language_and_theme_are_switched_in_the_header_and_stay() -> anyhow::Result<()> {
    let (_turn, town, _) = busy_town().await?;
    let browser = Browser::open(&town.home, &Look::default()).await?;
    browser.go("/cases?state=dispatched").await?;
    browser.click("button[name=lang]").await?;
    browser
        .until(
            "document.documentElement.lang === 'zh' && document.querySelector('h1')?.textContent === '案卷'",
        )
        .await?;
    browser.until("location.search === '?state=dispatched'").await?;
    for theme in ["light", "dark", "system"] {
        browser.click("button[name=theme]").await?;
        browser.until(&format!("document.documentElement.dataset.theme === '{theme}'")).await?;
    }
    browser.click("button[name=theme]").await?;
    browser.until("document.documentElement.dataset.theme === 'light'").await?;
    browser.go("/cameras").await?;
    browser
        .until("document.documentElement.lang === 'zh' && document.documentElement.dataset.theme === 'light'")
        .await?;
    quiet(&browser, "the switches").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fire_goes_from_the_alarm_to_the_closed_case_by_keyboard_alone() -> anyhow::Result<()> {
    let _turn = TURN.lock().await;
    let town = Town::open(4).await?;
    let browser = Browser::open(&town.home, &Look::default()).await?;
    browser.go("/").await?;
    browser.until("document.getElementById('link').dataset.state === 'open'").await?;
    // The officer writes a name; the first key wakes the sound.
    for _ in 0..40 {
        if browser.run("return document.activeElement.id", Value::Null).await? == "by" {
            break;
        }
        browser.keys(TAB).await?;
    }
    browser.keys("Li Wei").await?;
    browser.until("document.getElementById('by').value === 'Li Wei'").await?;
    town.burn("gate-1").await?;
    browser
        .until(
            "document.querySelector('#alarms article[data-open] .countdown b')?.textContent.match(/[0-9]/)",
        )
        .await?;
    browser.until("Number(document.body.dataset.rang ?? 0) > 0").await?;
    browser.run("document.activeElement.blur()", Value::Null).await?;
    browser.keys("j").await?;
    browser.until("document.activeElement.matches('article.chosen')").await?;
    browser.keys("c").await?;
    browser.until("document.querySelector('#alarms article:not([data-open])')").await?;
    let case = fires(&town, 1).await?.remove(0);
    ensure!(case.state == CaseState::Dispatched, "confirmed, the case is {}", case.state);
    let trail = town.services.case(&case.id).await?.context("it is there")?.trail;
    ensure!(trail.iter().any(|line| line.by == "Li Wei"), "the trail says who confirmed it");
    browser.keys("j").await?;
    browser.keys(ENTER).await?;
    browser.until("location.pathname.startsWith('/cases/')").await?;
    for (action, after) in [("accept", "accepted"), ("done", "rechecking"), ("close", "closed")] {
        by_keyboard(&browser, action).await?;
        browser.until(&format!("document.querySelector('#head').textContent.length > 0 && !document.querySelector('#do-{action}')")).await?;
        let now = town.services.case(&case.id).await?.context("it is there")?.case.state;
        ensure!(now.name() == after, "after {action} the case is {now}");
    }
    keep_picture(&browser, "closed-case").await?;
    quiet(&browser, "the story").await
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_given_by_one_key_each_and_taken_back_by_another() -> anyhow::Result<()> {
    let (_turn, town, _) = busy_town().await?;
    let browser = Browser::open(&town.home, &Look::default()).await?;
    browser.go("/review").await?;
    browser.run("document.getElementById('by').value = 'Li Wei'", Value::Null).await?;
    let item = "(document.getElementById('item')?.dataset.item ?? '')";
    let first = browser.run(&format!("return {item}"), Value::Null).await?;
    let first = first.as_str().context("an item waits")?.to_owned();
    browser.keys("f").await?;
    browser.until(&format!("document.getElementById('undo') && {item} !== '{first}'")).await?;
    let given = town.services.reviewer().history(&first.parse().map_err(anyhow::Error::msg)?).await?;
    ensure!(given.len() == 1 && given[0].by == "Li Wei" && given[0].verdict.name() == "false", "{given:?}");
    browser.keys("z").await?;
    browser.until(&format!("{item} === '{first}' && !document.getElementById('undo')")).await?;
    browser.keys("u").await?;
    browser.until(&format!("document.getElementById('undo') && {item} !== '{first}'")).await?;
    let given = town.services.reviewer().history(&first.parse().map_err(anyhow::Error::msg)?).await?;
    let said: Vec<_> = given.iter().map(|judgement| judgement.verdict.name()).collect();
    ensure!(said == ["false", "withdrawn", "unsure"], "{said:?}");
    quiet(&browser, "the review").await
}

/// Opens an action of the case's page, fills it in and sends it, with the Tab, Enter and letter keys only.
async fn by_keyboard(browser: &Browser, action: &str) -> anyhow::Result<()> {
    browser.until(&format!("document.querySelector('#do-{action}')")).await?;
    for _ in 0..120 {
        let here =
            browser.run("return document.activeElement.closest('details')?.id ?? ''", Value::Null).await?;
        if here == format!("do-{action}") {
            break;
        }
        browser.keys(TAB).await?;
    }
    browser.keys(ENTER).await?;
    browser.until(&format!("document.querySelector('#do-{action}').open")).await?;
    for _ in 0..12 {
        browser.keys(TAB).await?;
        let field = browser.run("return document.activeElement.name ?? ''", Value::Null).await?;
        match field.as_str() {
            Some("by") => browser.keys("Li Wei").await?,
            Some("reason") => {
                browser.keys("seen to it").await?;
                return browser.keys(ENTER).await;
            }
            _ => {}
        }
    }
    anyhow::bail!("the form of {action} has no reason")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_on_a_page_that_is_stale_says_what_has_changed_and_loses_nothing() -> anyhow::Result<()> {
    let (_turn, town, id) = busy_town().await?;
    let browser = Browser::open(&town.home, &Look::default()).await?;
    browser.go(&format!("/cases/{id}")).await?;
    browser.until("document.querySelector('#do-void')").await?;
    browser
        .run(
            "const form = document.querySelector('#do-void form'); document.querySelector('#do-void').open = true; \
             form.elements.by.value = 'Li Wei'; form.elements.reason.value = arguments[0]; form.elements.because.value = 'duplicate';",
            json!(HOSTILE),
        )
        .await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let order = json!({ "action": "verify", "by": "Zhang Min", "reason": "I go and look" });
    let answer = client.post(format!("{}/api/v1/cases/{id}/actions", town.home)).json(&order).send().await?;
    ensure!(answer.status().is_success(), "{}", answer.text().await?);
    browser.run("document.querySelector('#do-void form').requestSubmit()", Value::Null).await?;
    browser.until("document.querySelector('#refusal')?.textContent.includes('Zhang Min')").await?;
    let kept = browser
        .run(
            "const form = document.querySelector('#do-void form').elements; \
             return [form.by.value, form.reason.value, form.because.value, document.querySelector('#do-void').open]",
            Value::Null,
        )
        .await?;
    ensure!(kept == json!(["Li Wei", HOSTILE, "duplicate", true]), "{kept}");
    browser.run("document.querySelector('#do-void form').requestSubmit()", Value::Null).await?;
    browser.until("!document.querySelector('#refusal') && document.querySelector('#trail')?.textContent.includes('Li Wei')").await?;
    ensure!(browser.run("return window.hurt ?? null", Value::Null).await?.is_null(), "a hostile script ran");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_are_drawn_by_keyboard_and_in_force_when_they_are_saved() -> anyhow::Result<()> {
    let (_turn, town, _) = busy_town().await?;
    let browser = Browser::open(&town.home, &Look::default()).await?;
    browser.go("/cameras/gate-0").await?;
    browser.click("#new-zone").await?;
    browser.until("document.activeElement.dataset.corner === '0'").await?;
    // To the left, three times a twentieth and once a little.
    browser.keys("\u{e012}\u{e012}").await?;
    browser.keys(ENTER).await?;
    browser.until("document.querySelectorAll('#drawing ellipse').length === 5").await?;
    browser.click("#part-name").await?;
    browser.keys("<b>road</b>").await?;
    browser.click("#part-kinds input[value=littering]").await?;
    browser.click("#new-mask").await?;
    browser.click("#save").await?;
    browser.until("document.getElementById('said').textContent.startsWith('Saved')").await?;
    let city = town.services.city();
    let camera =
        city.cameras.values().find(|camera| camera.id.as_str() == "gate-0").context("it is there")?;
    ensure!(camera.zones.len() == 1 && camera.ignore.len() == 1, "{camera:?}");
    ensure!(camera.zones[0].name == "<b>road</b>" && camera.zones[0].part.corners().len() == 5);
    ensure!((camera.zones[0].part.corners()[0][0] - 0.34).abs() < 1e-3, "{:?}", camera.zones[0].part);
    ensure!(std::fs::read_to_string(&town.file)?.contains("<b>road</b>"), "the file holds it");
    keep_picture(&browser, "zones").await?;
    // What would be wrong is refused in words, and stays drawn.
    browser.run("document.querySelector('#part-kinds').insertAdjacentHTML('beforeend', '<input type=checkbox value=dragon>')", Value::Null).await?;
    browser.click("#part-0").await?;
    browser.click("#part-kinds input[value=dragon]").await?;
    browser.click("#save").await?;
    browser.until("document.getElementById('said').classList.contains('warn')").await?;
    ensure!(town.services.city().version == city.version, "the configuration in force stays");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_of_the_tuner_is_seen_as_curve_and_table_and_becomes_a_draft_by_one_button()
-> anyhow::Result<()> {
    let (_turn, town, _) = busy_town().await?;
    // Somebody has called the fire real: recall is known.
    let fire = fires(&town, 1).await?.remove(0);
    let given = Given {
        item: Item::Case(fire.id),
        verdict: Verdict::Real,
        by: "Li Wei".to_owned(),
        note: String::new(),
        seen: 0,
        void: false,
    };
    town.services.reviewer().judge(&given).await?;
    for (name, look) in [
        ("tuned-en-light", Look { size: (1366, 768), ..Look::default() }),
        ("tuned-zh-dark", Look { language: "zh", dark: true, size: (1366, 768), ..Look::default() }),
        ("tuned-phone", Look { size: (390, 844), ..Look::default() }),
    ] {
        let browser = Browser::open(&town.home, &look).await?;
        browser.go("/tuner?kind=fire").await?;
        browser
            .run("document.querySelector('[name=budget]').value = '0.5'; document.querySelector('[name=miss]').value = '2'", Value::Null)
            .await?;
        browser.run("document.getElementById('n-hit_score').value = '0.8'", Value::Null).await?;
        browser.click("#go").await?;
        browser
            .until("document.querySelectorAll('#result:not([data-unfinished]) svg.curve').length === 2")
            .await?;
        browser.until("document.querySelectorAll('#result caption ~ tbody tr').length > 10").await?;
        browser.until("document.querySelectorAll('#result .suggestion').length === 2").await?;
        let hindered = hindrances(&browser).await?;
        ensure!(hindered.is_empty(), "{name}: {hindered:#?}");
        let wide =
            browser.run("return document.documentElement.scrollWidth - innerWidth", Value::Null).await?;
        ensure!(wide.as_i64().unwrap_or(i64::MAX) <= 0, "the tuner is {wide} px wider than the window");
        keep_picture(&browser, name).await?;
        // The score is taken over into the form, and worked out again.
        let taken =
            browser.run("return document.querySelector('button.take').dataset.value", Value::Null).await?;
        browser.click("button.take").await?;
        browser
            .until(&format!("new URLSearchParams(location.search).get('hit_score') === {taken} && document.querySelector('button.suggested')"))
            .await?;
        browser.run("document.querySelector('.suggestion [name=by]').value = 'Li Wei'", Value::Null).await?;
        browser.click("button.suggested").await?;
        browser.until("location.pathname.startsWith('/policies/policy-')").await?;
        let drafted = browser.text().await?;
        ensure!(drafted.contains(taken.as_str().unwrap_or("?")), "{drafted}");
        quiet(&browser, name).await?;
    }
    ensure!(town.services.policies().list().await?.len() == 3, "each is a draft of its own");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_shows_the_same_with_and_without_webgl() -> anyhow::Result<()> {
    let (_turn, town, _) = busy_town().await?;
    let features: Value = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .get(format!("{}/map/features", town.home))
        .send()
        .await?
        .json()
        .await?;
    ensure!(features["cameras"].as_array().map(Vec::len) == Some(6), "{features}");
    ensure!(features["cases"].as_array().map(Vec::len) == Some(3), "{features}");
    let plain = Browser::open(&town.home, &Look::default()).await?;
    plain.go("/map").await?;
    plain.until("document.getElementById('map').dataset.drawn === 'plain'").await?;
    plain.until("document.querySelectorAll('#map a circle').length === 9 && document.querySelectorAll('#map polygon').length === 1").await?;
    // A new fire comes onto it by itself.
    town.burn("gate-3").await?;
    plain.until("document.querySelectorAll('#map circle.urgent').length === 2").await?;
    quiet(&plain, "the plain map").await?;
    drop(plain);
    let drawn = Browser::open(&town.home, &Look { webgl: true, ..Look::default() }).await?;
    drawn.go("/map").await?;
    drawn.until("document.getElementById('map').dataset.drawn === 'webgl'").await?;
    keep_picture(&drawn, "map-webgl").await?;
    quiet(&drawn, "the map").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_delivery_is_sent_again_from_its_page() -> anyhow::Result<()> {
    let (_turn, town, _) = busy_town().await?;
    let browser = Browser::open(&town.home, &Look::default()).await?;
    browser.go("/deliveries?state=dead").await?;
    browser.until("document.querySelector('tr[data-key] button')").await?;
    let attempts =
        browser.run("return document.querySelector('tr[data-key]').dataset.key", Value::Null).await?;
    browser.click("tr[data-key] button").await?;
    browser.until("location.search === '' || location.search === '?'").await?;
    let text = browser.text().await?;
    ensure!(text.contains("desk"), "{attempts}: {text}");
    quiet(&browser, "deliveries").await
}

/// A picture of one grey pixel.
const GREY: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\x0aIDATx\x9cc\xd8\x02\x00\x00\xb6\x00\xb5\x18\xa6%\xe4\x00\x00\x00\x00IEND\xaeB`\x82";

/// A server of tiles: counts what it is asked for, one grey pixel for everything.
async fn tile_server() -> anyhow::Result<(String, Arc<std::sync::Mutex<Vec<String>>>)> {
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let routes = axum::Router::new().fallback(move |uri: axum::http::Uri| async move {
        if let Ok(mut seen) = seen.lock() {
            seen.push(uri.path().to_owned());
        }
        ([("content-type", "image/png"), ("access-control-allow-origin", "*")], GREY)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let home = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok((home, asked))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_lies_on_tiles_of_the_server_that_is_named_and_asks_no_other() -> anyhow::Result<()> {
    let _turn = TURN.lock().await;
    let (home, asked) = tile_server().await?;
    let (other, never) = tile_server().await?;
    let people = format!(
        "sign_in = \"open\"\n[console]\ntiles = \"{home}/{{z}}/{{x}}/{{y}}.png\"\ntiles_attribution = \"© <b>Makers</b>\""
    );
    let town = Town::with(2, &people).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    for (page, is_map) in [("/map", true), ("/cases", false), ("/map/features", false)] {
        let answer = client.get(format!("{}{page}", town.home)).send().await?;
        let policy = answer.headers()["content-security-policy"].to_str()?.to_owned();
        ensure!(policy.contains(&home) == is_map, "{page}: {policy}");
        ensure!(!policy.contains(&other) && !policy.contains('*'), "{page}: {policy}");
    }
    let browser = Browser::open(&town.home, &Look { webgl: true, ..Look::default() }).await?;
    browser.go("/map").await?;
    browser.until("document.getElementById('map').dataset.drawn === 'webgl'").await?;
    let tiles = asked.lock().map(|asked| asked.clone()).unwrap_or_default();
    ensure!(!tiles.is_empty() && tiles.iter().all(|path| path.ends_with(".png")), "{tiles:?}");
    ensure!(browser.text().await?.contains("© <b>Makers</b>"), "the makers are named, as text");
    keep_picture(&browser, "map-tiles").await?;
    // Whatever else the page might be made to ask is kept from it.
    let tried = format!(
        "fetch('{other}/1/2/3.png').then(() => {{ window.got = 'yes'; }}, () => {{ window.got = 'no'; }})"
    );
    browser.run(&tried, Value::Null).await?;
    browser.until("window.got === 'no'").await?;
    ensure!(never.lock().is_ok_and(|never| never.is_empty()), "another server was asked");

    // Without WebGL the map is drawn as before, and nobody is asked.
    asked.lock().map(|mut asked| asked.clear()).ok();
    let plain = Browser::open(&town.home, &Look::default()).await?;
    plain.go("/map").await?;
    plain.until("document.getElementById('map').dataset.drawn === 'plain'").await?;
    ensure!(asked.lock().is_ok_and(|asked| asked.is_empty()), "tiles are asked for without need");
    ensure!(!plain.text().await?.contains("Makers"));
    Ok(())
}

/// Lets this process have two ends of more than a thousand connections.
fn allow_open_files() -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let raised = std::process::Command::new("prlimit").args(["--pid", &own, "--nofile=8192"]).status()?;
    ensure!(raised.success(), "this test needs 8192 open files");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tabs_that_nobody_reads_hold_up_no_alarm_and_one_too_many_is_told_so() -> anyhow::Result<()>
{
    let _turn = TURN.lock().await;
    allow_open_files()?;
    let town = Town::open(2).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let events = format!("{}/api/v1/events", town.home);
    let mut open = Vec::new();
    for n in 0..1_000 {
        let stream = client.get(&events).send().await?;
        ensure!(stream.status().is_success(), "stream {n}: {}", stream.status());
        open.push(stream);
    }
    // A tab that is opened now, and one stream that somebody reads.
    let browser = Browser::open(&town.home, &Look::default()).await?;
    browser.go("/").await?;
    browser.until("document.getElementById('link').dataset.state === 'open'").await?;
    town.burn("gate-1").await?;
    browser.until("document.querySelector('#alarms article')").await?;
    let mut heard = String::new();
    while !heard.contains("event: case") {
        let part = tokio::time::timeout(browser::PATIENCE, open[0].chunk()).await??.context("it goes on")?;
        heard.push_str(&String::from_utf8_lossy(&part));
    }
    for page in ["/", "/cases", "/system", "/api/v1/cases"] {
        let answer = client.get(format!("{}{page}", town.home)).send().await?;
        ensure!(answer.status().is_success(), "{page}: {}", answer.status());
    }
    // Every other seat is taken, too: whoever comes then is told so, and the page asks from time to time instead.
    let refused = loop {
        let stream = client.get(&events).send().await?;
        if !stream.status().is_success() {
            break stream;
        }
        open.push(stream);
        ensure!(open.len() <= MAX_STREAMS, "more streams than seats");
    };
    ensure!(refused.status() == 503 && refused.headers().contains_key("retry-after"), "{refused:?}");
    ensure!(refused.text().await?.contains("close pages"));
    let late = Browser::open(&town.home, &Look::default()).await?;
    late.go("/").await?;
    late.until("document.getElementById('link').dataset.state === 'full'").await?;
    late.until("document.querySelector('#alarms article')").await?;
    open.clear();
    for _ in 0..600 {
        if client.get(&events).send().await?.status().is_success() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("seats that were left stay taken")
}

#[test]
fn every_vendored_file_is_the_one_of_the_manifest() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vendor");
    let manifest = std::fs::read_to_string(folder.join("manifest.toml"))?;
    let value = |key: &str| {
        let line = manifest.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split('"').nth(1).unwrap_or_default().to_owned()
    };
    let sum = std::process::Command::new("sha256sum").arg(folder.join(value("name"))).output()?;
    let sum = String::from_utf8(sum.stdout)?;
    ensure!(sum.starts_with(&value("sha256")) && !value("sha256").is_empty(), "{sum}");
    ensure!(folder.join(value("licence_file")).is_file());
    Ok(())
}
