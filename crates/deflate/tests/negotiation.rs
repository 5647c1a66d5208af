//! Every corner of the negotiation (RFC 7692 §7.1), both roles.

use sockeye_deflate::properties::{negotiation, parse};
use sockeye_deflate::{
    ClientOffer, ClientWindow, ClientWindowOffer, NegotiationError, Params, ServerConfig,
    WindowBits, accept_offer,
};

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

/// Willing to do everything and asking for nothing.
const OPEN: ServerConfig = ServerConfig {
    server_max_window_bits: WindowBits::MAX,
    client_max_window_bits: ClientWindow::Prefer(WindowBits::MAX),
    server_no_context_takeover: false,
    client_no_context_takeover: false,
};

/// The answer to the offer, without the name; `-` for a declined one.
fn answer(offer: &str, config: &ServerConfig) -> String {
    let element = format!("permessage-deflate{offer}");
    accept_offer(parse(&element), config)
        .map_or_else(|| "-".into(), |params| params.to_string().replace("permessage-deflate", ""))
}

/// [rfc7692:7-unknown-parameter] [rfc7692:7-duplicate-parameter] [rfc7692:7-decline-offer]
/// [rfc7692:7.1.1-no-value] [rfc7692:7.1.2-window-value] [rfc7692:7.1.1.1-echo]
/// [rfc7692:7.1.2.1-at-most-offered] [rfc7692:7.1.2.2-at-most-offered]
#[test]
fn offers_to_an_open_server() {
    for (offer, expected) in [
        ("", ""),
        // Confirmed as asked.
        ("; server_no_context_takeover", "; server_no_context_takeover"),
        ("; client_no_context_takeover", "; client_no_context_takeover"),
        (
            "; client_no_context_takeover; server_no_context_takeover",
            "; server_no_context_takeover; client_no_context_takeover",
        ),
        ("; server_max_window_bits=8", "; server_max_window_bits=8"),
        ("; server_max_window_bits=9", "; server_max_window_bits=9"),
        ("; server_max_window_bits=10", "; server_max_window_bits=10"),
        ("; server_max_window_bits=15", "; server_max_window_bits=15"),
        ("; client_max_window_bits", ""),
        ("; client_max_window_bits=8", "; client_max_window_bits=8"),
        ("; client_max_window_bits=15", "; client_max_window_bits=15"),
        // Values where there are none, and none where there are.
        ("; server_no_context_takeover=1", "-"),
        ("; server_no_context_takeover=", "-"),
        ("; client_no_context_takeover=true", "-"),
        ("; server_max_window_bits", "-"),
        ("; server_max_window_bits=", "-"),
        ("; client_max_window_bits=", "-"),
        // Not a number from 8 to 15 in its only form.
        ("; server_max_window_bits=7", "-"),
        ("; server_max_window_bits=16", "-"),
        ("; server_max_window_bits=08", "-"),
        ("; server_max_window_bits=010", "-"),
        ("; server_max_window_bits=+9", "-"),
        ("; server_max_window_bits=-9", "-"),
        ("; server_max_window_bits=9.0", "-"),
        ("; server_max_window_bits= 9", "-"),
        ("; server_max_window_bits=0x9", "-"),
        ("; server_max_window_bits=1", "-"),
        ("; server_max_window_bits=115", "-"),
        ("; server_max_window_bits=٩", "-"),
        ("; client_max_window_bits=0", "-"),
        ("; client_max_window_bits=16", "-"),
        ("; client_max_window_bits=09", "-"),
        ("; client_max_window_bits=4294967304", "-"),
        // Twice.
        ("; server_no_context_takeover; server_no_context_takeover", "-"),
        ("; client_no_context_takeover; client_no_context_takeover", "-"),
        ("; server_max_window_bits=9; server_max_window_bits=9", "-"),
        ("; client_max_window_bits; client_max_window_bits", "-"),
        ("; client_max_window_bits; client_max_window_bits=9", "-"),
        ("; client_max_window_bits=9; client_max_window_bits", "-"),
        // Unknown; names are exact.
        ("; fast", "-"),
        ("; client_max_window_bits; no_masking=1", "-"),
        ("; Server_No_Context_Takeover", "-"),
        ("; server_max_window_bit=9", "-"),
        ("; server_max_window_bits2=9", "-"),
        ("; ", "-"),
    ] {
        assert_eq!(answer(offer, &OPEN), expected, "{offer}");
    }
}

/// [rfc7692:7.1.2.1-at-most-offered] [rfc7692:7.1.2.2-at-most-offered]
/// [rfc7692:7.1.2.2-only-if-offered]
#[test]
fn offers_to_a_server_with_limits() {
    let capped = ServerConfig {
        server_max_window_bits: bits(12),
        client_max_window_bits: ClientWindow::Prefer(bits(11)),
        ..OPEN
    };
    let strict = ServerConfig { client_max_window_bits: ClientWindow::Require(bits(11)), ..capped };
    let void = ServerConfig { client_max_window_bits: ClientWindow::Require(bits(15)), ..OPEN };
    let forgetful =
        ServerConfig { server_no_context_takeover: true, client_no_context_takeover: true, ..OPEN };
    for (offer, config, expected) in [
        ("", capped, "; server_max_window_bits=12"),
        (
            "; client_max_window_bits",
            capped,
            "; server_max_window_bits=12; client_max_window_bits=11",
        ),
        (
            "; client_max_window_bits=15; server_max_window_bits=15",
            capped,
            "; server_max_window_bits=12; client_max_window_bits=11",
        ),
        (
            "; client_max_window_bits=10; server_max_window_bits=10",
            capped,
            "; server_max_window_bits=10; client_max_window_bits=10",
        ),
        (
            "; client_max_window_bits=8; server_max_window_bits=8",
            capped,
            "; server_max_window_bits=8; client_max_window_bits=8",
        ),
        ("", strict, "-"),
        (
            "; client_max_window_bits",
            strict,
            "; server_max_window_bits=12; client_max_window_bits=11",
        ),
        ("", void, ""),
        ("", forgetful, "; server_no_context_takeover; client_no_context_takeover"),
        (
            "; server_no_context_takeover",
            forgetful,
            "; server_no_context_takeover; client_no_context_takeover",
        ),
    ] {
        assert_eq!(answer(offer, &config), expected, "{offer} {config:?}");
    }
}

fn browser() -> ClientOffer {
    ClientOffer::default()
}

fn plain() -> ClientOffer {
    ClientOffer { client_max_window_bits: ClientWindowOffer::Absent, ..ClientOffer::default() }
}

fn limited() -> ClientOffer {
    ClientOffer {
        server_max_window_bits: Some(bits(10)),
        client_max_window_bits: ClientWindowOffer::AtMost(bits(11)),
        ..plain()
    }
}

fn forgetful() -> ClientOffer {
    ClientOffer { server_no_context_takeover: true, client_no_context_takeover: true, ..plain() }
}

fn agree(offer: ClientOffer, response: &str) -> Result<Params, NegotiationError> {
    offer.accept_response(parse(&format!("permessage-deflate{response}")))
}

/// [rfc7692:7.1.1.2-obey]
#[test]
fn responses_that_the_offer_permits() {
    for (offer, response, expected) in [
        (plain(), "", ""),
        // Unasked, but the server's right.
        (plain(), "; server_no_context_takeover", "; server_no_context_takeover"),
        (plain(), "; client_no_context_takeover", "; client_no_context_takeover"),
        (plain(), "; server_max_window_bits=8", "; server_max_window_bits=8"),
        (browser(), "; client_max_window_bits=8", "; client_max_window_bits=8"),
        (browser(), "; client_max_window_bits=15", "; client_max_window_bits=15"),
        (browser(), "", ""),
        // Our own promises bind us where the server is silent.
        (
            limited(),
            "; server_max_window_bits=10",
            "; server_max_window_bits=10; client_max_window_bits=11",
        ),
        (
            limited(),
            "; client_max_window_bits=11; server_max_window_bits=8",
            "; server_max_window_bits=8; client_max_window_bits=11",
        ),
        (
            limited(),
            "; client_max_window_bits=9; server_max_window_bits=9",
            "; server_max_window_bits=9; client_max_window_bits=9",
        ),
        (
            forgetful(),
            "; server_no_context_takeover",
            "; server_no_context_takeover; client_no_context_takeover",
        ),
    ] {
        let agreed = agree(offer, response).map(|params| params.to_string());
        assert_eq!(agreed, Ok(format!("permessage-deflate{expected}")), "{offer} -> {response}");
    }
}

/// [rfc7692:7-fail-response] [rfc7692:7.1.1.1-confirmed] [rfc7692:7.1.2.1-confirmed]
/// [rfc7692:7.1.2.2-response-value] [rfc7692:7.1.2.2-unsolicited]
#[test]
fn responses_that_the_offer_does_not_permit() {
    use NegotiationError::{
        DuplicateParameter, InvalidValue, Missing, UnknownParameter, Unsolicited, WindowTooLarge,
    };
    for (offer, response, expected) in [
        // The response has to confirm the offer.
        (forgetful(), "", Missing),
        (forgetful(), "; client_no_context_takeover", Missing),
        (limited(), "", Missing),
        (limited(), "; client_max_window_bits=9", Missing),
        // Larger than offered, or not offered at all.
        (limited(), "; server_max_window_bits=11", WindowTooLarge),
        (limited(), "; server_max_window_bits=9; client_max_window_bits=12", WindowTooLarge),
        (plain(), "; client_max_window_bits=10", Unsolicited),
        (plain(), "; client_max_window_bits", InvalidValue),
        (browser(), "; client_max_window_bits", InvalidValue),
        (plain(), "; server_max_window_bits", InvalidValue),
        (plain(), "; server_max_window_bits=16", InvalidValue),
        (plain(), "; server_max_window_bits=08", InvalidValue),
        (plain(), "; server_no_context_takeover=0", InvalidValue),
        (plain(), "; server_no_context_takeover; server_no_context_takeover", DuplicateParameter),
        (browser(), "; client_max_window_bits=9; client_max_window_bits=9", DuplicateParameter),
        (plain(), "; server_max_window_bits=9; server_max_window_bits=9", DuplicateParameter),
        (plain(), "; mem_level=9", UnknownParameter),
    ] {
        assert_eq!(agree(offer, response), Err(expected), "{offer} -> {response}");
    }
}

#[test]
fn offers_are_written_as_the_registry_names_them() {
    let all = ClientOffer {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: Some(bits(8)),
        client_max_window_bits: ClientWindowOffer::AtMost(bits(15)),
    };
    assert_eq!(
        all.to_string(),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=8; client_max_window_bits=15"
    );
    assert_eq!(ClientOffer::default().to_string(), "permessage-deflate; client_max_window_bits");
    let mut written = b"x, ".to_vec();
    ClientOffer::default().write(&mut written);
    assert_eq!(written, b"x, permessage-deflate; client_max_window_bits");
}

/// Each offer that can be made meets each configuration, and both ends agree on the result.
#[test]
fn both_ends_agree() {
    let mut windows = vec![None];
    windows.extend((8..=15).map(|n| Some(bits(n))));
    let mut client_windows = vec![ClientWindowOffer::Absent, ClientWindowOffer::Supported];
    client_windows.extend((8..=15).map(|n| ClientWindowOffer::AtMost(bits(n))));
    let mut accepted = 0;
    for flags in 0..16_u8 {
        for server_offer in &windows {
            for client_offer in &client_windows {
                for (own, theirs) in (8..=15).flat_map(|own| [(own, 8), (own, 12), (own, 15)]) {
                    let offer = ClientOffer {
                        server_no_context_takeover: flags & 1 != 0,
                        client_no_context_takeover: flags & 2 != 0,
                        server_max_window_bits: *server_offer,
                        client_max_window_bits: *client_offer,
                    };
                    let config = ServerConfig {
                        server_max_window_bits: bits(own),
                        client_max_window_bits: ClientWindow::Require(bits(theirs)),
                        server_no_context_takeover: flags & 4 != 0,
                        client_no_context_takeover: flags & 8 != 0,
                    };
                    accepted += usize::from(negotiation(&offer, &config).is_some());
                }
            }
        }
    }
    // Of ten client windows only the absent one can be declined, and only by a limit below 15.
    assert_eq!(accepted, 16 * 9 * (9 * 24 + 8));
}
