//! The program `switchboard` as a process, on the same port before and after its restart.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use smol::{Async, Timer};

/// How long the program may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Only history is bounded, and by enough to outlast any outage here.
const CONFIG: &str = "
[limits]
max_connections = 0
max_per_room = 0
max_per_user = 0
messages_per_second = 0
[recovery]
session_window = \"10s\"
history_bytes = 0
[log]
level = \"warn\"
[rooms.\"\"]
history_events = 100000
history_bytes = 0
presence = false
";

pub(crate) struct Server {
    address: SocketAddr,
    spread: u64,
    config: PathBuf,
    child: Child,
}

impl Server {
    pub(crate) fn start(spread: u64) -> io::Result<Self> {
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let config = std::env::temp_dir().join(format!("switchboard-{}.toml", std::process::id()));
        std::fs::write(&config, CONFIG)?;
        let child = spawn(address, spread, &config)?;
        Ok(Self { address, spread, config, child })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it listens.
    pub(crate) async fn ready(&mut self) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        while Async::<TcpStream>::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            if began.elapsed() > PATIENCE {
                return Err("the server does not listen".into());
            }
            Timer::after(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Drains and restarts it. Returns how long nothing listened.
    pub(crate) async fn restart(&mut self) -> Result<Duration, Box<dyn Error>> {
        self.terminate().await?;
        let began = Instant::now();
        self.child = spawn(self.address, self.spread, &self.config)?;
        self.ready().await?;
        Ok(began.elapsed())
    }

    pub(crate) async fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        self.terminate().await?;
        std::fs::remove_file(&self.config)?;
        Ok(())
    }

    async fn terminate(&mut self) -> Result<(), Box<dyn Error>> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the drain failed: {status}").into()),
                None => Timer::after(Duration::from_millis(10)).await,
            };
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has already ended if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(address: SocketAddr, spread: u64, config: &PathBuf) -> io::Result<Child> {
    let program = match std::env::var_os("SWITCHBOARD_BIN") {
        Some(program) => PathBuf::from(program),
        // …/release/examples/nothing_lost and …/release/switchboard
        None => std::env::current_exe()?.with_file_name("../switchboard"),
    };
    Command::new(&program)
        .arg("--config")
        .arg(config)
        .env("SWITCHBOARD_LISTEN", address.to_string())
        .env("SWITCHBOARD_DRAIN_SPREAD", format!("{spread}s"))
        .env_remove("SWITCHBOARD_BIN")
        .spawn()
        .map_err(|error| {
            let hint = "`cargo build --release` makes it, or name it in SWITCHBOARD_BIN";
            io::Error::new(error.kind(), format!("{}: {error} ({hint})", program.display()))
        })
}
