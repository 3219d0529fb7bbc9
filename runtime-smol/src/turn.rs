//! The two tasks that serve all connections: one writes what a round has gathered, one keeps time.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use smol::future::FutureExt;
use switchboard_core::Timestamp;

use crate::shared::Shared;

/// Sockets written to before others get a turn: about a millisecond's worth.
const SLICE: usize = 256;

/// Wakes one task, any number of times for one waking.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Bell {
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.task.wake();
        }
    }

    pub(crate) async fn heard(&self) {
        poll_fn(|cx| {
            self.task.register(cx.waker());
            if self.rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Something that happens once, and that any number of tasks can wait for.
#[derive(Debug)]
pub(crate) struct Gate(smol::channel::Sender<()>, smol::channel::Receiver<()>);

impl Default for Gate {
    fn default() -> Self {
        let (sender, receiver) = smol::channel::bounded(1);
        Self(sender, receiver)
    }
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.close();
    }

    pub(crate) async fn wait(&self) {
        // Nothing is ever sent: that the channel is closed is the message.
        let _ = self.1.recv().await;
    }
}

/// Writes what waits, in slices. It runs after the tasks that are ready already, so what they add to the same sockets
/// goes out in the same calls.
pub(crate) async fn flusher(shared: &Shared) {
    loop {
        shared.flush_bell.heard().await;
        while shared.drive(|driver, now| driver.flush(now, SLICE)) {
            smol::future::yield_now().await;
        }
    }
}

/// When the time-keeper will look at the hub's deadlines next.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: AtomicU64,
    bell: Bell,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { at: AtomicU64::new(u64::MAX), bell: Bell::default() }
    }
}

impl Alarm {
    /// There is something to do at `deadline`. Wakes the time-keeper only if it would sleep past it.
    pub(crate) fn set(&self, deadline: Timestamp) {
        if deadline.as_micros() < self.at.load(Ordering::Acquire) {
            self.bell.ring();
        }
    }
}

pub(crate) async fn time_keeper(shared: &Shared) {
    loop {
        let deadline = shared.drive(|driver, now| {
            let deadline = driver.tick_if_due(now);
            let at = deadline.map_or(u64::MAX, Timestamp::as_micros);
            shared.alarm.at.store(at, Ordering::Release);
            deadline
        });
        let rung = shared.alarm.bell.heard();
        match deadline.map(|deadline| shared.clock.instant_of(deadline)) {
            Some(instant) if instant <= std::time::Instant::now() => {
                smol::future::yield_now().await
            }
            Some(instant) => {
                let due = async {
                    smol::Timer::at(instant).await;
                };
                rung.or(due).await;
            }
            None => rung.await,
        }
    }
}
