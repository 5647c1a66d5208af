//! Echo on sockeye-tokio. What is queued goes out in one write before the socket waits for more: that needs no call.

use futures_util::{SinkExt as _, StreamExt as _};
use load_peers::{MESSAGE_BYTES_MAX, Writes, listen};
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
    let Ok(mut socket) = accept(stream, &policy).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        let sent = match writes {
            Writes::Each => socket.send(message).await,
            Writes::Batched => socket.feed(message).await,
        };
        if sent.is_err() {
            return;
        }
    }
}
