//! `citybrain user` and `citybrain audit`: people and their log, beside a city that runs or before it does.
#![allow(clippy::print_stdout, reason = "this is the command's output")]

use crate::cli::{AuditCommand, DataArgs, UserCommand};
use anyhow::{Context, bail};
use citybrain_dispatcher::people::{People, Role, User, one_time_password};
use citybrain_ingest_config::resolved::CaseStore;
use citybrain_types::SystemClock;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Who the audit log says has done what is done here.
const BY: &str = "command line";
/// Longest password read from standard input, in bytes.
const MAX_INPUT: u64 = 4_096;

/// The folder of the city, and the store its configuration names; without a configuration the file in that folder.
fn store(args: &DataArgs) -> anyhow::Result<(CaseStore, PathBuf)> {
    let city = match &args.config {
        Some(file) => Some(citybrain_ingest_config::load(file)?.city),
        None => None,
    };
    match (city, &args.data_dir) {
        (Some(city), dir) => Ok((city.store, dir.clone().unwrap_or(city.site.data_dir))),
        (None, Some(dir)) => Ok((CaseStore::default(), dir.clone())),
        (None, None) => bail!("give --config, or --data-dir"),
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(work)
}

async fn open(args: &DataArgs) -> anyhow::Result<People> {
    let (config, dir) = store(args)?;
    tokio::fs::create_dir_all(&dir).await.with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(People::open(&config, &dir, Arc::new(SystemClock)).await?)
}

/// Makes, lists and changes users.
pub fn user(command: &UserCommand) -> anyhow::Result<ExitCode> {
    block_on(async {
        let people = open(command.data()).await?;
        let done = change(&people, command).await;
        people.close().await;
        done
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn change(people: &People, command: &UserCommand) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { name, role, password_stdin, .. } => {
            let (password, made) = password(*password_stdin)?;
            let user = people.add_user(name, *role, &password).await?;
            people.record(BY, "user.add", &user.name, &format!("as {role}")).await;
            told(&user, made.as_deref());
        }
        UserCommand::List { json, .. } => list(&people.users().await?, *json)?,
        UserCommand::ResetPassword { name, password_stdin, .. } => {
            let (password, made) = password(*password_stdin)?;
            let user = people.user(name).await?;
            let user = people.change_user(&user.id, None, None, Some(&password)).await?;
            people.record(BY, "user.password", &user.name, "set; every session is over").await;
            told(&user, made.as_deref());
        }
        UserCommand::Role { name, role, .. } => {
            let user = people.user(name).await?;
            let user = people.change_user(&user.id, Some(*role), None, None).await?;
            people.record(BY, "user.role", &user.name, &format!("to {role}")).await;
            told(&user, None);
        }
        UserCommand::Disable { name, .. } => shut_out(people, name, true).await?,
        UserCommand::Enable { name, .. } => shut_out(people, name, false).await?,
    }
    Ok(())
}

async fn shut_out(people: &People, name: &str, disabled: bool) -> anyhow::Result<()> {
    let user = people.user(name).await?;
    let user = people.change_user(&user.id, None, Some(disabled), None).await?;
    let event = if disabled { "user.disable" } else { "user.enable" };
    people.record(BY, event, &user.name, "").await;
    told(&user, None);
    Ok(())
}

/// The password of standard input, or one that is made and shown.
fn password(from_stdin: bool) -> anyhow::Result<(String, Option<String>)> {
    if !from_stdin {
        let made = one_time_password()?;
        return Ok((made.clone(), Some(made)));
    }
    let mut text = String::new();
    std::io::stdin().take(MAX_INPUT).read_to_string(&mut text).context("the password cannot be read")?;
    Ok((text.trim_end_matches(['\r', '\n']).to_owned(), None))
}

fn told(user: &User, made: Option<&str>) {
    let state = if user.disabled { ", shut out" } else { "" };
    println!("{} ({}{state})", user.name, user.role);
    if let Some(password) = made {
        println!("password: {password}");
    }
}

fn list(users: &[User], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(users)?);
        return Ok(());
    }
    for user in users {
        let state = if user.disabled { "  shut out" } else { "" };
        println!("{:<40} {:<11} since {}{state}", user.name, user.role.name(), user.created_at);
    }
    if users.is_empty() {
        println!("there is no user; make one: citybrain user add NAME --role {}", Role::Admin);
    }
    Ok(())
}

/// Looks into the audit log; exit code 1 when it is not whole.
pub fn audit(command: &AuditCommand) -> anyhow::Result<ExitCode> {
    block_on(async {
        let people = open(command.data()).await?;
        let code = match command {
            AuditCommand::Verify { expect, json, .. } => {
                let verdict = people.verify_audit(expect.clone()).await?;
                match (&verdict.fault, json) {
                    (_, true) => println!("{}", serde_json::to_string_pretty(&verdict)?),
                    (None, false) => println!("whole: {} rows, head {}", verdict.rows, verdict.head),
                    (Some(fault), false) => println!("broken: {fault}"),
                }
                if verdict.whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            AuditCommand::Head { .. } => {
                println!("{}", people.audit_head().await?);
                ExitCode::SUCCESS
            }
        };
        people.close().await;
        Ok(code)
    })
}
