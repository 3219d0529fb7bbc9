//! The server program.

<<<<<<< HEAD
mod auth;
mod bind;
mod cli;
mod config;
mod connect;
mod dashboard;
mod journal;
mod logging;
mod os;
mod page;
mod record;
mod replay;
mod serve;
mod settings;

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
=======
>>>>>>> main
use std::process::ExitCode;

fn main() -> ExitCode {
<<<<<<< HEAD
    // Wrong usage ends in here, with exit code 2.
    let cli = Cli::parse();
    let done = match &cli.command {
        None => run(&cli.run),
        Some(Command::CheckConfig { file }) => check_config(file),
        Some(Command::Token(token)) => print_token(token),
        Some(Command::Replay(options)) => replay::replay(options),
        Some(Command::Connect(options)) => connect::connect(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(run: &Run) -> Result<(), Box<dyn Error>> {
    let config = Config::load(run.config.as_deref(), env::vars_os(), &run.overrides())?;
    Ok(serve::serve(config)?)
}

fn check_config(file: &Path) -> Result<(), Box<dyn Error>> {
    let config = Config::load(Some(file), env::vars_os(), &[])?;
    write!(io::stdout(), "{} is valid\n\n{config}", file.display())?;
    // The flag may be given when the server is started, so this is no error yet. A name that does
    // not resolve here may do so where the server runs.
    let listen = &config.server.listen;
    let allowed = config.server.allow_anonymous;
    let exposure = bind::resolve(listen)
        .and_then(|addresses| bind::check_exposure(listen, &addresses, config.auth.mode, allowed));
    if let Err(why) = exposure {
        eprintln!("\nnote: the server would not start like this: {why}");
    }
    Ok(())
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
    // Nobody should carry away a token that the server refuses.
    Verifier::new(secret, &config.auth).verify(&token, now)?;
    writeln!(io::stdout(), "{token}")?;
    Ok(())
=======
    switchboard::main()
>>>>>>> main
}
