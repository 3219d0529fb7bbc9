//! Runs the server.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use async_signal::{Signal, Signals};
use smol::Async;
use smol::future::{self, FutureExt};
use smol::stream::StreamExt;
use switchboard_core::http::HttpError;
use switchboard_core::{NameError, RoomName, Tap, UserName};
use switchboard_smol::{
    BuildError, Claims, Credentials, Handle, Identity, RefuseBy, Server, ServerSettings,
};

use crate::auth::{GuestNames, Verifier};
use crate::config::{AuthAnswer, AuthMode, CapacityAnswer, Config, Drain, Stats};
use crate::numbers::{self, Numbers};
use crate::os::Sockets;
use crate::record::{self, Recording};
use crate::site::Site;
use crate::{bind, dashboard, journal, listen, logging, memory, os, settings};

/// Why the server cannot run.
#[derive(Debug)]
pub(crate) enum Error {
    /// The configuration asks for something forbidden or impossible; the text says what.
    Refused(String),
    /// A system call failed.
    Io(String, io::Error),
}

/// Serves until told to stop, and then drains.
pub(crate) fn serve(config: Config) -> Result<(), Error> {
    let _flush = logging::init(&config.log).map_err(Error::Refused)?;
    let listen = &config.server.listen;
    let addresses = check(&config).map_err(Error::Refused)?;
    match (os::raise_open_files(), sockets(&config)) {
        (Ok(files), Some(sockets)) => {
            if let Err(shortage) = sockets.check(files) {
                tracing::warn!("{shortage}");
            }
        }
        (Ok(_), None) => {}
        (Err(error), _) => tracing::warn!("the limit on open files cannot be raised: {error}"),
    }

    let started = Instant::now();
    let recording =
        Recording::start(&config.record, config.limits.max_connections.get().map(|n| n as usize))
            .map_err(|problem| Error::Refused(problem.to_string()))?;
    let (recording, recorder) = recording.unzip();
    let is_local = config.auth.mode == AuthMode::Anonymous && bind::is_loopback(&addresses);
    let (server, site) = build(&config, started, is_local, recorder)?;
    let cannot = |error| Error::Io(format!("cannot listen on {listen}"), error);
    let listeners = listen::listen(&addresses).map_err(cannot)?;
    let first = listeners.first().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into());
    let address = first.and_then(|first| first.get_ref().local_addr()).map_err(cannot)?;
    // Before the address is announced: a reader of it may send a signal immediately.
    let signals =
        stopping_signals().map_err(|error| Error::Io("cannot listen for signals".into(), error))?;
    announce(listen, address);

    let handle = server.handle();
    smol::block_on(async {
        let stopping = stop_on_signal(signals, &site, &handle, &config.drain);
        let publishing = async {
            if shows_dashboard(&config) {
                dashboard::publish(&handle, started).await;
            }
            std::future::pending().await
        };
        let tidying = async {
            memory::give_back(&handle).await;
            std::future::pending().await
        };
        serve_all(&server, listeners).or(stopping).or(publishing).or(tidying).await
    })
    .map_err(|error| Error::Io("the server has failed".into(), error))?;
    drop(server);
    if let Some(recording) = recording {
        recording.finish();
    }
    tracing::info!("stopped");
    Ok(())
}

/// Finds out what would keep a server from starting, without starting one. Returns the addresses to
/// listen on.
///
/// # Errors
/// If the server would not start; the text says why.
pub(crate) fn check(config: &Config) -> Result<Vec<SocketAddr>, String> {
    let listen = &config.server.listen;
    let addresses = bind::resolve(listen)?;
    bind::check_exposure(listen, &addresses, config.auth.mode, config.server.allow_anonymous)?;
    settings::rules(config).check().map_err(|error| error.to_string())?;
    record::check(&config.record).map_err(|problem| problem.to_string())?;
    Ok(addresses)
}

/// The sockets that the limits allow, if they limit them.
fn sockets(config: &Config) -> Option<Sockets> {
    Some(Sockets {
        connections: config.limits.max_connections.get()?.into(),
        handshakes: config.more_limits.max_handshakes.get()?.into(),
    })
}

fn build(
    config: &Config,
    started: Instant,
    is_local: bool,
    recorder: Option<impl Tap + 'static>,
) -> Result<(Server, Arc<Site>), Error> {
    let verifier =
        config.secret.as_ref().map(|secret| Arc::new(Verifier::new(secret, &config.auth)));
    let names = GuestNames::new(RandomState::new().hash_one(0));
    let mut settings = configured(config, is_local).map_err(Error::Refused)?;
    let numbers = Numbers::new(config.dashboard.stats, verifier.clone());
    let site = Arc::new(Site::new(settings.hosts.clone(), numbers, started));
    let (for_http, for_identity) = (site.clone(), site.clone());
    settings.tap = recorder.map(|recorder| Box::new(recorder) as Box<dyn Tap>);
    let server = Server::builder()
        .settings(settings)
        .threads(config.server.threads)
        .authenticate(move |credentials| {
            let identity = match &verifier {
                Some(verifier) => by_token(verifier, &credentials, &for_identity),
                None => as_guest(&names, &credentials, &for_identity),
            };
            std::future::ready(identity)
        })
        .http(move |request| std::future::ready(for_http.answer(&request)))
        .on_output(journal::record)
        .build()
        .map_err(|error: BuildError| Error::Refused(error.to_string()))?;
    site.open(server.handle());
    Ok((server, site))
}

/// Returns whether the statistics are published in their room.
fn shows_dashboard(config: &Config) -> bool {
    config.dashboard.enabled && config.dashboard.stats != Stats::Off
}

/// Returns everything that the file configures of the server itself. It is local if it listens on
/// loopback and asks for no token.
fn configured(config: &Config, is_local: bool) -> Result<ServerSettings, String> {
    let mut rules = settings::rules(config);
    if shows_dashboard(config) {
        match rules.rooms.iter_mut().find(|(prefix, _)| prefix == dashboard::ROOM) {
            // Whatever the file says of it, it is not for everybody.
            Some((_, class)) => class.operators_only = true,
            None => rules.rooms.push((dashboard::ROOM.into(), dashboard::room_class())),
        }
    }
    let more = &config.more_limits;
    let (first_byte_timeout, handshake_timeout) = settings::handshake_times(more);
    Ok(ServerSettings {
        config: rules,
        origins: settings::origins(config, is_local)
            .map_err(|error| format!("origins.allowed: {error}"))?,
        hosts: settings::hosts(config, is_local)
            .map_err(|error| format!("origins.hosts: {error}"))?,
        max_handshakes: settings::count(more.max_handshakes),
        handshakes_per_address: more.handshakes_per_address,
        connections_per_address: more.connections_per_address,
        connects_per_address: settings::connects(more),
        first_byte_timeout,
        handshake_timeout,
        max_head_bytes: settings::count(more.max_head_bytes),
        capacity_answer: match config.capacity.answer {
            CapacityAnswer::Close => RefuseBy::Close,
            CapacityAnswer::Http => RefuseBy::Http,
        },
        auth_answer: match config.auth.answer {
            AuthAnswer::Auto => RefuseBy::Auto,
            AuthAnswer::Close => RefuseBy::Close,
            AuthAnswer::Http => RefuseBy::Http,
        },
        ..ServerSettings::default()
    })
}

/// Trusts `?user=`, or makes a name up.
fn as_guest(
    names: &GuestNames,
    credentials: &Credentials,
    site: &Site,
) -> Result<Identity, HttpError> {
    let identity = Identity::claimed(credentials, || names.next(|name| site.is_online(name)))?;
    let is_operator = site.opens_numbers(&credentials.request, None);
    Ok(Identity { is_operator, ..identity })
}

/// Takes the identity from the token.
fn by_token(
    verifier: &Verifier,
    credentials: &Credentials,
    site: &Site,
) -> Result<Identity, HttpError> {
    let found = numbers::verify(Some(verifier), credentials.token.as_ref())?;
    let is_operator = site.opens_numbers(&credentials.request, Some(&found));
    let bad = |error: NameError| HttpError::unauthorized(format!("a name in the token {error}"));
    Ok(Identity {
        user: UserName::new(&found.user).map_err(bad)?,
        is_guest: false,
        is_operator,
        rooms: found
            .rooms
            .iter()
            .map(|room| RoomName::new(room))
            .collect::<Result<_, _>>()
            .map_err(bad)?,
        claims: Claims::new(found.claims),
    })
}

/// Serves every listener, until the server has been drained or one of them fails.
async fn serve_all(server: &Server, listeners: Vec<Async<TcpListener>>) -> io::Result<()> {
    let nothing: Pin<Box<dyn Future<Output = io::Result<()>> + '_>> =
        Box::pin(std::future::ready(Ok(())));
    let all = listeners.into_iter().fold(nothing, |others, listener| {
        Box::pin(async { future::try_zip(others, server.serve(listener)).await.map(drop) })
    });
    all.await
}

/// SIGTERM, Ctrl-C, and SIGHUP for a terminal that was closed, unless the program was started to
/// ignore that (`nohup`).
fn stopping_signals() -> io::Result<Signals> {
    let hangup = (!os::ignores_hangup()).then_some(Signal::Hup);
    Signals::new([Signal::Term, Signal::Int].into_iter().chain(hangup))
}

/// Drains on the first signal, so that `serve` ends; a second one ends it immediately.
async fn stop_on_signal(
    mut signals: Signals,
    site: &Site,
    handle: &Handle,
    drain: &Drain,
) -> io::Result<()> {
    let Some(signal) = signals.next().await.transpose()? else {
        return std::future::pending().await;
    };
    // From here on the balancer in front is told to send clients elsewhere.
    site.close();
    let (delay, seconds) = (drain.delay.as_secs_f64(), drain.timeout.as_secs_f64());
    if drain.delay.is_zero() {
        tracing::info!(?signal, "draining, for at most {seconds} s; signal again to stop at once");
    } else {
        tracing::info!(
            ?signal,
            "draining in {delay} s, for at most {seconds} s; signal again to stop at once"
        );
    }
    let again = async {
        let signal = signals.next().await;
        tracing::warn!(?signal, "stopped without waiting");
    };
    // Serving ends by itself once the last bytes are sent.
    let drained = async {
        smol::Timer::after(drain.delay).await;
        handle.drain(drain.timeout, drain.spread).await;
        std::future::pending().await
    };
    again.or(drained).await;
    Ok(())
}

/// Says where the server listens: at `localhost` if that is its name, which stands for all of its
/// addresses.
fn announce(listen: &str, address: SocketAddr) {
    let name = listen.rsplit_once(':').map(|(host, _)| host);
    let page = match address {
        _ if name == Some("localhost") => format!("localhost:{}", address.port()),
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => format!("127.0.0.1:{}", v4.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("[::1]:{}", v6.port()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => address.to_string(),
    };
    let _ = writeln!(
        io::stdout(),
        "Switchboard is listening. Open http://{page}/ in two tabs; WebSockets go to ws://{page}/ws/ROOM. Ctrl-C stops it."
    );
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for Error {}
