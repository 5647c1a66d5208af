//! Which credential of a request counts.

use sockeye_auth::{
    AllowedOrigins, Brought, Credential, Grants, Identity, JwtKey, JwtRules, Keys, Limits, Moment,
    Refusal, Secret, SigningKey, Taken, Tickets, TokenClaims, UnixTime, Verifier,
};

fn taken() -> Taken {
    Taken {
        cookie: Some("session".to_owned()),
        origins: AllowedOrigins::new(["https://app.example"]).unwrap(),
        query_token: None,
    }
}

fn found<'a>(brought: &Brought<'a>) -> Result<Option<Credential<'a>>, Refusal> {
    taken().credential(brought)
}

/// [auth:authorization]
#[test]
fn the_authorization_header() {
    let read = |value| found(&Brought { authorization: Some(value), ..Brought::default() });
    assert_eq!(read("Bearer a.b.c"), Ok(Some(Credential::Bearer("a.b.c"))));
    assert_eq!(read("bEARER  a.b.c "), Ok(Some(Credential::Bearer("a.b.c"))));
    assert_eq!(read("ApiKey sk+/=~"), Ok(Some(Credential::ApiKey("sk+/=~"))));
    assert_eq!(read("apikey sk"), Ok(Some(Credential::ApiKey("sk"))));
    let bad = ["", "Bearer", "Bearer ", "Bearer a b", "Basic dTpw", "Bearer\ta", "Bearer \u{e9}"];
    for value in bad.into_iter().chain(["Bearer a, Bearer b", " Bearer a", "Bearera b"]) {
        assert_eq!(read(value), Err(Refusal::Malformed), "{value}");
    }
}

/// [auth:credential-text]
#[test]
fn tickets_in_subprotocols_and_the_query() {
    let protocols = |value| found(&Brought { protocols: Some(value), ..Brought::default() });
    let ticket = Ok(Some(Credential::Ticket("T-_1")));
    assert_eq!(protocols("sockeye.v1.json, sockeye.ticket.T-_1"), ticket);
    assert_eq!(protocols("sockeye.ticket.T-_1 ,sockeye.v1.json"), ticket);
    assert_eq!(protocols("sockeye.v1.json,chat"), Ok(None));
    assert_eq!(protocols("Sockeye.ticket.T"), Ok(None), "subprotocols have one spelling");
    assert_eq!(protocols("sockeye.ticket."), Err(Refusal::Malformed));
    assert_eq!(protocols("sockeye.ticket.a b"), Err(Refusal::Malformed));
    assert_eq!(protocols("sockeye.ticket.a,sockeye.ticket.a"), Err(Refusal::Ambiguous));

    let query = |value| found(&Brought { query: Some(value), ..Brought::default() });
    assert_eq!(query("channel=a&ticket=T-_1&cursor=now"), ticket);
    assert_eq!(query("channel=ticket&xticket=T"), Ok(None));
    for bad in ["ticket", "ticket=", "ticket=%41", "ticket=a=b", "ticket=a+b", "a&ticket=\u{e9}"] {
        assert_eq!(query(bad), Err(Refusal::Malformed), "{bad}");
    }
    assert_eq!(query("ticket=a&ticket=a"), Err(Refusal::Ambiguous));
}

/// [auth:query-token-off]
#[test]
fn a_token_in_the_query_is_off_by_default() {
    let brought = Brought { query: Some("channel=a&token=a.b.c"), ..Brought::default() };
    assert_eq!(taken().credential(&brought), Err(Refusal::QueryTokenOff));
    let on = Taken { query_token: Some("token".to_owned()), ..Taken::default() };
    assert_eq!(on.credential(&brought), Ok(Some(Credential::QueryToken("a.b.c"))));
    let other = Brought { query: Some("access_token=a.b.c"), ..Brought::default() };
    assert_eq!(taken().credential(&other), Err(Refusal::QueryTokenOff));
}

/// [auth:one-credential]
#[test]
fn one_credential_is_shown_on_purpose() {
    let all = Brought {
        authorization: Some("Bearer a.b.c"),
        protocols: Some("sockeye.v1.json, sockeye.ticket.T"),
        query: Some("ticket=T"),
        cookie: Some("session=x.y.z"),
        origin: Some("https://evil.example"),
        sec_fetch_site: None,
    };
    assert_eq!(found(&all), Err(Refusal::Ambiguous));
    assert_eq!(found(&Brought { protocols: None, ..all }), Err(Refusal::Ambiguous));
    assert_eq!(found(&Brought { authorization: None, ..all }), Err(Refusal::Ambiguous));
    let bearer = Brought { protocols: None, query: None, ..all };
    assert_eq!(found(&bearer), Ok(Some(Credential::Bearer("a.b.c"))), "the cookie does not count");
    assert_eq!(found(&Brought::default()), Ok(None));
}

/// Cross-site WebSocket hijacking: a page of somebody else's opens a WebSocket, and the browser
/// adds the cookie.
///
/// [auth:cookie-origin]
#[test]
fn a_cookie_counts_with_its_origin_only() {
    let cookie = |cookie, origin, sec_fetch_site| {
        let cookie = Some(cookie);
        found(&Brought { cookie, origin, sec_fetch_site, ..Brought::default() })
    };
    let (ours, evil) = (Some("https://app.example"), Some("https://evil.example"));
    let token = Ok(Some(Credential::Cookie("x.y.z")));
    assert_eq!(cookie("session=x.y.z", ours, None), token);
    assert_eq!(cookie("a=b; session=x.y.z;c=d", ours, Some("cross-site")), token);
    assert_eq!(cookie("session=x.y.z", None, Some("same-origin")), token);
    for (origin, site) in [
        (evil, None),
        (evil, Some("same-origin")),
        (Some("null"), None),
        (None, None),
        (None, Some("cross-site")),
        (None, Some("same-site")),
    ] {
        let refused = cookie("session=x.y.z", origin, site);
        assert_eq!(refused, Err(Refusal::Origin), "{origin:?} {site:?}");
    }
    assert_eq!(cookie("other=x.y.z; Session=x", evil, None), Ok(None), "not ours");
    assert_eq!(cookie("session=a; session=a", ours, None), Err(Refusal::Ambiguous));
    for bad in ["session=", "session=\"x\"", "session=a b", "session=a%20"] {
        assert_eq!(cookie(bad, ours, None), Err(Refusal::Malformed), "{bad}");
    }
    let none = Taken::default();
    let brought = Brought { cookie: Some("session=x"), origin: ours, ..Brought::default() };
    assert_eq!(none.credential(&brought), Ok(None), "no cookie is taken");
}

/// [auth:debug-hides-secrets]
#[test]
fn no_debug_shows_a_secret() {
    const SECRET: &str = "0123456789-a-secret-of-mine-0123456789";
    let limits = Limits::default();
    let mut shown = Vec::new();

    let mut keys = Keys::new(limits);
    keys.add_text("name", SECRET, Identity::anonymous()).unwrap();
    shown.push(format!("{keys:?}"));

    let key = JwtKey::hs256(SECRET.as_bytes()).unwrap().with_kid("k");
    let ends = Identity { ends_ms: Some(60_000), ..Identity::anonymous() };
    let signing = SigningKey::hs256(SECRET.as_bytes()).unwrap();
    let token = signing.token(&ends, &TokenClaims::default()).unwrap();
    shown.push(format!("{signing:?}"));
    shown.push(format!("{key:?}"));
    shown.push(format!("{:?}", Verifier::new(JwtRules::default(), vec![key], limits).unwrap()));

    let secret = Secret::new(SECRET.as_bytes()).unwrap();
    shown.push(format!("{secret:?}"));
    let mut tickets = Tickets::new(vec![secret], limits).unwrap();
    let all = Identity { subscribe: Grants::everything(), ..Identity::anonymous() };
    let ticket = tickets.issue(&all, &all, 1000, &[1; 24], Moment::default()).unwrap();
    shown.push(format!("{tickets:?}"));
    let session = tickets.enter(&ticket, None, Moment::default()).unwrap();
    let proof = tickets.proof(&session, UnixTime::default());
    shown.push(format!("{session:?}"));

    let (authorization, query) = (format!("Bearer {token}"), format!("ticket={ticket}"));
    let protocols = format!("sockeye.ticket.{ticket}");
    let brought = Brought {
        authorization: Some(&authorization),
        protocols: Some(&protocols),
        query: Some(&query),
        cookie: Some(SECRET),
        ..Brought::default()
    };
    shown.push(format!("{brought:?}"));
    for text in [SECRET, &token, &ticket] {
        let credentials = [
            Credential::Bearer(text),
            Credential::ApiKey(text),
            Credential::Ticket(text),
            Credential::QueryToken(text),
            Credential::Cookie(text),
        ];
        shown.push(format!("{credentials:?} {credentials:#?}"));
    }
    let bytes = format!("{:?}", SECRET.as_bytes());
    let secrets = [SECRET, &bytes[1..40], &token, &ticket, &proof, &proof[8..], &ticket[..16]];
    for shown in shown {
        assert!(!shown.is_empty());
        for secret in secrets {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
