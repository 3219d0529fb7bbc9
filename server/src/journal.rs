//! Log lines about connections.

use switchboard_core::{Notice, Output};

/// Logs an output. Refused messages are logged only at debug level, since any client can cause
/// them.
pub(crate) fn record(output: &Output) {
    match output {
        Output::Notice(Notice::Opened { connection, user, address }) => {
            tracing::info!(%connection, %user, address = address.map(display), "connected");
        }
        Output::Notice(Notice::Joined { connection, user, room }) => {
            tracing::info!(%connection, %user, %room, "joined");
        }
        Output::Notice(Notice::Left { connection, user, room }) => {
            tracing::info!(%connection, %user, %room, "left");
        }
        Output::Notice(Notice::Refused { connection, user, refusal }) => {
            tracing::debug!(%connection, %user, code = refusal.code.as_str(), "refused: {}", refusal.message);
        }
        Output::Notice(Notice::Blocked { connection }) => {
            tracing::debug!(%connection, "reads too slowly, messages are queued");
        }
        Output::Closed { connection, user, ending, open_for, address } => {
            let (reason, seconds) = (ending.as_str(), open_for.as_secs_f64());
            tracing::info!(%connection, %user, address = address.map(display), reason, open_for_seconds = seconds, "disconnected: {ending}");
        }
        Output::Drained => tracing::info!("every connection is closed"),
        Output::Notice(Notice::Expired { user }) => {
            tracing::debug!(%user, "did not reconnect");
        }
        Output::Request { .. }
        | Output::Raw { .. }
        | Output::Probed { .. }
        | Output::Answered { .. }
        | Output::StateWanted { .. } => {}
    }
}
