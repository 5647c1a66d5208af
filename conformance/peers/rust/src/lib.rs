//! What the echo servers share: one thread, one port from the command line.

use std::future::Future;

use tokio::net::{TcpListener, TcpStream};

/// Listens on the loopback port given on the command line and serves each connection.
pub fn listen<F: Future<Output = ()> + 'static>(serve: impl Fn(TcpStream) -> F + 'static) {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port: u16 = port.expect("usage: echo PORT");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime"), async move {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::task::spawn_local(serve(stream));
        }
    });
}
