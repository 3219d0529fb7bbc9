//! What tasks wait for.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;

/// Wakes one task, once for any number of rings.
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

/// An event that happens once, and that any number of tasks can wait for.
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
        // Nothing is ever sent: closing the channel is the message.
        let _ = self.1.recv().await;
    }
}
