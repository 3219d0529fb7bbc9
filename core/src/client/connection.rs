//! From idle to open and back: dialling, tokens, losses, liveness.

use alloc::sync::Arc;
use core::time::Duration;

use crate::protocol::codec::Outbound;
use crate::protocol::server_message::Greeting;
use crate::time::Timestamp;

use super::Machine;
use super::action::{Failure, MachineAction};
use super::event::{CloseFrame, Token};
use super::state::{Cause, ComesBack, State};

/// How long the answer to a wake-up's `health_ping` may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Idle,
    /// Waiting for a token.
    Token {
        until: Timestamp,
    },
    /// Waiting for a socket, then for `connected`.
    Dialling {
        until: Timestamp,
        has_opened: bool,
    },
    Open {
        since: Timestamp,
        last_frame: Timestamp,
        stale_after: Duration,
        /// Until when a `health_ping` may be unanswered.
        probe: Option<Timestamp>,
    },
    Waiting {
        until: Timestamp,
    },
    Closed,
}

impl Phase {
    pub(super) fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::Idle | Self::Closed => None,
            Self::Token { until } | Self::Dialling { until, .. } | Self::Waiting { until } => {
                Some(until)
            }
            Self::Open { last_frame, stale_after, probe, .. } => {
                let stale = (!stale_after.is_zero()).then(|| last_frame + stale_after);
                [stale, probe].into_iter().flatten().min()
            }
        }
    }
}

impl Machine {
    pub(super) fn connect(&mut self) {
        match self.phase {
            Phase::Idle | Phase::Closed => {
                self.token = None;
                self.asked_again = false;
                self.backoff.forgive();
                self.backoff.say(None);
                self.attempt(None);
            }
            Phase::Waiting { .. } => self.attempt(None),
            Phase::Token { .. } | Phase::Dialling { .. } | Phase::Open { .. } => {}
        }
    }

    pub(super) fn stop(&mut self) {
        if matches!(self.phase, Phase::Dialling { .. } | Phase::Open { .. }) {
            self.queue.push(MachineAction::Drop { code: Some(1000) });
        }
        self.settle_all(&Failure::Stopped);
        self.rooms.clear();
        self.session = None;
        self.token = None;
        if !matches!(self.phase, Phase::Idle | Phase::Closed) {
            self.phase = Phase::Idle;
            self.queue.push(MachineAction::State { state: State::Idle, cause: None });
        }
    }

    fn attempt(&mut self, cause: Option<Cause>) {
        if !matches!(self.phase, Phase::Token { .. } | Phase::Dialling { .. }) {
            self.queue.push(MachineAction::State { state: State::Connecting, cause });
        }
        if self.config.ask_token && self.token.is_none() {
            self.phase = Phase::Token { until: self.now + self.config.connect_timeout };
            self.queue.push(MachineAction::AskToken);
        } else {
            self.dial();
        }
    }

    fn dial(&mut self) {
        let until = self.now + self.config.connect_timeout;
        self.phase = Phase::Dialling { until, has_opened: false };
        let (token, session) = (self.token.clone(), self.session.clone());
        self.queue.push(MachineAction::Dial { token, session });
    }

    pub(super) fn token(&mut self, result: Result<Token, Arc<str>>) {
        if !matches!(self.phase, Phase::Token { .. }) {
            return;
        }
        match result {
            Ok(token) => {
                self.token = Some(token);
                self.dial();
            }
            Err(why) => self.lost(Cause::NoToken(why)),
        }
    }

    /// The server let the socket in; `connected` is what opens the connection.
    pub(super) fn opened(&mut self) {
        if let Phase::Dialling { has_opened, .. } = &mut self.phase {
            *has_opened = true;
        }
    }

    pub(super) fn connected(&mut self, greeting: Greeting) {
        let stale_after = greeting.stale_after.unwrap_or(self.config.stale_after);
        self.phase =
            Phase::Open { since: self.now, last_frame: self.now, stale_after, probe: None };
        self.queue.push(MachineAction::State { state: State::Open, cause: None });
        self.asked_again = false;
        self.backoff.say(None);
        self.session = greeting.session.or_else(|| self.session.take());
        self.features = greeting.features;
        self.client_id = greeting.client_id;
        self.user = greeting.user;
        self.max_message_bytes = greeting.max_message_bytes;
        self.put_into(greeting.rooms);
        self.refuse_too_big();
        self.resume();
        self.transmit_again();
    }

    pub(super) fn ended(&mut self, close: Option<CloseFrame>) {
        if matches!(self.phase, Phase::Dialling { .. } | Phase::Open { .. }) {
            self.over(close.map_or(Cause::Lost, Cause::Closed));
        }
    }

    pub(super) fn refused(
        &mut self,
        status: u16,
        code: Option<Arc<str>>,
        retry_after: Option<Duration>,
    ) {
        if matches!(self.phase, Phase::Dialling { .. }) {
            // A server that refuses and says "at once" would be dialled forever.
            if retry_after.is_some_and(|wait| !wait.is_zero()) {
                self.backoff.say(retry_after);
            }
            self.over(Cause::Refused { status, code });
        }
    }

    fn over(&mut self, cause: Cause) {
        match cause.comes_back() {
            ComesBack::Yes => self.lost(cause),
            ComesBack::WithAnotherToken if self.config.ask_token && !self.asked_again => {
                self.disconnect();
                self.asked_again = true;
                self.token = None;
                self.attempt(Some(cause));
            }
            ComesBack::WithAnotherToken | ComesBack::No => {
                self.settle_all(&Failure::Closed);
                self.disconnect();
                self.phase = Phase::Closed;
                self.queue.push(MachineAction::State { state: State::Closed, cause: Some(cause) });
            }
        }
    }

    fn lost(&mut self, cause: Cause) {
        self.disconnect();
        let wait = self.backoff.next(self.config.min_backoff, self.config.max_backoff);
        self.phase = Phase::Waiting { until: self.now + wait };
        let state = State::Waiting { retry_in: wait };
        self.queue.push(MachineAction::State { state, cause: Some(cause) });
    }

    /// Drops what was under way on the connection.
    fn disconnect(&mut self) {
        if let Phase::Open { since, .. } = self.phase
            && self.now - since >= self.config.stable_after
        {
            self.backoff.forgive();
        }
        if matches!(self.phase, Phase::Dialling { has_opened: false, .. }) {
            // The token may be why, and not every client can see that.
            self.token = None;
        }
        self.rooms.disconnected(&mut self.queue);
        self.outgoing.disconnected(&mut self.queue);
    }

    fn settle_all(&mut self, failure: &Failure) {
        self.rooms.settle_all(&mut self.queue, failure);
        self.outgoing.settle_all(&mut self.queue, failure);
    }

    /// Notes that a frame arrived.
    pub(super) fn alive(&mut self) {
        let now = self.now;
        if let Phase::Open { last_frame, probe, .. } = &mut self.phase {
            *last_frame = now;
            *probe = None;
        }
    }

    pub(super) fn wake(&mut self) {
        match &mut self.phase {
            Phase::Waiting { .. } => self.attempt(None),
            Phase::Open { probe: probe @ None, .. } => {
                *probe = Some(self.now + PROBE_TIMEOUT);
                let ping = Outbound::health_ping(self.now.as_millis());
                self.queue.push(MachineAction::Transmit(ping));
            }
            Phase::Open { .. }
            | Phase::Idle
            | Phase::Token { .. }
            | Phase::Dialling { .. }
            | Phase::Closed => {}
        }
    }

    pub(super) fn tick(&mut self) {
        self.expire_requests();
        if self.phase.deadline().is_some_and(|due| due <= self.now) {
            match self.phase {
                Phase::Waiting { .. } => self.attempt(None),
                Phase::Token { .. } => self.lost(Cause::TimedOut),
                Phase::Dialling { .. } => {
                    self.queue.push(MachineAction::Drop { code: None });
                    self.lost(Cause::TimedOut);
                }
                Phase::Open { .. } => {
                    self.queue.push(MachineAction::Drop { code: None });
                    self.lost(Cause::Stale);
                }
                Phase::Idle | Phase::Closed => {}
            }
        }
        self.transmit_limited();
        self.transmit_waiting();
    }
}
