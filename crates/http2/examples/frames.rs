//! Writes a few frames, reads them back and prints them.

use sockeye_http2::frame::{
    Frame, FrameError, FrameHead, HEAD_BYTES, Setting, SettingId, Settings,
};
use sockeye_http2::{ErrorCode, StreamId};

fn main() -> Result<(), FrameError> {
    let stream = StreamId::new(1);
    let settings = [Setting::new(SettingId::ENABLE_PUSH, 0).to_bytes()].concat();
    let mut wire = Vec::new();
    for frame in [
        Frame::Settings(Settings::new(&settings)),
        Frame::Data { stream, end_stream: true, data: b"hello" },
        Frame::Goaway { last: stream, code: ErrorCode::NO_ERROR, debug: b"" },
    ] {
        frame.write(&mut wire);
    }
    let mut rest = &wire[..];
    while let Some((head, tail)) = rest.split_first_chunk::<HEAD_BYTES>() {
        let head = FrameHead::parse(*head);
        head.check()?;
        let (payload, tail) = tail.split_at(head.len as usize);
        println!("{:?}", Frame::parse(head, payload)?);
        rest = tail;
    }
    Ok(())
}
