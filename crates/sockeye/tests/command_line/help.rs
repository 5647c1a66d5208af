//! What the program says about itself.

use crate::command_line::program::{client, good};
#[cfg(feature = "man")]
use crate::operations::place::Place;

#[test]
fn help_teaches_by_example_and_shows_no_secret() {
    for command in [
        &[][..],
        &["serve"],
        &["config"],
        &["token"],
        &["publish"],
        &["subscribe"],
        &["completions"],
        #[cfg(feature = "man")]
        &["man"],
        &["ticket"],
        &["nodes"],
        &["connect"],
        &["events"],
        &["bench"],
        &["bench", "echo"],
        &["bench", "idle"],
        &["bench", "fanout"],
        &["bench", "sse"],
        &["token", "key"],
        &["token", "new"],
        &["token", "check"],
        &["cert"],
        &["log"],
        &["backbone", "import"],
    ] {
        let output = client(&[command, &["--help"]].concat())
            .env("SOCKEYE_API_KEY", "sesame")
            .env("SOCKEYE_TOKEN", "open")
            .output()
            .expect("it starts");
        let help = good(&output);
        let examples = help.split_once("Examples:\n  ").expect(help).1;
        // No namespace takes subscriptions by pattern unless its configuration says so.
        assert!(!examples.contains(":*") && !examples.contains(":>"), "{help}");
        assert!(!help.contains("sesame") && !help.contains("=open"), "{help}");
    }
}

#[test]
fn help_says_what_is_served_and_what_signals_do() {
    for (command, says) in [
        (&["--help"][..], &["ordered channels", "sockeye publish", "/v1"][..]),
        (&["serve", "--help"], &["/v1", "/metrics", "cursor", "TERM", "HUP", "[access]"]),
    ] {
        let output = client(command).output().expect("it starts");
        for part in says {
            assert!(good(&output).contains(part), "{part}: {}", good(&output));
        }
    }
}

#[test]
fn three_shells_are_helped() {
    for (shell, sign) in
        [("bash", "complete -F"), ("zsh", "#compdef sockeye"), ("fish", "complete -c sockeye")]
    {
        let output = client(&["completions", shell]).output().expect("it starts");
        let script = good(&output);
        assert!(script.contains(sign) && script.contains("publish"), "{shell}: {script}");
    }
    let output = client(&["completions", "tcsh"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(feature = "man")]
#[test]
fn the_manual_has_a_page_for_each_command_and_shows_no_secret() {
    let place = Place::new();
    let directory = place.path("man1");
    let output =
        client(&["man", &directory]).env("SOCKEYE_API_KEY", "sesame").output().expect("it starts");
    good(&output);
    for (page, says) in
        [("sockeye.1", "publish"), ("sockeye-serve.1", "listen"), ("sockeye-bench-echo.1", "pid")]
    {
        let text = std::fs::read_to_string(format!("{directory}/{page}")).expect(page);
        assert!(text.contains(".TH") && text.contains(says) && !text.contains("sesame"), "{text}");
    }
}
