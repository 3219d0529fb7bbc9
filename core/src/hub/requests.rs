//! Requests from the application to clients.
//!
//! Changes: connections, deadlines, queue, requests.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::hub::action::{Answer, Outcome, Output};
use crate::hub::event::Ticket;
use crate::protocol::id::ConnectionId;
use crate::protocol::name::{Kind, MessageId};
use crate::protocol::payload::Payload;
use crate::protocol::refusal::{ErrorCode, Refusal};
use crate::protocol::to_client::Message;

use super::Hub;
use super::keys::RequestKey;
use super::tables::deadlines::Timer;
use super::tables::requests::Asked;

impl Hub {
    pub(super) fn ask(
        &mut self,
        ticket: Ticket,
        to: ConnectionId,
        method: Kind,
        payload: Payload,
        timeout: Duration,
    ) -> Result<Outcome, Refusal> {
        if self.connections.get(to).is_none_or(|connection| !connection.is_open()) {
            return Err(self.no_such_connection(to));
        }
        if self.requests.len() >= self.config.limits.max_requests {
            return Err(Refusal::new(ErrorCode::RateLimited, "too many requests are under way"));
        }
        let key = self.requests.next_key();
        let id = MessageId::new(&alloc::format!("s{}", key.0));
        let id = id.map_err(|error| Refusal::field("id", error))?;
        let deadline = self.now + timeout;
        self.requests.insert(key, Asked { ticket, connection: to, deadline });
        self.deadlines.arm(deadline, Timer::Request(key));
        if let Some(connection) = self.connections.get_mut(to) {
            connection.asked += 1;
        }
        self.send(to, Message::Request { id, method, payload });
        Ok(Outcome::Asked)
    }

    /// Accepts a client's answer once, and only to a request that it was sent.
    pub(super) fn replied(
        &mut self,
        from: ConnectionId,
        id: MessageId,
        result: Result<Payload, (String, String)>,
    ) {
        let key = id.strip_prefix('s').and_then(|digits| digits.parse().ok()).map(RequestKey);
        let is_theirs = |key| self.requests.get(key).is_some_and(|asked| asked.connection == from);
        let Some(key) = key.filter(|&key| is_theirs(key)) else {
            let refusal = Refusal::new(ErrorCode::NoSuchRequest, "nothing was asked under this id");
            return self.refuse(from, Some(id), refusal);
        };
        let answer = match result {
            Ok(payload) => Answer::Ok(payload),
            Err((code, message)) => Answer::Refused { code, message },
        };
        self.settle_request(key, answer);
    }

    pub(super) fn request_overdue(&mut self, key: RequestKey) {
        self.settle_request(key, Answer::TimedOut);
    }

    /// Stops waiting for the answers of a connection that ended.
    pub(super) fn forget_requests(&mut self, id: ConnectionId) {
        if self.connections.get(id).is_none_or(|connection| connection.asked == 0) {
            return;
        }
        let asked = self.requests.iter().filter(|(_, asked)| asked.connection == id);
        let keys: Vec<RequestKey> = asked.map(|(key, _)| key).collect();
        for key in keys {
            self.settle_request(key, Answer::Gone);
        }
    }

    fn settle_request(&mut self, key: RequestKey, answer: Answer) {
        let Some(asked) = self.requests.remove(key) else { return };
        self.deadlines.disarm(asked.deadline, Timer::Request(key));
        if let Some(connection) = self.connections.get_mut(asked.connection) {
            connection.asked -= 1;
        }
        self.queue.tell(Output::Answered { ticket: asked.ticket, answer });
    }
}
