//! What must hold at the end: everybody is back and has everything, presence is known, and nothing
//! is left of people who have stopped.

use switchboard_core::client::State;

use crate::checks::{Verdict, rule};
use crate::world::World;

impl World {
    /// Checks that everybody who wants to be connected is, has received everything, and is heard.
    pub(crate) fn check_settled(&mut self) -> Verdict {
        for index in 0..self.people.len() {
            let person = &self.people[index];
            let (name, state) = (&person.plan.name, person.client.state());
            rule("everybody comes back", (state == State::Open) == person.started, || {
                format!("{name} is {state:?}")
            })?;
            let is_heard = self.node_of_person(index).is_some();
            rule("nobody keeps a dead connection", is_heard || !person.started, || {
                format!("{name} is open, and no server knows of it")
            })?;
            let unanswered = person.client.unanswered();
            let answered = !person.started || unanswered == (0, 0);
            rule("everything is answered", answered, || {
                format!("{name} has {unanswered:?} messages without an answer")
            })?;
            for (room, is_in) in person.client.rooms() {
                rule("everybody comes back", is_in || !person.started, || {
                    format!("{name} wants to be in {room}, and is not")
                })?;
            }
            for room in 0..self.plan.rooms.len() {
                self.check_complete(index, room)?;
            }
        }
        self.story.tell(self.now, "the world", || "has settled".into());
        Ok(())
    }

    fn check_complete(&mut self, index: usize, room: usize) -> Verdict {
        let name = self.plan.rooms[room].clone();
        let person = &self.people[index];
        if !person.streams[room].is_in {
            return Ok(());
        }
        let end = self.position_for(index, &name);
        rule("everybody comes back", end.is_some(), || {
            format!("{} is in {name}, which does not exist", person.plan.name)
        })?;
        let Some(end) = end else { return Ok(()) };
        self.judge(index, room, |stream, view| stream.complete(end, view))
    }

    /// Checks that presence is what each server says, and what everybody connected to it was told.
    pub(crate) fn check_presence(&self) -> Verdict {
        for node in 0..self.nodes.len() {
            for room in 0..self.plan.rooms.len() {
                self.check_presence_on(node, room)?;
            }
        }
        Ok(())
    }

    fn check_presence_on(&self, node: usize, room: usize) -> Verdict {
        let Some(server) = &self.nodes[node].server else { return Ok(()) };
        let (name, in_it) = (&self.plan.rooms[room], self.people_in(room, node));
        let in_it: Vec<_> = in_it.into_iter().map(|index| &self.people[index]).collect();
        let mut users: Vec<_> = in_it.iter().map(|person| person.plan.user.clone()).collect();
        users.sort();
        users.dedup();
        let there = server.driver.hub().room(name);
        let members = there.map_or(0, |there| there.members().len());
        rule("presence is right", members == in_it.len(), || {
            format!("{members} connections are in {name}, and {} clients", in_it.len())
        })?;
        let seats = there.map_or(0, |there| there.seats());
        rule("no seat is lost", seats == members, || {
            format!("{seats} seats of {name} are taken by {members} members")
        })?;
        let says = there.map(|there| there.users()).unwrap_or_default();
        rule("presence is right", says == users, || {
            format!("{says:?} are said to be in {name}, and {users:?} are")
        })?;
        for person in in_it {
            let told = person.streams[room].members.as_ref();
            let right = told.is_some_and(|told| {
                told.iter().map(String::as_str).eq(users.iter().map(|user| user.as_str()))
            });
            rule("presence is right", right, || {
                format!("{} takes {told:?} to be in {name}, and {users:?} are", person.plan.name)
            })?;
        }
        Ok(())
    }

    /// Checks the end, when everybody has stopped and everything kept for them has expired.
    pub(crate) fn check_nothing_left(&self) -> Verdict {
        for person in &self.people {
            person.nothing_open()?;
            let due = person.client.next_deadline();
            rule("a stopped client waits for nothing", due.is_none(), || {
                format!("{} still waits until {due:?}", person.plan.name)
            })?;
        }
        for server in self.nodes.iter().filter_map(|node| node.server.as_ref()) {
            rule("each accepted connection is closed once", server.connections.is_empty(), || {
                format!("{:?} have not been", server.connections.keys())
            })?;
            rule("each question is answered once", server.asked.is_empty(), || {
                format!("{:?} have no answer", server.asked)
            })?;
            let hub = server.driver.hub();
            let due = server.driver.next_deadline();
            rule("nothing is left of those who are gone", hub.is_empty() && due.is_none(), || {
                format!("due: {due:?}, {:?}", hub.stats())
            })?;
        }
        Ok(())
    }
}
