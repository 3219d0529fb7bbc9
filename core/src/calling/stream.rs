//! Bytes to and from a socket that does not block, with or without TLS between.

#[cfg(feature = "tls")]
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use super::address::Address;
use super::std::io::{self, Read, Write};
use super::tls::Tls;

pub(super) enum Stream {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Box<rustls::ClientConnection>),
}

#[cfg_attr(
    not(feature = "tls"),
    expect(clippy::needless_pass_by_ref_mut, reason = "TLS changes with what passes through")
)]
impl Stream {
    pub(super) fn new(address: &Address, tls: &Tls) -> Result<Self, String> {
        if address.is_secure() { Self::secure(address, tls) } else { Ok(Self::Plain) }
    }

    #[cfg(feature = "tls")]
    fn secure(address: &Address, tls: &Tls) -> Result<Self, String> {
        let name = rustls::pki_types::ServerName::try_from(address.host()).map_err(|_| {
            format!("{} is no host name that a certificate can have", address.host())
        })?;
        let connection = rustls::ClientConnection::new(tls.config.clone(), name.to_owned())
            .map_err(|error| format!("TLS: {error}"))?;
        Ok(Self::Tls(Box::new(connection)))
    }

    #[cfg(not(feature = "tls"))]
    fn secure(address: &Address, _: &Tls) -> Result<Self, String> {
        Err(format!("{address} needs the feature `tls`, which was not built in"))
    }

    /// Reads what the peer meant to send; 0 is its end.
    pub(super) fn read<S: Read + Write>(
        &mut self,
        socket: &mut S,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        match self {
            Self::Plain => socket.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => loop {
                match tls.reader().read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return done,
                }
                if tls.read_tls(socket)? == 0 {
                    return Ok(0);
                }
                if let Err(error) = tls.process_new_packets() {
                    // The peer is told why, if it can be.
                    let _ = tls.write_tls(socket);
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("TLS: {error}"),
                    ));
                }
            },
        }
    }

    /// Takes some of the bytes.
    pub(super) fn write<S: Read + Write>(
        &mut self,
        socket: &mut S,
        bytes: &[u8],
    ) -> io::Result<usize> {
        match self {
            Self::Plain => socket.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
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

    /// Passes on what it has taken.
    pub(super) fn flush<S: Read + Write>(&mut self, socket: &mut S) -> io::Result<()> {
        match self {
            Self::Plain => {
                let _ = socket;
                Ok(())
            }
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
                while tls.wants_write() {
                    tls.write_tls(socket)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn wants_write(&self) -> bool {
        match self {
            Self::Plain => false,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.wants_write(),
        }
    }
}
