//! Query strings as HTML forms encode them.

use sockeye_http::QueryPairs;

fn pairs(query: &str) -> Vec<(String, String)> {
    QueryPairs::new(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn expect(query: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(pairs(query), expected, "{query}");
}

#[test]
fn pieces_are_separated() {
    expect("", &[]);
    expect("&&", &[]);
    expect("a", &[("a", "")]);
    expect("a=", &[("a", "")]);
    expect("=a", &[("", "a")]);
    expect("=", &[("", "")]);
    expect("a=b=c&a=d&", &[("a", "b=c"), ("a", "d")]);
    expect("a;b=c?d", &[("a;b", "c?d")]);
}

#[test]
fn escapes_are_decoded_after_separating() {
    expect("a%3Db=c%26d", &[("a=b", "c&d")]);
    expect("%61+%2b=%20", &[("a +", " ")]);
    expect("%C3%A4=%e2%82%ac", &[("ä", "€")]);
    expect("n=%00%0d%0A", &[("n", "\0\r\n")]);
}

#[test]
fn broken_escapes_stand_for_themselves() {
    for broken in ["%", "%4", "%g1", "%1g", "%%"] {
        expect(broken, &[(broken, "")]);
    }
    expect("%%41", &[("%A", "")]);
    expect("%ff%41=%c3", &[("\u{FFFD}A", "\u{FFFD}")]);
}

#[test]
fn text_without_escapes_is_borrowed() {
    let (name, value) = QueryPairs::new("channel=a").next().unwrap();
    assert!(matches!(name, std::borrow::Cow::Borrowed("channel")));
    assert!(matches!(value, std::borrow::Cow::Borrowed("a")));
}
