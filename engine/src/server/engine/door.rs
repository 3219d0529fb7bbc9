//! Those who are not in yet: what the application is asked about them, and what follows from its answer.

use std::boxed::Box;
use std::vec::Vec;

use super::super::auth::{Claims, Credentials, Verdict};
use super::super::entrance::{Guest, Refused};
use super::super::head::Head;
use super::Engine;
use super::peers::{Asked, Stage};
use switchboard_core::http::{Refusal, Request, Response, Upgrade};
use switchboard_core::{ConnectionId, Outlet, Timestamp};

/// Most bytes that are kept of what comes behind a request before it has been answered. A client has to wait for the answer
/// (RFC 6455, 4.1), so there are usually none.
const READ_AHEAD_MAX: usize = 64 * 1024;

/// Something that the application is to say about somebody at the door. It has the rest of the handshake time-out for that.
#[derive(Debug)]
pub enum Question {
    /// Whose upgrade is it? Answered by [`Engine::identified`].
    Identity(Visit, Credentials),
    /// What is the answer to this request, which is no upgrade? Given by [`Engine::answered`].
    Page(Visit, Request),
}

/// Which question an answer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Visit {
    key: usize,
    serial: u64,
}

impl<O: Outlet + Clone> Engine<O> {
    /// What the application is to say next.
    pub fn next_question(&mut self) -> Option<Question> {
        self.questions.pop_front()
    }

    /// The application knows whose upgrade it is, or refuses it. If there is a seat, the connection is open: answers which
    /// it is, and what the authenticator kept.
    pub fn identified(
        &mut self,
        now: Timestamp,
        visit: Visit,
        verdict: Verdict,
    ) -> Option<(ConnectionId, Claims)> {
        let Asked { visitor, head_only, read_ahead, .. } = self.take_asked(now, visit)?;
        let entrance = &self.settings.entrance;
        match entrance.judge(visitor?, verdict).and_then(|guest| self.seat(now, guest)) {
            Ok((id, upgrade, claims)) => {
                self.open(now, visit.key, id, upgrade.accept_response());
                if !read_ahead.is_empty() {
                    // Frames may have come right behind the request.
                    let mut bytes = read_ahead;
                    self.received(now, visit.key, &mut bytes);
                }
                Some((id, claims))
            }
            Err(refused) => {
                let answer = self.settings.entrance.farewell(*refused, head_only);
                self.dismiss(now, visit.key, answer);
                None
            }
        }
    }

    /// The application's answer to a request that is no upgrade.
    pub fn answered(&mut self, now: Timestamp, visit: Visit, response: Response) {
        if let Some(asked) = self.take_asked(now, visit) {
            self.dismiss(now, visit.key, response.bytes_for(asked.head_only));
        }
    }

    /// A request is complete.
    pub(super) fn ask(&mut self, now: Timestamp, key: usize, request: Request, rest: Vec<u8>) {
        let visit = Visit { key, serial: self.next_serial };
        self.next_serial += 1;
        let head_only = request.method() == "HEAD";
        let entrance = &self.settings.entrance;
        let (visitor, question) = if entrance.concerns(&request) {
            match entrance.check(request) {
                Ok((visitor, credentials)) => {
                    (Some(visitor), Question::Identity(visit, credentials))
                }
                Err(refused) => {
                    let answer = entrance.farewell(*refused, head_only);
                    return self.dismiss(now, key, answer);
                }
            }
        } else {
            (None, Question::Page(visit, request))
        };
        let Some(Stage::Head(_, deadline)) = self.peers.stage(key) else { return };
        let deadline = *deadline;
        let asked = Asked { serial: visit.serial, visitor, head_only, read_ahead: Vec::new() };
        self.peers.set(key, Stage::Asked(Box::new(asked), deadline));
        self.questions.push_back(question);
        self.read_ahead(now, key, &rest);
    }

    /// Keeps what comes before the answer is there.
    pub(super) fn read_ahead(&mut self, now: Timestamp, key: usize, bytes: &[u8]) {
        let Some(Stage::Asked(asked, _)) = self.peers.stage(key) else { return };
        if asked.visitor.is_none() {
            // The body of a request, which nobody reads.
            return;
        }
        if asked.read_ahead.len() + bytes.len() > READ_AHEAD_MAX {
            let message = "the answer to the upgrade was not waited for";
            let refusal = Refusal::bad_request("too_early", message);
            return self.dismiss(now, key, refusal.to_bytes());
        }
        asked.read_ahead.extend_from_slice(bytes);
    }

    /// The one this question was about, if it still waits.
    fn take_asked(&mut self, now: Timestamp, visit: Visit) -> Option<Asked> {
        let Some(Stage::Asked(asked, deadline)) = self.peers.stage(visit.key) else { return None };
        if asked.serial != visit.serial {
            return None;
        }
        let deadline = (*deadline).max(now);
        let asked = self.peers.set(visit.key, Stage::Head(Head::default(), deadline));
        if let Some(Stage::Asked(asked, _)) = asked { Some(*asked) } else { None }
    }

    fn seat(
        &mut self,
        now: Timestamp,
        guest: Guest,
    ) -> Result<(ConnectionId, Upgrade, Claims), Box<Refused>> {
        let Guest { upgrade, user, rooms, claims } = guest;
        match self.driver.connect(now, user, rooms, upgrade.session) {
            Ok(id) => Ok((id, upgrade, claims)),
            Err(rejection) => Err(Refused::full(upgrade, rejection)),
        }
    }
}
