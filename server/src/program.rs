//! Runs the command that the arguments name, and prints its output.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::auth::{self, Grant, Verifier};
use crate::cli::{Cli, Command, Run, Token};
use crate::config::{self, Config, Override, Problems};
use crate::{bench, connect, logging, replay, serve};

/// Runs the program with the process's arguments and environment.
pub fn main() -> ExitCode {
    // Exits with code 2 on wrong usage.
    let cli = Cli::parse();
    let done = match &cli.command {
        None => run(&cli.run).map(succeeded),
        Some(Command::CheckConfig { file, allow_anonymous }) => {
            check_config(file, *allow_anonymous).map(succeeded)
        }
        Some(Command::ExampleConfig) => example_config().map(succeeded),
        Some(Command::Token(token)) => print_token(token).map(succeeded),
        Some(Command::Replay(options)) => replay::replay(options).map(succeeded),
        Some(Command::Connect(options)) => connect::connect(options).map(succeeded),
        Some(Command::Bench(options)) => bench::bench(options),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            logging::say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn succeeded((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

fn run(run: &Run) -> Result<(), Box<dyn Error>> {
    let config = Config::load(run.config.as_deref(), env::vars_os(), &run.overrides())?;
    Ok(serve::serve(config)?)
}

fn example_config() -> Result<(), Box<dyn Error>> {
    Ok(write!(io::stdout(), "{}", config::example())?)
}

fn check_config(file: &Path, allow_anonymous: bool) -> Result<(), Box<dyn Error>> {
    let flag = allow_anonymous.then(Override::allow_anonymous);
    let config = Config::load(Some(file), env::vars_os(), flag.as_slice())?;
    serve::check(&config)
        .map_err(|why| format!("with {} the server would not start: {why}", file.display()))?;
    Ok(write!(io::stdout(), "{} is valid\n\n{config}", file.display())?)
}

fn print_token(options: &Token) -> Result<(), Box<dyn Error>> {
    let config = Config::load(options.config.as_deref(), env::vars_os(), &options.overrides())?;
    let secret = config.secret.as_ref().ok_or_else(|| Problems::one("no secret".to_owned()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let expires = options.expires.as_millis().div_ceil(1_000);
    let grant = Grant {
        user: options.user.clone(),
        rooms: options.rooms.clone(),
        issued_at: now,
        expires_at: (expires > 0)
            .then(|| now.saturating_add(u64::try_from(expires).unwrap_or(u64::MAX))),
    };
    let token = auth::issue(secret, &config.auth, &grant)?;
    // Do not hand out a token that the server would refuse.
    Verifier::new(secret, &config.auth).verify(&token, now)?;
    writeln!(io::stdout(), "{token}")?;
    Ok(())
}
