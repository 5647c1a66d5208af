//! The properties of what goes over the line, by proptest.

use proptest::prelude::*;
use sockeye_service::wire::properties::{
    bodies_are_read_or_refused, command_is_read_or_refused, controls_are_one, escapes_round_trip,
    json_arrives, target_is_decoded_or_refused, text_arrives,
};

/// Texts in which everything that ends a line or a string is frequent.
fn text() -> impl Strategy<Value = String> {
    let special = prop_oneof![
        3 => prop::sample::select("\r\n\"\\:$ \0\u{1b}\u{85}\u{2028}\u{feff}{}[],".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
        1 => prop::char::range('a', 'e'),
    ];
    prop::collection::vec(special, 0..24).prop_map(|chars| chars.into_iter().collect())
}

/// JSON that is nearly right, and whose parts every parser knows.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "1",
            "-0.0",
            "1e999",
            "12345678901234567890123",
            "1.50",
            "true",
            "null",
            "\"\"",
            "\"\\u0041\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\udc00\"",
            "\"\\\\ud800\"",
            "01",
            "tru",
            "\"\\x\"",
            "\"a\"",
        ])
        .prop_map(str::to_owned),
        text().prop_map(|text| serde_json_string(&text)),
    ];
    leaf.prop_recursive(6, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|it| format!("[{}]", it.join(", "))),
            prop::collection::vec(inner, 0..3).prop_map(|it| {
                let members: Vec<_> = it.iter().map(|value| format!("\"a\":\r\n{value}")).collect();
                format!(" {{{}}}\n", members.join(","))
            }),
        ]
    })
}

fn serde_json_string(text: &str) -> String {
    let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{escaped}\"")
}

/// Objects of members that commands and publications have, and of others.
fn object() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        4 => prop::sample::select(vec![
            r#""type":"subscribe""#, r#""type":"publish""#, r#""type":"ping""#, r#""type":"auth""#,
            r#""type":"unsubscribe""#, r#""id":7"#, r#""id":"a\nb""#, r#""id":{}"#, r#""id":1.5"#,
            r#""channels":["a:b","c"]"#, r#""channels":["a","b","c","d"]"#, r#""channels":[]"#,
            r#""channels":["a",1]"#, r#""channel":"a:b""#, r#""channel":"a b""#, r#""cursor":"10-0""#,
            r#""data":"x""#, r#""data":{"a":[1.50]}"#, r#""data":[[[[[]]]]]"#, r#""event":"sold""#,
            r#""event":"$gap""#, r#""key":"k""#, r#""key":"""#, r#""expect":0"#, r#""expect":"10-1""#,
            r#""expect":"0""#, r#""ttl_ms":5"#, r#""ttl_ms":-5"#, r#""token":"t""#, r#""ticket":"t""#,
            r#""typ\u0065":"ping""#, r#""unknown\n":1"#,
        ])
        .prop_map(str::to_owned),
        1 => json().prop_map(|value| format!("\"data\":{value}")),
        1 => (text(), json()).prop_map(|(name, value)| format!("{}:{value}", serde_json_string(&name))),
    ];
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// Objects, cut short or with something behind.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let cut = (object(), any::<prop::sample::Index>(), text()).prop_map(|(object, at, rest)| {
        let bytes = object.into_bytes();
        let cut = at.index(bytes.len() + 1);
        [&bytes[..cut], rest.as_bytes()].concat()
    });
    prop_oneof![4 => object().prop_map(String::into_bytes), 2 => cut, 1 => any::<Vec<u8>>()]
}

/// Each character that some form treats apart is among these.
#[test]
fn every_small_character_arrives() {
    for character in '\0'..='\u{ff}' {
        text_arrives(&format!("a{character}b"), "sold");
        text_arrives(&character.to_string(), "sold");
        controls_are_one(&character.to_string(), "id", &format!("{character}{character}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// [service:data-arrives]
    #[test]
    fn a_text_arrives_in_every_form(text in text(), name in text()) {
        text_arrives(&text, &name);
    }

    /// [service:json-kept] [service:bound-depth] [service:json-unicode]
    #[test]
    fn json_arrives_byte_for_byte(json in json()) {
        json_arrives(&json);
    }

    /// [service:no-injection]
    #[test]
    fn a_control_item_is_one_event(channel in text(), id in text(), said in text()) {
        controls_are_one(&channel, &id, &said);
    }

    #[test]
    fn a_command_means_what_it_says(message in message()) {
        command_is_read_or_refused(&message);
    }

    #[test]
    fn a_batch_is_its_lines(lines in prop::collection::vec(message(), 0..4)) {
        bodies_are_read_or_refused(&lines.join(&b'\n'));
    }

    /// [service:strict-escapes]
    #[test]
    fn a_target_is_decoded_exactly(
        target in "([a-c&=+%]|%[0-9a-fA-F]{2}|%c3%a4|channel=|cursor=|é){0,12}",
        text in text(),
    ) {
        target_is_decoded_or_refused(&target);
        escapes_round_trip(&text);
    }
}
