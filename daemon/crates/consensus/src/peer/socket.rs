//! Options of the sockets between members.
//!
//! Invariant: a connection whose other end has vanished without a word (a cut link, a power cut)
//! ends within about an election timeout, so that a link that is back is used at once and not
//! when TCP cares to try again.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Sets them; `silence` is how long the other end may leave bytes unacknowledged.
pub(crate) fn prepare(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    // The kernel counts in whole seconds here.
    let idle = silence.max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(silence))
}
