//! The negotiation of whatever the other side names, beside a naive reading of RFC 7692 §7.1.

use alloc::collections::BTreeMap;
use alloc::string::ToString;

use super::{params, parse};
use crate::{
    ClientOffer, ClientWindow, ClientWindowOffer, Params, ServerConfig, WindowBits, accept_offer,
};

/// The four values of a well-formed list: a takeover flag is there or not, a window has bits or,
/// for the client's, none.
type Plain<'t> = BTreeMap<&'t str, Option<u8>>;

/// Reads a list by looking each rule up for each name; `None` if it breaks one.
fn read<'t>(text: &'t str) -> Option<Plain<'t>> {
    let mut plain = Plain::new();
    for (name, value) in parse(text) {
        let bits: Option<u8> = value.and_then(|value| value.parse().ok());
        let is_canonical = bits.is_some_and(|bits| {
            (8..=15).contains(&bits) && Some(bits.to_string().as_str()) == value
        });
        let fits = match name {
            "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
            "server_max_window_bits" => is_canonical,
            "client_max_window_bits" => value.is_none() || is_canonical,
            _ => false,
        };
        if !fits || plain.insert(name, bits).is_some() {
            return None;
        }
    }
    Some(plain)
}

fn window(bits: u8) -> WindowBits {
    WindowBits::new(8 + bits % 8).expect("8 to 15")
}

fn to_u8(bits: Option<WindowBits>) -> Option<u8> {
    bits.map(WindowBits::to_u8)
}

/// Each list of parameters is declined exactly if it is malformed or does not let us insist on
/// what we have to; else the answer keeps to it and to our configuration.
pub fn offer_gets_what_it_permits(text: &str, own: u8, [server, client]: [u8; 2]) {
    let Params { server_no_context_takeover, client_no_context_takeover, .. } = params(own);
    let required = own & 4 != 0;
    let limit = window(client);
    let config = ServerConfig {
        server_max_window_bits: window(server),
        client_max_window_bits: match required {
            true => ClientWindow::Require(limit),
            false => ClientWindow::Prefer(limit),
        },
        server_no_context_takeover,
        client_no_context_takeover,
    };
    let answer = accept_offer(parse(text), &config);
    let permitted = read(text).filter(|offer| {
        !required || limit == WindowBits::MAX || offer.contains_key("client_max_window_bits")
    });
    let (Some(answer), Some(offer)) = (answer, &permitted) else {
        return assert_eq!(answer.is_none(), permitted.is_none(), "{text:?}: {answer:?}");
    };
    let asked = |name| offer.contains_key(name);
    assert_eq!(
        answer.server_no_context_takeover,
        server_no_context_takeover || asked("server_no_context_takeover")
    );
    assert_eq!(
        answer.client_no_context_takeover,
        client_no_context_takeover || asked("client_no_context_takeover")
    );
    let offered = |name| offer.get(name).copied().flatten().unwrap_or(15);
    let bits = |answered| to_u8(answered).unwrap_or(15);
    let (ours, theirs) = (window(server).to_u8(), limit.to_u8());
    assert_eq!(bits(answer.server_max_window_bits), ours.min(offered("server_max_window_bits")));
    assert!(answer.server_max_window_bits.is_some() || !asked("server_max_window_bits"));
    let client_may = if asked("client_max_window_bits") { theirs } else { 15 };
    let expected = client_may.min(offered("client_max_window_bits"));
    assert_eq!(bits(answer.client_max_window_bits), expected);
    assert!(answer.client_max_window_bits.is_none() || asked("client_max_window_bits"));
}

/// Each answer to an offer of ours fails or binds both sides at least as the offer says.
pub fn response_gets_what_was_offered(text: &str, own: u8, [server, client]: [u8; 2]) {
    let Params { server_no_context_takeover, client_no_context_takeover, .. } = params(own);
    let offer = ClientOffer {
        server_no_context_takeover,
        client_no_context_takeover,
        server_max_window_bits: (own & 4 != 0).then(|| window(server)),
        client_max_window_bits: match own >> 3 & 3 {
            0 => ClientWindowOffer::Absent,
            1 => ClientWindowOffer::Supported,
            _ => ClientWindowOffer::AtMost(window(client)),
        },
    };
    let answer = offer.accept_response(parse(text));
    let Some(response) = read(text) else {
        return assert!(answer.is_err(), "{text:?}: {answer:?}");
    };
    let Ok(agreed) = answer else { return };
    let said = |name| response.contains_key(name);
    assert_eq!(agreed.server_no_context_takeover, said("server_no_context_takeover"));
    assert!(agreed.server_no_context_takeover || !offer.server_no_context_takeover);
    assert_eq!(
        agreed.client_no_context_takeover,
        offer.client_no_context_takeover || said("client_no_context_takeover")
    );
    let bits = |window| to_u8(window).unwrap_or(15);
    assert!(bits(agreed.server_max_window_bits) <= bits(offer.server_max_window_bits));
    let client_max = match offer.client_max_window_bits {
        ClientWindowOffer::Absent => {
            assert!(!said("client_max_window_bits"), "unasked");
            15
        }
        ClientWindowOffer::Supported => 15,
        ClientWindowOffer::AtMost(window) => window.to_u8(),
    };
    assert!(bits(agreed.client_max_window_bits) <= client_max);
    if let Some(Some(named)) = response.get("client_max_window_bits") {
        assert_eq!(bits(agreed.client_max_window_bits), *named);
    }
}
