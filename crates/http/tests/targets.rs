//! Targets, as each version of HTTP gives them.

use sockeye_http::Target;

fn parts(target: Option<Target<'_>>) -> Option<[Option<&str>; 4]> {
    target.map(|it| [it.scheme(), it.authority(), Some(it.path()), it.query()])
}

#[test]
fn the_usual_form_is_a_path_and_a_query() {
    let origin = |text| parts(Target::origin(text));
    assert_eq!(origin("/"), Some([None, None, Some("/"), None]));
    assert_eq!(origin("/a?"), Some([None, None, Some("/a"), Some("")]));
    assert_eq!(origin("/a?b?c"), Some([None, None, Some("/a"), Some("b?c")]));
    assert_eq!(origin("//h/a"), Some([None, None, Some("//h/a"), None]));
    for text in ["", "a", "*", "?a", "http://a/", "/a#b", "/a b", "/\u{e4}", "/\t", "/\x7f"] {
        assert_eq!(origin(text), None, "{text:?}");
    }
}

#[test]
fn a_uri_names_scheme_and_authority() {
    let absolute = |scheme, authority, path| parts(Target::absolute(scheme, authority, path));
    let whole = Some([Some("HTTPS"), Some("a:1"), Some("/b"), Some("c")]);
    assert_eq!(absolute("HTTPS", "a:1", "/b?c"), whole);
    let root = |query| Some([Some("http"), Some("a"), Some("/"), query]);
    assert_eq!(absolute("http", "a", ""), root(None));
    assert_eq!(absolute("http", "a", "?q"), root(Some("q")));
    for (scheme, authority, path) in [
        ("ws", "a", "/"),
        ("", "a", "/"),
        ("http", "", "/"),
        ("http", "u@a", "/"),
        ("http", "a b", "/"),
        ("http", "a", "b"),
        ("http", "a", "*"),
        ("http", "a", "/#"),
        ("http", "a", "/ "),
    ] {
        assert_eq!(absolute(scheme, authority, path), None, "{scheme} {authority} {path}");
    }
}

#[test]
fn a_tunnel_names_host_and_port() {
    assert_eq!(parts(Target::connect("a:1")), Some([None, Some("a:1"), Some(""), None]));
    for text in ["a", "a:", ":1", "a:x", "*", "/", "http://a:1"] {
        assert_eq!(Target::connect(text), None, "{text}");
    }
}

#[test]
fn host_stands_in_for_an_authority() {
    let origin = Target::origin("/").unwrap();
    assert_eq!(origin.with_host(Some("h")).authority(), Some("h"));
    assert_eq!(origin.with_host(None).authority(), None);
    let absolute = Target::absolute("http", "a", "/").unwrap();
    assert_eq!(absolute.with_host(Some("h")).authority(), Some("a"));
}
