//! The last bytes of a socket, and its end.

use std::time::Duration;

use switchboard_core::http::HttpError;
use switchboard_core::{Outlet, Stall, Timestamp};

use super::Engine;
use super::peers::Stage;
use crate::server::entrance::ended;

/// How long a peer may take to read our last bytes before its socket is closed.
pub const LINGER: Duration = Duration::from_secs(2);

/// The same after a drain, which has had its time.
const LINGER_AFTER_DRAIN: Duration = Duration::from_millis(250);

/// How many bytes of a peer are read after we have said our last. Closing a socket with unread bytes
/// resets the connection, which can destroy our last bytes on their way; but what does not matter
/// any more must not cost much. When there are more, the socket is not read any longer, and is
/// closed when the peer has had the time to read what we have said.
pub const LINGER_BYTES: usize = 64 * 1024;

impl<O: Outlet + Clone> Engine<O> {
    /// Sends a peer that is not let in its answer, and then closes its socket.
    pub(super) fn answer(&mut self, now: Timestamp, key: usize, answer: Vec<u8>) {
        let deadline = now + self.settings.handshake_timeout;
        self.peers.set(key, Stage::Answering(answer, 0, deadline));
        let evicted = self.peers.farewell(now, key);
        self.write_answer(now, key);
        self.make_room(now, evicted);
    }

    /// The same for a peer whose request is not complete.
    pub(super) fn refuse(&mut self, now: Timestamp, key: usize, error: &HttpError) {
        self.entrance.unreadable(now, error);
        self.answer(now, key, error.to_bytes());
    }

    pub(super) fn write_answer(&mut self, now: Timestamp, key: usize) {
        let Some((Stage::Answering(answer, written, _), outlet)) = self.peers.stage_and_outlet(key)
        else {
            return;
        };
        while *written < answer.len() {
            match outlet.write(&[&answer[*written..]]) {
                Ok(taken @ 1..) => *written += taken,
                Err(Stall::Full) => return outlet.watch(),
                Ok(0) | Err(Stall::Broken) => {
                    self.peers.end(key);
                    return;
                }
            }
        }
        self.linger(now, key);
    }

    /// Closes the sockets that the driver has dropped; once the drain is over, the others too.
    pub(super) fn close_ended(&mut self, now: Timestamp) {
        for key in self.ended.take() {
            self.linger(now, key);
        }
        if self.is_drained && self.peers.len() > 0 {
            self.send_handshakes_away(now);
            self.last_call.get_or_insert(now + LINGER_AFTER_DRAIN);
        }
    }

    /// Tells peers in the middle of a handshake that the server has ended. One that has not said
    /// anything expects no answer.
    fn send_handshakes_away(&mut self, now: Timestamp) {
        self.end_peers(|stage| matches!(stage, Stage::Head(head) if head.reader.is_empty()));
        for key in self.peers.keys(|it| matches!(it, Stage::Head(..) | Stage::Deciding(..))) {
            self.refuse(now, key, &ended());
        }
    }

    fn linger(&mut self, now: Timestamp, key: usize) {
        let Some((stage, outlet)) = self.peers.stage_and_outlet(key) else { return };
        if let Stage::Gone | Stage::Leaving(_, true) = stage {
            self.peers.end(key);
        } else {
            outlet.finish();
            let until = if let Stage::Deaf(_, until) = stage { *until } else { now + LINGER };
            self.peers.set(key, Stage::Lingering(until));
            let evicted = self.peers.farewell(now, key);
            self.make_room(now, evicted);
        }
    }

    pub(super) fn end_peers(&mut self, holds: impl Fn(&Stage) -> bool) {
        for key in self.peers.keys(holds) {
            self.peers.end(key);
        }
    }
}
