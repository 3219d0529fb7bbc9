//! How a run ends: every client gets the rest, or every client disconnects.

use std::time::Duration;

use switchboard_core::{Attempt, Disconnect, Event, Ticket};

use crate::check::{Invariant, Run};
use crate::drive;
use crate::observers::Verdict;
use crate::ops::{Op, Since};

impl Run<'_> {
    /// All sockets accept everything, and all pauses between pieces are over.
    fn let_out(&mut self) -> Verdict {
        for _ in 0..2_000 {
            let blocked = |id| self.hub.connection(id).is_some_and(|view| view.is_blocked());
            let Some(c) = self.facts.made.iter().position(|id| blocked(*id)) else {
                return self.wait(Duration::from_secs(4));
            };
            let connection = self.facts.made[c];
            self.feed(self.facts.now, Event::Writable { connection }, Some(c))?;
            self.settle(false)?;
        }
        Err("a socket takes everything, and it does not come to an end".to_owned())
    }

    /// Checks that each connected client has everything, and so has each that reconnects.
    fn finish_streams(&mut self) -> Verdict {
        self.let_out()?;
        self.conclude()?;
        for (user, session) in self.facts.clients.lost() {
            let (ticket, rooms, session) = (Ticket(0), Vec::new(), Some(session));
            let (now, c) = (self.facts.now, self.facts.made.len());
            self.feed(
                now,
                Event::Connect {
                    ticket,
                    attempt: Attempt { rooms, session, ..Attempt::new(user) },
                },
                None,
            )?;
            let Some(&connection) = self.facts.made.get(c) else { continue };
            self.feed(now, Event::Opened { connection }, Some(c))?;
            let resume = Op::Resume { c: 0, id: false, since: Since::Kept };
            let event = drive::event_for(resume, c, &self.facts, u64::MAX);
            if let Some(event) = event.map_err(|error| error.to_string())? {
                self.feed(now, event, Some(c))?;
            }
            self.let_out()?;
            self.conclude()?;
        }
        Ok(())
    }

    /// Every client disconnects, or has everything, and time passes until nothing is pending.
    pub(crate) fn finish(&mut self) -> Verdict {
        match self.invariant {
            Invariant::AClientsStreamIsTheLog => return self.finish_streams(),
            Invariant::DrainEndsByItsDeadline => {
                let timeout = Duration::from_secs(2);
                self.feed(self.facts.now, Event::Drain { timeout, spread: timeout }, None)?;
                self.settle(false)?;
                self.wait(Duration::from_secs(9))?;
            }
            Invariant::EveryMessageHasOneAnswer => {
                self.let_out()?;
                self.wait(Duration::from_secs(5))?;
            }
            Invariant::EmptyHubHasEmptyTables | Invariant::EveryAcceptGetsExactlyOneClosed => {
                for c in 0..self.facts.made.len() {
                    let (connection, how) = (self.facts.made[c], Disconnect::Lost);
                    self.feed(self.facts.now, Event::Disconnected { connection, how }, Some(c))?;
                }
                self.wait(Duration::from_secs(8_000))?;
            }
            Invariant::CapacityIsNeverExceeded
            | Invariant::StaleIdsChangeNothing
            | Invariant::NothingFollowsAClose
            | Invariant::DeliveryIsInOffsetOrder
            | Invariant::NobodyHearsOfABlip
            | Invariant::EveryQueueIsBounded
            | Invariant::ProgressIsMade
            | Invariant::SameLogSameActions
            | Invariant::TheHubAgreesWithTheModel => return Ok(()),
        }
        self.conclude()
    }
}
