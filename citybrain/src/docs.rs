//! The reference pages that are generated: configuration, its schema, command line, metrics.

use crate::cli::{Cli, DocsArgs};
use anyhow::{Context, bail};
use clap::CommandFactory;
use std::fmt::Write;

/// Writes the pages, or fails when one on disk differs.
pub fn write(args: &DocsArgs) -> anyhow::Result<()> {
    let pages = [
        ("config.md", citybrain_ingest_config::reference_markdown()),
        ("citybrain.schema.json", citybrain_ingest_config::schema_json()),
        ("cli.md", command_line()),
        ("openapi.json", format!("{:#}\n", citybrain_dispatcher::api::openapi())),
    ];
    let mut stale = Vec::new();
    for (name, page) in pages {
        let path = args.dir.join(name);
        if args.check {
            if std::fs::read_to_string(&path).ok().as_deref() != Some(page.as_str()) {
                stale.push(path.display().to_string());
            }
        } else {
            std::fs::create_dir_all(&args.dir)
                .with_context(|| format!("cannot make {}", args.dir.display()))?;
            std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if !stale.is_empty() {
        bail!("stale: {}; run './x docs' and commit what it wrote", stale.join(", "));
    }
    Ok(())
}

/// Prints the JSON Schema of the configuration.
#[allow(clippy::print_stdout, reason = "the schema is what the command is run for")]
pub fn print_schema() {
    print!("{}", citybrain_ingest_config::schema_json());
}

fn command_line() -> String {
    let mut page = String::from("# Command line\n\nGenerated from the program's own help by `./x docs`.\n");
    let mut root = Cli::command().max_term_width(100);
    root.build();
    describe(&mut page, &mut root, "citybrain");
    page
}

fn describe(page: &mut String, command: &mut clap::Command, path: &str) {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## {path}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        describe(page, sub, &path);
    }
}
