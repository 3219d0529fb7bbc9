//! From an address to a connected socket.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use smol::future::FutureExt;
use smol::{Async, Timer};
use switchboard_engine::client::{Address, Attempt, Attempts, Over};

type Connecting = Pin<Box<dyn Future<Output = Result<Async<TcpStream>, Over>> + Send>>;

/// Resolves the host and connects to one of its addresses. The client's machine bounds the time:
/// when the connect time-out is over, this is dropped.
pub(super) async fn dial(address: &Address) -> Result<Async<TcpStream>, Over> {
    let resolved = smol::net::resolve((address.host().to_owned(), address.port())).await;
    let resolved = resolved.map_err(|error| failed(format!("cannot find {address}"), error))?;
    let none = Over::Failed(format!("{address} has no address"));
    connect(resolved, none).await
}

/// Connects to the first of these addresses that answers. If none does, the error is that of the
/// last one, or `none` without any.
async fn connect(addresses: Vec<SocketAddr>, none: Over) -> Result<Async<TcpStream>, Over> {
    let mut attempts = Attempts::new(addresses);
    let mut under_way: Vec<Connecting> = Vec::new();
    let mut last = none;
    loop {
        let timer = match attempts.next(Instant::now()) {
            Attempt::Begin(address) => {
                under_way.push(Box::pin(connect_to(address)));
                continue;
            }
            Attempt::WaitUntil(at) => Timer::at(at),
            Attempt::Wait => Timer::never(),
            Attempt::Over => return Err(last),
        };
        let ended = async { Some(first_of(&mut under_way).await) };
        let time_is_up = async {
            timer.await;
            None
        };
        match ended.or(time_is_up).await {
            Some(Ok(socket)) => return Ok(socket),
            Some(Err(over)) => {
                attempts.failed();
                last = over;
            }
            None => {}
        }
    }
}

/// Waits for the first attempt that ends, and removes it.
async fn first_of(under_way: &mut Vec<Connecting>) -> Result<Async<TcpStream>, Over> {
    poll_fn(|cx| {
        let ended = under_way.iter_mut().enumerate().find_map(|(at, connecting)| match connecting
            .as_mut()
            .poll(cx)
        {
            Poll::Ready(result) => Some((at, result)),
            Poll::Pending => None,
        });
        let Some((at, result)) = ended else { return Poll::Pending };
        drop(under_way.swap_remove(at));
        Poll::Ready(result)
    })
    .await
}

async fn connect_to(address: SocketAddr) -> Result<Async<TcpStream>, Over> {
    let connected = Async::<TcpStream>::connect(address).await;
    let socket =
        connected.map_err(|error| failed(format!("cannot connect to {address}"), error))?;
    let no_delay = socket.get_ref().set_nodelay(true);
    no_delay.map_err(|error| failed(format!("cannot use {address}"), error))?;
    Ok(socket)
}

fn failed(what: String, error: io::Error) -> Over {
    Over::Failed(format!("{what}: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use switchboard_conformance::{BlackHole, closed_port};

    use super::*;

    fn try_all(addresses: Vec<SocketAddr>) -> Result<SocketAddr, Over> {
        let none = Over::Failed("there is none".to_owned());
        let socket = smol::block_on(connect(addresses, none))?;
        Ok(socket.get_ref().peer_addr().unwrap())
    }

    #[test]
    fn an_address_that_does_not_answer_keeps_no_other_waiting() {
        let (hole, listener) = (BlackHole::new(), TcpListener::bind("127.0.0.1:0").unwrap());
        let good = listener.local_addr().unwrap();
        let start = Instant::now();
        assert_eq!(try_all(vec![hole.address(), good]), Ok(good));
        let took = start.elapsed();
        assert!((Duration::from_millis(250)..Duration::from_secs(5)).contains(&took), "{took:?}");
    }

    #[test]
    fn an_address_that_refuses_is_followed_by_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        assert_eq!(try_all(vec![closed_port(), good]), Ok(good));
    }

    #[test]
    fn the_last_failure_is_told() {
        let (first, last) = (closed_port(), closed_port());
        let Err(Over::Failed(why)) = try_all(vec![first, last]) else { panic!("it connects") };
        assert!(why.starts_with(&format!("cannot connect to {last}: ")), "{why}");
        assert_eq!(try_all(Vec::new()), Err(Over::Failed("there is none".to_owned())));
    }
}
