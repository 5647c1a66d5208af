//! The same on a terminal, where somebody types.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::common::scripted::serve_once;
use crate::common::{PATIENCE, serve_anywhere, sockeye};

/// A person at a terminal.
struct Person {
    child: Child,
    keys: File,
    terminal: File,
    seen: String,
    /// Everything that was shown.
    shown: String,
    screen: Receiver<Vec<u8>>,
}

impl Person {
    fn sits_down(args: &[&str], state: &Place) -> Self {
        Self::sits_at("xterm", args, state)
    }

    fn sits_at(kind: &str, args: &[&str], state: &Place) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keys).expect("ours");
        unlockpt(&keys).expect("ours");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&keys, size).expect("a size");
        let path = ptsname(&keys, Vec::new()).expect("a name").into_string().expect("text");
        let terminal = OpenOptions::new().read(true).write(true).open(path).expect("ours");
        let end = || Stdio::from(terminal.try_clone().expect("a handle"));
        let mut command = sockeye(args);
        command.stdin(end()).stdout(end()).stderr(end());
        command.env("TERM", kind).env("XDG_STATE_HOME", &state.0);
        let child = command.spawn().expect("it starts");
        let keys = File::from(keys);
        let mut shown = keys.try_clone().expect("a handle");
        let (to, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = shown.read(&mut bytes) {
                if to.send(bytes[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, terminal, seen: String::new(), shown: String::new(), screen }
    }

    /// Waits for the prompt: before it, a control key is the terminal's own and not the line's.
    fn is_asked(&mut self) {
        self.sees("> ");
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it is there");
    }

    /// Waits until this is shown, behind what was waited for before.
    fn sees(&mut self, text: &str) {
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let more = self.screen.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("{text} is not shown but {:?}", self.seen));
            let more = String::from_utf8_lossy(&more);
            self.shown.push_str(&more);
            self.seen.push_str(&more);
        }
    }

    /// Waits for the end; the terminal has to be as it was.
    fn leaves(mut self) -> Option<i32> {
        let status = self.child.wait().expect("it ends").code();
        let modes = tcgetattr(&self.terminal).expect("a terminal").local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
        status
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory of its own, gone with the test.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }

    fn history(&self) -> PathBuf {
        self.0.join("sockeye").join("connect_history")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Who types sees what comes, and needs no last Ping; nor is a server waited for that takes no part in the end.
#[test]
fn a_person_who_leaves_is_not_kept() {
    for key in ["\u{3}", "\u{4}"] {
        let (addr, server) = serve_once(|mut client| {
            client.accept("");
            let first = client.next_frame();
            client.socket.set_read_timeout(Some(PATIENCE)).expect("a deadline");
            client.rest();
            first.0
        });
        let place = Place::new(if key == "\u{3}" { "interrupted" } else { "gone" });
        let mut person = Person::sits_down(&["connect", &format!("ws://{addr}/")], &place);
        person.is_asked();
        person.types(key);
        person.sees("did not answer a Close frame");
        assert_eq!(person.leaves(), Some(1));
        assert_eq!(server.join().expect("no panic"), 8, "the first frame is the last");
    }
}

#[test]
fn a_person_types_lines_and_commands() {
    let server = serve_anywhere();
    let url = format!("ws://{}/echo", server.addr);
    let place = Place::new("person");
    let mut person = Person::sits_down(&["connect", &url], &place);
    person.sees("connected; compressed; /help, or Ctrl-D to close");
    person.is_asked();
    person.types("hello\r");
    person.sees("< hello\r\n");
    // What is pasted is a message a line.
    person.types("one\rtwo\r three\r");
    for line in ["< one\r\n", "< two\r\n", "<  three\r\n"] {
        person.sees(line);
    }
    person.types("/ping abc\r");
    person.sees("sockeye: pong abc\r\n");
    person.types("/nope\r");
    person.sees("there is no /nope");
    person.types("/help\r");
    person.sees("A line that begins with a space");
    person.types("//slash\r");
    person.sees("< /slash\r\n");
    person.is_asked();
    person.types("\u{4}");
    person.sees("sockeye: closed: 1000 (normal)");
    assert_eq!(person.leaves(), Some(0));
    let kept = fs::read_to_string(place.history()).expect("a history");
    assert_eq!(kept, "hello\none\ntwo\n/ping abc\n/nope\n/help\n//slash\n");
    let mode =
        |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(place.history()), 0o600);
    assert_eq!(mode(place.0.join("sockeye")), 0o700);

    // The next one finds it there, by the arrow key.
    let mut person = Person::sits_down(&["connect", &url], &place);
    person.is_asked();
    person.types("\u{1b}[A\r");
    person.sees("< /slash\r\n");
    person.types("/close 4001 good bye\r");
    person.sees("closed: 4001 (the application's own), good bye");
    assert_eq!(person.leaves(), Some(0));
}

/// What comes while one pasted line ends and before the next begins is shown behind what came before.
#[test]
fn answers_to_what_is_pasted_keep_their_order() {
    let server = serve_anywhere();
    let url = format!("ws://{}/echo", server.addr);
    let place = Place::new("pasted");
    let mut person = Person::sits_down(&["connect", &url], &place);
    person.is_asked();
    for paste in 0..20 {
        let lines: Vec<String> = (0..25).map(|line| format!("{paste}-{line}")).collect();
        person.types(&(lines.join("\r") + "\r"));
        for line in lines {
            person.sees(&format!("< {line}\r\n"));
        }
    }
    person.is_asked();
    person.types("\u{4}");
    person.sees("closed: 1000 (normal)");
    assert_eq!(person.leaves(), Some(0));
}

/// Such a terminal has no line editor; what is typed there is typed all the same.
#[test]
fn a_dumb_terminal_takes_commands() {
    let server = serve_anywhere();
    let url = format!("ws://{}/echo", server.addr);
    let place = Place::new("dumb");
    let mut person = Person::sits_at("dumb", &["connect", &url], &place);
    person.sees("connected; compressed; /help, or Ctrl-D to close\r\n");
    person.types("/help\n");
    person.sees("/close [CODE [REASON]]");
    person.types("//slash\n");
    person.sees("< /slash\r\n");
    person.types("/quit\n");
    person.sees("sockeye: closed: 1000 (normal)");
    assert!(!person.shown.contains('\u{1b}'), "{:?}", person.shown);
    assert_eq!(person.leaves(), Some(0));
}

#[test]
fn no_history_is_kept_without_one() {
    let server = serve_anywhere();
    let place = Place::new("forgetful");
    let url = format!("ws://{}/echo", server.addr);
    let mut person = Person::sits_down(&["connect", "--no-history", &url], &place);
    person.is_asked();
    person.types("hello\r");
    person.sees("< hello\r\n");
    person.is_asked();
    person.types("\u{3}");
    person.sees("closed: 1000 (normal)");
    assert_eq!(person.leaves(), Some(0));
    assert!(!place.history().exists());
}

#[test]
fn a_server_that_speaks_and_leaves_while_somebody_types() {
    let (addr, server) = serve_once(|mut client| {
        client.accept("");
        assert_eq!(client.next_frame(), (1, b"go".to_vec()));
        client.frame(1, b"a\tb\x1b[2J");
        for number in 0..500 {
            client.frame(1, format!("number {number}").as_bytes());
        }
        client.close_frame(1013, "later");
        client.rest()
    });
    let place = Place::new("interrupting");
    let url = format!("ws://{addr}/");
    let mut person = Person::sits_down(&["connect", "--no-compress", &url], &place);
    person.sees("not compressed");
    person.is_asked();
    person.types("go\rhalf a li");
    // What a stranger says cannot clear the screen.
    person.sees("< a\tb\\u{1b}[2J\r\n");
    person.sees("< number 499\r\n");
    assert_eq!(person.child.wait().expect("it ends").code(), Some(1));
    person.sees("closed by the server: 1013 (try again later), later");
    assert_eq!(person.leaves(), Some(1));
    server.join().expect("no panic");
}
