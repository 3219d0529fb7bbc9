//! Every message with an id is answered once and handled once, and every request of the application
//! is settled once.

use std::collections::{BTreeMap, VecDeque};

use switchboard_core::{
    Action, Answer, Command, Event, Handled, Inbound, Message, MessageId, Operation, Outcome,
    Output, Stats, Ticket, Timestamp, UserName,
};

use super::{Fed, Observer, Scene, Verdict};
use crate::facts::Facts;

/// A client's message, by its id.
#[derive(Default, Debug)]
struct Asked {
    sent: u32,
    answered: u32,
    /// Whether the application is to answer it, or no answer is due.
    is_handled: bool,
}

/// The message that is being handled.
#[derive(Debug)]
struct Now {
    user: UserName,
    id: MessageId,
    inbound: Inbound,
    /// It has already been handled within the window.
    is_repeated: bool,
    before: Stats,
}

/// All messages and requests.
#[derive(Default, Debug)]
pub(super) struct Answers {
    /// The latest time that the hub was told.
    clock: Timestamp,
    asked: BTreeMap<(usize, MessageId), Asked>,
    /// The number of answers from the application.
    by_application: BTreeMap<MessageId, u32>,
    handled: BTreeMap<UserName, VecDeque<(Timestamp, MessageId, Inbound)>>,
    now: Option<Now>,
    /// Pending requests, each with the connection that was asked.
    requests: BTreeMap<Ticket, usize>,
    /// The connection that the event is about.
    asking: Option<usize>,
    is_reply: bool,
}

fn id_of(inbound: &Inbound) -> Option<&MessageId> {
    match inbound {
        Inbound::Join { id, .. }
        | Inbound::Resume { id, .. }
        | Inbound::History { id, .. }
        | Inbound::Leave { id, .. }
        | Inbound::Members { id, .. }
        | Inbound::Direct { id, .. }
        | Inbound::Malformed { id, .. } => id.as_ref(),
        Inbound::Application(request) => request.id.as_ref(),
        Inbound::Reply { id, .. } => Some(id),
        Inbound::HealthPing { .. } | Inbound::HealthPong { .. } | Inbound::Raw(_) => None,
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "others answer nothing")]
fn answered(message: &Message) -> Option<&MessageId> {
    match message {
        Message::Joined { id, .. }
        | Message::Left { id, .. }
        | Message::Members { id, .. }
        | Message::History { id, .. }
        | Message::Error { id, .. } => id.as_ref(),
        Message::Ack { id, .. } | Message::Reply { id, .. } => Some(id),
        _ => None,
    }
}

impl Answers {
    /// Records an action for these connections if it is a message, or about this one if it has
    /// ended.
    fn see(&mut self, facts: &Facts, action: &Action<'_>, is_tick: bool) -> Verdict {
        #[allow(clippy::wildcard_enum_match_arm, reason = "others answer nothing")]
        match action {
            Action::Send { to, message } => {
                let Some(id) = answered(message) else { return Ok(()) };
                let extra = self.by_application.get(id).copied().unwrap_or(0);
                for c in to.iter().filter_map(|id| facts.number(id)) {
                    let asked = self.asked.entry((c, id.clone())).or_default();
                    asked.answered += 1;
                    if asked.answered > asked.sent + extra {
                        return Err(format!("c{c} has {asked:?} answers to {id}"));
                    }
                }
            }
            Action::Tell(Output::Request { request, .. })
                if self.now.as_ref().is_some_and(|now| now.is_repeated) =>
            {
                return Err(format!("the application gets {request:?} again"));
            }
            Action::Tell(Output::Closed { connection, .. }) => {
                let ended = facts.number(connection);
                let open = self.requests.iter().find(|(_, asked)| Some(**asked) == ended);
                if let Some((ticket, c)) = open {
                    return Err(format!("c{c} has ended, and {ticket:?} still waits for it"));
                }
            }
            Action::Do(Operation::Done { ticket, result: Ok(Outcome::Asked) }) => {
                self.requests.insert(*ticket, self.asking.unwrap_or(usize::MAX));
                let most = facts.setup.0.limits.max_requests;
                if self.requests.len() > most {
                    return Err(format!("{} requests are under way", self.requests.len()));
                }
            }
            Action::Tell(Output::Answered { ticket, answer }) => {
                let fits = match answer {
                    Answer::Ok(_) | Answer::Refused { .. } => self.is_reply,
                    Answer::TimedOut => is_tick,
                    Answer::Gone => true,
                };
                if self.requests.remove(ticket).is_none() || !fits {
                    return Err(format!("{ticket:?} is answered: {answer:?}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Observer for Answers {
    fn before(&mut self, scene: Scene<'_>, fed: &Fed<'_>) {
        let (event, setup) = (fed.event, &scene.facts.setup.0);
        self.clock = self.clock.max(fed.now);
        (self.now, self.is_reply) = (None, false);
        self.asking = fed.target.filter(|c| scene.view(*c).is_some_and(|view| view.is_open()));
        if let Event::Command { command: Command::Answer { id, .. }, .. } = event {
            *self.by_application.entry(id.clone()).or_default() += 1;
        }
        let Event::Received { inbound, .. } = event else { return };
        let Some((c, id)) = self.asking.zip(id_of(inbound)) else { return };
        let user = &scene.facts.users[c];
        let asked = self.asked.entry((c, id.clone())).or_default();
        asked.sent += 1;
        self.is_reply = matches!(inbound, Inbound::Reply { .. });
        let is_handled = matches!((inbound, &setup.handled),
            (Inbound::Application(request), Handled::Kinds(kinds)) if kinds.contains(&request.kind));
        asked.is_handled |= is_handled || self.is_reply;
        if matches!(inbound, Inbound::Application(_) | Inbound::Direct { .. }) {
            let window = setup.recovery.remember_for;
            let known = self.handled.get(user).and_then(|all| all.iter().rfind(|it| it.1 == *id));
            let is_repeated =
                known.is_some_and(|(at, _, it)| it == inbound && *at + window > self.clock);
            let (user, id, inbound) = (user.clone(), id.clone(), inbound.clone());
            self.now = Some(Now { user, id, inbound, is_repeated, before: scene.hub.stats() });
        }
    }

    fn actions(&mut self, facts: &Facts, fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        let is_tick = matches!(fed.event, Event::Tick);
        actions.iter().try_for_each(|action| self.see(facts, action, is_tick))
    }

    fn after(&mut self, scene: Scene<'_>, fed: &Fed<'_>) -> Verdict {
        let Some(now) = self.now.take() else { return Ok(()) };
        let (stats, recovery) = (scene.hub.stats(), &scene.facts.setup.0.recovery);
        if recovery.remembered_ids == 0 || recovery.remembered_in_all < 1_000 {
            return Ok(());
        }
        let view = fed.target.and_then(|c| scene.view(c));
        let is_open = view.is_some_and(|view| view.is_open());
        let is_refused = stats.refused > now.before.refused;
        let is_repeated = stats.repeated > now.before.repeated;
        let is_published = stats.published > now.before.published;
        if now.is_repeated && (is_published || is_open && !is_repeated && !is_refused) {
            return Err(format!("{:?} is handled again", now.inbound));
        }
        if !is_open {
            // It may have been one too many, or the answer may have been.
            self.handled.remove(&now.user);
        } else if !is_refused && !is_repeated {
            let handled = self.handled.entry(now.user).or_default();
            handled.push_back((self.clock, now.id, now.inbound));
            if handled.len() > recovery.remembered_ids {
                handled.pop_front();
            }
        }
        Ok(())
    }

    /// Checks that each remaining connection has all its answers.
    fn finished(&mut self, scene: Scene<'_>) -> Verdict {
        for ((c, id), asked) in &self.asked {
            let is_here = scene.view(*c).is_some_and(|view| view.is_open());
            if is_here && !asked.is_handled && asked.answered < asked.sent {
                return Err(format!("c{c} has had no answer to {id}: {asked:?}"));
            }
        }
        match self.requests.first_key_value() {
            Some((ticket, c)) => Err(format!("c{c} has not answered {ticket:?}")),
            None => Ok(()),
        }
    }
}
