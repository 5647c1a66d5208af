//! Calls that signals interrupt again and again.

use std::thread::sleep;

use super::*;

const PATIENCE: Duration = Duration::from_millis(50);

/// A stream that a signal interrupts every few milliseconds, and that ends after many of them.
struct Signals(u32);

impl Signals {
    fn interrupted<T>(&mut self, end: T) -> io::Result<T> {
        self.0 += 1;
        if self.0 > 500 {
            return Ok(end);
        }
        sleep(Duration::from_millis(5));
        Err(io::ErrorKind::Interrupted.into())
    }
}

impl Read for Signals {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.interrupted(0)
    }
}

impl Write for Signals {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.interrupted(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn socket(patience: Option<fn(&Signals) -> io::Result<Patience>>) -> WebSocket<Signals> {
    let hooks = Hooks { patience, write_patience: patience, ..Hooks::NONE };
    let agreed = Agreed::new(Role::Server);
    WebSocket::new(Signals(0), hooks, agreed, Vec::new(), Settings::default())
}

/// They do not put off the stream's own timeout, which the kernel begins anew with each call.
#[test]
fn signals_put_no_timeout_off() {
    let patience: fn(&Signals) -> io::Result<Patience> = |_| Ok(Some(PATIENCE));
    let mut reader = socket(Some(patience));
    assert!(reader.read_message().is_err_and(|error| error.is_timeout()));
    assert!(reader.read_message().is_err_and(|error| error.is_timeout()), "and anew");
    let mut writer = socket(Some(patience));
    assert!(writer.send("salmon").is_err_and(|error| error.is_timeout()));
    assert_eq!(writer.unsent_bytes(), 8, "it is queued");
}

/// Without a timeout they are waited through.
#[test]
fn signals_end_nothing_else() {
    let for_ever: fn(&Signals) -> io::Result<Patience> = |_| Ok(None);
    for patience in [None, Some(for_ever)] {
        let (mut reader, mut writer) = (socket(patience), socket(patience));
        (reader.stream.0, writer.stream.0) = (480, 480);
        assert_eq!(reader.read_message(), Err(Error::Ended));
        assert_eq!(writer.send("salmon"), Ok(()));
    }
}
