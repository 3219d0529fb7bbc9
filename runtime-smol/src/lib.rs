//! Switchboard on smol.
