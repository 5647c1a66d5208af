//! A TCP echo server on the reactor's parts; talks to itself for a moment and ends.
//!
//! `cargo run -p sockeye-reactor --example echo`

use std::io::{Read, Write};
use std::time::Duration;

use sockeye_reactor::{
    Accepted, Flushed, MioNet, Net, Outbox, Pool, Readiness, Slab, Socket, Time, Timer, Wheel,
};

struct Connection<S> {
    socket: S,
    readiness: Readiness,
    outbox: Outbox,
    timer: Timer,
    deadline: Time,
}

const IDLE_MS: u64 = 500;

fn main() -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    let mut net = MioNet::listen(listener)?;
    let peer = std::thread::spawn(move || talk(addr));

    let mut connections = Slab::new();
    let mut wheel = Wheel::new(net.now());
    let (mut pool, mut ready, mut fired) = (Pool::new(), Vec::new(), Vec::new());
    let mut buffer = vec![0; 64 * 1024];
    while !(peer.is_finished() && connections.is_empty()) {
        let wait = wheel.next().wait_from(net.now()).unwrap_or(Duration::from_millis(50));
        net.poll(Some(wait.min(Duration::from_millis(50))), &mut ready)?;
        let now = net.now();
        while let Some(Accepted { socket, .. }) = net.accept()? {
            let key = connections.insert(Connection {
                socket,
                readiness: Readiness::default(),
                outbox: Outbox::new(),
                timer: Timer::default(),
                deadline: now + IDLE_MS,
            });
            let connection = connections.get_mut(key).expect("just inserted");
            net.register(&mut connection.socket, key)?;
            wheel.arm(&mut connection.timer, key, connection.deadline);
        }
        for event in ready.drain(..) {
            let Some(connection) = connections.get_mut(event.key) else { continue };
            connection.readiness.merge(event);
            connection.deadline = now + IDLE_MS;
            let end = echo(connection, &mut buffer, &mut pool);
            if end && let Some(gone) = connections.remove(event.key) {
                net.close(gone.socket);
            }
        }
        wheel.advance(now, &mut fired);
        for (key, at) in fired.drain(..) {
            let Some(connection) = connections.get_mut(key) else { continue };
            if !connection.timer.fire(at) {
                continue;
            }
            if connection.deadline > now {
                wheel.arm(&mut connection.timer, key, connection.deadline);
            } else if let Some(idle) = connections.remove(key) {
                println!("an idle connection is closed");
                net.close(idle.socket);
            }
        }
    }
    peer.join().expect("the peer does not panic")
}

/// Echoes what there is; true when the peer is done.
fn echo<S: Socket>(connection: &mut Connection<S>, buffer: &mut [u8], pool: &mut Pool) -> bool {
    while connection.readiness.readable() {
        match connection.socket.read(buffer) {
            Ok(0) => return true,
            Ok(len) => {
                connection.readiness.after_read(len, buffer.len(), &connection.socket);
                connection.outbox.tail(pool).extend_from_slice(&buffer[..len]);
            }
            Err(_) => connection.readiness.after_read_blocked(&connection.socket),
        }
    }
    match connection.outbox.flush(&mut connection.socket, pool) {
        Ok(Flushed::All) => false,
        Ok(Flushed::Blocked { .. }) => {
            connection.readiness.after_short_write();
            false
        }
        Err(_) => true,
    }
}

fn talk(addr: std::net::SocketAddr) -> std::io::Result<()> {
    let mut stream = std::net::TcpStream::connect(addr)?;
    let mut reply = [0; 5];
    for word in ["hello", "world"] {
        stream.write_all(word.as_bytes())?;
        stream.read_exact(&mut reply)?;
        println!("{word} came back as {}", String::from_utf8_lossy(&reply));
    }
    let mut end = Vec::new();
    stream.read_to_end(&mut end)?; // waits for the idle deadline
    Ok(())
}
