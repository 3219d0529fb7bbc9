//! What a connection says about its past, and how a run ends: everybody gets the rest, or everybody goes.

use std::time::Duration;

use switchboard_core::{Event, Inbound, Position, RoomName};

use crate::check::{Invariant, Run};
use crate::drive;
use crate::ops::{Op, Since};

impl Run<'_> {
    /// Before the hub gets an event: what is said in it.
    pub(crate) fn listen(&mut self, event: &Event, target: Option<usize>) {
        let Some((c, view)) = target.and_then(|c| Some((c, self.hub.connection(self.made[c])?)))
        else {
            return;
        };
        if view.is_open() {
            self.desk.sends(self.users.get(c), event);
        }
        let says = |room: &RoomName, since: Option<Position>| since.map(|at| (room.clone(), at));
        #[allow(clippy::wildcard_enum_match_arm, reason = "others say nothing about positions")]
        let said: Vec<(RoomName, Position)> = match event {
            Event::Received { inbound: Inbound::Join { room, since, .. }, .. } => {
                says(room, *since).into_iter().collect()
            }
            Event::Received { inbound: Inbound::Resume { rooms, .. }, .. } => {
                rooms.iter().filter_map(|(room, since)| says(room, *since)).collect()
            }
            Event::Opened { .. } => {
                self.came[c].iter().filter_map(|(room, since)| says(room, *since)).collect()
            }
            _ => return,
        };
        // Where something waits already, what is heard next is not the answer to this.
        let is_late = view.waiting().0 > 0;
        for (room, since) in said {
            self.clients.asks(c, &room, since, &self.hub, is_late);
        }
    }

    /// All sockets take everything, and all pauses between pieces are over.
    fn let_out(&mut self) -> Result<(), String> {
        for _ in 0..2_000 {
            let blocked = self
                .made
                .iter()
                .position(|id| self.hub.connection(*id).is_some_and(|view| view.is_blocked()));
            let Some(c) = blocked else { return self.wait(Duration::from_secs(4)) };
            self.feed(self.now, Event::Writable { connection: self.made[c] }, Some(c))?;
            self.settle(false)?;
        }
        Err("a socket takes everything, and it does not come to an end".to_owned())
    }

    /// Whoever is here has everything, and so has whoever comes back.
    fn finish_streams(&mut self) -> Result<(), String> {
        self.let_out()?;
        self.check_streams()?;
        for (user, session) in self.clients.lost() {
            let ticket = switchboard_core::Ticket(0);
            let (rooms, session) = (Vec::new(), Some(session));
            let made = self.made.len();
            self.feed(self.now, Event::Connect { ticket, user, rooms, session }, None)?;
            if self.made.len() == made {
                continue;
            }
            let connection = self.made[made];
            self.feed(self.now, Event::Opened { connection }, Some(made))?;
            let resume = Op::Resume { c: 0, id: false, since: Since::Kept };
            self.feed_op(resume, made)?;
            self.let_out()?;
            self.check_streams()?;
        }
        Ok(())
    }

    fn feed_op(&mut self, op: Op, c: usize) -> Result<(), String> {
        let event = drive::event_for(op, c, self.context(u64::MAX));
        match event.map_err(|error| error.to_string())? {
            Some(event) => self.feed(self.now, event, Some(c)),
            None => Ok(()),
        }
    }

    fn check_streams(&mut self) -> Result<(), String> {
        for (c, id) in self.made.iter().enumerate() {
            if self.hub.connection(*id).is_some_and(|view| view.is_open()) {
                let result = self.clients.check_complete(c, &self.hub, &self.log);
                result.map_err(|why| format!("in the end, c{c} {why}"))?;
            }
        }
        Ok(())
    }

    /// Everybody goes, and time passes until nothing waits for it.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        if self.is(Invariant::DrainEndsByItsDeadline) {
            let timeout = Duration::from_secs(2);
            self.feed(self.now, Event::Drain { timeout, spread: timeout }, None)?;
            self.settle(false)?;
            self.wait(Duration::from_secs(9))?;
            return self.watch.check_drained();
        }
        if self.is(Invariant::EveryMessageHasOneAnswer) {
            self.let_out()?;
            self.wait(Duration::from_secs(5))?;
            let is_here =
                |c: usize| self.hub.connection(self.made[c]).is_some_and(|view| view.is_open());
            return self.answers.iter().try_for_each(|answers| answers.check(is_here));
        }
        if self.is(Invariant::AClientsStreamIsTheLog) {
            return self.finish_streams();
        }
        let all = matches!(
            self.invariant,
            Invariant::EmptyHubHasEmptyTables | Invariant::EveryAcceptGetsExactlyOneClosed
        );
        if !all {
            return Ok(());
        }
        for c in 0..self.made.len() {
            let how = switchboard_core::Disconnect::Lost;
            let event = Event::Disconnected { connection: self.made[c], how };
            self.feed(self.now, event, Some(c))?;
        }
        self.wait(Duration::from_secs(8_000))?;
        if !self.hub.is_empty() || self.hub.next_deadline().is_some() {
            return Err(format!("nobody is left, but something of them is: {:#?}", self.hub));
        }
        self.watch.check_everybody_gone(&self.hub.stats())
    }
}
