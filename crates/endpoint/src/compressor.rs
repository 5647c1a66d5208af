//! permessage-deflate between a connection and the engine of its thread.

#[cfg(feature = "deflate")]
pub(crate) use with::Compressor;
#[cfg(not(feature = "deflate"))]
pub(crate) use without::Compressor;

#[cfg(feature = "deflate")]
mod with {
    use std::cell::RefCell;

    use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session};
    use sockeye_websocket::{CodecError, MessageCodec, Role};

    use crate::Settings;

    /// So much memory for compressed messages is kept for the next one, a thread.
    const SCRATCH_KEPT_BYTES_MAX: usize = 64 * 1024;

    /// So many connections of a thread may have a deflater of their own: up to 24 MB for each level in use.
    const OWN_DEFLATERS_MAX: u16 = 64;

    /// What all connections of a thread share: an engine for each level in use, and a buffer.
    struct Shared {
        engines: [Option<Box<Engine>>; 9],
        scratch: Vec<u8>,
    }

    thread_local! {
        // A message at a time borrows it, and nothing that is called meanwhile comes back here.
        static SHARED: RefCell<Shared> =
            const { RefCell::new(Shared { engines: [const { None }; 9], scratch: Vec::new() }) };
    }

    impl Shared {
        fn engine(&mut self, level: Level) -> &mut Engine {
            let slot = usize::from(level.to_u8() - Level::FASTEST.to_u8());
            let config =
                EngineConfig { level, message_bytes_min: 1, own_deflaters_max: OWN_DEFLATERS_MAX };
            self.engines[slot].get_or_insert_with(|| Box::new(Engine::new(config)))
        }
    }

    /// The windows of one connection. The engine belongs to whichever thread works for it.
    #[derive(Debug)]
    pub(crate) struct Compressor {
        session: Session,
        level: Level,
        message_bytes_min: usize,
    }

    impl Compressor {
        pub(crate) fn new(role: Role, params: Params, settings: &Settings) -> Self {
            Self {
                session: Session::new(role, params),
                level: settings.level,
                message_bytes_min: settings.compressed_bytes_min,
            }
        }

        /// Lends the compressed message; `None` if the message is better sent as it is.
        pub(crate) fn compress<R>(
            &mut self,
            message: &[u8],
            act: impl FnOnce(&[u8]) -> R,
        ) -> Option<R> {
            if message.len() < self.message_bytes_min {
                return None;
            }
            SHARED.with_borrow_mut(|shared| {
                let mut scratch = core::mem::take(&mut shared.scratch);
                scratch.clear();
                let engine = shared.engine(self.level);
                let smaller = self.session.codec(engine).compress(message, &mut scratch);
                let result = smaller.then(|| act(&scratch));
                scratch.clear();
                scratch.shrink_to(SCRATCH_KEPT_BYTES_MAX);
                shared.scratch = scratch;
                result
            })
        }
    }

    impl MessageCodec for Compressor {
        fn decompress(
            &mut self,
            message: &[u8],
            bytes_max: u64,
            out: &mut Vec<u8>,
        ) -> Result<(), CodecError> {
            SHARED.with_borrow_mut(|shared| {
                let engine = shared.engine(self.level);
                self.session.codec(engine).decompress(message, bytes_max, out)
            })
        }

        fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) -> bool {
            self.compress(message, |deflated| out.extend_from_slice(deflated)).is_some()
        }
    }
}

#[cfg(not(feature = "deflate"))]
mod without {
    use sockeye_websocket::{CodecError, MessageCodec};

    /// There is none: no handshake agrees on compression.
    pub(crate) enum Compressor {}

    impl Compressor {
        pub(crate) fn compress<R>(&mut self, _: &[u8], _: impl FnOnce(&[u8]) -> R) -> Option<R> {
            match *self {}
        }
    }

    impl MessageCodec for Compressor {
        fn decompress(&mut self, _: &[u8], _: u64, _: &mut Vec<u8>) -> Result<(), CodecError> {
            match *self {}
        }

        fn compress(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
            match *self {}
        }
    }
}
