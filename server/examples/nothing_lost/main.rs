//! Shows that nothing is lost and nothing delivered twice: many clients in rooms, a server that
//! restarts, and a network that cuts every connection again and again. Each client checks its own
//! stream, number by number.
//!
//! ```text
//! cargo build --release --examples --bins
//! target/release/examples/nothing_lost                                    # 2,000 clients, 8 cuts each
//! target/release/examples/nothing_lost --clients 10000 --cuts 0 --rate 0  # only a restart
//! ```
//!
//! It starts the program `switchboard`, built beside it, as its server. It fails if anything is
//! missing without being announced, repeated or out of order, or if a client does not return.

mod crowd;
mod log;
mod proxy;
mod server;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use smol::Timer;

use crowd::{Crowd, Tally};
use log::Logs;
use proxy::Proxy;
use server::Server;

#[derive(Parser, Debug)]
#[command(about = "Shows that nothing is lost and nothing comes twice")]
struct Options {
    /// Number of clients, spread over the rooms
    #[arg(long, default_value_t = 2_000)]
    clients: usize,
    /// Number of rooms; one client in each publishes
    #[arg(long, default_value_t = 20)]
    rooms: usize,
    /// How long to publish and cut
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How often each client is cut off in that time, on average; 0: no proxy between clients and
    /// server
    #[arg(long, default_value_t = 8)]
    cuts: usize,
    /// Messages a second in each room
    #[arg(long, default_value_t = 5)]
    rate: u32,
    /// Seconds over which clients are told to reconnect when the server restarts
    #[arg(long, default_value_t = 5)]
    spread: u64,
    /// Do not restart the server half way
    #[arg(long)]
    no_restart: bool,
}

/// How long clients may take to return and to catch up after the last cut.
const SETTLE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    // Each client is one socket here, and two more if it can be cut.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        eprintln!("the limit on open files is unchanged: {error}");
    }
    match smol::block_on(run(&Options::parse())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let mut server = Server::start(options.spread)?;
    server.ready().await?;
    let proxy = (options.cuts > 0).then(|| Proxy::start(server.address())).transpose()?;
    let address = proxy.as_ref().map_or_else(|| server.address(), Proxy::address);

    let logs = Arc::new(Logs::default());
    let crowd = Crowd::start(address, options.clients, options.rooms, logs.clone())?;
    crowd.until("everybody is in", SETTLE, Tally::everybody_is_in).await?;
    println!("{} clients are in {} rooms", options.clients, options.rooms);

    let publishing = crowd.publish(options.rate);
    let began = Instant::now();
    let length = Duration::from_secs(options.seconds);
    let mut restart = (!options.no_restart).then_some(began + length / 2);
    let all_cuts = options.cuts * options.clients;
    let (mut cuts, mut said) = (0, 0);
    while began.elapsed() < length {
        Timer::after(Duration::from_millis(20)).await;
        let due = all_cuts as f64 * (began.elapsed().as_secs_f64() / length.as_secs_f64()).min(1.0);
        if let Some(proxy) = &proxy {
            cuts += proxy.cut((due as usize).saturating_sub(cuts));
        }
        if restart.is_some_and(|at| at <= Instant::now()) {
            restart = None;
            let back = server.restart().await?;
            println!("the server was restarted; it listened again after {back:.1?}");
            crowd.restarted();
        }
        if began.elapsed().as_secs() >= said + 5 {
            said = began.elapsed().as_secs();
            println!("{said:>3} s: {cuts} cuts; {}", crowd.tally());
        }
    }
    publishing.stop().await;
    crowd.until("everybody has everything", SETTLE, Tally::everybody_has_everything).await?;

    let tally = crowd.tally();
    println!("\nafter {:.0?}, with {cuts} cuts:", began.elapsed());
    println!("{}", tally.report(&logs));
    server.stop().await?;
    Ok(tally.is_clean(&logs))
}
