//! What each operation means to the model.

use std::time::Duration;

use switchboard_core::{Command, Event, Handled, Inbound, MessageId, Rate, Request, Timestamp};

use crate::model::Model;
use crate::seats::{Phase, Probe, Said};

/// Returns the connection that an event names, by its number; `None` if it names none.
pub type Target = Option<usize>;

fn named(id: Option<&MessageId>) -> String {
    id.map_or_else(|| "nobody's request".to_owned(), |id| id.to_string())
}

/// Applies an event to the model. `c` is the number of the connection that the event is about.
pub fn apply(model: &mut Model, event: &Event, c: Target) {
    let c = c.unwrap_or(usize::MAX);
    match event {
        Event::Connect { attempt, .. } => {
            let rooms = attempt.rooms.iter().map(|(room, _)| room.to_string()).collect();
            let wished: Vec<String> = attempt.wished.iter().map(ToString::to_string).collect();
            let payer = model.setup.payer(attempt);
            model.connect(&attempt.user, payer, attempt.is_operator, rooms, &wished);
        }
        Event::Opened { .. } => model.opened(c),
        Event::Received { inbound, .. } => received(model, c, inbound),
        // It counts against the rate, but needs no answer.
        Event::Alive { .. } if model.is_open(c) => {
            let now = model.now;
            model.seats.entry(c).and_modify(|seat| seat.last_seen = now);
            within_rate(model, c, 1, None);
        }
        Event::Alive { .. } => {}
        Event::Pong { nonce, .. } => {
            if !nonce.is_some_and(|nonce| model.answered(c, nonce)) && model.is_open(c) {
                within_rate(model, c, 1, None);
            }
        }
        // The time of day concerns only what messages are stamped with, which the log knows.
        Event::Blocked { .. } | Event::Writable { .. } | Event::WallClock { .. } | Event::Tick => {}
        Event::Disconnected { how, .. } => {
            let how = match how {
                switchboard_core::Disconnect::ByPeer(_) => "closed_by_peer",
                switchboard_core::Disconnect::Lost => "lost",
                switchboard_core::Disconnect::HandshakeFailed => "handshake_failed",
            };
            model.gone(c, how);
        }
        Event::Command { ticket, command } => {
            let answer = commanded(model, c, command, ticket.0);
            let answer = answer.unwrap_or_else(|code| format!("refused {code}"));
            model.said.push(Said::Now(format!("done {}: {answer}", ticket.0)));
        }
        Event::Drain { timeout, .. } => model.drain(*timeout),
    }
    model.end_probes(false);
    model.finish();
}

fn commanded(
    model: &mut Model,
    c: usize,
    command: &Command,
    serial: u64,
) -> Result<String, String> {
    let open = |model: &Model| {
        if model.is_open(c) { Ok(()) } else { Err("no_such_connection".to_owned()) }
    };
    match command {
        Command::Join { room, .. } => {
            open(model)?;
            model.join(c, room)?;
            tell_joined(model, c, room, None);
            Ok(format!("joined {}", model.rooms[room.as_str()].offset))
        }
        Command::Leave { room, .. } => {
            open(model)?;
            if !model.seats[&c].rooms.contains(room.as_str()) {
                return Err("not_a_member".to_owned());
            }
            model.leave(c, room, true);
            model.tell(c, format!("left {room} for {}", named(None)));
            Ok("left".to_owned())
        }
        Command::Publish { room, kind, key, payload, .. } => {
            let text = publication_text(room, None, None, kind, key.as_deref(), payload);
            let except = Some(c);
            let (offset, recipients) = model.publish(room, &text, except);
            Ok(format!("published {offset:?} to {recipients}"))
        }
        Command::Direct { to, payload, .. } => {
            direct(model, to, None, None, payload).map(|count| format!("sent {count}"))
        }
        Command::Send { .. } => {
            open(model)?;
            model.tell(c, "raw");
            Ok("sent 1".to_owned())
        }
        Command::Close { .. } => match model.seats.get(&c).map(|seat| seat.phase.clone()) {
            Some(Phase::Reserved | Phase::Open) => {
                model.close(c, "normal");
                Ok("closing 1".to_owned())
            }
            Some(Phase::Closing(_)) | None => Err("no_such_connection".to_owned()),
        },
        Command::CloseUser { user, .. } => {
            let all = model.of_user(user);
            all.iter().for_each(|c| model.close(*c, "forbidden"));
            Ok(format!("closing {}", all.len()))
        }
        Command::Probe { user, timeout } => {
            let asked = model.of_user(user).into_iter().filter(|c| model.is_open(*c));
            let asked: std::collections::BTreeMap<_, _> = asked.map(|c| (c, (0, None))).collect();
            if asked.is_empty() {
                return Err("user_offline".to_owned());
            }
            let count = asked.len();
            let (sent, until) =
                (model.now, model.now + timeout.unwrap_or(model.setup.0.heartbeat.probe_timeout));
            model.probes.push(Probe { serial, sent, until, asked });
            Ok(format!("probing {count}"))
        }
        Command::Answer { .. } | Command::Request { .. } | Command::State { .. } => {
            Err("outside_of_the_model".to_owned())
        }
    }
}

fn direct(
    model: &mut Model,
    to: &str,
    from: Option<&str>,
    id: Option<&MessageId>,
    payload: &switchboard_core::Payload,
) -> Result<usize, String> {
    let open: Vec<usize> = model.of_user(to).into_iter().filter(|c| model.is_open(*c)).collect();
    for c in &open {
        model.tell(*c, format!("direct from {from:?} {} {payload:?}", named(id)));
    }
    if open.is_empty() { Err("user_offline".to_owned()) } else { Ok(open.len()) }
}

fn tell_joined(model: &mut Model, c: usize, room: &str, id: Option<&MessageId>) {
    let presence = model.setup.class(room).presence;
    let users = presence.then(|| model.users_in(room).len());
    let place = model.place(room);
    model.tell(c, format!("joined {place} of {users:?} for {}", named(id)));
}

/// A publication without its number.
pub fn publication_text(
    room: &str,
    from: Option<&str>,
    id: Option<&MessageId>,
    kind: &str,
    key: Option<&str>,
    payload: &switchboard_core::Payload,
) -> String {
    format!("{room} from {from:?} {} {kind} {key:?} {payload:?}", named(id))
}

/// Returns when a bucket is full again after it gave these messages; `None` if it has too few.
fn taken(full_at: Timestamp, now: Timestamp, messages: u32, rate: Rate) -> Option<Timestamp> {
    if rate.per_second == 0 {
        return Some(full_at);
    }
    let one = Duration::from_micros(1_000_000 / u64::from(rate.per_second));
    let after = full_at.max(now) + one * messages.min(rate.burst);
    (after - now <= one * rate.burst).then_some(after)
}

/// Returns whether messages are within the rates of their connection and its payer; if not, answers
/// where possible.
fn within_rate(
    model: &mut Model,
    c: usize,
    messages: u32,
    answer: Option<Option<&MessageId>>,
) -> bool {
    let (now, limits) = (model.now, model.setup.0.limits.clone());
    let Some(seat) = model.seats.get_mut(&c) else { return false };
    if seat.bucket_full_at <= now {
        seat.strikes = 0;
    }
    let payer = model.payers.entry(seat.payer.clone()).or_default();
    let rate = model.setup.rate_of(&seat.payer);
    let own = taken(seat.bucket_full_at, now, messages, limits.messages);
    if let Some((own, payers)) = own.zip(taken(*payer, now, messages, rate)) {
        (seat.bucket_full_at, *payer) = (own, payers);
        return true;
    }
    seat.strikes += 1;
    if seat.strikes > limits.rate_limit_strikes {
        model.close(c, "rate_limited");
    } else if let Some(id) = answer {
        model.tell(c, format!("error rate_limited for {}", named(id)));
    }
    false
}

fn received(model: &mut Model, c: usize, inbound: &Inbound) {
    if !model.is_open(c) {
        return;
    }
    let now = model.now;
    let id = match inbound {
        Inbound::Join { id, .. }
        | Inbound::Leave { id, .. }
        | Inbound::Members { id, .. }
        | Inbound::Direct { id, .. }
        | Inbound::Resume { id, .. }
        | Inbound::History { id, .. }
        | Inbound::Malformed { id, .. } => id.as_ref(),
        Inbound::Application(request) => request.id.as_ref(),
        Inbound::Reply { id, .. } => Some(id),
        Inbound::HealthPing { .. } | Inbound::HealthPong { .. } | Inbound::Raw(_) => None,
    };
    if let Some(seat) = model.seats.get_mut(&c) {
        match inbound {
            Inbound::HealthPong { .. } => {}
            Inbound::HealthPing { .. } => seat.last_seen = now,
            Inbound::Join { .. }
            | Inbound::Leave { .. }
            | Inbound::Members { .. }
            | Inbound::Direct { .. }
            | Inbound::Resume { .. }
            | Inbound::History { .. }
            | Inbound::Reply { .. }
            | Inbound::Application(_)
            | Inbound::Raw(_)
            | Inbound::Malformed { .. } => (seat.last_seen, seat.last_message) = (now, now),
        }
    }
    let messages =
        if let Inbound::Resume { rooms, .. } = inbound { rooms.len().max(1) as u32 } else { 1 };
    if !within_rate(model, c, messages, Some(id)) {
        return;
    }
    let answer = match inbound {
        Inbound::Join { room, .. } => {
            let may = model.may_enter(c, room);
            let joined = may.and_then(|()| model.join(c, room));
            joined.map(|()| tell_joined(model, c, room, id)).map_err(ToOwned::to_owned)
        }
        Inbound::Leave { room, .. } => room_of(model, c, room.as_deref()).and_then(|room| {
            if !model.seats[&c].rooms.contains(&room) {
                return Err("not_a_member".to_owned());
            }
            model.leave(c, &room, true);
            model.tell(c, format!("left {room} for {}", named(id)));
            Ok(())
        }),
        Inbound::Members { room, .. } => room_of(model, c, room.as_deref()).and_then(|room| {
            if !model.seats[&c].rooms.contains(&room) {
                return Err("not_a_member".to_owned());
            }
            let users = model.users_in(&room);
            let listed = model.setup.0.limits.members_listed;
            let names = users.iter().take(listed).cloned().collect::<Vec<_>>().join(" ");
            let total = users.len();
            model.tell(c, format!("members {room}: {names} of {total} for {}", named(id)));
            Ok(())
        }),
        Inbound::Direct { to, payload, .. } => {
            let from = model.seats[&c].user.clone();
            direct(model, to, Some(&from), id, payload).map(|_| acknowledge(model, c, id, None))
        }
        Inbound::HealthPing { timestamp } => {
            model.tell(c, format!("health_pong {timestamp:?}"));
            Ok(())
        }
        Inbound::HealthPong { nonce } => {
            if let Some(nonce) = nonce {
                model.answered(c, *nonce);
            }
            Ok(())
        }
        Inbound::Application(request) => requested(model, c, request),
        Inbound::Raw(_) => Ok(()),
        Inbound::Resume { .. } | Inbound::History { .. } | Inbound::Reply { .. } => {
            Err("outside_of_the_model".to_owned())
        }
        Inbound::Malformed { refusal, .. } => Err(refusal.code.as_str().to_owned()),
    };
    if let Err(code) = answer {
        model.tell(c, format!("error {code} for {}", named(id)));
    }
}

fn requested(model: &mut Model, c: usize, request: &Request) -> Result<(), String> {
    let Request { kind, id, room, key, payload } = request;
    if kind.is_reserved() {
        return Err("reserved_type".to_owned());
    }
    if matches!(&model.setup.0.handled, Handled::Kinds(kinds) if kinds.contains(kind)) {
        model.said.push(Said::Now(format!("request c{c} {kind} {payload:?}")));
        return Ok(());
    }
    let room = room_of(model, c, room.as_deref())?;
    if let Some(code) = model.forbids_publishing(c, &room) {
        return Err(code.to_owned());
    }
    let from = model.seats[&c].user.clone();
    let text = publication_text(&room, Some(&from), id.as_ref(), kind, key.as_deref(), payload);
    let except = (!model.setup.class(&room).echo).then_some(c);
    let (offset, _) = model.publish(&room, &text, except);
    let life = model.rooms.get(&room).map_or(0, |room| room.life);
    let at = offset.map(|offset| format!("life {life} offset {offset}"));
    acknowledge(model, c, id.as_ref(), at);
    Ok(())
}

fn acknowledge(model: &mut Model, c: usize, id: Option<&MessageId>, at: Option<String>) {
    if let Some(id) = id {
        model.tell(c, format!("ack {id} at {at:?}"));
    }
}

fn room_of(model: &Model, c: usize, room: Option<&str>) -> Result<String, String> {
    let room = room.map(ToOwned::to_owned).or_else(|| model.only_room(c));
    room.ok_or_else(|| "room_required".to_owned())
}
