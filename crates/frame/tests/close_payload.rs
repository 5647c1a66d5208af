//! Close codes and reasons: what is read, what may be sent.

use sockeye_frame::{CloseCode, CloseFrame, CloseFrameError, Error, properties};

#[test]
fn every_code_is_judged() {
    // [rfc6455:7.4-close-code-valid]
    for code in 0..=u16::MAX {
        let valid = match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => true,
            0..=999 | 1004..=1006 | 1015..=2999 | 5000.. => false,
        };
        assert_eq!(CloseCode::new(code).is_valid_on_wire(), valid, "{code}");
        assert_eq!(CloseFrame::decode(&code.to_be_bytes()).is_ok(), valid, "{code}");
        assert_eq!(CloseFrame::new(CloseCode::new(code), "").is_ok(), valid, "{code}");
        properties::close_round_trips(&[&code.to_be_bytes(), &b"why"[..]].concat());
    }
}

#[test]
fn local_codes_never_reach_the_wire() {
    // [rfc6455:7.4-close-code-valid]
    for code in [CloseCode::NO_STATUS, CloseCode::ABNORMAL, CloseCode::TLS_HANDSHAKE] {
        assert_eq!(CloseFrame::new(code, ""), Err(CloseFrameError::CodeInvalid));
        let received = code.to_u16().to_be_bytes();
        assert_eq!(CloseFrame::decode(&received), Err(Error::CloseCodeInvalid));
    }
    assert_eq!(Error::CloseCodeInvalid.close_code(), CloseCode::PROTOCOL_ERROR);
}

#[test]
fn half_a_code_is_a_violation_and_none_is_not() {
    // [rfc6455:5.5.1-close-code-truncated]
    assert_eq!(CloseFrame::decode(b""), Ok(None));
    for byte in 0..=255 {
        assert_eq!(CloseFrame::decode(&[byte]), Err(Error::CloseCodeTruncated));
    }
}

#[test]
fn the_reason_is_utf8() {
    // [rfc6455:5.5.1-close-reason-utf8]
    for reason in [&b"\xFF"[..], b"ok\xC3", b"\xED\xA0\x80", b"\xC0\x80"] {
        let payload = [&[0x03, 0xE8], reason].concat();
        assert_eq!(CloseFrame::decode(&payload), Err(Error::InvalidUtf8));
    }
    assert_eq!(Error::InvalidUtf8.close_code(), CloseCode::INVALID_PAYLOAD);
    let frame = CloseFrame::decode(b"\x0F\xA0gr\xC3\xBC\xC3\x9Fe").unwrap().unwrap();
    assert_eq!((frame.code(), frame.reason()), (CloseCode::new(4000), "grüße"));
}

#[test]
fn the_longest_reason_has_123_bytes() {
    // [rfc6455:5.5-control-length-sent]
    let reason = "é".repeat(61) + "x";
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, &reason).unwrap();
    assert_eq!(frame.encode().len(), 125);
    assert_eq!(CloseFrame::decode(&frame.encode()), Ok(Some(frame)));
    let longer = reason + "x";
    let refused = CloseFrame::new(CloseCode::GOING_AWAY, &longer);
    assert_eq!(refused, Err(CloseFrameError::ReasonTooLong));
    let received = [&[0x03, 0xE8], longer.as_bytes()].concat();
    assert_eq!(CloseFrame::decode(&received), Err(Error::ControlTooLong));
}
