//! Actions in the model's words.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::{
    Action, Answer, ConnectionId, ErrorCode, Message, Notice, Outcome, Rejection,
};

use crate::check::{Step, Tally};
use crate::hear::Heard;

/// Whether an action says that there is no such connection.
pub fn is_refusal(action: &Action<'_>) -> bool {
    matches!(action, Action::Done { result: Err(refusal), .. }
        if refusal.code == ErrorCode::NoSuchConnection)
}

/// An action on one line.
pub fn brief(action: &Action<'_>) -> String {
    if let Action::Send { to, message: Message::Connected(welcome) } = action {
        // It carries the whole configuration.
        return format!("Send {{ to: {to:?}, message: Connected {:?} }}", welcome.rooms);
    }
    format!("{action:?}")
}

/// Keeps an action for the comparison, in the model's words.
pub fn note(
    action: &Action<'_>,
    numbers: &BTreeMap<ConnectionId, usize>,
    step: &mut Step,
    pings: &mut [(Option<u64>, Option<u64>)],
    tally: &mut Tally,
) -> Result<(), String> {
    let number = |id: &ConnectionId| {
        numbers.get(id).copied().ok_or_else(|| format!("{id} was never admitted"))
    };
    let mut count = |what: String| *tally.entry(what).or_default() += 1;
    match action {
        Action::Accept { .. } => step.said.push("accept".to_owned()),
        Action::Reject { rejection, .. } => {
            count(format!("reject {}", rejection.as_str()));
            step.said.push(if let Rejection::LobbyFull(room) = rejection {
                format!("reject lobby_full {room}")
            } else {
                format!("reject {}", rejection.as_str())
            });
        }
        Action::Send { to, message } => {
            if to.iter().collect::<BTreeSet<_>>().len() != to.len() {
                return Err(format!("twice to the same one: {to:?}"));
            }
            for id in *to {
                let c = number(id)?;
                if let Message::HealthPing { timestamp } = message {
                    pings[c].1 = Some(*timestamp);
                }
                step.heard.push((c, Heard::Message((*message).clone())));
            }
            #[allow(clippy::wildcard_enum_match_arm, reason = "others are frequent")]
            match message {
                Message::Error { refusal, .. } => count(format!("error {}", refusal.code.as_str())),
                Message::Gap { .. } => count("gap".to_owned()),
                Message::MemberLeft { .. } => count("member left".to_owned()),
                Message::Refresh { reason, payload, .. } => {
                    count(format!("refresh {}", reason.as_str()));
                    if payload.is_some() {
                        count("refresh with the state".to_owned());
                    }
                }
                Message::Joined { beginning, .. } if beginning.recovered == Some(true) => {
                    count("recovered".to_owned());
                }
                Message::Connected(welcome) if !welcome.held.is_empty() => count("held".to_owned()),
                Message::History { events, .. } if !events.is_empty() => {
                    count("history".to_owned())
                }
                _ => {}
            }
        }
        Action::Ping { connection, nonce } => {
            let c = number(connection)?;
            pings[c].0 = Some(*nonce);
            step.heard.push((c, Heard::Ping(*nonce)));
        }
        Action::Close { connection, reason } => {
            count(format!("close {}", reason.as_str()));
            step.heard.push((number(connection)?, Heard::Close(reason.as_str())));
        }
        Action::Closed { connection, user, ending, .. } => {
            let (c, how) = (number(connection)?, ending.as_str());
            count(format!("closed {how}"));
            step.said.push(format!("closed c{c} of {user}: {how}"));
        }
        Action::Request { connection, request, .. } => {
            count("request".to_owned());
            let (c, kind) = (number(connection)?, &request.kind);
            step.said.push(format!("request c{c} {kind} {:?}", request.payload));
        }
        Action::Raw { .. } => step.said.push("raw".to_owned()),
        Action::Done { ticket, result } => {
            let result = match result {
                Ok(Outcome::Joined(at)) => format!("joined {}", at.offset),
                Ok(Outcome::Left) => "left".to_owned(),
                Ok(Outcome::Published { position, recipients }) => {
                    format!("published {:?} to {recipients}", position.map(|at| at.offset))
                }
                Ok(Outcome::Sent(count)) => format!("sent {count}"),
                Ok(Outcome::Closing(count)) => format!("closing {count}"),
                Ok(Outcome::Probing(count)) => format!("probing {count}"),
                Ok(Outcome::Refreshed(count)) => format!("refreshed {count}"),
                Ok(Outcome::Asked) => "asked".to_owned(),
                Err(refusal) => format!("refused {}", refusal.code.as_str()),
            };
            step.said.push(format!("done {}: {result}", ticket.0));
        }
        Action::Probed { ticket, answers } => {
            count("probed".to_owned());
            let mut answers: Vec<(usize, String)> = answers
                .iter()
                .map(|(id, answer)| Ok((number(id)?, format!("{answer:?}"))))
                .collect::<Result<_, String>>()?;
            answers.sort();
            let answers: Vec<_> = answers.iter().map(|(c, it)| format!("c{c} {it}")).collect();
            step.said.push(format!("probed {}: {}", ticket.0, answers.join(", ")));
        }
        Action::Answered { answer, .. } => count(match answer {
            Answer::Ok(_) | Answer::Refused { .. } => "answered".to_owned(),
            Answer::TimedOut => "not answered in time".to_owned(),
            Answer::Gone => "not answered before the end".to_owned(),
        }),
        Action::StateWanted { .. } => count("state wanted".to_owned()),
        Action::Notice(Notice::Expired { .. }) => count("hold expired".to_owned()),
        Action::Notice(Notice::Blocked { .. }) => count("blocked".to_owned()),
        Action::Notice(_) => {}
        Action::Drained => {
            count("drained".to_owned());
            step.said.push("drained".to_owned());
        }
    }
    Ok(())
}
