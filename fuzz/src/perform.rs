//! Performs one operation after another, with the time between them.

use std::time::Duration;

use switchboard_core::{Event, Timestamp, UserName};

use crate::check::{Invariant, Run};
use crate::drive;
use crate::ops::{Come, Op, user_name};

impl Run<'_> {
    pub(crate) fn perform(&mut self, op: Op, serial: u64) -> Result<(), String> {
        let Some(op) = op.aimed(self.facts.made.len()) else { return Ok(()) };
        let is_plain = self.is(Invariant::TheHubAgreesWithTheModel);
        let op = if is_plain { op.plain() } else { Some(op) };
        let Some(op) = op else { return Ok(()) };
        self.record(|| format!("{op:?}"));
        if let Op::Drain { .. } = op {
            // This saves the model from knowing whether a batch or a late deadline comes first.
            self.settle(true)?;
        }
        #[allow(clippy::wildcard_enum_match_arm, reason = "all others are events")]
        match op {
            Op::Wait { ms } => return self.wait(Duration::from_millis(ms.into())),
            Op::Late { ms } => self.facts.now = self.facts.now + Duration::from_millis(ms.into()),
            Op::ClockBack { ms } => self.behind = Duration::from_millis(ms.into()),
            _ => {
                self.turn_away(op, serial);
                let event = drive::event(op, &self.facts, serial);
                let event = event.map_err(|error| error.to_string())?;
                if let Some(event) = event {
                    let target = drive::target(&event).and_then(|id| self.facts.number(&id));
                    let behind = std::mem::take(&mut self.behind);
                    let past = Timestamp::ZERO + (self.facts.now - (Timestamp::ZERO + behind));
                    // A twin that did not receive the stale event would miss its time too, and the
                    // batches of a drain would have two different times.
                    let is_exact = self.is(Invariant::StaleIdsChangeNothing)
                        || matches!(event, Event::Drain { .. });
                    let now = if is_exact { self.facts.now } else { past };
                    self.feed(now, event, target)?;
                    return self.settle(false);
                }
            }
        }
        Ok(())
    }

    /// Drops what clients do not receive: on a lost connection the last messages; on a half-open
    /// one everything after its client has moved to a new one.
    fn turn_away(&mut self, op: Op, serial: u64) {
        self.facts.torn = 0;
        #[allow(clippy::wildcard_enum_match_arm, reason = "others lose nothing")]
        match op {
            Op::Disconnect { torn, .. } => self.facts.torn = torn,
            Op::Connect { user, come: come @ Come::Back(_), .. } => {
                let user = UserName::new(&user_name(user)).ok();
                let session = user.as_ref().and_then(|user| self.facts.clients.session(user, come));
                if let Some(c) = user.zip(session).and_then(|who| self.facts.clients.link_of(&who))
                {
                    self.facts.clients.ends(c, (serial % 3) as u8);
                }
            }
            _ => {}
        }
    }

    /// Lets the driver sleep, waking at each deadline.
    pub(crate) fn wait(&mut self, pause: Duration) -> Result<(), String> {
        let until = self.facts.now + pause;
        let mut wakes = 0;
        while let Some(next) = self.hub.next_deadline().filter(|next| *next <= until) {
            wakes += 1;
            if wakes > 5_000 {
                return Err("the driver wakes up again and again".to_owned());
            }
            self.facts.now = self.facts.now.max(next);
            self.settle(true)?;
        }
        self.facts.now = until;
        self.settle(true)
    }
}
