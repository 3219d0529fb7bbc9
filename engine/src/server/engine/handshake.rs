//! From a complete request to a connection, or to an answer that refuses it.

use switchboard_core::http::{HttpError, HttpRequest, Response, Upgrade};
use switchboard_core::{ConnectionId, Outlet, Timestamp};

use super::peers::{Deciding, Head, Stage};
use super::{Engine, Task};
use crate::server::auth::{Claims, Credentials, Verdict};
use crate::server::entrance::{Authenticated, RefusedUpgrade, UpgradeRequest};
use crate::server::framing::Framing;
use crate::server::head::HeadReader;

/// Most bytes that are kept of what comes behind a request before it has been answered. A client
/// has to wait for the answer (RFC 6455, 4.1), so there are usually none.
const READ_AHEAD_MAX: usize = 64 * 1024;

/// A handshake that waits for the application's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandshakeId {
    key: usize,
    serial: u64,
}

impl<O: Outlet + Clone> Engine<O> {
    /// The application's answer to [`Task::Authenticate`]. If there is a seat, the connection is
    /// open: returns which it is, and what the authenticator kept. An answer that comes too late
    /// has no effect.
    pub fn authenticated(
        &mut self,
        now: Timestamp,
        handshake: HandshakeId,
        verdict: Verdict,
    ) -> Option<(ConnectionId, Claims)> {
        let Deciding { upgrade, head_only, read_ahead, .. } = self.take_deciding(now, handshake)?;
        let entrance = &self.entrance;
        match entrance.judge(upgrade?, verdict).and_then(|peer| self.seat(now, peer)) {
            Ok((id, upgrade, claims)) => {
                self.open(now, handshake.key, id, upgrade.accept_response());
                if !read_ahead.is_empty() {
                    // Frames may have come right behind the request.
                    let mut bytes = read_ahead;
                    self.received(now, handshake.key, &mut bytes);
                }
                Some((id, claims))
            }
            Err(refused) => {
                self.entrance.refused(now, &refused);
                let answer = self.entrance.closing_bytes(*refused, head_only);
                self.answer(now, handshake.key, answer);
                None
            }
        }
    }

    /// The application's answer to [`Task::Respond`].
    pub fn respond(&mut self, now: Timestamp, handshake: HandshakeId, response: Response) {
        if let Some(deciding) = self.take_deciding(now, handshake) {
            self.entrance.answered(&response);
            self.answer(now, handshake.key, response.bytes_for(deciding.head_only));
        }
    }

    /// A request is complete.
    pub(super) fn ask(&mut self, now: Timestamp, key: usize, request: HttpRequest, rest: Vec<u8>) {
        let handshake = HandshakeId { key, serial: self.next_serial };
        self.next_serial += 1;
        let head_only = request.method() == "HEAD";
        let (upgrade, task) = if self.entrance.concerns(&request) {
            match self.check(now, key, request) {
                Ok((upgrade, credentials)) => {
                    (Some(upgrade), Task::Authenticate(handshake, credentials))
                }
                Err(refused) => {
                    self.entrance.refused(now, &refused);
                    let answer = self.entrance.closing_bytes(*refused, head_only);
                    return self.answer(now, key, answer);
                }
            }
        } else {
            (None, Task::Respond(handshake, request))
        };
        let Some(Stage::Head(head)) = self.peers.stage(key) else { return };
        let deadline = head.deadline;
        let serial = handshake.serial;
        let deciding = Deciding { serial, upgrade, head_only, read_ahead: Vec::new() };
        self.peers.set(key, Stage::Deciding(Box::new(deciding), deadline));
        self.questions.push_back(task);
        self.read_ahead(now, key, &rest);
    }

    /// Checks an upgrade request: first whether its address may ask so often, which costs least.
    fn check(
        &mut self,
        now: Timestamp,
        key: usize,
        request: HttpRequest,
    ) -> Result<(UpgradeRequest, Credentials), Box<RefusedUpgrade>> {
        self.peers.decide(now, key).map_err(RefusedUpgrade::too_many)?;
        self.entrance.check(request)
    }

    /// Keeps what comes before the answer is there.
    pub(super) fn read_ahead(&mut self, now: Timestamp, key: usize, bytes: &[u8]) {
        let Some(Stage::Deciding(deciding, _)) = self.peers.stage(key) else { return };
        if deciding.upgrade.is_none() {
            // The body of a request, which nobody reads.
            return self.waste(now, key, bytes.len());
        }
        if deciding.read_ahead.len() + bytes.len() > READ_AHEAD_MAX {
            let message = "the answer to the upgrade was not waited for";
            let error = HttpError::bad_request("too_early", message);
            return self.refuse(now, key, &error);
        }
        deciding.read_ahead.extend_from_slice(bytes);
    }

    /// The peer of this handshake, if it still waits.
    fn take_deciding(&mut self, now: Timestamp, handshake: HandshakeId) -> Option<Deciding> {
        let Some(Stage::Deciding(deciding, deadline)) = self.peers.stage(handshake.key) else {
            return None;
        };
        if deciding.serial != handshake.serial {
            return None;
        }
        let deadline = (*deadline).max(now);
        let stage = Stage::Head(Head::new(HeadReader::new(None, 0), deadline, deadline));
        match self.peers.set(handshake.key, stage) {
            Some(Stage::Deciding(deciding, _)) => Some(*deciding),
            _ => None,
        }
    }

    fn seat(
        &mut self,
        now: Timestamp,
        peer: Authenticated,
    ) -> Result<(ConnectionId, Upgrade, Claims), Box<RefusedUpgrade>> {
        let Authenticated { upgrade, attempt, claims } = peer;
        match self.driver.connect(now, attempt) {
            Ok(id) => Ok((id, upgrade, claims)),
            Err(rejection) => Err(RefusedUpgrade::full(upgrade, rejection)),
        }
    }

    /// The upgrade is granted: the answer is sent together with what the connection is told first.
    fn open(&mut self, now: Timestamp, key: usize, id: ConnectionId, answer: Vec<u8>) {
        let Some(outlet) = self.peers.outlet(key).cloned() else {
            return self.driver.abandon(now, id);
        };
        let framing = Framing::new(&self.settings.config.limits);
        self.peers.set(key, Stage::Open(id, framing));
        self.peers.opened(key);
        let held = self.ended.hold(key, outlet);
        let codec = self.entrance.codec();
        self.driver.answer_and_open(now, id, codec, held, answer);
    }
}
