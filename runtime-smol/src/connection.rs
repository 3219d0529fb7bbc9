//! One task for each connection: it reads, runs the application's handlers, and finishes what a full socket left over.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Cx, Poll, ready};

use smol::Timer;
use switchboard_core::serving::{Claims, Framing, Reply, Stop, answer, panicked};
use switchboard_core::{Command, ConnectionId, ErrorCode, MessageId, Output, Refusal, UserName};

use crate::auth::BoxFuture;
use crate::context::Context;
use crate::handle::Handle;
use crate::outlet::Link;
use crate::shared::Shared;

/// Bytes read in one turn, so that no connection keeps the others waiting.
const TURN_BYTES: usize = 64 * 1024;

/// Messages that wait for the handler of the one before. While so many wait, nothing is read.
const BACKLOG: usize = 64;

thread_local! {
    /// What was just read. All connections of a thread share it, because between two turns it holds nothing.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; TURN_BYTES]);
}

/// The task.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    link: Arc<Link>,
    id: ConnectionId,
    claims: Claims,
    framing: Framing,
    /// The peer broke a rule, and nothing it sends is looked at any more. It is still read, because closing a socket with
    /// unread bytes would destroy the close frame on its way.
    discarding: bool,
    /// The peer said goodbye, with this code if it gave one. It hears the same when its messages have been handled.
    goodbye: Option<Option<u16>>,
    /// There while handlers are busy.
    work: Option<Box<Work>>,
}

/// A handler that runs, and the messages for the next ones.
#[derive(Default)]
struct Work {
    running: Option<Running>,
    waiting: VecDeque<Output>,
}

struct Running {
    answer: BoxFuture<Reply>,
    asked: Asked,
    timeout: Timer,
}

/// To whom the answer goes.
struct Asked {
    user: UserName,
    id: Option<MessageId>,
}

impl Connection {
    /// A task that reads what follows `read_ahead`.
    pub(crate) fn new(
        shared: Arc<Shared>,
        link: Arc<Link>,
        id: ConnectionId,
        claims: Claims,
    ) -> Self {
        let framing = Framing::new(shared.settings.max_message_bytes());
        Self { shared, link, id, claims, framing, discarding: false, goodbye: None, work: None }
    }

    /// What came in together with the upgrade request.
    pub(crate) fn read_ahead(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(TURN_BYTES) {
            if !self.discarding {
                self.parse(piece);
            }
        }
    }

    /// Reads what is there, at most one buffer full.
    ///
    /// # Errors
    /// When the socket has ended or failed.
    fn read(&mut self) -> io::Result<()> {
        READ_BUFFER.with_borrow_mut(|buffer| match self.link.socket.get_ref().read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(taken) => {
                if !self.discarding {
                    self.parse(&buffer[..taken]);
                }
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    /// Gives everything that is complete to the driver.
    fn parse(&mut self, bytes: &[u8]) {
        let Self { shared, framing, id, .. } = self;
        let id = *id;
        let (stop, requests) =
            shared.drive_for(Some(id), |driver, now| framing.feed(driver, now, id, bytes));
        self.discarding = stop.is_some();
        for request in requests {
            self.take(request);
        }
        // What came before the end counts: it is answered first.
        match stop {
            Some(Stop::Goodbye(code)) => self.goodbye = Some(code),
            Some(stop @ Stop::Violation(_)) => {
                self.shared.drive(|driver, now| stop.tell(driver, now, id));
            }
            None => {}
        }
    }

    fn take(&mut self, output: Output) {
        if let Output::Raw { connection, frame } = output {
            if let Some(command) = self.shared.settings.answer_raw(connection, frame) {
                self.command(command);
            }
        } else {
            self.work.get_or_insert_default().waiting.push_back(output);
        }
    }

    /// Runs handlers as far as they get. Answers whether there is room for more messages.
    fn work(&mut self, cx: &mut Cx<'_>) -> bool {
        while let Some(work) = &mut self.work {
            if let Some(running) = &mut work.running {
                let Poll::Ready(answer) = running.poll(cx) else {
                    return work.waiting.len() < BACKLOG;
                };
                if let Some(Running { asked, .. }) = work.running.take() {
                    self.answer(asked, answer);
                }
                continue;
            }
            match work.waiting.pop_front() {
                Some(Output::Request { user, request, .. }) => {
                    let (handle, claims) = (Handle::new(self.shared.clone()), self.claims.clone());
                    let context = Context::new(handle, self.id, user.clone(), claims, &request);
                    let asked = Asked { user, id: request.id.clone() };
                    let handlers = &self.shared.handlers;
                    let begun =
                        catch_unwind(AssertUnwindSafe(|| handlers.handle(context, request)));
                    match begun {
                        Ok(Some(answer)) => {
                            let timeout = Timer::after(self.shared.handler_timeout);
                            work.running = Some(Running { answer, asked, timeout });
                        }
                        Ok(None) => {}
                        Err(_) => self.answer(asked, Err(panicked())),
                    }
                }
                Some(_) => {}
                None => self.work = None,
            }
        }
        true
    }

    /// The socket is gone. What had come in is still handled: if it comes again over another connection, it will not be
    /// handled again, but answered.
    fn finish(&mut self, cx: &mut Cx<'_>) -> Poll<()> {
        self.work(cx);
        if self.work.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn answer(&self, asked: Asked, reply: Reply) {
        if let Some(command) = answer(self.id, asked.user, asked.id, reply) {
            self.command(command);
        }
    }

    fn command(&self, command: Command) {
        // The connection may have ended meanwhile; then nobody waits for the answer.
        let _ = self.shared.drive(|driver, now| driver.command(now, command));
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<()> {
        let this = self.get_mut();
        let id = this.id;
        this.link.register(cx.waker());
        loop {
            if this.link.is_ended() {
                return this.finish(cx);
            }
            if this.link.is_watched() && this.link.socket.poll_writable(cx).is_ready() {
                this.link.unwatch();
                this.shared.drive(|driver, now| driver.writable(now, id));
                continue;
            }
            if !this.work(cx) {
                return Poll::Pending;
            }
            if this.link.is_ended() {
                return this.finish(cx);
            }
            if let Some(code) = this.goodbye {
                if this.work.is_some() {
                    return Poll::Pending;
                }
                this.shared.drive(|driver, now| driver.peer_closed(now, id, code));
                return Poll::Ready(());
            }
            // The socket is asked before it is read, so that no read comes back empty; and however much there is,
            // others have their turn before the next read.
            if ready!(this.link.socket.poll_readable(cx)).and_then(|()| this.read()).is_err() {
                this.shared.drive(|driver, now| driver.lost(now, id));
                return this.finish(cx);
            }
        }
    }
}

impl Running {
    fn poll(&mut self, cx: &mut Cx<'_>) -> Poll<Reply> {
        match catch_unwind(AssertUnwindSafe(|| self.answer.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(answer),
            Ok(Poll::Pending) => {
                ready!(Pin::new(&mut self.timeout).poll(cx));
                Poll::Ready(Err(Refusal::new(ErrorCode::Timeout, "the handler took too long")))
            }
            Err(_) => Poll::Ready(Err(panicked())),
        }
    }
}
