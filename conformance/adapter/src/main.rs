//! `sockeye-tokio` under test: an echo server, and a client that echoes what a fuzzing server sends.
//!
//! It has the two commands that `conformance/autobahn/run --binary` calls.

mod settings;

use std::env;
use std::error::Error;
use std::process::ExitCode;

use sockeye_tokio::{
    ConnectOptions, Message, OpenError, Policy, Status, Upgrade, WebSocket, connect,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::settings::settings;

type Failure = Box<dyn Error>;

/// The name under which Autobahn reports this client.
const AGENT: &str = "sockeye";
const USAGE: &str = "\
usage: sockeye-adapter serve --listen ADDRESS    echoes on /echo
       sockeye-adapter testee URL                echoes what a fuzzing server sends";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["serve", "--listen", address] => serve(address).await,
        ["testee", url] => test(url.trim_end_matches('/')).await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockeye-adapter: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).await?;
    println!("adapter listens on http://{}", listener.local_addr()?);
    let mut policy = Policy::default();
    policy.settings = settings();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // How a client breaks the rules is for the suite to tell.
            if let Ok(socket) = open(stream, &policy).await {
                echo(socket).await;
            }
        });
    }
}

async fn open(stream: TcpStream, policy: &Policy<'_>) -> Result<WebSocket<TcpStream>, OpenError> {
    let request = Upgrade::read(stream, policy).await?;
    if request.with_head(|head| head.path() == "/echo") {
        request.accept(policy, &[]).await
    } else {
        Err(request.refuse(Status::NOT_FOUND).await)
    }
}

async fn test(url: &str) -> Result<(), Failure> {
    let mut options = ConnectOptions::default();
    options.settings = settings();
    let mut socket = connect(&format!("{url}/getCaseCount"), &options).await?;
    let Some(Ok(Message::Text(count))) = socket.receive().await else {
        return Err("the server did not tell how many cases there are".into());
    };
    for case in 1..=count.parse::<usize>()? {
        let path = format!("/runCase?case={case}&agent={AGENT}");
        echo(connect(&format!("{url}{path}"), &options).await?).await;
    }
    let mut socket = connect(&format!("{url}/updateReports?agent={AGENT}"), &options).await?;
    while socket.receive().await.is_some() {}
    Ok(())
}

/// Sends every message back until the connection is over. A receiver that waits sends what is queued.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocket<S>) {
    while let Some(Ok(message)) = socket.receive().await {
        // A peer that has closed takes no more messages: receive what is left.
        if socket.ready().await.is_ok() {
            let _ = socket.queue(message);
        }
    }
}
