//! Actions in the model's words.

use switchboard_core::{
    Action, ConnectionId, ErrorCode, Message, Operation, Outcome, Output, Rejection,
};

/// Returns whether an action says that the connection does not exist.
pub fn is_refusal(action: &Action<'_>) -> bool {
    matches!(action, Action::Do(Operation::Done { result: Err(refusal), .. })
        if refusal.code == ErrorCode::NoSuchConnection)
}

/// Formats an action on one line.
pub fn brief(action: &Action<'_>) -> String {
    if let Action::Send { to, message: Message::Connected(welcome) } = action {
        // It contains the whole configuration.
        return format!("Send {{ to: {to:?}, message: Connected {:?} }}", welcome.rooms);
    }
    format!("{action:?}")
}

/// Returns what an action tells the driver or the application, if anything. `number` maps
/// connections to their numbers.
///
/// # Errors
/// When a connection has no number.
pub fn said(
    action: &Action<'_>,
    number: impl Fn(&ConnectionId) -> Result<usize, String>,
) -> Result<Option<String>, String> {
    Ok(Some(match action {
        Action::Do(Operation::Accept { .. }) => "accept".to_owned(),
        Action::Do(Operation::Reject { rejection: Rejection::LobbyFull(room), .. }) => {
            format!("reject lobby_full {room}")
        }
        Action::Do(Operation::Reject { rejection, .. }) => format!("reject {}", rejection.as_str()),
        Action::Tell(Output::Closed { connection, user, ending, .. }) => {
            format!("closed c{} of {user}: {}", number(connection)?, ending.as_str())
        }
        Action::Tell(Output::Request { connection, request, .. }) => {
            format!("request c{} {} {:?}", number(connection)?, request.kind, request.payload)
        }
        Action::Tell(Output::Raw { .. }) => "raw".to_owned(),
        Action::Do(Operation::Done { ticket, result }) => {
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
            format!("done {}: {result}", ticket.0)
        }
        Action::Tell(Output::Probed { ticket, answers }) => {
            let mut answers: Vec<(usize, String)> = answers
                .iter()
                .map(|(id, answer)| Ok((number(id)?, format!("{answer:?}"))))
                .collect::<Result<_, String>>()?;
            answers.sort();
            let answers: Vec<_> = answers.iter().map(|(c, it)| format!("c{c} {it}")).collect();
            format!("probed {}: {}", ticket.0, answers.join(", "))
        }
        Action::Tell(Output::Drained) => "drained".to_owned(),
        Action::Send { .. }
        | Action::Do(Operation::Ping { .. })
        | Action::Do(Operation::Close { .. })
        | Action::Tell(Output::Answered { .. })
        | Action::Tell(Output::StateWanted { .. })
        | Action::Tell(Output::Notice(_)) => return Ok(None),
    }))
}
