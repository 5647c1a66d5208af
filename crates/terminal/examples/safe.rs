//! Prints its arguments, or a sample, as a command prints a peer's text.

use sockeye_terminal::plain::plain;
use sockeye_terminal::{Failure, print};

fn main() -> Result<(), Failure> {
    let mut texts: Vec<String> = std::env::args().skip(1).collect();
    if texts.is_empty() {
        texts.push("red \u{1b}[31m, a bell \u{7}, and text from right to left \u{202e}".to_owned());
    }
    for text in &texts {
        print::say(format_args!("{}", plain(text)))?;
    }
    Ok(())
}
