//! The one binary: parses arguments, reads configuration, wires the rooms, nothing else.
#![forbid(unsafe_code)]

mod announce;
mod cli;
mod demo;
mod docs;
mod doctor;
mod editor;
mod eval;
mod farm;
mod lineup;
mod logging;
mod models;
mod people;
mod plan;
mod replay;
mod run;
mod server;
mod signals;
mod simulate;
mod tls;
mod tune;
mod zoo;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("citybrain: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    logging::start(cli.log_format, &cli.log)?;
    match cli.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => run::check(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Simulate(args) => simulate::simulate(args),
        Command::Demo(args) => demo::demo(args),
        Command::Eval(args) => eval::eval(&args),
        Command::Models(command) => models::models(&command),
        Command::Replay(args) => replay::replay(&args),
        Command::Tune(args) => tune::tune(&args),
        Command::User(command) => people::user(&command),
        Command::Audit(command) => people::audit(&command),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "citybrain", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            docs::print_schema();
            Ok(ExitCode::SUCCESS)
        }
        Command::Docs(args) => docs::write(&args).map(|()| ExitCode::SUCCESS),
    }
}
