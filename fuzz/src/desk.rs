//! What the application and the clients were asked, and what clients have sent: later operations
//! answer and repeat it.

use switchboard_core::{
    Action, ConnectionId, Event, Inbound, Message, MessageId, Output, RoomName, Ticket, UserName,
};

/// Everything that can be answered or sent again, the latest at the end.
#[derive(Default, Debug)]
pub struct Desk {
    /// Messages with an id, which are handled once.
    pub sent: Vec<(UserName, Inbound)>,
    /// Messages that the application is handling.
    pub handed: Vec<(ConnectionId, UserName, MessageId)>,
    /// The application's requests to clients.
    pub asked: Vec<(ConnectionId, MessageId)>,
    /// The hub's questions to the application about rooms.
    pub questions: Vec<(Ticket, RoomName)>,
}

impl Desk {
    /// Records an event.
    pub fn sends(&mut self, user: Option<&UserName>, event: &Event) {
        let Event::Received { inbound, .. } = event else { return };
        let has_id = match inbound {
            Inbound::Application(request) => request.id.is_some(),
            Inbound::Direct { id, .. } => id.is_some(),
            Inbound::Join { .. }
            | Inbound::Resume { .. }
            | Inbound::Leave { .. }
            | Inbound::Members { .. }
            | Inbound::History { .. }
            | Inbound::Reply { .. }
            | Inbound::HealthPing { .. }
            | Inbound::HealthPong { .. }
            | Inbound::Raw(_)
            | Inbound::Malformed { .. } => false,
        };
        if let Some(user) = user.filter(|_| has_id) {
            self.sent.push((user.clone(), inbound.clone()));
        }
    }

    /// Records an action.
    pub fn hears(&mut self, action: &Action<'_>) {
        #[allow(clippy::wildcard_enum_match_arm, reason = "others ask nothing")]
        match action {
            Action::Tell(Output::Request { connection, user, request }) => {
                if let Some(id) = &request.id {
                    self.handed.push((*connection, user.clone(), id.clone()));
                }
            }
            Action::Send { to, message: Message::Request { id, .. } } => {
                self.asked.extend(to.iter().map(|c| (*c, id.clone())));
            }
            Action::Tell(Output::StateWanted { ticket, room }) => {
                self.questions.push((*ticket, room.clone()))
            }
            _ => {}
        }
    }
}

/// Returns the last element but `back`.
pub fn from_end<T>(all: &[T], back: u8) -> Option<&T> {
    all.len().checked_sub(usize::from(back) + 1).and_then(|at| all.get(at))
}
