//! The real binary, and people who sign in by a provider of OpenID Connect: who comes in, who does not, and what is said of
//! it. One provider is Debian's Glewlwyd (`oidc/glewlwyd.rs`); the other is the tests' own (`oidc/provider.rs`), which signs
//! with openssl and lies where it is told to.

#[path = "oidc/glewlwyd.rs"]
mod glewlwyd;
#[path = "oidc/provider.rs"]
mod provider;
#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;
#[path = "oidc/town.rs"]
mod town;

use provider::{CLIENT, Provider, SECRET, now};
use serde_json::{Value, json};
use support::citybrain;
use town::{Browser, PASSWORD, Town, password};

fn li(groups: &[&str]) -> Value {
    json!({ "sub": "u-1", "preferred_username": "li.wei", "groups": groups })
}

#[test]
fn whoever_the_provider_knows_comes_in_with_the_role_of_his_groups_which_follows_them() {
    let town = Town::open("", "");
    town.provider.honest(li(&["canteen", "city-duty"]));
    let browser = town.browser("li");
    let door = browser.ask("/sign-in?next=%2Fcases%3Fstate%3Dfiled", &[]);
    assert!(door.body.contains("City account") && door.body.contains("type=\"password\""), "{}", door.body);
    let back = browser.to_provider("/sign-in/oidc?next=%2Fcases%3Fstate%3Dfiled");
    let came = browser.ask(&back, &[]);
    assert_eq!((came.status, came.location.as_str()), (303, "/cases?state=filed"), "{}", came.body);
    assert!(browser.is_in());
    let account = browser.ask("/account", &[]);
    assert!(account.body.contains("li.wei") && account.body.contains("operator"), "{}", account.body);
    assert!(!account.body.contains("/account/password"), "there is no password to change");
    assert!(town.users().contains(&("li.wei".to_owned(), "operator".to_owned(), true)), "{:?}", town.users());

    // The groups change, and so does the role, at the next sign-in; the name stays.
    town.provider.honest(json!({ "sub": "u-1", "preferred_username": "another", "groups": "city-chiefs" }));
    assert_eq!(browser.sign_in().status, 303);
    assert!(
        town.users().contains(&("li.wei".to_owned(), "supervisor".to_owned(), true)),
        "{:?}",
        town.users()
    );
    assert_eq!(town.users().len(), 2);
    let audit = browser.ask("/audit", &[]).body;
    for told in ["user.add", "user.role", "from operator to supervisor", "by the provider"] {
        assert!(audit.contains(told), "{told} is not in the log:\n{audit}");
    }

    // Signing out ends the session.
    let csrf = account_csrf(&browser);
    assert_eq!(browser.ask("/sign-out", &[("csrf", &csrf)]).location, "/sign-in");
    assert!(!browser.is_in());

    // Nobody can sign in as him with a password, and none can be given to him.
    let tried = browser.ask("/sign-in", &[("name", "li.wei"), ("password", "")]);
    assert_eq!(tried.status, 401);
    let reset = citybrain().args(["user", "reset-password", "li.wei", "--data-dir"]).arg(&town.data).output();
    let reset = reset.expect("the binary runs");
    assert!(!reset.status.success() && String::from_utf8_lossy(&reset.stderr).contains("by the provider"));
    // Shut out here, he stays outside.
    let shut = citybrain().args(["user", "disable", "li.wei", "--data-dir"]).arg(&town.data).output();
    assert!(shut.expect("the binary runs").status.success());
    assert_eq!(browser.sign_in().status, 403);
    town.tells_no_secret(&[door, account, came]);
}

fn account_csrf(browser: &Browser) -> String {
    let page = browser.ask("/account", &[]).body;
    let carried = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    carried.unwrap_or_else(|| panic!("no form:\n{page}")).to_owned()
}

#[test]
fn whoever_signs_in_at_the_provider_that_debian_ships_comes_in() {
    if !glewlwyd::is_there() {
        eprintln!("left out: ./x install --all unpacks Debian's provider");
        return;
    }
    let work = tempfile::tempdir().expect("a folder");
    let debian = glewlwyd::Glewlwyd::start(work.path());
    let own = (tempfile::tempdir().expect("a folder"), Provider::start(work.path()));
    let town = Town::by(own, &debian.issuer(), glewlwyd::SECRET, "", "scopes = []");
    debian.furnish(&format!("{}sign-in/oidc/answer", town.city.console()), &["canteen", "city-chiefs"]);
    let browser = town.browser("li");
    debian.let_in(&browser.jar);
    let sent = browser.ask("/sign-in/oidc?next=%2Freview", &[]);
    assert_eq!(sent.status, 303, "{}", sent.body);
    // Its page asks whether to go on; whoever agrees comes again with this word.
    let back = browser.ask(&format!("{}&g_continue", sent.location), &[]);
    assert!(back.status == 302 && back.location.contains("code="), "{} {}", back.status, back.location);
    let came = browser.ask(&back.location, &[]);
    assert_eq!((came.status, came.location.as_str()), (303, "/review"), "{}\n{}", came.body, town.city.log());
    assert!(browser.is_in());
    assert!(
        town.users().contains(&("li.wei".to_owned(), "supervisor".to_owned(), true)),
        "{:?}",
        town.users()
    );
    // Its codes are good once, too.
    assert_eq!(browser.ask(&back.location, &[]).status, 400);
    let checked = citybrain().args(["doctor", "--json", "--config"]).arg(&town.file).output();
    let checked: Vec<Value> =
        serde_json::from_slice(&checked.expect("the binary runs").stdout).expect("JSON");
    assert!(checked.iter().any(|found| found["check"] == "sign-in provider" && found["verdict"] == "ok"));
}

#[test]
fn a_token_that_is_not_right_in_every_point_lets_nobody_in() {
    let town = Town::open("", "");
    let mut pages = Vec::new();
    let unknown = town.provider.key_count() - 1;
    let lies: Vec<(&str, Value, Option<Value>, usize)> = vec![
        ("of another sign-in", json!({ "nonce": "0".repeat(64) }), None, 0),
        ("without a nonce", json!({ "nonce": null }), None, 0),
        ("for another client", json!({ "aud": "another" }), None, 0),
        ("for others, too", json!({ "aud": [CLIENT, "another"] }), None, 0),
        ("of another party", json!({ "azp": "another" }), None, 0),
        ("of another provider", json!({ "iss": "https://id.example" }), None, 0),
        ("over", json!({ "exp": now() - 90, "iat": now() - 30 }), None, 0),
        ("of the future", json!({ "iat": now() + 200, "exp": now() + 600 }), None, 0),
        ("of the past", json!({ "iat": now() - 4_000 }), None, 0),
        ("with another access token's hash", json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }), None, 0),
        ("signed by a key that is not published", json!({}), None, unknown),
        (
            "signed by another key under a published name",
            json!({}),
            Some(json!({ "alg": "RS256", "kid": "key-0" })),
            unknown,
        ),
        ("not signed", json!({}), Some(json!({ "alg": "none" })), 0),
        ("signed with the client's secret", json!({}), Some(json!({ "alg": "HS256" })), 0),
        ("without a subject", json!({ "sub": null }), None, 0),
    ];
    for (what, lie, header, signs) in lies {
        let mut claims = li(&["city-it"]);
        for (name, value) in lie.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        town.provider.honest(claims);
        town.provider.with(|play| {
            play.signs = signs;
            play.header = header;
        });
        let browser = town.browser("mallory");
        let came = browser.sign_in();
        assert_eq!(came.status, 403, "{what}: {}", came.body);
        assert!(came.body.contains("is not believed"), "{what}: {}", came.body);
        assert!(!browser.is_in(), "{what}");
        pages.push(came);
    }
    assert_eq!(town.users().len(), 1, "{:?}", town.users());
    town.tells_no_secret(&pages);
    // A clock that is a little off is no lie.
    let mut early = li(&["city-duty"]);
    early["iat"] = json!(now() + 30);
    early["exp"] = json!(now() + 330);
    town.provider.honest(early);
    assert_eq!(town.browser("li").sign_in().status, 303);
}

#[test]
fn a_round_ends_once_in_the_browser_that_began_it_and_at_this_site_only() {
    let town = Town::open("", "");
    town.provider.honest(li(&["city-duty"]));
    let browser = town.browser("li");
    let back = browser.to_provider("/sign-in/oidc");
    // Somebody else's browser brings it: a stolen code, or an answer that is foisted on somebody.
    let mallory = town.browser("mallory");
    assert_eq!(mallory.ask(&back, &[]).status, 400);
    drop(mallory.to_provider("/sign-in/oidc"));
    assert_eq!(mallory.ask(&back, &[]).status, 400);
    assert!(!mallory.is_in());
    // The state is another one.
    let (start, rest) = back.split_once("state=").expect("a state");
    let other = format!("{start}state=0{}", &rest[1..]);
    let other = if other == back { format!("{start}state=1{}", &rest[1..]) } else { other };
    let forger = town.browser("forger");
    drop(forger.to_provider("/sign-in/oidc"));
    assert_eq!(forger.ask(&other, &[]).status, 400);
    // The right browser, once. Its cookies are kept to be tried again.
    let kept = std::fs::read(&browser.jar).expect("cookies");
    assert_eq!(browser.ask(&back, &[]).status, 303);
    assert!(browser.is_in());
    let replay = town.browser("replay");
    std::fs::write(&replay.jar, kept).expect("it can be written");
    assert_eq!(replay.ask(&back, &[]).status, 400);
    assert!(!replay.is_in());

    // A code of another round: its PKCE challenge does not fit, and the provider refuses.
    let (one, two) = (town.browser("one"), town.browser("two"));
    let (of_one, of_two) = (one.to_provider("/sign-in/oidc"), two.to_provider("/sign-in/oidc"));
    let code = |back: &str| back.split("code=").nth(1).expect("a code").to_owned();
    let mixed = of_two.replace(&code(&of_two), &code(&of_one));
    assert_eq!(two.ask(&mixed, &[]).status, 403);
    let told = town.provider.play.lock().expect("whole").told.last().cloned().expect("it was asked");
    assert!(told.0 == 400 && told.1.contains("invalid_grant"), "{told:?}");
    // Another provider answers, or this one lets nobody in.
    let mixed_up = town.browser("mixed-up");
    let back = format!("{}&iss=https%3A%2F%2Fid.example", mixed_up.to_provider("/sign-in/oidc"));
    assert_eq!(mixed_up.ask(&back, &[]).status, 403);
    let denied = town.browser("denied");
    let back = denied.to_provider("/sign-in/oidc");
    let back = format!("{}&error=access_denied", back.split("&code=").next().expect("a state"));
    let page = denied.ask(&back, &[]);
    assert!(page.status == 403 && page.body.contains("did not let you in"), "{}", page.body);

    // Nobody is sent to another site.
    for next in ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"] {
        let browser = town.browser("next");
        let begun = format!("/sign-in/oidc?next={}", next.replace('/', "%2F").replace(':', "%3A"));
        let came = browser.ask(&browser.to_provider(&begun), &[]);
        assert_eq!((came.status, came.location.as_str()), (303, "/"), "{next}");
    }
    town.tells_no_secret(&[page]);
}

#[test]
fn a_new_key_of_the_provider_is_fetched_once_it_signs() {
    let town = Town::open("", "");
    town.provider.honest(li(&["city-duty"]));
    assert_eq!(town.browser("li").sign_in().status, 303);
    let before = town.provider.play.lock().expect("whole").fetched;
    town.provider.with(|play| {
        play.signs = 1;
        play.shown = vec![1];
    });
    // Keys are not fetched more often than every ten seconds, whoever asks for it.
    let came = support::until(std::time::Duration::from_secs(60), || {
        (town.browser("li").sign_in().status == 303).then_some(())
    });
    assert!(came.is_some(), "{}", town.city.log());
    let fetched = town.provider.play.lock().expect("whole").fetched - before;
    assert_eq!(fetched, 1, "fetched once");
}

#[test]
fn whoever_gets_no_role_or_no_name_is_refused_and_claims_are_looked_for_at_both_places() {
    let town = Town::open("", "");
    let refused = |claims: Value, status: u16, words: &str| {
        town.provider.honest(claims);
        let came = town.browser("x").sign_in();
        assert!(came.status == status && came.body.contains(words), "{}: {}", came.status, came.body);
    };
    refused(li(&["canteen"]), 403, "nothing it says gives you a role");
    refused(
        json!({ "sub": "u-2", "preferred_username": "<b>", "groups": "city-duty" }),
        403,
        "cannot be used",
    );
    refused(
        json!({ "sub": "u-3", "preferred_username": "nobody", "groups": "city-duty" }),
        403,
        "cannot be used",
    );
    // Whoever chooses the name of somebody who has a password does not become him.
    refused(json!({ "sub": "u-4", "preferred_username": "Boss", "groups": "city-it" }), 409, "another user");
    assert_eq!(town.users().len(), 1);

    town.provider.honest(json!({ "sub": "u-5" }));
    town.provider.with(|play| {
        let more =
            json!({ "sub": "u-5", "preferred_username": "wang@city.example", "groups": ["city-duty"] });
        play.more = more.as_object().expect("an object").clone();
    });
    assert_eq!(town.browser("wang").sign_in().status, 303);
    // What is said of somebody else is not taken.
    town.provider.honest(json!({ "sub": "u-6" }));
    town.provider.with(|play| {
        let more = json!({ "sub": "u-7", "preferred_username": "zhao", "groups": ["city-it"] });
        play.more = more.as_object().expect("an object").clone();
    });
    assert_eq!(town.browser("zhao").sign_in().status, 403);
    let users = town.users();
    assert!(users.contains(&("wang@city.example".to_owned(), "operator".to_owned(), true)), "{users:?}");
    assert_eq!(users.len(), 2);
}

#[test]
fn where_names_are_linked_a_user_is_taken_over_and_only_admins_keep_passwords() {
    let town = Town::open("passwords = \"admins\"", "link_by_name = true\ndefault_role = \"viewer\"");
    let made = citybrain()
        .args(["user", "add", "li.wei", "--role", "operator", "--password-stdin", "--data-dir"])
        .arg(&town.data)
        .stdin(std::fs::File::open(password(town.work.path())).expect("it is there"))
        .output();
    assert!(made.expect("the binary runs").status.success());
    let browser = town.browser("li");
    let door = browser.ask("/sign-in", &[]);
    assert!(door.body.contains("<details") && door.body.contains("Admins"), "{}", door.body);
    let sign_in = |name: &str| {
        let browser = town.browser("password");
        browser.ask("/sign-in", &[("name", name), ("password", PASSWORD)]).status
    };
    assert_eq!((sign_in("li.wei"), sign_in("boss")), (401, 303));

    town.provider.honest(li(&["canteen"]));
    assert_eq!(browser.sign_in().status, 303);
    let users = town.users();
    assert!(users.contains(&("li.wei".to_owned(), "viewer".to_owned(), true)), "{users:?}");
    assert!(users.contains(&("boss".to_owned(), "admin".to_owned(), false)), "{users:?}");
    // Another person of the provider with the same name comes too late.
    town.provider.honest(json!({ "sub": "u-9", "preferred_username": "li.wei", "groups": "city-it" }));
    assert_eq!(town.browser("other").sign_in().status, 409);
}

#[test]
fn a_provider_that_is_down_or_no_provider_is_told_and_passwords_go_on() {
    let mut town = Town::open("", "");
    town.provider.with(|play| play.padding = 1 << 20);
    let page = town.browser("li").ask("/sign-in/oidc", &[]);
    assert!(page.status == 503 && page.body.contains("does not answer"), "{}: {}", page.status, page.body);
    assert!(town.city.log().contains("larger than 512 KiB"), "{}", town.city.log());
    let doctor = |town: &Town| {
        let told = citybrain().args(["doctor", "--json", "--config"]).arg(&town.file).output();
        let told: Vec<Value> = serde_json::from_slice(&told.expect("the binary runs").stdout).expect("JSON");
        told.into_iter().find(|finding| finding["check"] == "sign-in provider").expect("it was looked at")
    };
    assert_eq!(doctor(&town)["verdict"], "failure");
    town.provider.with(|play| play.padding = 0);
    let found = doctor(&town);
    assert_eq!(found["verdict"], "ok", "{found}");
    assert!(found["found"].as_str().expect("a text").contains("1 keys"), "{found}");

    // It goes away altogether.
    let elsewhere = tempfile::tempdir().expect("a folder");
    drop(std::mem::replace(&mut town.provider, Provider::start(elsewhere.path())));
    let found = doctor(&town);
    assert!(found["verdict"] == "failure" && !found.to_string().contains(SECRET), "{found}");
    let asked = std::time::Instant::now();
    assert_eq!(town.browser("li").ask("/sign-in/oidc", &[]).status, 503);
    assert!(asked.elapsed() < std::time::Duration::from_secs(15), "{:?}", asked.elapsed());
    let boss = town.browser("boss");
    assert_eq!(boss.ask("/sign-in", &[("name", "boss"), ("password", PASSWORD)]).status, 303);
    assert!(boss.is_in());
    let metrics = town.city.page("metrics");
    assert!(metrics.contains("citybrain_sign_ins_total{outcome=\"ok\"} 1"), "{metrics}");
}
