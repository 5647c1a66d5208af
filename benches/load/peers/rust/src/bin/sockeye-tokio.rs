//! Echo on sockeye-tokio. What is queued goes out in one write, as soon as nothing more is there to be read.

use load_peers::{Heard, MESSAGE_BYTES_MAX, Writes, echo, listen};
use sockeye_tokio::{Policy, accept};
use tokio::net::TcpStream;

fn main() {
    listen(serve);
}

async fn serve(stream: TcpStream, writes: Writes) {
    let mut policy = Policy::default();
    policy.settings.limits.frame_bytes_max = MESSAGE_BYTES_MAX as u64;
    policy.settings.limits.message_bytes_max = MESSAGE_BYTES_MAX as u64;
    policy.settings.whole_bytes_max = MESSAGE_BYTES_MAX as u64;
    let Ok(socket) = accept(stream, &policy).await else { return };
    echo(socket, |result| Heard::of(result, |_| true), writes).await;
}
