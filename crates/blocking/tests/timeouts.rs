//! Calls that run into a timeout of the socket, and go on.

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc;
use std::time::Duration;

use sockeye_blocking::{CloseCode, ConnectOptions, Error, Message, Policy};

use crate::common::{client, serve};

const SHORT: Option<Duration> = Some(Duration::from_millis(20));

/// A message that comes in halves, with a timeout between them, is whole.
#[test]
fn a_read_that_timed_out_has_lost_nothing() {
    let (sender, receiver) = mpsc::channel();
    let (address, serving) = serve(Policy::default(), move |mut socket| {
        socket.stream().set_read_timeout(SHORT).unwrap();
        let (mut timeouts, mut messages) = (0, Vec::new());
        loop {
            match socket.read_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (timeouts, messages),
                Err(error) => {
                    assert!(error.is_timeout(), "{error}");
                    timeouts += 1;
                    // The second half is sent after the first timeout.
                    let _ = sender.send(());
                }
            }
        }
    });
    let mut socket = client(address, &ConnectOptions::default());
    let mut stream = socket.stream();
    // A masked text frame: key 0, so that the payload stands as it is.
    stream.write_all(b"\x81\x86\0\0\0\0sal").unwrap();
    receiver.recv().unwrap();
    stream.write_all(b"mon").unwrap();
    socket.send("and a whole one").unwrap();
    socket.close(CloseCode::NORMAL, "").unwrap();
    let (timeouts, messages) = serving.join().unwrap();
    assert!(timeouts > 0);
    assert_eq!(messages, ["salmon", "and a whole one"].map(Message::from));
}

/// The same for a large message, whose bytes are read into it.
#[test]
fn a_large_read_that_timed_out_has_lost_nothing() {
    let (sender, receiver) = mpsc::channel();
    let (address, serving) = serve(Policy::default(), move |mut socket| {
        socket.stream().set_read_timeout(SHORT).unwrap();
        loop {
            match socket.read_message() {
                Ok(message) => return message,
                Err(error) => assert!(error.is_timeout(), "{error}"),
            }
            // The next part is sent after a timeout.
            let _ = sender.send(());
        }
    });
    let socket = client(address, &ConnectOptions::default());
    let mut stream = socket.stream();
    let text = "salmon leap ".repeat(20_000);
    stream.write_all(b"\x81\xff\0\0\0\0\0\x03\xa9\x80\0\0\0\0").unwrap();
    for part in text.as_bytes().chunks(50_000) {
        receiver.recv().unwrap();
        stream.write_all(part).unwrap();
    }
    assert!(serving.join().unwrap() == Some(text.into()));
}

/// A peer that does not read for a while gets all messages once, in order.
#[test]
fn a_write_that_timed_out_is_gone_on_with() {
    const COUNT: usize = 200;
    let (sender, receiver) = mpsc::channel();
    let (address, serving) = serve(Policy::default(), move |mut socket| {
        receiver.recv().unwrap();
        let mut lens = Vec::new();
        while let Some(message) = socket.read_message().unwrap() {
            lens.push(message.as_message().as_bytes().len());
        }
        lens
    });
    let mut options = ConnectOptions::default();
    options.compression = None;
    let mut socket = client(address, &options);
    socket.stream().set_write_timeout(SHORT).unwrap();
    let (mut timeouts, mut fulls) = (0, 0);
    for n in 0..COUNT {
        let message = vec![1; 100_000 + n];
        loop {
            match socket.send(&message) {
                Ok(()) => break,
                Err(Error::Full) => {
                    fulls += 1;
                    let _ = socket.flush();
                }
                Err(error) => {
                    assert!(error.is_timeout(), "{error}");
                    timeouts += 1;
                    let _ = sender.send(());
                    break;
                }
            }
        }
    }
    while socket.flush().is_err() {}
    socket.close(CloseCode::NORMAL, "").unwrap();
    assert!(timeouts > 0, "20 MB do not fit into the sockets; full {fulls} times");
    let expected: Vec<usize> = (0..COUNT).map(|n| 100_000 + n).collect();
    assert_eq!(serving.join().unwrap(), expected);
}

/// Another thread ends a read that would wait for ever.
#[test]
fn a_shutdown_ends_a_read() {
    let (sender, receiver) = mpsc::channel();
    let (address, serving) = serve(Policy::default(), move |mut socket| {
        sender.send(socket.stream().try_clone().unwrap()).unwrap();
        socket.read_message()
    });
    let socket = client(address, &ConnectOptions::default());
    receiver.recv().unwrap().shutdown(Shutdown::Both).unwrap();
    assert_eq!(serving.join().unwrap(), Err(Error::Ended));
    drop(socket);
}
