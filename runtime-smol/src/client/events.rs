//! The events of a client, as a stream.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use smol::stream::Stream;
use switchboard_engine::client::{self, Event};

/// The events of a client, in order; also a `futures_core::Stream`. There is one of it for each client.
///
/// An application that does not take them harms nobody else: the connection is still read, and heartbeats
/// answered. As many as [`events_kept`](crate::ClientBuilder::events_kept) says are kept; what comes then is left out until the
/// application has taken all that is kept, and it hears what it has missed ([`Event::Lagged`]). A server's request that
/// finds no room is answered with the error `busy`. Who needs no events drops this.
#[derive(Debug)]
pub struct Events(pub(super) client::Events);

impl Events {
    /// The next event; `None` when the client has ended. Nothing is lost when the future is dropped.
    pub async fn next_event(&mut self) -> Option<Event> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_next(cx)
    }
}
