//! A server and a client on sockets: a task that sends and one that receives, a message in parts, and the end.
//!
//! `cargo run -p sockeye-tokio --example halves`

use sockeye_tokio::{CloseCode, ConnectOptions, Fin, Message, Policy, WebSocket, accept, connect};
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const VERSES: usize = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/river", listener.local_addr()?);
    let server = tokio::spawn(serve(listener));

    let socket = connect(&url, &ConnectOptions::default()).await?;
    println!("client: the server speaks {:?}", socket.subprotocol());
    let (mut receiver, mut sender) = socket.split();
    let sending = tokio::spawn(async move {
        for n in 0..VERSES {
            // Waits for room, and leaves the flush to whoever waits next.
            sender.ready().await?;
            sender.queue(format!("verse {n}"))?;
        }
        for (word, fin) in [("up ", Fin::More), ("the ", Fin::More), ("river", Fin::Final)] {
            sender.send_part(word, fin).await?;
        }
        Ok::<_, Failure>(sender)
    });
    let mut heard = 0;
    while heard < VERSES {
        let message = receiver.receive().await.ok_or("the server left")??;
        assert_eq!(message, Message::Text(format!("verse {heard}")));
        heard += 1;
    }
    assert_eq!(receiver.receive().await, Some(Ok("up the river".into())));
    println!("client: {heard} verses came back, and a message of three parts");

    let sender = sending.await??;
    let mut socket = WebSocket::unite(receiver, sender).map_err(|_| "two halves of one")?;
    let closed = socket.close(CloseCode::NORMAL, "the end").await?;
    println!("client: {closed:?}");
    assert!(closed.clean);
    assert_eq!(server.await??.as_deref(), Some("the end"));
    Ok(())
}

/// Serves one client; gives the reason for which it left.
async fn serve(listener: TcpListener) -> Result<Option<String>, Failure> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut socket: WebSocket<TcpStream> = accept(stream, &Policy::default()).await?;
    while let Some(message) = socket.receive().await {
        socket.ready().await?;
        socket.queue(&message?)?;
    }
    println!("server: {:?}", socket.closed());
    Ok(socket.close_reason().map(|reason| reason.text().to_owned()))
}
