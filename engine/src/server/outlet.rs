//! What every outlet over a socket does.

use std::io::{self, IoSlice};
use switchboard_core::Stall;

/// Writes what fits now of these pieces, in one call: for
/// [`Outlet::write`](switchboard_core::Outlet::write) over a nonblocking socket.
///
/// # Errors
/// As [`Outlet::write`](switchboard_core::Outlet::write).
pub fn write_parts(mut socket: impl io::Write, parts: &[&[u8]]) -> Result<usize, Stall> {
    let mut slices = [IoSlice::new(&[]); 64];
    let count = parts.len().min(slices.len());
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part);
    }
    loop {
        let result = match parts {
            [one] => socket.write(one),
            _ => socket.write_vectored(&slices[..count]),
        };
        return match result {
            Ok(taken) => Ok(taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Stall::Full),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => Err(Stall::Broken),
        };
    }
}
