//! The thread of a client: it dials, reads, writes and keeps time.

use std::io;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use polling::{Event, Events, Poller};
use switchboard_core::Timestamp;
use switchboard_engine::Clock;
use switchboard_engine::client::{DialOrder, Link, Outside, Over, Shell};

use super::dial::dial;

pub(super) type TokenProvider = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// How long a server may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The clock, and what wakes the thread.
pub(super) struct Environment {
    clock: Clock,
    poller: Poller,
}

impl Environment {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { clock: Clock::start(), poller: Poller::new()? })
    }
}

impl Outside for Environment {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn ring(&self) {
        if let Err(error) = self.poller.notify() {
            tracing::error!(%error, "the thread of a client cannot be woken");
        }
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

/// What another thread has found.
enum Found {
    Socket(Result<TcpStream, Over>),
    Token(Result<String, String>),
}

/// A socket, which is registered with the poller while this lives.
struct Connection<'a> {
    socket: TcpStream,
    link: Link,
    poller: &'a Poller,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.poller.delete(&self.socket) {
            tracing::error!(%error, "a socket cannot be taken out of those that are watched");
        }
    }
}

struct Thread<'a> {
    source: &'a Source,
    connection: Option<Connection<'a>>,
    /// The dial that is under way, and its number: the result of an earlier one is ignored.
    dial: Option<(u64, DialOrder)>,
    token: Option<u64>,
    number: u64,
    sender: Sender<(u64, Found)>,
    found: Receiver<(u64, Found)>,
    events: Events,
}

pub(super) fn run(source: &Source) {
    let (sender, found) = channel();
    let thread = Thread {
        source,
        connection: None,
        dial: None,
        token: None,
        number: 0,
        sender,
        found,
        events: Events::new(),
    };
    thread.run();
}

impl<'a> Thread<'a> {
    fn run(mut self) {
        let shell = &self.source.shell;
        loop {
            let mut orders = shell.orders();
            if let Some(connection) = &mut self.connection {
                connection.link.send(orders.outbound.drain(..));
            }
            if let Some(code) = orders.drop {
                self.dial = None;
                self.token = None;
                if let (Some(connection), Some(code)) = (self.connection.take(), code) {
                    self.say_goodbye(connection, code);
                }
                shell.closed();
            }
            if orders.ask_token {
                self.begin_token();
            }
            if let Some(order) = orders.dial {
                self.begin_dial(order);
            }
            if orders.last && self.connection.is_none() && self.dial.is_none() {
                return;
            }
            if !self.turn() {
                self.wait(orders.deadline);
            }
        }
    }

    /// Does what can be done. Returns whether anything was.
    fn turn(&mut self) -> bool {
        let shell = &self.source.shell;
        let mut happened = false;
        while let Ok((number, found)) = self.found.try_recv() {
            happened = true;
            self.take(number, found);
        }
        let Some(connection) = &mut self.connection else { return shell.tick() || happened };
        let mut socket = &connection.socket;
        match shell.turn(&mut connection.link, &mut socket) {
            Ok(done) => done || happened,
            Err(over) => {
                self.connection = None;
                shell.over(over);
                true
            }
        }
    }

    /// Waits for the socket, for the deadline, or until it is rung.
    fn wait(&mut self, deadline: Option<Timestamp>) {
        let environment = &self.source.environment;
        let instant = deadline.map(|deadline| environment.clock.instant_of(deadline));
        self.wait_for_socket(instant);
    }

    fn wait_for_socket(&mut self, until: Option<Instant>) {
        let poller = &self.source.environment.poller;
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        let watched = self.connection.as_ref().map_or(Ok(()), Connection::watch);
        self.events.clear();
        if let Err(error) = watched.and_then(|()| poller.wait(&mut self.events, timeout).map(drop))
        {
            tracing::error!(%error, "a client cannot wait for its socket");
            self.connection = None;
            self.source.shell.over(Over::Failed(error.to_string()));
        }
    }

    fn begin(&mut self, name: &str, work: impl FnOnce() -> Found + Send + 'static) -> u64 {
        self.number += 1;
        let (number, sender) = (self.number, self.sender.clone());
        let environment = self.source.environment.clone();
        let spawned = std::thread::Builder::new().name(name.into()).spawn(move || {
            // The result may no longer be wanted.
            let _ = sender.send((number, work()));
            environment.ring();
        });
        if let Err(error) = spawned {
            let failed = Found::Socket(Err(Over::Failed(error.to_string())));
            let _ = self.sender.send((number, failed));
        }
        number
    }

    fn begin_token(&mut self) {
        let Some(tokens) = self.source.tokens.clone() else { return };
        let number = self.begin("switchboard-token", move || {
            let result = catch_unwind(AssertUnwindSafe(|| tokens()));
            Found::Token(result.unwrap_or_else(|_| Err("the provider panicked".to_owned())))
        });
        self.token = Some(number);
    }

    fn begin_dial(&mut self, order: DialOrder) {
        let setup = self.source.shell.setup().clone();
        let number = self.begin("switchboard-dial", move || {
            Found::Socket(dial(&setup.address, setup.settings.config.connect_timeout))
        });
        self.dial = Some((number, order));
    }

    fn take(&mut self, number: u64, found: Found) {
        let shell = &self.source.shell;
        if self.token == Some(number) {
            self.token = None;
            shell.token(match found {
                Found::Token(result) => result,
                Found::Socket(_) => Err("there can be no more threads".to_owned()),
            });
        } else if let Some((_, order)) = self.dial.take_if(|(dial, _)| *dial == number)
            && let Found::Socket(result) = found
        {
            let poller = &self.source.environment.poller;
            let connection = result.and_then(|socket| {
                let link = Link::new(shell.setup(), &order)?;
                Connection::new(socket, link, poller)
                    .map_err(|error| Over::Failed(error.to_string()))
            });
            match connection {
                Ok(connection) => self.connection = Some(connection),
                Err(over) => shell.over(over),
            }
        }
    }

    /// Sends what is queued, then the close code, and waits for the end.
    fn say_goodbye(&mut self, mut connection: Connection<'a>, code: u16) {
        connection.link.close(code);
        if !connection.link.is_open() {
            return;
        }
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        while Instant::now() < deadline {
            let mut socket = &connection.socket;
            match connection.link.turn(&mut socket, &mut |_| {}) {
                Err(_) => return,
                Ok(true) => {}
                Ok(false) => {
                    self.connection = Some(connection);
                    self.wait_for_socket(Some(deadline));
                    let Some(back) = self.connection.take() else { return };
                    connection = back;
                }
            }
        }
    }
}

impl<'a> Connection<'a> {
    fn new(socket: TcpStream, link: Link, poller: &'a Poller) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        // SAFETY: the connection takes the socket out of the poller before it closes it.
        #[expect(unsafe_code, reason = "the poller cannot know how long the socket lives")]
        unsafe {
            poller.add(&socket, Event::none(0))?;
        }
        Ok(Self { socket, link, poller })
    }

    /// Asks once to be woken when the socket is ready.
    fn watch(&self) -> io::Result<()> {
        self.poller.modify(&self.socket, Event::new(0, true, self.link.wants_write()))
    }
}
