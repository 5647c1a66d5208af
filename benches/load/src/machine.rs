//! The machine and the time of a measurement.

use std::fs;
use std::process::Command;

use rustix::process::{Resource, getrlimit};
use rustix::system::uname;

use crate::found::said;

/// The description of the machine in a record.
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) date: String,
    pub(crate) commit: String,
    /// Descriptors that a process may have.
    pub(crate) descriptors: u64,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let unknown = || "unknown".to_owned();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let model =
            model.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
        Self {
            processor: model.unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: uname().release().to_string_lossy().into_owned(),
            rustc: said(Command::new("rustc").arg("--version")).unwrap_or_else(unknown),
            date: said(Command::new("date").args(["-u", "+%Y-%m-%d"])).unwrap_or_else(unknown),
            commit: said(Command::new("git").args(["rev-parse", "--short", "HEAD"]))
                .unwrap_or_else(unknown),
            descriptors: getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20),
        }
    }

    /// The processor's name in that of a file.
    pub(crate) fn slug(&self) -> String {
        slug(&self.processor)
    }
}

/// Letters and digits, with one hyphen where anything else was.
fn slug(name: &str) -> String {
    let name = name.replace("(R)", "").replace("(TM)", "").to_lowercase();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_become_names_of_files() {
        assert_eq!(slug("Intel(R) Xeon(R) Processor"), "intel-xeon-processor");
        assert_eq!(slug("AMD EPYC 9R14"), "amd-epyc-9r14");
    }
}
