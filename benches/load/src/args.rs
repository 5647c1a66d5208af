//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Plays every load to Sockeye and to whatever peers are there, in turn, and prints one table.
///
/// Servers run on core 0 and the generator, `sockeye bench`, on core 1; each run has a fresh server. What
/// is compared is the server's processor time for a message, by the ratio of two runs of the same round.
#[derive(Debug, Parser)]
#[command(after_help = "The exit status is 1 if a row of the targets could not be measured.")]
pub(crate) struct Args {
    /// Rounds: in each, every load is played once to every server.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: u32,

    /// Only these loads: names, or their beginnings followed by `*`.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Only these servers.
    #[arg(long, value_delimiter = ',')]
    pub(crate) peers: Vec<String>,

    /// One round of short runs: to see that everything works.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Seconds that are measured of each run.
    #[arg(long)]
    pub(crate) seconds: Option<f64>,

    /// Build all that is built for this processor (`target-cpu=native`), and Sockeye also as usual.
    #[arg(long)]
    pub(crate) native: bool,

    /// Take what has been built before.
    #[arg(long)]
    pub(crate) no_build: bool,

    /// Another Sockeye to be measured than the one of this tree.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) sockeye: Option<PathBuf>,

    /// A server that already runs: the URL of its echo, its process, and its name in the table.
    #[arg(long, value_name = "URL,PID,LABEL")]
    pub(crate) other: Option<String>,

    /// Also measure a clean build of the program, which takes minutes.
    #[arg(long)]
    pub(crate) build_time: bool,

    /// Write the table to benches/record/DATE-PROCESSOR.md.
    #[arg(long)]
    pub(crate) record: bool,

    /// Print the names of loads and servers.
    #[arg(long)]
    pub(crate) list: bool,
}

impl Args {
    /// Whether a load is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| chooses(pattern, name))
    }

    /// What `--only` or `--peers` name that none of these is.
    pub(crate) fn unknown(&self, loads: &[&str], servers: &[&str]) -> Option<&str> {
        let load = |pattern: &&String| !loads.iter().any(|name| chooses(pattern, name));
        let server = |name: &&String| !servers.contains(&name.as_str());
        let unknown = self.only.iter().find(load).or_else(|| self.peers.iter().find(server));
        unknown.map(String::as_str)
    }

    /// Whether a server is wanted.
    pub(crate) fn wants_server(&self, name: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|wanted| wanted == name)
    }
}

fn chooses(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_chosen_by_name_or_beginning() {
        let args = Args::parse_from(["load", "--only", "echo16,fan*", "--peers", "uws"]);
        assert!(args.wants("echo16") && args.wants("fan10k"));
        assert!(!args.wants("echo16x32") && !args.wants("idle"));
        assert!(args.wants_server("uws") && !args.wants_server("bare"));
        assert!(Args::parse_from(["load"]).wants("idle"));
    }

    #[test]
    fn names_of_nothing_are_told() {
        let unknown = |words: &[&str]| {
            let args = Args::parse_from([&["load"], words].concat());
            args.unknown(&["echo16", "fan10k"], &["sockeye", "uws"]).map(str::to_owned)
        };
        assert_eq!(unknown(&["--only", "echo*,fan10k", "--peers", "uws"]), None);
        assert_eq!(unknown(&["--only", "echo16,fam*"]).as_deref(), Some("fam*"));
        assert_eq!(unknown(&["--only", "echo"]).as_deref(), Some("echo"));
        assert_eq!(unknown(&["--peers", "sockeye,uwz"]).as_deref(), Some("uwz"));
    }
}
