//! Servers that say nothing.

use sockeye_client::{Deadline, Error, Limits};

use crate::event_source::rig::{Rig, STREAM, Told, message, options};

#[test]
fn a_head_that_does_not_come() {
    let mut limits = Limits::DEFAULT;
    limits.head_ms = 500;
    let mut rig = Rig::with(options("http://a.test/s"), limits);
    rig.connect();
    assert_eq!(rig.idle_ms(), Some(500));
    rig.pass(400);
    // A byte now and then buys no time.
    rig.says(&STREAM[..20]);
    rig.pass(99);
    assert_eq!(rig.take(), []);
    rig.pass(1);
    assert_eq!(rig.take_one(), Told::Lost(Error::TimedOut(Deadline::Head), 3000));
    rig.wait_out(3000);
    // A head that comes just then is in time.
    rig.connect();
    rig.pass(499);
    rig.says(STREAM);
    assert!(matches!(rig.take_one(), Told::Open(_)));
    rig.pass(1 << 40);
    assert_eq!(rig.take(), [], "an open stream may be silent, if nobody minds");
}

#[test]
fn a_silent_stream_is_lost_and_any_byte_is_a_sign_of_life() {
    let mut wanted = options("http://a.test/s");
    wanted.silence_ms = Some(1000);
    let mut rig = Rig::opened(wanted);
    for byte in *b":\n:\r\ndata: x\n\n" {
        rig.pass(999);
        rig.says([byte]);
        assert_eq!(rig.idle_ms(), Some(1000));
    }
    assert_eq!(rig.take_one(), message("x", ""));
    rig.says("data: unfinished");
    rig.pass(1000);
    assert_eq!(rig.take_one(), Told::Lost(Error::TimedOut(Deadline::Silence), 3000));
    rig.wait_out(3000);
    rig.connect();
    rig.says(STREAM);
    rig.says("\n\ndata: y\n\n");
    assert_eq!(rig.take()[1..], [message("y", "")], "nothing of it is left");
}

/// Bytes that came in time count, also if nobody looked until it was late.
#[test]
fn what_lies_there_is_read_before_the_clock() {
    let mut wanted = options("http://a.test/s");
    wanted.silence_ms = Some(1000);
    let mut rig = Rig::opened(wanted);
    rig.pass(900);
    rig.says_late(5000, b"data: x\n\n");
    assert_eq!(rig.take_one(), message("x", ""));
    assert_eq!(rig.idle_ms(), Some(1000));
}
