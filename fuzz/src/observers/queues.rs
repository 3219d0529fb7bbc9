//! Every queue is bounded: what waits for a connection, what it is given at once, what rooms keep,
//! and what is remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use switchboard_core::{Action, Event, Message};

use super::{Fed, Observer, Scene, Verdict};
use crate::facts::Facts;
use crate::ops::room_name;

/// What each connection was given in one event: the bytes in total, and those of the last message.
#[derive(Default, Debug)]
pub(super) struct Queues {
    released: BTreeMap<usize, (usize, usize)>,
}

impl Observer for Queues {
    fn actions(&mut self, facts: &Facts, fed: &Fed<'_>, actions: &[Action<'_>]) -> Verdict {
        self.released.clear();
        if !matches!(fed.event, Event::Writable { .. }) {
            return Ok(());
        }
        for action in actions {
            if let Action::Send { to, message } = action
                && !matches!(message, Message::HealthPing { .. })
            {
                let cost = message.cost_bytes();
                for c in to.iter().filter_map(|id| facts.number(id)) {
                    let released = self.released.entry(c).or_default();
                    *released = (released.0 + cost, cost);
                }
            }
        }
        let high_water = facts.setup.0.limits.outlet_high_water;
        match self.released.iter().find(|(_, (all, last))| all - last >= high_water) {
            Some((c, (all, _))) => Err(format!("c{c} takes {high_water} bytes and gets {all}")),
            None => Ok(()),
        }
    }

    fn settled(&mut self, scene: Scene<'_>, _is_idle: bool) -> Verdict {
        check_kept(scene)?;
        let (hub, limits) = (scene.hub, &scene.facts.setup.0.limits);
        for (id, view) in scene.views() {
            let (messages, bytes) = view.waiting();
            // The last message, which says that the server drains, always fits.
            let last = usize::from(hub.is_draining() && view.is_closing());
            let draining = Message::Draining { retry_after: Duration::ZERO };
            if messages > limits.outbox_messages + last
                || bytes > limits.outbox_bytes + last * draining.cost_bytes()
            {
                return Err(format!("{id} has {messages} messages, {bytes} bytes waiting"));
            }
        }
        Ok(())
    }
}

/// Checks what rooms keep and what is remembered.
fn check_kept(scene: Scene<'_>) -> Verdict {
    let (hub, setup) = (scene.hub, &scene.facts.setup);
    let (limits, recovery) = (&setup.0.limits, &setup.0.recovery);
    let (stats, mut all) = (hub.stats(), 0);
    for room in (0..3).map(room_name) {
        let (class, kept) = (setup.class(&room), hub.room(&room).map(|view| view.kept()));
        let (events, bytes) = kept.unwrap_or((0, 0));
        all += bytes;
        // While the application is asked for the state, as much is kept as an outbox holds.
        let (most_events, most_bytes) = if class.provides_state {
            (limits.outbox_messages, limits.outbox_bytes)
        } else {
            (0, 0)
        };
        if events > class.history.events.max(most_events)
            || bytes > class.history.bytes.max(most_bytes)
        {
            return Err(format!("{room} keeps {events} publications, {bytes} bytes"));
        }
    }
    let users = stats.users;
    if all != stats.history_bytes
        || all > recovery.history_bytes
        || stats.kept_rooms > recovery.max_kept_rooms
        || stats.remembered > (recovery.remembered_ids * users).min(recovery.remembered_in_all)
    {
        return Err(format!("rooms keep {all} bytes, and {stats:?}"));
    }
    Ok(())
}
