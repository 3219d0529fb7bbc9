//! What the examples share: the one option that they have.

use std::net::SocketAddr;

/// The address after `--listen`, or else this one.
pub(crate) fn address(default: &str) -> Result<SocketAddr, String> {
    let mut arguments = std::env::args().skip(1);
    let text = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => default.to_owned(),
        (Some("--listen"), Some(address)) => address,
        (Some(_), _) => {
            return Err("the only option is: --listen ADDR, such as 127.0.0.1:9001".into());
        }
    };
    text.parse().map_err(|error| format!("--listen {text:?}: {error}"))
}
