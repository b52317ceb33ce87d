//! Free ports, for programs that do not report a port of the system's choice.
//!
//! Between the answer and the program's own bind anybody may take the port: whoever starts a program on it tries again.

use std::net::{Ipv4Addr, TcpListener};

/// `N` different ports of the loopback address that are free now.
pub fn free<const N: usize>() -> [u16; N] {
    // All are held until the last is chosen, so that none is chosen twice.
    [(); N].map(|()| listener()).map(|listener| port(&listener))
}

/// Somebody who listens and never answers.
pub fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

/// The port of `listener`.
pub fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}
