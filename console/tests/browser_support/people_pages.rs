//! The pages of people under axe: the first set-up, signing in, one's account, users, the audit log, and refusals.

use super::browser::{Browser, Look};
use super::town::Town;
use super::{TURN, quiet, sound};
use anyhow::ensure;
use citybrain_dispatcher::people::Role;
use serde_json::{Value, json};

/// Fills in fields of the form around a button, and presses it.
async fn send(browser: &Browser, fields: &[(&str, &str)], button: &str) -> anyhow::Result<()> {
    for (field, value) in fields {
        let fill = "document.querySelector(`main [name=\"${arguments[0][0]}\"]`).value = arguments[0][1]";
        browser.run(fill, json!([field, value])).await?;
    }
    browser.click(button).await
}

/// The pages of people, from the first admin on.
async fn pages_of_people(look: &Look, name: &str) -> anyhow::Result<()> {
    const PASSWORD: &str = "correct horse battery";
    let _turn = TURN.lock().await;
    let rules = "passwords = \"admins\"\n\n[people.oidc]\nissuer = \"http://127.0.0.1:9\"\nclient_id = \"desk\"\n\
                 operators = [\"duty\"]\nlabel = \"Harbour account <i>\"";
    let town = Town::with(1, rules).await?;
    let people = town.services.people();
    let browser = Browser::open(&town.home, look).await?;
    browser.go("/").await?;
    browser.until("location.pathname === '/set-up'").await?;
    sound(&browser, look, &format!("{name}-set-up")).await?;
    let code = std::fs::read_to_string(town.services.city().site.data_dir.join("set-up-code"))?;
    let button = "main button.main";
    send(&browser, &[("code", "AAAA-AAAA"), ("name", "boss"), ("password", PASSWORD)], button).await?;
    browser.until("document.querySelector('[role=alert]')").await?;
    sound(&browser, look, &format!("{name}-set-up-refused")).await?;
    send(&browser, &[("code", code.trim()), ("name", "boss"), ("password", PASSWORD)], button).await?;
    browser.until("location.pathname === '/'").await?;

    for (user, role) in [("li.wei", Role::Viewer), ("王芳", Role::Operator)] {
        people.add_user(user, role, PASSWORD).await?;
    }
    let wang = people.user("王芳").await?;
    people.change_user(&wang.id, None, Some(true), None).await?;
    // That the code was refused is no fault of a page.
    drop(browser.complaints().await?);
    for (path, what) in [("/account", "account"), ("/users", "users"), ("/audit?verify=1", "audit")] {
        browser.go(path).await?;
        if what == "account" {
            send(&browser, &[("name", "hotline")], "main input[value=view]").await?;
            browser.click("form[action='/account/tokens'] button").await?;
            browser.until("document.querySelector('code')").await?;
        }
        sound(&browser, look, &format!("{name}-{what}")).await?;
        quiet(&browser, path).await?;
    }

    // Somebody who may not is told so on a page from which he goes on.
    let li = Browser::open(&town.home, look).await?;
    li.go("/review").await?;
    li.until("location.pathname === '/sign-in'").await?;
    sound(&li, look, &format!("{name}-sign-in")).await?;
    let folded = li.run("return document.querySelector('details form') !== null", Value::Null).await?;
    ensure!(folded == true, "passwords are for admins only");
    li.click("main details summary").await?;
    send(&li, &[("name", "li.wei"), ("password", PASSWORD)], "main form button.main").await?;
    li.until("document.querySelector('[role=alert]')").await?;
    sound(&li, look, &format!("{name}-sign-in-refused")).await?;
    // The provider is not there.
    li.click("main a.main").await?;
    li.until("location.pathname === '/sign-in/oidc'").await?;
    sound(&li, look, &format!("{name}-provider-down")).await?;
    // As an admin he comes in; as a viewer he is then shown what he may not see.
    let user = people.user("li.wei").await?;
    people.change_user(&user.id, Some(Role::Admin), None, None).await?;
    send(&li, &[("name", "li.wei"), ("password", PASSWORD)], "main form button.main").await?;
    li.until("location.pathname === '/' || location.pathname === '/review'").await?;
    people.change_user(&user.id, Some(Role::Viewer), None, None).await?;
    for path in ["/review", "/users"] {
        li.go(path).await?;
        let links = li.run("return document.querySelectorAll('nav.sections a').length", Value::Null).await?;
        ensure!(links.as_u64().unwrap_or(0) >= 5, "{path} has no navigation: {links}");
        let signs_out =
            li.run("return document.querySelector('form[action=\"/sign-out\"]') !== null", Value::Null);
        ensure!(signs_out.await? == true, "{path} has no way out");
        sound(&li, look, &format!("{name}-forbidden{}", path.replace('/', "-"))).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_people_are_sound_in_english_and_light() -> anyhow::Result<()> {
    pages_of_people(&Look::default(), "people-en-light").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_people_are_sound_in_chinese_and_dark_on_a_telephone() -> anyhow::Result<()> {
    let look = Look { language: "zh", dark: true, size: (390, 844), ..Look::default() };
    pages_of_people(&look, "people-zh-dark-phone").await
}
