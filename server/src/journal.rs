//! Log lines about connections. Texts that users choose are string fields, which the log quotes and
//! escapes.

use switchboard_core::{Notice, Output};

/// Logs an output. Refused messages are logged only at debug level, since any client can cause
/// them.
pub(crate) fn record(output: &Output) {
    match output {
        Output::Notice(Notice::Opened { connection, user, address }) => {
            tracing::info!(%connection, user = user.as_str(), address = address.map(display), "connected");
        }
        Output::Notice(Notice::Joined { connection, user, room }) => {
            tracing::debug!(%connection, user = user.as_str(), room = room.as_str(), "joined");
        }
        Output::Notice(Notice::Left { connection, user, room }) => {
            tracing::debug!(%connection, user = user.as_str(), room = room.as_str(), "left");
        }
        Output::Notice(Notice::Refused { connection, user, refusal }) => {
            let (code, why) = (refusal.code.as_str(), &*refusal.message);
            tracing::debug!(%connection, user = user.as_str(), code, why, "refused");
        }
        Output::Notice(Notice::Blocked { connection }) => {
            tracing::debug!(%connection, "reads too slowly, messages are queued");
        }
        Output::Closed { connection, user, ending, open_for, address } => {
            let (reason, seconds) = (ending.as_str(), open_for.as_secs_f64());
            let (user, address, detail) =
                (user.as_str(), address.map(tracing::field::display), ending.to_string());
            tracing::info!(%connection, user, address, reason, detail = detail.as_str(), open_for_seconds = seconds, "disconnected");
        }
        Output::Drained => tracing::info!("every connection is closed"),
        Output::Notice(Notice::Expired { user }) => {
            tracing::debug!(user = user.as_str(), "did not reconnect");
        }
        Output::Request { .. }
        | Output::Raw { .. }
        | Output::Probed { .. }
        | Output::Answered { .. }
        | Output::StateWanted { .. } => {}
    }
}
