//! Carries out the plan's faults, and ends them.

use std::time::Duration;

use switchboard_core::client::MachineEvent;
use switchboard_core::{CloseReason, Command, ConnectionId, Kind, Timestamp};

use crate::checks::Verdict;
use crate::faults::Fault;
use crate::link::{LinkId, ServerEnd};
use crate::person::payload;
use crate::world::{Due, World};

impl World {
    pub(crate) fn fault(&mut self, fault: &Fault) -> Verdict {
        let person = fault.person().map(|number| self.plan.find(number));
        if person == Some(None) {
            return Ok(());
        }
        let index = person.flatten();
        let link = index.and_then(|index| self.people[index].link);
        match fault.node() {
            Some(node) => self.tell_of_node(node, || format!("* {fault}")),
            None if index.is_some() => self.tell(index, || format!("* {fault}")),
            None => self.story.tell(self.now, "the servers", || format!("* {fault}")),
        }
        match (fault, index) {
            (Fault::Crash { node, down, noticed }, _) => self.crash(*node, *down, *noticed),
            (Fault::Deploy { node, timeout, spread, down }, _) => {
                if let Some((server, clock)) = self.nodes[*node].server(self.now) {
                    server.down = Some(*down);
                    server.driver.drain(clock, *timeout, *spread);
                }
            }
            (Fault::ServerClockJump { node, by_ms }, _) => {
                self.nodes[*node].jump(self.now, *by_ms);
            }
            (Fault::WallClockSet { node, by_ms }, _) => self.nodes[*node].set_wall_clock(*by_ms),
            (Fault::Announce { room, size }, _) => return self.announce(*room, *size),
            (Fault::ClockJump { by_ms, .. }, Some(index)) => {
                let now = self.now;
                self.people[index].clock.jump(now, *by_ms);
                self.look_after(index);
            }
            (Fault::Sleep { lasts, .. }, Some(index)) => {
                let until = self.now + *lasts;
                self.people[index].asleep_until = until;
                self.at(until, Due::Machine(index));
            }
            (Fault::SlowReader { bytes_per_second, lasts, .. }, Some(index)) => {
                self.people[index].slow = Some((*bytes_per_second, self.now + *lasts));
            }
            (Fault::Offline { lasts, .. }, Some(index)) => {
                self.people[index].offline_until = self.now + *lasts;
                if let Some(link) = link {
                    self.cut(link);
                }
            }
            (Fault::Stall { lasts, .. }, Some(_)) => {
                let until = self.now + *lasts;
                if let Some(link) = link.and_then(|id| self.links.get_mut(&id)) {
                    link.stalled_until = until;
                }
            }
            (Fault::Reset { .. }, Some(_)) => self.break_link(link, true, true),
            (Fault::ServerLeftHanging { .. }, Some(_)) => self.break_link(link, true, false),
            (Fault::ClientLeftHanging { .. }, Some(_)) => self.break_link(link, false, true),
            (Fault::Kick { .. }, Some(index)) => {
                let user = self.people[index].plan.user.clone();
                for node in 0..self.nodes.len() {
                    let (user, reason) = (user.clone(), CloseReason::Internal);
                    self.command(node, Command::CloseUser { user, reason });
                }
            }
            (Fault::TakeOut { room, .. }, Some(_)) => {
                let room = self.plan.rooms[*room].clone();
                if let Some((node, connection)) = self.server_end(link) {
                    self.command(node, Command::Leave { connection, room });
                }
            }
            (Fault::AskClient { .. }, Some(_)) => {
                if let Some((node, to)) = self.server_end(link)
                    && let Ok(method) = Kind::new("confirm")
                    && let Some((server, clock)) = self.nodes[node].server(self.now)
                {
                    let (payload, timeout) = (payload("sure?", 0), Duration::from_secs(5));
                    let asked = server.driver.request(clock, to, method, payload, timeout);
                    server.asked.extend(asked.ok().map(|ticket| (ticket, to)));
                }
            }
            (_, None) => {}
        }
        Ok(())
    }

    fn command(&mut self, node: usize, command: Command) {
        if let Some((server, clock)) = self.nodes[node].server(self.now) {
            // It may concern a person who is not connected.
            let _ = server.driver.command(clock, command);
        }
    }

    /// Returns the server's id of an open link, and its node.
    fn server_end(&self, link: Option<LinkId>) -> Option<(usize, ConnectionId)> {
        let link = self.links.get(&link?)?;
        let ServerEnd::Open(connection) = link.server else { return None };
        Some((self.node_of(link.life)?, connection))
    }

    fn cut(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.cut = true;
        }
    }

    fn break_link(&mut self, link: Option<LinkId>, client_notices: bool, server_notices: bool) {
        let Some(id) = link else { return };
        self.cut(id);
        if client_notices {
            let at = self.now + self.chance.millis(0, 300);
            self.at(at, Due::ClientNotices(id));
        }
        if server_notices {
            let at = self.now + self.chance.millis(0, 300);
            self.at(at, Due::ServerNotices(id));
        }
    }

    /// The process dies, and its memory with it.
    fn crash(&mut self, node: usize, down: Duration, noticed: bool) {
        let Some(server) = self.nodes[node].server.take() else { return };
        let links = self.links.iter().filter(|(_, link)| link.life == server.life);
        let links: Vec<LinkId> = links.map(|(id, _)| *id).collect();
        for id in links {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.server == ServerEnd::None {
                continue;
            }
            link.server = ServerEnd::Gone;
            link.wire.borrow_mut().broken = true;
            let at = link.arrival(self.now);
            if noticed && !link.cut {
                self.at(at, Due::ClientNotices(id));
            } else if let Some(link) = self.links.get_mut(&id) {
                link.cut = true;
            }
            self.forget_if_over(id);
        }
        self.at(self.now + down, Due::ServerStarts(node));
    }

    /// The faults end; machines with hanging connections must now detect them.
    pub(crate) fn calm_down(&mut self) -> Verdict {
        self.calm = true;
        self.story.tell(self.now, "the world", || "calms down".into());
        for index in 0..self.people.len() {
            self.recover(index)?;
            // Every other person looks at the screen; the other machines have to find out by
            // themselves.
            if self.people[index].started && index % 2 == 0 {
                self.feed(index, MachineEvent::Wake)?;
            }
        }
        self.after_server()
    }

    /// Restores a person's clock, network and reading speed.
    pub(crate) fn recover(&mut self, index: usize) -> Verdict {
        let person = &mut self.people[index];
        person.asleep_until = Timestamp::ZERO;
        person.offline_until = Timestamp::ZERO;
        person.slow = None;
        let link = person.link;
        if let Some(link) = link.and_then(|id| self.links.get_mut(&id)) {
            link.stalled_until = Timestamp::ZERO;
        }
        if let Some(id) = link {
            self.at(self.now, Due::Up(id));
            self.arrives(id, self.now);
        }
        self.look_after(index);
        Ok(())
    }
}
