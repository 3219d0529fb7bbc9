//! What the loop reports of a socket.

use switchboard_core::{ConnectionId, Outlet, RawFrame, Timestamp};

use super::Engine;
use super::closing::LINGER;
use super::peers::Stage;
use crate::server::framing::Stop;

impl<O: Outlet + Clone> Engine<O> {
    /// The socket of a key, to read from. `None` if it is over, or if nothing more is to be read of
    /// it: [`LINGER_BYTES`](crate::server::LINGER_BYTES) have come that nobody waits for.
    pub fn socket(&mut self, key: usize) -> Option<&mut O> {
        self.peers.readable(key)
    }

    /// The connection of a key, if it is open and not being closed.
    pub fn connection(&mut self, key: usize) -> Option<ConnectionId> {
        if let Stage::Open(id, _) = self.peers.stage(key)? { Some(*id) } else { None }
    }

    /// A socket brought these bytes: no more at once than other sockets may wait for. They are
    /// unmasked in place.
    pub fn received(&mut self, now: Timestamp, key: usize, bytes: &mut [u8]) {
        match self.peers.stage(key) {
            Some(Stage::Head(head)) => {
                let read = head.reader.read(bytes);
                self.peers.heard(now, key);
                match read {
                    Ok(None) => {}
                    Ok(Some((request, rest))) => self.ask(now, key, request, rest),
                    Err(error) => self.refuse(now, key, &error),
                }
            }
            Some(Stage::Deciding(..)) => self.read_ahead(now, key, bytes),
            Some(Stage::Open(id, framing)) => {
                let id = *id;
                let hub = self.driver.hub();
                let is_closing =
                    hub.connection(id).is_none_or(|connection| connection.is_closing());
                if let Some(stop) = framing.feed(&mut self.driver, now, id, bytes) {
                    let stage = match stop {
                        Stop::Goodbye(_) => Stage::Leaving(id, false),
                        Stop::Violation(_) => Stage::Failed(id),
                    };
                    self.peers.set(key, stage);
                    self.stops.push_back((id, stop));
                }
                if is_closing {
                    self.waste(now, key, bytes.len());
                }
            }
            Some(
                Stage::Answering(..) | Stage::Failed(_) | Stage::Leaving(..) | Stage::Lingering(_),
            ) => self.waste(now, key, bytes.len()),
            Some(Stage::Deaf(..) | Stage::Gone | Stage::Over) | None => {}
        }
    }

    /// A peer sent bytes that nobody waits for. If these are too many, it is not read any more, and
    /// its answer to our close frame is not waited for.
    pub(super) fn waste(&mut self, now: Timestamp, key: usize, bytes: usize) {
        if self.peers.waste(key, bytes)
            && let Some(Stage::Open(id, _) | Stage::Failed(id)) = self.peers.stage(key)
        {
            let stage = Stage::Deaf(*id, now + LINGER);
            self.peers.set(key, stage);
        }
    }

    /// Answers a frame of a connection without a protocol, as [`ServerSettings::raw`] says.
    ///
    /// [`ServerSettings::raw`]: crate::server::ServerSettings::raw
    pub fn answer_raw(&mut self, now: Timestamp, connection: ConnectionId, frame: RawFrame) {
        if let Some(command) = self.settings.answer_raw(connection, frame) {
            // If the connection has ended meanwhile, there is nothing to answer.
            let _ = self.driver.command(now, command);
        }
    }

    /// A socket takes bytes again. (If it was not full before, that harms nothing.)
    pub fn writable(&mut self, now: Timestamp, key: usize) {
        let stage = self.peers.stage(key);
        if let Some(
            Stage::Open(id, _) | Stage::Failed(id) | Stage::Deaf(id, _) | Stage::Leaving(id, _),
        ) = stage
        {
            let id = *id;
            self.driver.writable(now, id);
        } else if let Some(Stage::Answering(..)) = stage {
            self.write_answer(now, key);
        }
    }

    /// A socket has ended or failed.
    pub fn ended(&mut self, now: Timestamp, key: usize) {
        match self.peers.stage(key) {
            Some(Stage::Open(id, _) | Stage::Failed(id) | Stage::Deaf(id, _)) => {
                let id = *id;
                // The key stays taken until the driver has dropped the socket too.
                self.peers.set(key, Stage::Gone);
                self.driver.lost(now, id);
            }
            Some(Stage::Leaving(_, is_over)) => *is_over = true,
            Some(
                Stage::Head(..) | Stage::Deciding(..) | Stage::Answering(..) | Stage::Lingering(..),
            ) => {
                self.peers.end(key);
            }
            Some(Stage::Gone | Stage::Over) | None => {}
        }
    }
}
