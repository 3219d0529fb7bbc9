//! Waiting for sockets, on Linux's epoll.
//!
//! The server waits for its sockets itself and not by smol's reactor, because that one's thread
//! takes the events over whenever the server is busy, which is two changes of thread for a message.
//! Everything is edge-triggered: a socket is registered once, and nothing is said to the kernel
//! about it after that.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

/// Events taken in one turn.
const EVENTS: usize = 256;

/// What there is news of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Another thread wants to be heard.
    Bell,
    /// By its key.
    Listener(usize),
    /// By its key.
    Socket(usize),
}

impl Source {
    fn to_bits(self) -> u64 {
        match self {
            Self::Bell => u64::MAX,
            Self::Listener(key) => 1 << 63 | key as u64,
            Self::Socket(key) => key as u64,
        }
    }

    fn from_bits(bits: u64) -> Self {
        // Keys are places in a table, and fit.
        let key = |bits: u64| usize::try_from(bits).unwrap_or(usize::MAX);
        match bits {
            u64::MAX => Self::Bell,
            listener if listener >> 63 == 1 => Self::Listener(key(listener & !(1 << 63))),
            socket => Self::Socket(key(socket)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct News {
    pub(crate) source: Source,
    pub(crate) is_writable: bool,
    pub(crate) is_readable: bool,
    /// The peer sends nothing more: behind what there is to be read comes the end.
    pub(crate) is_ending: bool,
}

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    bell: OwnedFd,
}

/// Room for what [`Poller::wait`] finds.
pub(crate) struct Events(Vec<epoll::Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = News> + '_ {
        let ending = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        self.0.iter().map(move |event| {
            let flags = event.flags;
            News {
                source: Source::from_bits(event.data.u64()),
                is_writable: flags.intersects(EventFlags::OUT),
                is_readable: flags.intersects(EventFlags::IN | ending),
                is_ending: flags.intersects(ending),
            }
        })
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let poller = Self { epoll, bell };
        poller.register(&poller.bell, Source::Bell, EventFlags::IN)?;
        Ok(poller)
    }

    fn register(&self, fd: impl AsFd, source: Source, interest: EventFlags) -> io::Result<()> {
        let data = EventData::new_u64(source.to_bits());
        epoll::add(&self.epoll, fd, data, interest | EventFlags::ET)?;
        Ok(())
    }

    /// Tells of a socket from here on, until it is closed.
    pub(crate) fn add_socket(&self, fd: impl AsFd, key: usize) -> io::Result<()> {
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP;
        self.register(fd, Source::Socket(key), interest)
    }

    /// Tells of a listener from here on, until it is closed.
    pub(crate) fn add_listener(&self, fd: impl AsFd, key: usize) -> io::Result<()> {
        self.register(fd, Source::Listener(key), EventFlags::IN)
    }

    /// Ends the waiting of another thread, or its next one.
    pub(crate) fn ring(&self) {
        // It fails only when it was rung 2^64 times and not heard, and then it will be.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Waits for news. `None` is for ever. Returns whether there was room for all news there is.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<bool> {
        events.0.clear();
        // In whole milliseconds, rounded up: waking up too early would be for nothing.
        let timeout = timeout.map(|timeout| {
            let ms = timeout.as_micros().div_ceil(1_000).min(i32::MAX as u128) as i64;
            Timespec { tv_sec: ms / 1_000, tv_nsec: ms % 1_000 * 1_000_000 }
        });
        let into = rustix::buffer::spare_capacity(&mut events.0);
        let is_all = match epoll::wait(&self.epoll, into, timeout.as_ref()) {
            Ok(_) => events.0.len() < EVENTS,
            // A stopped process is interrupted when it goes on, whatever has arrived.
            Err(rustix::io::Errno::INTR) => false,
            Err(error) => return Err(error.into()),
        };
        if events.iter().any(|news| news.source == Source::Bell) {
            // That it rang is all there is to know.
            let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        }
        Ok(is_all)
    }
}
