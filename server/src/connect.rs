//! A client for the terminal: to try a server, to watch events, and for scripts.

mod command;
mod json;
mod patience;
mod show;

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, Write};
use std::rc::Rc;
use std::{fs, process};

use async_signal::{Signal, Signals};
use smol::future::FutureExt;
use smol::io::{AsyncBufReadExt, BufReader};
use smol::stream::{self, StreamExt};
use smol::{LocalExecutor, Unblock};
use switchboard_core::client::State;
use switchboard_smol::{Client, ClientEvent, ClientSettings, Events, ServerRequest, Tls};

use crate::cli::Connect;
use crate::printable::Printable;
use command::{Answered, Command, Line};
use patience::Patience;
use show::Show;

/// Requests of the server that may wait for an answer; one more drops the oldest.
const MAX_REQUESTS: usize = 100;

/// What all tasks share.
struct Terminal {
    show: Show,
    /// Unanswered requests of the server.
    requests: RefCell<Vec<ServerRequest>>,
}

impl Terminal {
    fn print(&self, line: &str) {
        // The reader of stdout is gone: nothing is left to do.
        if writeln!(io::stdout(), "{line}").and_then(|()| io::stdout().flush()).is_err() {
            process::exit(0);
        }
    }

    fn event(&self, event: ClientEvent) {
        self.print(&self.show.event(&event));
        if let ClientEvent::Request(request) = event {
            let mut requests = self.requests.borrow_mut();
            if requests.len() >= MAX_REQUESTS {
                requests.remove(0);
            }
            requests.push(request);
        }
    }
}

/// Something to do next.
enum Next {
    /// Whether one of the rooms requested at the start was joined.
    Joined(bool),
    /// An answer that arrived after the end of the input.
    Answered,
    Event(Option<ClientEvent>),
    Line(Option<io::Result<String>>),
    /// There was no connection for too long.
    GivenUp,
    Signal,
}

pub(crate) fn connect(options: &Connect) -> Result<(), Box<dyn Error>> {
    let mut builder = Client::builder(&options.address)?;
    if let Some(user) = &options.user {
        builder = builder.user(user);
    }
    if let Some(token) = token(options)? {
        builder = builder.token(&token);
    }
    if let Some(file) = &options.ca {
        let pem = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let tls = Tls::with_root_pem(&pem)?;
        builder = builder.settings(ClientSettings { tls, ..ClientSettings::default() });
    }
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let (client, events) = builder.start()?;
        let terminal =
            Rc::new(Terminal { show: Show::new(options.json), requests: RefCell::default() });
        let result = converse(options, &client, events, &terminal, &executor).await;
        client.stop().await;
        result
    }))
}

fn token(options: &Connect) -> Result<Option<String>, Box<dyn Error>> {
    let Some(file) = &options.token_file else { return Ok(options.token.clone()) };
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Some(text.trim().to_owned()))
}

async fn converse<'a>(
    options: &Connect,
    client: &Client,
    mut events: Events,
    terminal: &Rc<Terminal>,
    executor: &LocalExecutor<'a>,
) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    let mut lines = if options.watch {
        stream::pending().boxed()
    } else {
        BufReader::new(Unblock::new(io::stdin())).lines().boxed()
    };
    let mut tasks = Vec::new();
    let mut here =
        options.rooms.last().cloned().or_else(|| client.address().room().map(ToString::to_string));
    let mut joining: Vec<_> = options
        .rooms
        .iter()
        .map(|room| {
            let command = Command::Join { room: room.clone(), since: options.since };
            start(client, Line { tag: None, command }, terminal, executor)
        })
        .collect();
    let (mut is_open, mut at_end) = (false, false);
    let mut patience = Patience::new(options.patience);
    loop {
        tasks.retain(|task: &smol::Task<bool>| !task.is_finished());
        if at_end && tasks.is_empty() {
            // Also show what arrived before the last answer.
            while let Some(Some(event)) = smol::future::poll_once(events.next_event()).await {
                terminal.event(event);
            }
            return Ok(());
        }
        let event = async { Next::Event(events.next_event().await) };
        // Input is read only once the connection is open and the rooms are joined, so that commands
        // find what they expect.
        let line = async {
            if let Some(task) = joining.first_mut() {
                return Next::Joined(task.await);
            }
            if !is_open {
                smol::future::pending::<()>().await;
            }
            if at_end {
                if let Some(task) = tasks.first_mut() {
                    task.await;
                }
                return Next::Answered;
            }
            Next::Line(lines.next().await)
        };
        let signal = async {
            signals.next().await;
            Next::Signal
        };
        let given_up = async {
            patience.exhausted().await;
            Next::GivenUp
        };
        match signal.or(event).or(line).or(given_up).await {
            Next::GivenUp => return Err(patience.to_string().into()),
            Next::Signal | Next::Event(None) => return Ok(()),
            Next::Event(Some(event)) => {
                // Print the answers that arrived before this event first.
                if !matches!(event, ClientEvent::State { .. }) {
                    smol::future::yield_now().await;
                }
                is_open |= matches!(event, ClientEvent::State { state: State::Open, .. });
                patience.observe(&event);
                let refused = refusal(&event);
                terminal.event(event);
                if let Some(why) = refused {
                    return Err(why.into());
                }
            }
            Next::Joined(true) => drop(joining.remove(0)),
            Next::Joined(false) => return Err("a room could not be joined".into()),
            Next::Answered => {}
            Next::Line(None) => at_end = true,
            Next::Line(Some(line)) => match command::parse(&line?, options.json, here.as_deref()) {
                Ok(None) => {}
                Ok(Some(Line { command: Command::Quit, .. })) => return Ok(()),
                Ok(Some(Line { command: Command::Help, .. })) => terminal.print(command::HELP),
                Ok(Some(line)) => {
                    if let Command::Join { room, .. } = &line.command {
                        here = Some(room.clone());
                    }
                    tasks.push(start(client, line, terminal, executor));
                }
                Err(why) => {
                    let why = Err((String::from("bad_command"), why));
                    terminal.print(&terminal.show.answer(None, &why));
                }
            },
        }
    }
}

/// Starts a command immediately, so that lines are sent in order, and prints the answer when it
/// arrives. The task returns whether the command succeeded.
fn start<'a>(
    client: &Client,
    line: Line,
    terminal: &Rc<Terminal>,
    executor: &LocalExecutor<'a>,
) -> smol::Task<bool> {
    let Line { tag, command } = line;
    let begun = if let Command::Reply { id, answer } = command {
        let mut requests = terminal.requests.borrow_mut();
        let found = requests.iter().position(|request| request.id() == id);
        command::reply(found.map(|at| requests.remove(at)), answer)
    } else {
        command::begin(client, command)
    };
    let terminal = terminal.clone();
    executor.spawn(async move {
        let answer: Answered = begun.await;
        terminal.print(&terminal.show.answer(tag.as_ref(), &answer));
        answer.is_ok()
    })
}

/// Returns why no connection will be made, if the client has given up.
fn refusal(event: &ClientEvent) -> Option<String> {
    let ClientEvent::State { state: State::Closed, cause, detail } = event else { return None };
    let cause = cause.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(match detail {
        Some(detail) => format!("the server refuses this client: {}", Printable(detail)),
        None => cause,
    })
}
