//! Runs worlds from a seed on until one breaks a rule, and reports which one, and the figures.
//!
//! ```text
//! cargo run --release -p switchboard-simulator --example hunt -- FIRST_SEED HOW_MANY
//! ```

use std::process::ExitCode;
use std::time::Instant;

use switchboard_simulator::{Figures, Plan, Story, World};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Some(Ok(first)), Some(Ok(many))) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: hunt FIRST_SEED HOW_MANY");
        return ExitCode::FAILURE;
    };
    let (mut all, started) = (Figures::default(), Instant::now());
    for seed in first..first + many {
        let mut world = World::new(Plan::new(seed), Story::default());
        if let Err(violation) = world.run() {
            let events = all.events + world.figures.events;
            println!("seed {seed}, {:?}, {events} events: {violation:?}", world.now());
            return ExitCode::FAILURE;
        }
        all.add(&world.figures);
    }
    println!("{many} worlds: {}", all.per(started.elapsed()));
    ExitCode::SUCCESS
}
