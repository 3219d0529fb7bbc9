//! Bytes to and from a socket that does not block, with or without TLS between.

use std::fmt;
use std::io::{self, Read, Write};

use super::address::Address;
use super::tls::{Tls, TlsError};

/// The bytes of one connection, with TLS if the address is a `wss` one. The socket stays the
/// caller's.
pub struct Stream(Inner);

enum Inner {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Box<rustls::ClientConnection>),
}

#[cfg_attr(
    not(feature = "tls"),
    allow(clippy::needless_pass_by_ref_mut, reason = "TLS changes with what passes through")
)]
impl Stream {
    /// For a connection to this address, before its first byte.
    ///
    /// # Errors
    /// If TLS is needed and not available.
    pub fn new(address: &Address, tls: &Tls) -> Result<Self, TlsError> {
        if address.is_secure() { Self::secure(address, tls) } else { Ok(Self(Inner::Plain)) }
    }

    #[cfg(feature = "tls")]
    fn secure(address: &Address, tls: &Tls) -> Result<Self, TlsError> {
        let name = rustls::pki_types::ServerName::try_from(address.host()).map_err(|_| {
            TlsError(format!("{} is no host name that a certificate can have", address.host()))
        })?;
        let connection = rustls::ClientConnection::new(tls.config.clone(), name.to_owned())
            .map_err(|error| TlsError(format!("TLS: {error}")))?;
        Ok(Self(Inner::Tls(Box::new(connection))))
    }

    #[cfg(not(feature = "tls"))]
    fn secure(address: &Address, _: &Tls) -> Result<Self, TlsError> {
        Err(TlsError(format!("{address} needs the feature `tls`, which was not built in")))
    }

    /// Reads decrypted bytes; 0 is the end of the stream.
    ///
    /// # Errors
    /// Those of the socket, [`WouldBlock`](io::ErrorKind::WouldBlock) among them, and
    /// [`InvalidData`](io::ErrorKind::InvalidData) where TLS was broken.
    pub fn read<S: Read + Write>(
        &mut self,
        socket: &mut S,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain => socket.read(buffer),
            #[cfg(feature = "tls")]
            Inner::Tls(tls) => loop {
                match tls.reader().read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return done,
                }
                if tls.read_tls(socket)? == 0 {
                    return Ok(0);
                }
                if let Err(error) = tls.process_new_packets() {
                    // The peer is told why, if possible.
                    let _ = tls.write_tls(socket);
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("TLS: {error}"),
                    ));
                }
            },
        }
    }

    /// Takes some of the bytes, and returns how many. With TLS they are sent by
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    /// Those of the socket.
    pub fn write<S: Read + Write>(&mut self, socket: &mut S, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain => socket.write(bytes),
            #[cfg(feature = "tls")]
            Inner::Tls(tls) => {
                let taken = tls.writer().write(bytes)?;
                if taken > 0 {
                    return Ok(taken);
                }
                // Its buffer is full.
                while tls.wants_write() {
                    tls.write_tls(socket)?;
                }
                tls.writer().write(bytes)
            }
        }
    }

    /// Sends what has been taken.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn flush<S: Read + Write>(&mut self, socket: &mut S) -> io::Result<()> {
        match &mut self.0 {
            Inner::Plain => {
                let _ = socket;
                Ok(())
            }
            #[cfg(feature = "tls")]
            Inner::Tls(tls) => {
                while tls.wants_write() {
                    tls.write_tls(socket)?;
                }
                Ok(())
            }
        }
    }

    /// Whether [`flush`](Self::flush) has something to pass on.
    pub fn wants_write(&self) -> bool {
        match &self.0 {
            Inner::Plain => false,
            #[cfg(feature = "tls")]
            Inner::Tls(tls) => tls.wants_write(),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Inner::Plain => "Stream(plain)",
            #[cfg(feature = "tls")]
            Inner::Tls(_) => "Stream(TLS)",
        })
    }
}
