//! The clients' ends: feeds machines, performs their actions, and checks what they report.

use std::time::Duration;

use switchboard_core::client::{
    Accepted, Cause, CloseFrame, Delivery, MachineAction, MachineEvent, Members, Outbound,
    RoomChange, ServerMessage, Settled, State,
};
use switchboard_core::{Json, MessageId, Timestamp};

use crate::chance::Chance;
use crate::checks::{Stream, Verdict, View, rule};
use crate::frames::Frame;
use crate::link::{Link, LinkId, Quality, ServerEnd, Upward};
use crate::person::{Call, mark};
use crate::plan::Act;
use crate::server::asked_for;
use crate::world::{Due, World};

impl World {
    /// A person does something.
    pub(crate) fn act(&mut self, person: usize, act: &Act) -> Verdict {
        let plan = &self.plan;
        let Some(event) = self.people[person].act(act, plan) else { return Ok(()) };
        self.tell(Some(person), || format!("{act:?}"));
        self.feed(person, event)
    }

    /// Feeds an event to a machine, and performs its actions.
    pub(crate) fn feed(&mut self, index: usize, event: MachineEvent) -> Verdict {
        let now = self.now;
        let person = &mut self.people[index];
        let actions: Vec<_> = person.client.handle(person.clock.read(now), event).collect();
        for action in actions {
            self.perform(index, action)?;
        }
        self.look_after(index);
        Ok(())
    }

    /// Schedules the machine's next deadline.
    pub(crate) fn look_after(&mut self, index: usize) {
        if let Some(due) = self.people[index].due(self.now)
            && due < self.people[index].wake_at
        {
            self.people[index].wake_at = due;
            self.at(due, Due::Machine(index));
        }
    }

    fn perform(&mut self, index: usize, action: MachineAction) -> Verdict {
        match action {
            MachineAction::Drop { code } => {
                self.tell(Some(index), || match code {
                    Some(code) => format!("closes its connection with {code}"),
                    None => "drops its connection".into(),
                });
                self.hang_up(index, code);
                Ok(())
            }
            MachineAction::State { state, cause } => {
                self.state_changed(index, state, cause.as_ref())
            }
            MachineAction::Deliver(delivery) => self.delivered(index, delivery),
            MachineAction::Requested { id, .. } => {
                let wait = self.chance.millis(1, 6_000);
                self.at(self.now + wait, Due::Reply(index, id));
                Ok(())
            }
            MachineAction::Room { room, change } => {
                self.tell(Some(index), || format!("{room}: {change:?}"));
                let Some(at) = self.plan.rooms.iter().position(|name| *name == room) else {
                    return Ok(());
                };
                match change {
                    RoomChange::Joined(joined) => {
                        self.judge(index, at, |stream, view| stream.joined(&joined, view))
                    }
                    RoomChange::Left(_) => {
                        self.people[index].streams[at].leave();
                        Ok(())
                    }
                }
            }
            MachineAction::Settled { ticket, result } => {
                let call = self.people[index].settled(ticket)?;
                self.tell(Some(index), || match &result {
                    Ok(settled) => format!("is told of {call:?}: {settled:?}"),
                    Err(failure) => format!("is told of {call:?}: {failure}"),
                });
                self.settled(index, call, result.map_err(|failure| failure.code().to_owned()))
            }
            MachineAction::AskToken => Ok(()),
            MachineAction::Dial { session, .. } => {
                self.dial(index, session.map(|session| session.as_str().to_owned()));
                Ok(())
            }
            MachineAction::Transmit(outbound) => {
                if let Outbound::Text(text) = outbound {
                    self.tell(Some(index), || format!("-> {text}"));
                    self.asks(index, &text);
                    self.transmit(index, Upward::Text(text.to_string()));
                }
                Ok(())
            }
        }
    }

    /// Records the position that a client claims.
    fn asks(&mut self, index: usize, text: &str) {
        for (room, since) in asked_for(text) {
            if let Some(at) = self.plan.rooms.iter().position(|name| name.as_str() == room) {
                self.people[index].streams[at].asked = since.and_then(|since| since.parse().ok());
            }
        }
    }

    fn state_changed(&mut self, index: usize, state: State, cause: Option<&Cause>) -> Verdict {
        self.tell(Some(index), || match cause {
            Some(cause) => format!("is {state:?}: {cause}"),
            None => format!("is {state:?}"),
        });
        if let Some(Cause::Closed(CloseFrame { code: 4004, .. })) = cause {
            let what = format!("{} was closed with 4004", self.people[index].plan.name);
            return Err(Self::broken("nobody is closed by their own past", what));
        }
        if state == State::Closed {
            let what = format!("{} is closed for good: {cause:?}", self.people[index].plan.name);
            return Err(Self::broken("everybody comes back", what));
        }
        if state != State::Open {
            self.people[index].streams.iter_mut().for_each(Stream::disconnected);
        }
        Ok(())
    }

    fn delivered(&mut self, index: usize, delivery: Delivery) -> Verdict {
        self.tell(Some(index), || match &delivery {
            Delivery::Publication(p) => format!("gets {} of {}", p.position, p.room),
            Delivery::Direct(_) => "gets a direct message".into(),
            Delivery::MemberJoined { .. }
            | Delivery::MemberLeft { .. }
            | Delivery::Gap { .. }
            | Delivery::Refresh { .. } => format!("gets {delivery:?}"),
        });
        let room = match &delivery {
            Delivery::Publication(publication) => &publication.room,
            Delivery::MemberJoined { room, .. }
            | Delivery::MemberLeft { room, .. }
            | Delivery::Gap { room, .. }
            | Delivery::Refresh { room, .. } => room,
            Delivery::Direct(direct) => {
                let text: String = direct.payload.read().unwrap_or_default();
                let person = &mut self.people[index];
                let life = person.link.and_then(|link| self.links.get(&link)).map_or(0, |l| l.life);
                let new = person.whispers.insert((life, mark(&text).to_owned()));
                return rule("direct messages come once", new, || format!("{text:?} comes again"));
            }
        };
        let Some(room) = self.plan.rooms.iter().position(|name| name == room) else {
            return Ok(());
        };
        match delivery {
            Delivery::Publication(publication) => {
                self.figures.delivered += 1;
                self.judge(index, room, |stream, view| stream.publication(&publication, view))
            }
            Delivery::Gap { since, position, dropped, .. } => {
                self.figures.gaps += 1;
                self.people[index].streams[room].gap(since, position, dropped)
            }
            Delivery::Refresh { reason, position, payload, .. } => {
                let state = payload.and_then(|payload| payload.read().ok());
                self.judge(index, room, |stream, view| {
                    stream.refresh(position, &reason, state, view)
                })
            }
            Delivery::MemberJoined { user, .. } => {
                let name = &self.plan.rooms[room];
                let Some(members) = &mut self.people[index].streams[room].members else {
                    return Ok(());
                };
                rule("presence is right", members.insert(user.as_str().to_owned()), || {
                    format!("{} joins {name} and is there already", user.as_str())
                })
            }
            Delivery::MemberLeft { user, .. } => {
                let name = &self.plan.rooms[room];
                let Some(members) = &mut self.people[index].streams[room].members else {
                    return Ok(());
                };
                rule("presence is right", members.remove(user.as_str()), || {
                    format!("{} leaves {name} and is not there", user.as_str())
                })
            }
            Delivery::Direct(_) => Ok(()),
        }
    }

    fn settled(&mut self, index: usize, call: Call, result: Result<Settled, String>) -> Verdict {
        match (call, result) {
            (Call::Join(room), Ok(Settled::Joined(joined))) => {
                self.judge(index, room, |stream, view| stream.joined(&joined, view))
            }
            (Call::Join(room), Err(_)) => {
                let name = &self.plan.rooms[room];
                let person = &mut self.people[index];
                if !person.client.rooms().any(|(wanted, _)| wanted == name) {
                    person.streams[room].leave();
                }
                Ok(())
            }
            (Call::Say(room, said), Ok(Settled::Accepted(Accepted { event_id: Some(at), .. }))) => {
                self.ledger.acknowledged(&self.plan.rooms[room], &said, at)
            }
            (Call::Say(_, said), Err(code)) => {
                let link = self.people[index].link.and_then(|link| self.links.get(&link));
                let own = ["stopped", "closed", "buffer_full", "too_big"].contains(&&*code);
                match link.filter(|_| !own) {
                    Some(link) => self.ledger.refused(link.life, &said),
                    None => Ok(()),
                }
            }
            (Call::Members(room), Ok(Settled::Members(Members { users: members, .. }))) => {
                let stream = &mut self.people[index].streams[room];
                if stream.is_in {
                    let members = members.iter().map(|user| user.as_str().to_owned());
                    stream.members = Some(members.collect());
                }
                Ok(())
            }
            (Call::Say(..), Ok(_))
            | (
                Call::Join(_)
                | Call::Leave(_)
                | Call::Whisper
                | Call::Work
                | Call::Members(_)
                | Call::History(_),
                _,
            ) => Ok(()),
        }
    }

    /// Checks what a client has been told about a room.
    pub(crate) fn judge(
        &mut self,
        index: usize,
        room: usize,
        judge: impl FnOnce(&mut Stream, &View<'_>) -> Verdict,
    ) -> Verdict {
        let link = self.people[index].link.and_then(|id| self.links.get(&id));
        let person = &mut self.people[index];
        let view = View {
            ledger: &self.ledger,
            room: &self.plan.rooms[room],
            history: self.plan.class(room).history,
            who: person.who(),
            is_home: person.plan.home == Some(room),
            now: link.map_or(Timestamp::ZERO, |link| self.nodes[link.node].read),
        };
        let verdict = judge(&mut person.streams[room], &view);
        verdict.map_err(|mut violation| {
            violation.what = format!("{}: {}", person.plan.name, violation.what);
            violation
        })
    }

    fn dial(&mut self, index: usize, session: Option<String>) {
        let id = self.next_link;
        self.next_link += 1;
        let person = &mut self.people[index];
        person.dials += 1;
        person.link = Some(id);
        let part = [7, person.plan.number as u64, person.dials];
        let chance = Chance::of(self.plan.seed, &part);
        let plan = &person.plan;
        let (latency, jitter) = (plan.latency, plan.jitter);
        let quality = Quality { latency, jitter, buffer: plan.buffer, bite: plan.bite };
        let mut link = Link::new(id, index, &quality, &self.air, chance);
        link.session = session;
        link.who = person.who();
        link.cut = person.offline_until > self.now;
        let arrives = link.arrival(self.now);
        self.tell(Some(index), || {
            format!("dials{}", if link.cut { ", without network" } else { "" })
        });
        if !link.cut {
            self.at(arrives, Due::Knock(id));
        }
        self.links.insert(id, link);
    }

    fn transmit(&mut self, index: usize, what: Upward) {
        let Some(id) = self.people[index].link else { return };
        let now = self.now;
        if let Some(link) = self.links.get_mut(&id).filter(|link| !link.cut) {
            let at = link.send(now, what);
            self.at(at, Due::Up(id));
        }
    }

    /// The client drops its socket.
    pub(crate) fn hang_up(&mut self, index: usize, code: Option<u16>) {
        if let Some(code) = code {
            self.transmit(index, Upward::Close(Some(code)));
        }
        let Some(id) = self.people[index].link.take() else { return };
        let now = self.now;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.client_has_it = false;
        if link.server == ServerEnd::None {
            link.server = ServerEnd::Gone;
        }
        if !link.cut {
            let at = link.arrival(now);
            self.at(at, Due::ServerNotices(id));
        }
        self.forget_if_over(id);
    }

    pub(crate) fn forget_if_over(&mut self, id: LinkId) {
        if self.links.get(&id).is_some_and(Link::is_over) {
            self.links.remove(&id);
        }
    }

    /// The socket ended, and the client notices.
    pub(crate) fn client_notices(&mut self, id: LinkId) -> Verdict {
        self.ended(id, MachineEvent::Ended(None))
    }

    fn ended(&mut self, id: LinkId, event: MachineEvent) -> Verdict {
        let Some(index) = self.held_by(id) else { return Ok(()) };
        let asleep_until = self.people[index].asleep_until;
        if asleep_until > self.now {
            self.at(asleep_until, Due::ClientNotices(id));
            return Ok(());
        }
        self.hang_up(index, None);
        self.feed(index, event)
    }

    pub(crate) fn refused(&mut self, id: LinkId, status: u16, after: Option<Duration>) -> Verdict {
        let Some(index) = self.held_by(id) else { return Ok(()) };
        let event = if self.people[index].plan.sees_refusals {
            MachineEvent::Refused { status, code: Some("refused".into()), retry_after: after }
        } else {
            MachineEvent::Ended(None)
        };
        self.ended(id, event)
    }

    /// Returns the owner of a socket, if the client still has it.
    fn held_by(&self, id: LinkId) -> Option<usize> {
        let index = self.links.get(&id)?.person;
        (self.people[index].link == Some(id)).then_some(index)
    }

    /// Bytes arrive at the client.
    pub(crate) fn down(&mut self, id: LinkId) -> Verdict {
        let Some(index) = self.held_by(id) else { return Ok(()) };
        let now = self.now;
        let person = &self.people[index];
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.cut) else { return Ok(()) };
        link.down_at = Timestamp::MAX;
        let later = link.stalled_until.max(person.asleep_until);
        if later > now {
            self.arrives(id, later);
            return Ok(());
        }
        // A slow reader reads ten times a second.
        let pause = Duration::from_millis(100);
        let slow = person.slow.filter(|(_, until)| *until > now);
        let most = slow.map_or(usize::MAX, |(bytes, _)| (bytes / 10).max(1) as usize);
        let (bytes, next, room, exhausted) = {
            let mut wire = link.wire.borrow_mut();
            let bytes = wire.take(now, most);
            let room = !bytes.is_empty() && std::mem::take(&mut wire.watched);
            (bytes, wire.next(), room, wire.is_exhausted())
        };
        link.frames.add(&bytes);
        if room {
            let at = link.arrival(now);
            self.at(at, Due::Writable(id));
        }
        if let Some(next) = next {
            self.arrives(id, next.max(if slow.is_some() { now + pause } else { now }));
        }
        while self.held_by(id).is_some()
            && let Some(link) = self.links.get_mut(&id)
        {
            let frame = link.frames.next_frame();
            let frame = frame.map_err(|why| Self::broken("the server keeps the protocol", why))?;
            let Some(frame) = frame else { break };
            self.frame(index, id, frame)?;
        }
        if exhausted { self.client_notices(id) } else { Ok(()) }
    }

    /// Something will arrive at the client.
    pub(crate) fn arrives(&mut self, id: LinkId, at: Timestamp) {
        if let Some(link) = self.links.get_mut(&id).filter(|link| at < link.down_at) {
            link.down_at = at;
            self.at(at, Due::Down(id));
        }
    }

    fn frame(&mut self, index: usize, id: LinkId, frame: Frame) -> Verdict {
        match frame {
            Frame::Text(text) => {
                let message = ServerMessage::from_text(&text);
                rule(
                    "the server keeps the protocol",
                    message != ServerMessage::Unreadable,
                    || text.clone(),
                )?;
                if matches!(
                    message,
                    ServerMessage::Ack { .. }
                        | ServerMessage::Joined { .. }
                        | ServerMessage::Connected(_)
                ) {
                    self.tell(Some(index), || format!("<- {text}"));
                }
                self.feed(index, MachineEvent::Received(message))
            }
            // Nobody in a world sends binary messages.
            Frame::Binary(bytes) => {
                let what = format!("a binary message of {} bytes", bytes.len());
                Err(Self::broken("the server keeps the protocol", what))
            }
            Frame::Ping(payload) => {
                self.transmit(index, Upward::Pong(payload));
                self.feed(index, MachineEvent::Alive)
            }
            Frame::Pong => self.feed(index, MachineEvent::Alive),
            Frame::Close(code, reason) => {
                self.transmit(index, Upward::Close(Some(code)));
                let reason = (!reason.is_empty()).then(|| reason.into());
                self.ended(id, MachineEvent::Ended(Some(CloseFrame { code, reason })))
            }
        }
    }

    /// The client's application answers the server's.
    pub(crate) fn reply(&mut self, index: usize, id: MessageId) -> Verdict {
        let result = Json::of(&id.as_str())
            .map_err(|error| Self::broken("the server keeps the protocol", error.to_string()))?;
        self.feed(index, MachineEvent::Reply { id, result: Ok(result) })
    }
}
