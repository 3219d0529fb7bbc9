//! One operation after the other, and the time between them.

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
            // Only so that the model need not know whether a batch or a late deadline comes first.
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
                    // A twin that did not get the stale event would not have its time either, and a drain's
                    // batches would be of two times.
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

    /// What clients do not hear any more: of a connection that is lost, the last messages; of a half-open one, all that
    /// comes after its client has turned to a new one.
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

    /// The driver sleeps, and wakes at each deadline.
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
