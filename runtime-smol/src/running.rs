//! Handlers that have to wait, and the messages that wait for them.
//!
//! A handler is begun on the server's thread, and most are done at once. One that has to wait
//! becomes a task, and with it all that its connection sends meanwhile, so that messages of one
//! connection are handled one after the other.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Cx, Poll, Waker};

use parking_lot::Mutex;
use smol::Timer;
use smol::future::FutureExt;
use switchboard_core::{ConnectionId, ErrorCode, MessageId, Refusal, Request, UserName};
use switchboard_engine::server::{Host, Reply, Stop, answer, panicked};

use crate::Context;
use crate::Handle;
use crate::auth::BoxFuture;
use crate::shared::Shared;

/// Messages of a connection that wait for the handler of the one before. At this number, nothing
/// more is read.
const MAX_WAITING: usize = 64;

/// The connections with a handler that has not finished.
#[derive(Default)]
pub(crate) struct RunningHandlers {
    busy: Mutex<HashMap<ConnectionId, Backlog>>,
    /// The number of these connections, to be read without the lock.
    count: AtomicUsize,
}

#[derive(Default)]
struct Backlog {
    waiting: VecDeque<(UserName, Request)>,
    /// The key of a socket that is to be read on when fewer wait.
    unread: Option<usize>,
    /// The peer's close frame, which is answered when its messages have been handled.
    goodbye: Option<Stop>,
}

/// Where the answer is sent.
struct Asked {
    connection: ConnectionId,
    user: UserName,
    id: Option<MessageId>,
}

impl RunningHandlers {
    /// Whether a connection's socket must not be read now, because enough of its messages wait. If
    /// so, it is read on when fewer wait.
    pub(crate) fn holds_back(&self, connection: ConnectionId, key: usize) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut busy = self.busy.lock();
        let work = busy.get_mut(&connection).filter(|work| work.waiting.len() >= MAX_WAITING);
        work.map(|work| work.unread = Some(key)).is_some()
    }

    /// Handles a message of a connection, or queues it behind the ones before.
    pub(crate) fn handle(
        shared: &Arc<Shared>,
        connection: ConnectionId,
        user: UserName,
        request: Request,
    ) {
        if let Some(work) = shared.running.busy.lock().get_mut(&connection) {
            return work.waiting.push_back((user, request));
        }
        let Some((asked, mut handling)) = begin(shared, connection, user, request) else { return };
        match poll(&mut handling, &mut Cx::from_waker(Waker::noop())) {
            Poll::Ready(reply) => asked.answer(shared, reply),
            Poll::Pending => {
                shared.running.busy.lock().insert(connection, Backlog::default());
                shared.running.count.fetch_add(1, Ordering::AcqRel);
                shared.spawn(work(shared.clone(), asked, handling));
            }
        }
    }

    /// Nothing more comes from a connection. A close frame is answered after the handlers.
    pub(crate) fn stop(shared: &Shared, connection: ConnectionId, stop: Stop) {
        if let Stop::Goodbye(_) = stop
            && let Some(work) = shared.running.busy.lock().get_mut(&connection)
        {
            work.goodbye = Some(stop);
            return;
        }
        shared.drive(|driver, now| stop.tell(driver, now, connection));
    }

    /// The next message of a connection, and the key of its socket if that can be read on. Without
    /// a message it is no longer busy, and its close frame may be answered.
    fn next(&self, connection: ConnectionId) -> (Option<usize>, Next) {
        let mut busy = self.busy.lock();
        let Some(work) = busy.get_mut(&connection) else { return (None, Next::Over(None)) };
        if let Some((user, request)) = work.waiting.pop_front() {
            let unread = work.unread.take_if(|_| work.waiting.len() < MAX_WAITING);
            return (unread, Next::Message(user, request));
        }
        let work = busy.remove(&connection).unwrap_or_default();
        self.count.fetch_sub(1, Ordering::AcqRel);
        (work.unread, Next::Over(work.goodbye))
    }
}

enum Next {
    Message(UserName, Request),
    Over(Option<Stop>),
}

/// The task of a connection whose handlers have to wait. It goes on when the connection is lost:
/// what had come in is handled, so that what comes again over another connection is not handled
/// again, but answered.
async fn work(shared: Arc<Shared>, first: Asked, handling: BoxFuture<Reply>) {
    let connection = first.connection;
    let mut under_way = Some((first, handling));
    loop {
        if let Some((asked, handling)) = under_way.take() {
            let reply = in_time(&shared, handling).await;
            asked.answer(&shared, reply);
        }
        let (unread, next) = shared.running.next(connection);
        if let Some(key) = unread {
            shared.read_on(key);
        }
        match next {
            Next::Message(user, request) => {
                under_way = begin(&shared, connection, user, request);
            }
            Next::Over(goodbye) => {
                if let Some(stop) = goodbye {
                    shared.drive(|driver, now| stop.tell(driver, now, connection));
                }
                return;
            }
        }
    }
}

/// Begins to handle a message, if there is a handler for its type. If the handler panics at once,
/// the message has been answered.
fn begin(
    shared: &Arc<Shared>,
    connection: ConnectionId,
    user: UserName,
    request: Request,
) -> Option<(Asked, BoxFuture<Reply>)> {
    let claims = shared.claims_of(connection);
    let handle = Handle::new(shared.clone());
    let context = Context::new(handle, connection, user.clone(), claims, &request);
    let asked = Asked { connection, user, id: request.id.clone() };
    match catch_unwind(AssertUnwindSafe(|| shared.services.handlers.begin(context, request))) {
        Ok(handling) => handling.map(|handling| (asked, handling)),
        Err(_) => {
            asked.answer(shared, Err(panicked()));
            None
        }
    }
}

fn poll(handling: &mut BoxFuture<Reply>, cx: &mut Cx<'_>) -> Poll<Reply> {
    let handling: Pin<&mut _> = handling.as_mut();
    catch_unwind(AssertUnwindSafe(|| handling.poll(cx)))
        .unwrap_or_else(|_| Poll::Ready(Err(panicked())))
}

async fn in_time(shared: &Shared, mut handling: BoxFuture<Reply>) -> Reply {
    let timeout = async {
        Timer::after(shared.services.handler_timeout).await;
        Err(Refusal::new(ErrorCode::Timeout, "the handler took too long"))
    };
    std::future::poll_fn(|cx| poll(&mut handling, cx)).or(timeout).await
}

impl Asked {
    fn answer(self, shared: &Shared, reply: Reply) {
        if let Some(command) = answer(self.connection, self.user, self.id, reply) {
            // The connection may have ended meanwhile; then the answer is not needed.
            let _ = shared.command(command);
        }
    }
}
