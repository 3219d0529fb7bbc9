//! Threads that share the writing.
//!
//! All rules stay on the server's thread; these threads are lent sockets and the frames for them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use switchboard_core::{LentSocket, Timestamp};
use switchboard_engine::server::{Engine, Held};

use crate::outlet::Socket;
use crate::shared::Shared;

/// With fewer sockets than this, waking another thread is not worth it.
const SHARE: usize = 64;

type Batch = Vec<LentSocket<Held<Socket>>>;

/// What a thread gives back, and its number. A panic is resumed in the server's thread, where one
/// would look for it.
type Written = (usize, thread::Result<Batch>);

pub(crate) struct Writers {
    threads: Vec<Writer>,
    written: Receiver<Written>,
}

struct Writer {
    batches: Sender<Batch>,
    is_busy: bool,
    thread: JoinHandle<()>,
}

impl Writers {
    /// Starts all threads but the server's own.
    pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let (done, written) = channel();
        let start = |number: usize| {
            let (batches, work) = channel();
            let (done, shared) = (done.clone(), shared.clone());
            let thread = thread::Builder::new()
                .name(format!("switchboard-{number}"))
                .spawn(move || write(number, &shared, &work, &done))?;
            Ok(Writer { batches, is_busy: false, thread })
        };
        let threads =
            (0..shared.services.threads.saturating_sub(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Self { threads, written })
    }

    /// Writes to at most `max` sockets, and lets each other thread write to as many.
    pub(crate) fn flush(&mut self, engine: &mut Engine<Socket>, now: Timestamp, max: usize) {
        self.take_back(engine, now);
        let mut hands = 1 + self.threads.iter().filter(|writer| !writer.is_busy).count();
        for writer in self.threads.iter_mut().filter(|writer| !writer.is_busy) {
            let share = engine.as_driver().unflushed() / hands;
            if share < SHARE {
                break;
            }
            let batch = engine.driver().lend(now, share.min(max));
            if let Err(unsent) = writer.batches.send(batch) {
                engine.driver().take_back(now, unsent.0);
            } else {
                writer.is_busy = true;
            }
            hands -= 1;
        }
        engine.flush(now, max);
    }

    /// Takes back the sockets that have been written to.
    pub(crate) fn take_back(&mut self, engine: &mut Engine<Socket>, now: Timestamp) {
        while engine.as_driver().lent() > 0
            && let Ok((number, batch)) = self.written.try_recv()
        {
            take_back(engine, now, batch);
            self.threads[number].is_busy = false;
        }
    }

    /// Ends the threads, and takes back what they have.
    pub(crate) fn finish(self, engine: &mut Engine<Socket>, now: Timestamp) {
        for Writer { batches, thread, .. } in self.threads {
            drop(batches);
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        for (_, batch) in self.written.try_iter() {
            take_back(engine, now, batch);
        }
    }
}

fn take_back(engine: &mut Engine<Socket>, now: Timestamp, written: thread::Result<Batch>) {
    let batch = written.unwrap_or_else(|panic| resume_unwind(panic));
    engine.driver().take_back(now, batch);
}

fn write(number: usize, shared: &Shared, work: &Receiver<Batch>, done: &Sender<Written>) {
    let mut scratch = Vec::new();
    for mut batch in work {
        let written = catch_unwind(AssertUnwindSafe(|| {
            for socket in &mut batch {
                socket.write(&mut scratch);
            }
        }));
        // This fails only if the server's thread has failed.
        let _ = done.send((number, written.map(|()| batch)));
        shared.ring();
    }
}
