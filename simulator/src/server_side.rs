//! The server's end: upgrades, messages, the application's answers, and the output.

use std::time::Duration;

use switchboard_core::{
    Attempt, CloseReason, Codec, Command, ConnectionId, Ending, ErrorCode, Json, MessageId, Output,
    Payload, Refusal, RoomName, Ticket, Timestamp, UserName,
};

use crate::checks::{Entry, Verdict, rule};
use crate::link::{LinkId, ServerEnd, Socket, Upward};
use crate::person::{mark, payload};
use crate::world::{Due, World};

impl World {
    pub(crate) fn tick(&mut self, life: u64) -> Verdict {
        let turns = self.on_server(life, |server, now| {
            server.tick_at = Timestamp::MAX;
            let mut turns = 0;
            while server.driver.next_deadline().is_some_and(|due| due <= now) && turns < 1_000 {
                server.driver.tick(now);
                turns += 1;
            }
            turns
        });
        rule("progress is made", turns != Some(1_000), || "a tick that does not end".into())
    }

    /// A dial arrives.
    pub(crate) fn knock(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id).filter(|link| !link.cut && link.client_has_it) else {
            return;
        };
        if link.stalled_until > self.now {
            return self.at(link.stalled_until, Due::Knock(id));
        }
        let (index, session) = (link.person, link.session.clone());
        let now = self.now;
        let person = &self.people[index];
        let home = person.plan.home.map(|room| {
            let name = self.plan.rooms[room].clone();
            let position = person.client.position(&name);
            (name, position)
        });
        let rooms = home.into_iter().collect();
        let session = session.and_then(|session| session.parse().ok());
        let user = person.plan.user.clone();
        let back = person.plan.latency;
        let node = self.balance(index);
        let Some((server, clock)) = self.nodes[node].server(now) else {
            let at = now + back;
            return self.at(at, Due::ClientNotices(id));
        };
        let life = server.life;
        let seat = server.driver.connect(clock, Attempt { rooms, session, ..Attempt::new(user) });
        if let Ok(connection) = seat {
            server.connections.insert(connection, id);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        (link.life, link.node) = (life, node);
        match seat {
            Ok(connection) => {
                link.server = ServerEnd::Reserved(connection);
                let wait = self.chance.millis(0, 40);
                self.at(now + wait, Due::Upgrade(id));
            }
            Err(rejection) => {
                link.server = ServerEnd::Gone;
                self.tell(Some(index), || format!("is refused: {rejection}"));
                let at = now + back;
                self.at(at, Due::Refused(id, rejection.http_status(), rejection.retry_after()));
            }
        }
    }

    /// Completes the upgrade, unless the client is gone meanwhile.
    pub(crate) fn upgrade(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let ServerEnd::Reserved(connection) = link.server else { return };
        let (life, wire, index) = (link.life, link.wire.clone(), link.person);
        if !link.client_has_it {
            link.server = ServerEnd::Gone;
            self.on_server(life, |server, now| server.driver.abandon(now, connection));
            return self.forget_if_over(id);
        }
        let opened = self.on_server(life, |server, now| {
            server.driver.open(now, connection, Codec::Json, Socket(wire))
        });
        let open = opened == Some(true);
        if let Some(link) = self.links.get_mut(&id) {
            link.server = if open { ServerEnd::Open(connection) } else { ServerEnd::Gone };
        }
        self.figures.connections += u64::from(open);
        self.tell(Some(index), || format!("is let in as {connection}"));
    }

    /// Delivers what a client sent.
    pub(crate) fn up(&mut self, id: LinkId) -> Verdict {
        let now = self.now;
        while let Some(link) = self.links.get_mut(&id).filter(|link| !link.cut)
            && let Some((at, _)) = link.up.front()
        {
            let (at, until) = (*at, link.stalled_until);
            if until > now {
                self.at(until, Due::Up(id));
                break;
            }
            // Later arrivals have their own event.
            if at > now {
                break;
            }
            // Nothing is sent before the upgrade, so this is for no connection.
            let Some((_, what)) = link.up.pop_front() else { break };
            let ServerEnd::Open(connection) = link.server else { continue };
            let (who, life) = (link.who, link.life);
            let Some(node) = self.node_of(life) else { break };
            let Some((server, clock)) = self.nodes[node].server(now) else { break };
            match what {
                Upward::Text(text) => {
                    let ledger = &mut self.ledger;
                    server.text(clock, connection, &text, who, ledger, &self.plan)?;
                }
                Upward::Pong(payload) => server.driver.pong(clock, connection, &payload),
                Upward::Close(code) => server.driver.peer_closed(clock, connection, code),
            }
            server.check(&self.plan, Some(connection))?;
            self.after_server()?;
        }
        Ok(())
    }

    pub(crate) fn writable(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id).filter(|link| !link.cut) else { return };
        if let ServerEnd::Open(connection) = link.server {
            self.on_server(link.life, |server, now| server.driver.writable(now, connection));
        }
    }

    /// The socket ended, and the server notices.
    pub(crate) fn server_notices(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.wire.borrow_mut().broken = true;
        let life = link.life;
        match link.server {
            ServerEnd::Open(connection) => {
                self.on_server(life, |server, now| server.driver.lost(now, connection));
            }
            ServerEnd::Reserved(connection) => {
                self.on_server(life, |server, now| server.driver.abandon(now, connection));
            }
            ServerEnd::None | ServerEnd::Gone => {}
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.server = ServerEnd::Gone;
        }
        self.forget_if_over(id);
    }

    /// Handles the output of a step of the servers.
    pub(crate) fn after_server(&mut self) -> Verdict {
        for node in 0..self.nodes.len() {
            if std::mem::take(&mut self.nodes[node].touched) {
                self.after_node(node)?;
            }
        }
        self.spread_news()
    }

    fn after_node(&mut self, node: usize) -> Verdict {
        let now = self.now;
        let Some((server, clock)) = self.nodes[node].server(now) else { return Ok(()) };
        let life = server.life;
        if server.driver.flush(clock, self.plan.flush) {
            self.at(now + Duration::from_micros(200), Due::ServerFlush(life));
        }
        while let Some(server) = &mut self.nodes[node].server
            && let Some(output) = server.driver.take_output()
        {
            self.output(node, output)?;
        }
        self.nodes[node].touched = false;
        self.nodes[node].check_clock()?;
        let due = self.nodes[node].due(now);
        let Some(server) = &mut self.nodes[node].server else { return Ok(()) };
        server.check(&self.plan, None)?;
        if let Some(due) = due.filter(|due| *due < server.tick_at) {
            server.tick_at = due;
            self.at(due, Due::ServerTick(life));
        }
        Ok(())
    }

    /// Schedules the arrival of what servers have written.
    fn spread_news(&mut self) -> Verdict {
        let now = self.now;
        let news = std::mem::take(&mut *self.air.news.borrow_mut());
        for id in news {
            let Some(link) = self.links.get(&id) else { continue };
            let (next, misuse) = {
                let wire = link.wire.borrow();
                (wire.next().or_else(|| wire.is_exhausted().then_some(now)), wire.misuse)
            };
            if let Some(misuse) = misuse {
                return Err(Self::broken("nothing follows a close", misuse.into()));
            }
            let next = next.filter(|_| !link.cut && link.client_has_it);
            if let Some(at) = next {
                self.arrives(id, at);
            }
        }
        Ok(())
    }

    fn output(&mut self, node: usize, output: Output) -> Verdict {
        let now = self.now;
        let Some(server) = &mut self.nodes[node].server else { return Ok(()) };
        let life = server.life;
        match output {
            Output::Request { connection, user, request } => {
                let text: String = request.payload.read().unwrap_or_default();
                self.ledger.handle(life, mark(&text))?;
                if let Some(id) = request.id {
                    let well = !self.chance.once_in(4);
                    let at = now + self.chance.millis(1, 7_000);
                    self.at(at, Due::Answer { life, connection, user, id, well });
                }
                Ok(())
            }
            Output::Answered { ticket, .. } => {
                let known = server.asked.remove(&ticket).is_some();
                rule("each question is answered once", known, || {
                    format!("{ticket:?} is answered again")
                })
            }
            Output::StateWanted { ticket, room } => {
                let at = now + self.chance.millis(1, 3_000);
                self.at(at, Due::State { life, ticket, room });
                Ok(())
            }
            Output::Closed { connection, ending, .. } => self.closed(node, connection, &ending),
            Output::Drained => {
                let rest = server.connections.len();
                rule("a drain ends with everybody gone", rest == 0, || format!("{rest} are left"))?;
                let down = server.down.unwrap_or_default();
                self.tell_of_node(node, || "has drained, and ends".into());
                self.nodes[node].server = None;
                self.at(now + down, Due::ServerStarts(node));
                Ok(())
            }
            Output::Raw { .. } | Output::Probed { .. } | Output::Notice(_) => Ok(()),
        }
    }

    fn closed(&mut self, node: usize, connection: ConnectionId, ending: &Ending) -> Verdict {
        let Some(server) = &mut self.nodes[node].server else { return Ok(()) };
        let id = server.connections.remove(&connection);
        rule("each accepted connection is closed once", id.is_some(), || {
            format!("{connection} is closed, and had been already")
        })?;
        let open = server.asked.values().any(|asked| *asked == connection);
        rule("who is gone is not waited for", !open, || {
            format!("{connection} is closed, and was asked something")
        })?;
        let Some(id) = id else { return Ok(()) };
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let was_open = matches!(link.server, ServerEnd::Open(_));
        link.server = ServerEnd::Gone;
        let (index, cut) = (link.person, link.cut);
        self.tell(Some(index), || format!("({connection} is over for the server: {ending})"));
        let replaced = *ending == Ending::Closed(CloseReason::Replaced);
        let current = self.people[index].link == Some(id);
        rule("nobody is closed by their own past", !(replaced && current), || {
            format!("{} was replaced on its newest connection", self.people[index].plan.name)
        })?;
        if !was_open && !cut {
            self.at(self.now, Due::ClientNotices(id));
        }
        self.forget_if_over(id);
        Ok(())
    }

    /// The application answers a message that it received.
    pub(crate) fn answer(
        &mut self,
        life: u64,
        connection: ConnectionId,
        user: UserName,
        id: MessageId,
        well: bool,
    ) {
        let result = if well {
            Ok(Json::of(&"done").ok().map(Payload::Json))
        } else {
            Err(Refusal::new(ErrorCode::Internal, "it did not work"))
        };
        self.on_server(life, |server, now| {
            // The asking connection may have ended.
            let _ = server.driver.command(now, Command::Answer { connection, user, id, result });
        });
    }

    /// The application supplies the state of a room: the number of publications it has seen there.
    pub(crate) fn give_state(&mut self, life: u64, ticket: Ticket, room: RoomName) {
        self.on_server(life, |server, now| {
            let seen = server.position(&room).map_or(0, |position| position.offset);
            let payload = Json::of(&seen).ok().map(Payload::Json);
            // It may be too late.
            let _ = server.driver.command(now, Command::State { ticket, room, payload });
        });
    }

    /// The application publishes, on each node.
    pub(crate) fn announce(&mut self, room: usize, size: usize) -> Verdict {
        (0..self.nodes.len()).try_for_each(|node| self.announce_on(node, room, size))
    }

    fn announce_on(&mut self, node: usize, room: usize, size: usize) -> Verdict {
        let now = self.now;
        let name = self.plan.rooms[room].clone();
        let payload = payload(&format!("the server announces {}", self.ledger.published), size);
        let Some((server, clock)) = self.nodes[node].server(now) else { return Ok(()) };
        let (life, read, wall_ms) = (server.life, server.read, server.wall_ms);
        let content = match &payload {
            Payload::Json(json) => String::from_utf8_lossy(json.as_bytes()).into_owned(),
            Payload::Binary(_) => String::new(),
        };
        let publish = Command::Publish {
            room: name.clone(),
            kind: switchboard_core::Kind::new("news").unwrap_or_else(|_| unreachable!("short")),
            from: None,
            id: None,
            key: None,
            payload,
            except: None,
        };
        let outcome = server.driver.command(clock, publish);
        if let Ok(switchboard_core::Outcome::Published { position: Some(at), .. }) = outcome {
            let entry = Entry { id: None, payload: content, excluded: None, at: read, wall_ms };
            self.ledger.publish(life, &name, at, entry)?;
        }
        Ok(())
    }
}
