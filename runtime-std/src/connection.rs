//! One thread for each connection: it reads, and runs the application's handlers.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use switchboard_core::{Command, ConnectionId, Output};
use switchboard_engine::server::{
    Claims, Framing, Host, LINGER, LINGER_BYTES, Stop, answer, panicked,
};

use crate::Context;
use crate::Handle;
use crate::outlet::Link;
use crate::shared::Shared;

/// Bytes read at once, into the thread's stack.
const READ_BYTES: usize = 4 * 1024;

/// What a connection's thread works with.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Arc<Link>,
    pub(crate) claims: Claims,
    pub(crate) framing: Framing,
    /// The peer broke a rule, and what it sends is ignored. It is still read, because closing a
    /// socket with unread bytes would destroy the close frame on its way.
    discarding: bool,
    /// Bytes that were read although the connection was being closed.
    wasted: usize,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.readers.remove(self.link.id);
    }
}

/// The connection is over.
struct Over;

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, link: Arc<Link>, claims: Claims) -> Self {
        let framing = Framing::new(&shared.settings.config.limits);
        shared.readers.add(&link);
        Self { shared, link, claims, framing, discarding: false, wasted: 0 }
    }

    fn id(&self) -> ConnectionId {
        self.link.id
    }

    /// Serves the connection until it is over.
    pub(crate) fn run(mut self, read_ahead: &[u8]) {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(read_ahead)));
        // If the connection is over already, this has no effect.
        if served.is_err() || !self.link.is_ended() {
            let id = self.id();
            self.shared.drive(|driver, now| driver.lost(now, id));
        }
    }

    fn serve(&mut self, read_ahead: &[u8]) {
        for piece in read_ahead.chunks(READ_BYTES) {
            if self.parse(&mut piece.to_vec()).is_err() {
                return;
            }
        }
        let mut buffer = [0; READ_BYTES];
        while !self.link.is_ended() {
            if self.wasted >= LINGER_BYTES {
                return self.wait_unread();
            }
            match (&*self.link.socket).read(&mut buffer) {
                Ok(0) => return,
                Ok(taken) => {
                    self.link.took(taken);
                    if self.parse(&mut buffer[..taken]).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// The peer still sends although we have said our last: it has a while to read that.
    fn wait_unread(&self) {
        // The time-keeper must not wait for what is not read.
        self.shared.readers.remove(self.id());
        self.link.wait_for_end(LINGER);
    }

    /// Gives everything that is complete to the driver, and runs the handlers for it.
    fn parse(&mut self, bytes: &mut [u8]) -> Result<(), Over> {
        if self.discarding {
            self.wasted += bytes.len();
            self.link.gave();
            return Ok(());
        }
        let id = self.id();
        let (framing, wasted) = (&mut self.framing, &mut self.wasted);
        let (stop, requests) = self.shared.drive_for(Some(id), |driver, now| {
            let connection = driver.hub().connection(id);
            if connection.is_none_or(|connection| connection.is_closing()) {
                *wasted += bytes.len();
            }
            framing.feed(driver, now, id, bytes)
        });
        self.link.gave();
        for request in requests {
            if self.link.is_ended() {
                return Err(Over);
            }
            self.handle(request);
        }
        // What came before the end counts: it is answered first.
        let Some(stop) = stop else { return Ok(()) };
        let is_goodbye = matches!(stop, Stop::Goodbye(_));
        self.discarding = true;
        self.shared.drive(|driver, now| stop.tell(driver, now, id));
        if is_goodbye { Err(Over) } else { Ok(()) }
    }

    fn handle(&self, output: Output) {
        let services = &self.shared.services;
        match output {
            Output::Raw { connection, frame } => {
                if let Some(command) = self.shared.settings.answer_raw(connection, frame) {
                    self.command(command);
                }
            }
            Output::Request { connection, user, request } => {
                let (handle, claims) = (Handle::new(self.shared.clone()), self.claims.clone());
                let context = Context::new(handle, connection, user.clone(), claims, &request);
                let id = request.id.clone();
                let handled = || services.handlers.begin(context, request);
                let reply = catch_unwind(AssertUnwindSafe(handled))
                    .unwrap_or_else(|_| Some(Err(panicked())));
                if let Some(command) = reply.and_then(|reply| answer(connection, user, id, reply)) {
                    self.command(command);
                }
            }
            Output::Probed { .. }
            | Output::Answered { .. }
            | Output::StateWanted { .. }
            | Output::Notice(_)
            | Output::Closed { .. }
            | Output::Drained => {}
        }
    }

    fn command(&self, command: Command) {
        // The connection may have ended meanwhile; then the answer is not needed.
        let _ = self.shared.command(command);
    }
}
