use super::{Function, Source};

fn function(name: &str, line: usize, lines: usize) -> Function {
    Function { name: name.to_owned(), line, lines }
}

#[test]
fn code_and_comments_come_apart() {
    let source = Source::new("let a = \"// no\"; // yes\nlet b; /* x /* y */ z */ c");
    assert_eq!(source.code, "let a =        ;       \nlet b;                   c");
    assert_eq!(source.comments.trim_start(), "// yes\n       /* x /* y */ z */  ");
}

#[test]
fn literals_end_where_they_end() {
    for literal in [
        r#""a\"b""#,
        r##"r"a\""##,
        r###"r#"a"b"#"###,
        r#"b"//""#,
        r#"'"'"#,
        r"'\''",
        r"'\u{7b}'",
        "\"two\nlines\"",
        "'§'",
        "\"\"",
    ] {
        let source = Source::new(&format!("f({literal}, x)"));
        assert!(source.code.starts_with("f("), "{literal}");
        assert!(source.code.ends_with(", x)"), "{literal}: {}", source.code);
        assert!(!source.code.contains(['a', '{', '/', '\'', '§']), "{literal}: {}", source.code);
    }
}

#[test]
fn lifetimes_are_code() {
    let code = "fn f<'a, 'b>(x: &'a str, y: &'b str) -> &'a str { loop {} }";
    assert_eq!(Source::new(code).code, code);
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let source = Source::new(
        "trait T {\n    fn no_body(&self) -> [u8; 2];\n}\nconst fn one() {}\n\
         fn three<const N: usize>(x: [u8; 3]) {\n    let s = \"}\"; // }\n}\n\
         fn outer() {\n    fn inner() {\n    }\n}\ntype F = fn (u8);\n",
    );
    let wanted = [
        function("one", 4, 1),
        function("three", 5, 3),
        function("outer", 8, 4),
        function("inner", 9, 2),
    ];
    assert_eq!(source.functions(), wanted);
}

#[test]
fn tests_begin_at_the_margin() {
    let source =
        Source::new("a\n    #[cfg(test)]\nb // #[cfg(test)]\n#[cfg(test)]\nmod tests {}\n");
    assert_eq!(source.lines_before_tests(), 3);
    assert_eq!(Source::new("a\nb\n").lines_before_tests(), 2);
}

#[test]
fn calls_are_whole_words_in_code() {
    let source =
        Source::new("println!();\nmy_println!();\n// println!()\n\"println!\";\ndbg!(1)\n");
    assert_eq!(source.calls(&["println", "dbg"], 9), [(1, "println"), (5, "dbg")]);
    assert_eq!(source.calls(&["println", "dbg"], 4), [(1, "println")]);
}
