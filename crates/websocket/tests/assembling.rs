//! Whole messages from pieces, and the memory that this takes.

use sockeye_websocket::{
    Assembler, CloseCode, CodecError, Kind, Message, MessageCodec, MessageError, OwnedMessage,
    Piece,
};

/// Doubles every byte; 0xEE is corrupt.
struct Doubling;

impl MessageCodec for Doubling {
    fn decompress(
        &mut self,
        message: &[u8],
        bytes_max: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        for byte in message {
            if *byte == 0xEE {
                return Err(CodecError::Corrupt);
            }
            out.extend([*byte, *byte]);
            if out.len() as u64 > bytes_max {
                return Err(CodecError::TooBig);
            }
        }
        Ok(())
    }

    fn compress(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
        false
    }
}

/// A codec that ignores the bound.
struct Careless;

impl MessageCodec for Careless {
    fn decompress(&mut self, _: &[u8], _: u64, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend([b'x'; 100]);
        Ok(())
    }

    fn compress(&mut self, _: &[u8], _: &mut Vec<u8>) -> bool {
        false
    }
}

#[derive(Clone, Copy)]
enum Place {
    First,
    Middle,
    Last,
    Whole,
}

fn piece(kind: Kind, place: Place, payload: &mut [u8]) -> Piece<'_> {
    let (first, last) = match place {
        Place::First => (true, false),
        Place::Middle => (false, false),
        Place::Last => (false, true),
        Place::Whole => (true, true),
    };
    Piece { kind, first, last, compressed: false, payload }
}

fn compressed(kind: Kind, place: Place, payload: &mut [u8]) -> Piece<'_> {
    Piece { compressed: true, ..piece(kind, place, payload) }
}

#[test]
fn pieces_become_a_message() {
    let mut assembler = Assembler::new(100);
    for kind in [Kind::Text, Kind::Binary] {
        let mut push = |place, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let message = assembler.push(piece(kind, place, &mut bytes), None).unwrap();
            message.map(|message| (message.kind(), message.as_bytes().to_vec()))
        };
        assert_eq!(push(Place::First, b"ab"), None);
        assert_eq!(push(Place::Middle, b""), None);
        assert_eq!(push(Place::Middle, b"c"), None);
        assert_eq!(push(Place::Last, b"d"), Some((kind, b"abcd".to_vec())));
    }
}

#[test]
fn a_whole_message_is_not_copied() {
    let mut assembler = Assembler::new(100);
    let mut bytes = *b"whole";
    let at = bytes.as_ptr();
    let message = assembler.push(piece(Kind::Text, Place::Whole, &mut bytes), None).unwrap();
    assert_eq!(message.map(|message| message.as_bytes().as_ptr()), Some(at));
    assert_eq!(assembler.bytes_held(), 0);
}

#[test]
fn compressed_messages_go_through_the_codec() {
    let mut assembler = Assembler::new(100);
    let whole = assembler
        .push(compressed(Kind::Text, Place::Whole, &mut b"ab".to_vec()), Some(&mut Doubling))
        .map(|m| m.map(|m| m.as_bytes().to_vec()));
    assert_eq!(whole, Ok(Some(b"aabb".to_vec())));
    let mut first = *b"a";
    assert_eq!(
        assembler.push(compressed(Kind::Binary, Place::First, &mut first), Some(&mut Doubling)),
        Ok(None)
    );
    let mut last = *b"b";
    let message =
        assembler.push(compressed(Kind::Binary, Place::Last, &mut last), Some(&mut Doubling));
    assert_eq!(message, Ok(Some(Message::Binary(b"aabb"))));
}

#[track_caller]
fn assert_error(
    mut assembler: Assembler,
    piece: Piece<'_>,
    codec: Option<&mut dyn MessageCodec>,
    error: MessageError,
    code: CloseCode,
) {
    assert_eq!(assembler.push(piece, codec), Err(error));
    assert_eq!(error.close_code(), code);
    assert_eq!(assembler.bytes_held(), 0, "the memory is given back");
    let mut fine = *b"fine";
    let next =
        Piece { kind: Kind::Text, first: true, last: true, compressed: false, payload: &mut fine };
    assert_eq!(assembler.push(next, None), Err(error), "an error is final");
}

/// [rfc6455:8.1-utf8-inflated]
#[test]
fn text_is_checked_once_it_is_inflated() {
    let error = MessageError::InvalidUtf8;
    for place in [Place::Whole, Place::Last] {
        // "é", doubled byte by byte, is not UTF-8 any more.
        let mut bytes = "é".as_bytes().to_vec();
        assert_error(
            Assembler::new(100),
            compressed(Kind::Text, place, &mut bytes),
            Some(&mut Doubling),
            error,
            CloseCode::INVALID_PAYLOAD,
        );
        // The assembler does not need a connection before it to be strict.
        let mut bytes = *b"\xFF";
        assert_error(
            Assembler::new(100),
            piece(Kind::Text, place, &mut bytes),
            None,
            error,
            CloseCode::INVALID_PAYLOAD,
        );
    }
}

#[test]
fn a_corrupt_message_is_1007() {
    let mut bytes = [0xEE];
    let piece = compressed(Kind::Binary, Place::Whole, &mut bytes);
    let error = MessageError::Corrupt;
    assert_error(Assembler::new(9), piece, Some(&mut Doubling), error, CloseCode::INVALID_PAYLOAD);
}

#[test]
fn a_missing_codec_is_ours_to_answer_for() {
    let mut bytes = [0];
    let piece = compressed(Kind::Binary, Place::Whole, &mut bytes);
    let error = MessageError::CodecMissing;
    assert_error(Assembler::new(9), piece, None, error, CloseCode::INTERNAL_ERROR);
}

#[test]
fn the_bound_holds_before_and_after_inflating() {
    let error = MessageError::TooBig;
    let code = CloseCode::MESSAGE_TOO_BIG;
    let kind = Kind::Binary;
    for place in [Place::Whole, Place::First] {
        assert_error(Assembler::new(3), piece(kind, place, &mut [0; 4]), None, error, code);
    }
    for codec in [&mut Doubling as &mut dyn MessageCodec, &mut Careless] {
        let mut bytes = [0; 3];
        let piece = compressed(kind, Place::Whole, &mut bytes);
        assert_error(Assembler::new(5), piece, Some(codec), error, code);
    }
    let mut assembler = Assembler::new(4);
    assert_eq!(assembler.push(piece(kind, Place::First, &mut [1; 3]), None), Ok(None));
    assert_error(assembler, piece(kind, Place::Middle, &mut [1; 2]), None, error, code);
    let mut exact = Assembler::new(4);
    let mut bytes = [1; 2];
    let doubled = exact.push(compressed(kind, Place::Whole, &mut bytes), Some(&mut Doubling));
    assert_eq!(doubled, Ok(Some(Message::Binary(&[1; 4]))));
}

/// [rfc6455:10.4-bytes-held]
#[test]
fn memory_follows_what_arrived() {
    let mut assembler = Assembler::new(1 << 20);
    let mut received = 0;
    assert_eq!(assembler.bytes_held(), 0);
    for n in 0..20_000 {
        let place = if n == 0 { Place::First } else { Place::Middle };
        let mut bytes = vec![0; n % 7];
        received += bytes.len();
        assert_eq!(assembler.push(piece(Kind::Binary, place, &mut bytes), None), Ok(None));
        let held = assembler.bytes_held();
        assert!(held <= received + received / 4 + 64, "{held} bytes held for {received}");
    }
    assert!(assembler.push(piece(Kind::Binary, Place::Last, &mut []), None).unwrap().is_some());
    assembler.release();
    assert_eq!(assembler.bytes_held(), 0);
}

#[test]
fn a_million_empty_fragments_hold_nothing() {
    let mut assembler = Assembler::new(1 << 20);
    for n in 0..1_000_000 {
        let place = if n == 0 { Place::First } else { Place::Middle };
        assert_eq!(assembler.push(piece(Kind::Text, place, &mut []), None), Ok(None));
    }
    assert_eq!(assembler.bytes_held(), 0);
}

#[test]
fn a_large_buffer_is_not_kept_for_small_messages() {
    let mut assembler = Assembler::new(1 << 20);
    let mut two = |len: usize| {
        let mut bytes = vec![0; len];
        assembler.push(piece(Kind::Binary, Place::First, &mut bytes), None).unwrap();
        assembler.push(piece(Kind::Binary, Place::Last, &mut bytes), None).unwrap();
        assembler.bytes_held()
    };
    assert!(two(100_000) >= 200_000);
    assert!(two(10) <= 4096);
}

#[test]
fn a_first_piece_forgets_what_was_under_way() {
    let mut assembler = Assembler::new(10);
    assert_eq!(
        assembler.push(piece(Kind::Text, Place::First, &mut b"old".to_vec()), None),
        Ok(None)
    );
    assert_eq!(
        assembler.push(piece(Kind::Text, Place::First, &mut b"new".to_vec()), None),
        Ok(None)
    );
    let message = assembler.push(piece(Kind::Text, Place::Last, &mut []), None);
    assert_eq!(message, Ok(Some(Message::Text("new"))));
}

/// The buffer goes with the message; the next one gets its own.
#[test]
fn an_owned_message_is_the_buffer_itself() {
    let mut assembler = Assembler::new(100);
    let mut push = |piece: Piece<'_>| {
        let message = assembler.push_owned(piece, Some(&mut Doubling)).unwrap();
        (message, assembler.bytes_held())
    };
    for _ in 0..2 {
        let (none, held) = push(piece(Kind::Text, Place::First, &mut b"sock"[..].to_vec()));
        assert!(none.is_none() && held > 0);
        let whole = push(piece(Kind::Text, Place::Last, &mut b"eye"[..].to_vec()));
        assert_eq!(whole, (Some("sockeye".into()), 0));
        let whole = push(compressed(Kind::Binary, Place::Whole, &mut [1, 2]));
        assert_eq!(whole, (Some(OwnedMessage::Binary(vec![1, 1, 2, 2])), 0));
        let whole = push(piece(Kind::Text, Place::Whole, &mut b"hi"[..].to_vec()));
        assert_eq!(whole, (Some("hi".into()), 0));
    }
    let mut bad = [0xEE];
    let error =
        assembler.push_owned(compressed(Kind::Text, Place::Whole, &mut bad), Some(&mut Doubling));
    assert_eq!(error, Err(MessageError::Corrupt));
}
