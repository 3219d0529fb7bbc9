//! Which sockets may stay in the doorway, and which have to make room.

mod connects;
mod networks;
mod queue;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use slab::Slab;
use switchboard_core::http::{HttpError, Status};
use switchboard_core::{Limit, Loopback, Network, Rate, Timestamp};

use super::settings::ServerSettings;
use connects::Connects;
use networks::Networks;
use queue::{Entry, Queue, Silence};

/// Counts the sockets of a server, per network and in all, and decides which of them have to make
/// room for others. A network is an IPv4 address or the first 64 bits of an IPv6 address.
///
/// It has no clock and no sockets: time comes in, `S` is whatever names a socket to its owner, and
/// what has to be closed comes out. Each socket has a [`Place`], which its owner passes on when
/// something happens, and gives back with [`left`](Self::left) when the socket is closed, also if
/// it had to make room. Everything takes time logarithmic in the number of sockets and networks.
///
/// - A *handshake* is a socket whose request is being read, or waits for its answer. There are at
///   most [`max_handshakes`](ServerSettings::max_handshakes). One more closes the handshake that has
///   been silent longest, of the network that has the most; and one more than
///   [`handshakes_per_address`](ServerSettings::handshakes_per_address) the same in its network. Only
///   upgrades that are being [decided](Self::decide) are not closed, because their peers can do
///   nothing; of these, a network has at most that many besides.
/// - A *farewell* is a socket that has been refused, or whose connection is over, and that is not
///   closed yet. The same bounds hold for farewells, counted by themselves.
/// - A *connection* counts from when its upgrade is being decided until it is over.
#[derive(Debug)]
pub struct Door<S> {
    max: usize,
    per_network: Limit,
    connections_per_network: Limit,
    connects_per_network: Rate,
    loopback: Loopback,
    listed: Slab<Listed<S>>,
    waiting: Queue,
    farewells: Queue,
    /// Upgrades that are being decided.
    deciding: usize,
    /// Sockets that have come into one of the queues.
    arrived: u64,
    networks: Networks,
    connects: Connects,
}

/// The place of one socket, to be given back to its [`Door`].
#[must_use = "what is not given back counts for ever"]
#[derive(Debug)]
pub struct Place(At);

#[derive(Clone, Copy, Debug)]
enum At {
    /// The key of a handshake or farewell.
    Listed(u32),
    /// The key of a connection's network: an open connection costs no more.
    Open(u32),
}

#[derive(Debug)]
struct Listed<S> {
    network: Option<Network>,
    stage: Stage,
    socket: S,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting(Silence),
    Deciding,
    Farewell(Silence),
    /// It had to make room; its owner has been told.
    Evicted,
}

/// Which limit of its network an upgrade exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TooMany {
    /// [`connects_per_address`](ServerSettings::connects_per_address).
    Connects(Network),
    /// [`connections_per_address`](ServerSettings::connections_per_address).
    Connections(Network),
    /// [`handshakes_per_address`](ServerSettings::handshakes_per_address): this many upgrades are
    /// being decided. Or the socket had to make room meanwhile, and its network is not told.
    Handshakes(Option<Network>),
}

/// Seconds after which a peer may try again. Every rate gives at least one connect in this time.
const RETRY_AFTER: u32 = 1;

impl TooMany {
    /// The answer: 429 with `Retry-After`.
    pub fn to_error(self) -> HttpError {
        let (code, message, network) = match self {
            Self::Connects(network) => {
                ("connect_rate", "this address connects too often; try again later", Some(network))
            }
            Self::Connections(network) => {
                ("address_limit", "this address has too many connections", Some(network))
            }
            Self::Handshakes(network) => {
                ("handshake_limit", "this address has too many handshakes under way", network)
            }
        };
        let mut error = HttpError::new(Status::TooManyRequests, code, message);
        error.retry_after_secs = Some(RETRY_AFTER);
        match network {
            Some(network) => error.comparing_with(network.to_string()),
            None => error,
        }
    }
}

/// Why a handshake was closed to make room, for the log. The peer is not told.
pub fn evicted() -> HttpError {
    let message = "a handshake that had been silent was closed to make room for another";
    HttpError::new(Status::RequestTimeout, "handshake_evicted", message)
}

impl<S: Clone> Door<S> {
    /// A door with the bounds of these settings.
    pub fn new(settings: &ServerSettings) -> Self {
        Self {
            max: settings.max_handshakes.max(1),
            per_network: settings.handshakes_per_address,
            connections_per_network: settings.connections_per_address,
            connects_per_network: settings.connects_per_address,
            loopback: settings.config.limits.loopback,
            listed: Slab::new(),
            waiting: Queue::default(),
            farewells: Queue::default(),
            deciding: 0,
            arrived: 0,
            networks: Networks::default(),
            connects: Connects::default(),
        }
    }

    /// Whether another socket is to be accepted: there is room, or the handshake that has to make
    /// room came before `now`. If a loop reads before it accepts, and passes the same time to both,
    /// what had arrived of that one has been read.
    pub fn has_room(&self, now: Timestamp) -> bool {
        self.room_at().is_some_and(|at| at <= now)
    }

    /// From when on there is room, if nothing else happens; `None` if something has to happen.
    pub fn room_at(&self) -> Option<Timestamp> {
        if !self.is_full() {
            return Some(Timestamp::ZERO);
        }
        self.waiting.next().map(|next| next.silence.came + Duration::from_micros(1))
    }

    fn is_full(&self) -> bool {
        self.waiting.len() + self.deciding >= self.max
    }

    /// A socket was accepted, from a peer at this address, if it is known. Returns its place, and
    /// which socket has to be closed for it, if any; or `None` if there is no room.
    pub fn enter(
        &mut self,
        now: Timestamp,
        address: Option<IpAddr>,
        socket: S,
    ) -> Option<(Place, Option<S>)> {
        if !self.has_room(now) {
            return None;
        }
        let network = address.map(Network::from);
        let first = self.first_to_go(&self.waiting, network, self.is_full());
        let evicted = first.and_then(|entry| self.evict(entry));
        let silence = self.arrives(now);
        let key = self.list(Listed { network, stage: Stage::Waiting(silence), socket });
        self.waiting.insert(network, silence, key);
        Some((Place(At::Listed(key)), evicted))
    }

    /// The peer of a handshake sent something.
    pub fn heard(&mut self, now: Timestamp, place: &Place) {
        let Some((key, listed)) = self.listed_mut(place) else { return };
        if let Stage::Waiting(before) = listed.stage {
            let silence = Silence { since: now, ..before };
            listed.stage = Stage::Waiting(silence);
            let network = listed.network;
            self.waiting.remove(network, before, key);
            self.waiting.insert(network, silence, key);
        }
    }

    /// A handshake is a complete upgrade request, which is to be verified and decided. It is not
    /// closed to make room from here on, and counts as a connection. Requests that are not upgrades
    /// need no permission.
    ///
    /// # Errors
    /// If that exceeds a limit of its network. The handshake is left as it was.
    pub fn decide(&mut self, now: Timestamp, place: &Place) -> Result<(), TooMany> {
        let evicted = Err(TooMany::Handshakes(None));
        let Some((key, listed)) = self.listed_mut(place) else { return evicted };
        let Stage::Waiting(silence) = listed.stage else { return evicted };
        let network = listed.network;
        if let Some(paying) = network.filter(|_| self.pays(network)) {
            self.may_connect(now, paying)?;
            let (deciding, _) = self.networks.usage(network);
            if self.per_network.is_exceeded_by(deciding + 1) {
                return Err(TooMany::Handshakes(network));
            }
        }
        self.waiting.remove(network, silence, key);
        self.deciding += 1;
        self.networks.change(network, |usage| usage.deciding += 1);
        self.set(key, Stage::Deciding);
        Ok(())
    }

    /// An upgrade that was decided has become a connection.
    pub fn opened(&mut self, place: &mut Place) {
        let Some((key, listed)) = self.listed_mut(place) else { return };
        if let Stage::Deciding = listed.stage {
            let network = listed.network;
            self.listed.remove(key as usize);
            self.deciding -= 1;
            let key = self.networks.change(network, |usage| {
                usage.deciding -= 1;
                usage.open += 1;
            });
            place.0 = At::Open(number(key));
        }
    }

    /// Whether the socket had to make room.
    pub fn is_evicted(&self, place: &Place) -> bool {
        let At::Listed(key) = place.0 else { return false };
        let listed = self.listed.get(key as usize);
        listed.is_some_and(|listed| matches!(listed.stage, Stage::Evicted))
    }

    /// The place of a connection whose upgrade another server answers.
    ///
    /// # Errors
    /// If that exceeds a limit of its network.
    pub fn admit(&mut self, now: Timestamp, address: Option<IpAddr>) -> Result<Place, TooMany> {
        let network = address.map(Network::from);
        if let Some(paying) = network.filter(|_| self.pays(network)) {
            self.may_connect(now, paying)?;
        }
        let key = self.networks.change(network, |usage| usage.open += 1);
        Ok(Place(At::Open(number(key))))
    }

    /// A handshake was refused, or a connection is over: all that is left is to send the last bytes
    /// and to close the socket. Returns which other socket has to be closed for it, if any. Without
    /// effect for a farewell.
    pub fn farewell(&mut self, now: Timestamp, place: &mut Place, socket: S) -> Option<S> {
        let network = match place.0 {
            At::Open(key) => self.networks.network(key as usize),
            At::Listed(key) => match self.listed.get(key as usize) {
                Some(Listed { network, stage: Stage::Waiting(_) | Stage::Deciding, .. }) => {
                    *network
                }
                Some(_) | None => return None,
            },
        };
        self.release(place.0);
        let is_full = self.farewells.len() >= self.max;
        let first = self.first_to_go(&self.farewells, network, is_full);
        let evicted = first.and_then(|entry| self.evict(entry));
        let silence = self.arrives(now);
        let key = self.list(Listed { network, stage: Stage::Farewell(silence), socket });
        self.farewells.insert(network, silence, key);
        place.0 = At::Listed(key);
        evicted
    }

    /// A socket is closed.
    pub fn left(&mut self, place: Place) {
        self.release(place.0);
    }

    fn release(&mut self, at: At) {
        match at {
            At::Listed(key) => {
                if let Some(listed) = self.listed.try_remove(key as usize) {
                    self.forget(key, listed.network, listed.stage);
                }
            }
            At::Open(key) => {
                let network = self.networks.network(key as usize);
                self.networks.change(network, |usage| usage.open -= 1);
            }
        }
        if self.listed.is_empty() {
            self.listed.shrink_to_fit();
        }
    }

    fn forget(&mut self, key: u32, network: Option<Network>, stage: Stage) {
        match stage {
            Stage::Waiting(silence) => self.waiting.remove(network, silence, key),
            Stage::Farewell(silence) => self.farewells.remove(network, silence, key),
            Stage::Deciding => {
                self.deciding -= 1;
                self.networks.change(network, |usage| usage.deciding -= 1);
            }
            Stage::Evicted => {}
        }
    }

    /// Has a socket make room. Its place is its owner's until it is given back.
    fn evict(&mut self, Entry { socket: key, .. }: Entry) -> Option<S> {
        let Listed { network, stage, socket } = self.listed.get_mut(key as usize)?;
        let (network, stage, socket) =
            (*network, std::mem::replace(stage, Stage::Evicted), socket.clone());
        self.forget(key, network, stage);
        Some(socket)
    }

    /// Whether another connect and connection is within the limits of its network.
    fn may_connect(&mut self, now: Timestamp, network: Network) -> Result<(), TooMany> {
        if !self.connects.take(now, network, self.connects_per_network) {
            return Err(TooMany::Connects(network));
        }
        let (deciding, open) = self.networks.usage(Some(network));
        if self.connections_per_network.is_exceeded_by(deciding + open + 1) {
            return Err(TooMany::Connections(network));
        }
        Ok(())
    }

    /// Which handshake or farewell makes room for one more of this network: one of its own if that
    /// exceeds its limit, or any if the door is full.
    fn first_to_go(&self, queue: &Queue, network: Option<Network>, is_full: bool) -> Option<Entry> {
        let is_over =
            self.pays(network) && self.per_network.is_exceeded_by(queue.len_of(network) + 1);
        let own = is_over.then(|| queue.next_of(network)).flatten();
        own.or_else(|| is_full.then(|| queue.next()).flatten())
    }

    /// Whether the limits per network hold for it.
    fn pays(&self, network: Option<Network>) -> bool {
        network.is_some_and(|network| self.loopback.limits(network))
    }

    fn arrives(&mut self, now: Timestamp) -> Silence {
        self.arrived += 1;
        Silence { since: now, came: now, number: self.arrived }
    }

    fn list(&mut self, listed: Listed<S>) -> u32 {
        number(self.listed.insert(listed))
    }

    fn listed_mut(&mut self, place: &Place) -> Option<(u32, &mut Listed<S>)> {
        let At::Listed(key) = place.0 else { return None };
        Some((key, self.listed.get_mut(key as usize)?))
    }

    fn set(&mut self, key: u32, stage: Stage) {
        if let Some(listed) = self.listed.get_mut(key as usize) {
            listed.stage = stage;
        }
    }
}

/// A key of a table, which has fewer entries than the system has files.
fn number(key: usize) -> u32 {
    u32::try_from(key).unwrap_or(u32::MAX)
}
