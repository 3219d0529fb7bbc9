//! The task of a client: it dials, reads, writes and keeps time.

use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use smol::future::FutureExt;
use smol::{Async, Timer};
use switchboard_core::Timestamp;
use switchboard_engine::Clock;
use switchboard_engine::client::{DialOrder, Link, Outside, Over, Shell};

use crate::auth::BoxFuture;
use crate::waiting::Bell;

use super::dial::dial;

pub(super) type TokenProvider = Box<dyn Fn() -> BoxFuture<Result<String, String>> + Send + Sync>;

/// How long a server may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The clock, and what wakes the task.
pub(super) struct Environment {
    clock: Clock,
    bell: Bell,
}

impl Default for Environment {
    fn default() -> Self {
        Self { clock: Clock::start(), bell: Bell::default() }
    }
}

impl Outside for Environment {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn ring(&self) {
        self.bell.ring();
    }
}

pub(super) struct Source {
    pub(super) shell: Arc<Shell>,
    pub(super) environment: Arc<Environment>,
    pub(super) tokens: Option<TokenProvider>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.shell.ended();
    }
}

struct Connection {
    socket: Async<TcpStream>,
    link: Link,
}

/// What is under way besides.
#[derive(Default)]
struct Task {
    connection: Option<Connection>,
    dial: Option<BoxFuture<Result<Connection, Over>>>,
    token: Option<BoxFuture<Result<String, String>>>,
    alarm: Option<(Timestamp, Timer)>,
}

pub(super) async fn run(source: Source) {
    let mut task = Task::default();
    loop {
        let mut orders = source.shell.orders();
        if let Some(connection) = &mut task.connection {
            connection.link.send(orders.outbound.drain(..));
        }
        if let Some(code) = orders.drop {
            task.dial = None;
            task.token = None;
            if let (Some(connection), Some(code)) = (task.connection.take(), code) {
                let timeout = async {
                    Timer::after(CLOSE_TIMEOUT).await;
                };
                say_goodbye(connection, code).or(timeout).await;
            }
            source.shell.closed();
        }
        if orders.ask_token {
            task.token = source.tokens.as_ref().map(|ask| ask());
        }
        if let Some(order) = orders.dial {
            task.dial = Some(Box::pin(open(source.shell.clone(), order)));
        }
        if orders.last && task.connection.is_none() && task.dial.is_none() {
            return;
        }
        task.set_alarm(orders.deadline, &source.environment.clock);
        let mut rung = pin!(source.environment.bell.heard());
        poll_fn(|cx| {
            let rung = rung.as_mut().poll(cx).is_ready();
            if task.poll(cx, &source.shell) || rung { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // Other tasks have their turn, however much arrives.
        smol::future::yield_now().await;
    }
}

impl Task {
    fn set_alarm(&mut self, deadline: Option<Timestamp>, clock: &Clock) {
        if self.alarm.as_ref().map(|(due, _)| *due) != deadline {
            self.alarm = deadline.map(|due| (due, Timer::at(clock.instant_of(due))));
        }
    }

    /// Returns whether anything happened.
    fn poll(&mut self, cx: &mut Context<'_>, shell: &Shell) -> bool {
        let mut happened = false;
        if let Some((_, timer)) = &mut self.alarm
            && Pin::new(timer).poll(cx).is_ready()
        {
            // What is due is done below, after what has arrived has been read.
            self.alarm = None;
            happened = true;
        }
        if let Some(token) = &mut self.token
            && let Poll::Ready(result) = token.as_mut().poll(cx)
        {
            self.token = None;
            shell.token(result);
            happened = true;
        }
        if let Some(dial) = &mut self.dial
            && let Poll::Ready(result) = dial.as_mut().poll(cx)
        {
            self.dial = None;
            happened = true;
            match result {
                Ok(connection) => self.connection = Some(connection),
                Err(over) => shell.over(over),
            }
        }
        if let Some(connection) = &mut self.connection {
            match connection.poll(cx, shell) {
                Poll::Ready(Ok(())) => happened = true,
                Poll::Ready(Err(over)) => {
                    self.connection = None;
                    shell.over(over);
                    happened = true;
                }
                Poll::Pending => {}
            }
        } else {
            happened |= shell.tick();
        }
        happened
    }
}

impl Connection {
    /// Ready when something was done, or the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>, shell: &Shell) -> Poll<Result<(), Over>> {
        loop {
            let mut socket = self.socket.get_ref();
            if shell.turn(&mut self.link, &mut socket)? {
                // What follows from this is done first.
                return Poll::Ready(Ok(()));
            }
            // Each of them has the task woken when the socket is ready.
            let failed = |error: io::Error| Over::Failed(error.to_string());
            let readable = self.socket.poll_readable(cx).map_err(failed)?;
            let writable = self.link.wants_write() && {
                self.socket.poll_writable(cx).map_err(failed)?.is_ready()
            };
            if !readable.is_ready() && !writable {
                return Poll::Pending;
            }
        }
    }
}

/// Sends what is queued, then the close code, and waits for the end.
async fn say_goodbye(mut connection: Connection, code: u16) {
    connection.link.close(code);
    poll_fn(|cx| {
        loop {
            let mut socket = connection.socket.get_ref();
            match connection.link.turn(&mut socket, &mut |_| {}) {
                Err(_) => return Poll::Ready(()),
                Ok(true) => continue,
                Ok(false) => {}
            }
            let readable = connection.socket.poll_readable(cx).is_ready();
            let writable =
                connection.link.wants_write() && connection.socket.poll_writable(cx).is_ready();
            if !connection.link.is_open() {
                return Poll::Ready(());
            }
            if !readable && !writable {
                return Poll::Pending;
            }
        }
    })
    .await;
}

async fn open(shell: Arc<Shell>, order: DialOrder) -> Result<Connection, Over> {
    let setup = shell.setup();
    let socket = dial(&setup.address).await?;
    Ok(Connection { socket, link: Link::new(setup, &order)? })
}
