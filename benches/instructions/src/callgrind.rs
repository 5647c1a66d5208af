//! The scenarios under callgrind, each in a process of its own, as many at a time as there are cores.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::sync::Mutex;
use std::{env, fs, thread};

use crate::counting::SWITCHES;
use crate::scenarios::Scenario;
use crate::table::{Row, Table, Versions};

/// The C library copies by one instruction that valgrind counts once for each byte, where the processor
/// says that it is quick at that; this keeps it to its vectors, on every machine.
const TUNABLES: &str = "glibc.cpu.x86_rep_movsb_threshold=1000000000:\
    glibc.cpu.x86_rep_stosb_threshold=1000000000:\
    glibc.cpu.x86_non_temporal_threshold=1000000000";

/// The last words of a counted process.
pub(crate) struct Report {
    units: u64,
    /// The processor features that valgrind shows to the code.
    vectors: String,
}

impl Report {
    pub(crate) fn new(units: u64) -> Self {
        Self { units, vectors: vectors().into() }
    }
}

fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        return "AVX2";
    }
    "less than AVX2"
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} units with {}", self.units, self.vectors)
    }
}

impl FromStr for Report {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.trim_end().split_once(" units with ");
        let report = parts.and_then(|(units, vectors)| {
            Some(Self { units: units.parse().ok()?, vectors: vectors.into() })
        });
        report.ok_or_else(|| format!("the counted process said {text:?}"))
    }
}

/// Where the profiles are left: beside the program.
pub(crate) fn directory() -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|why| why.to_string())?;
    let directory = program.parent().and_then(Path::parent).ok_or("the program is nowhere")?;
    let directory = directory.join("instructions");
    fs::create_dir_all(&directory).map_err(|why| format!("{}: {why}", directory.display()))?;
    Ok(directory)
}

/// Whether the program lies where cargo puts what has link-time optimisation.
fn is_dist() -> Result<bool, String> {
    let program = env::current_exe().map_err(|why| why.to_string())?;
    let profile = program.parent().and_then(Path::file_name);
    Ok(profile.is_some_and(|profile| profile == "dist"))
}

/// # Errors
/// Any scenario that cannot be counted, or counts nothing.
pub(crate) fn count(scenarios: &[Scenario]) -> Result<Table, String> {
    if cfg!(target_feature = "sse3") || !is_dist()? {
        let how = "--profile dist and for every processor";
        return Err(format!("to be compared, it is built with {how}"));
    }
    let directory = directory()?;
    let queue = Mutex::new(scenarios.iter());
    let results = Mutex::new(Vec::new());
    let work = || {
        while let Some(scenario) = queue.lock().ok().and_then(|mut queue| queue.next()) {
            let result = count_one(*scenario, &directory);
            results.lock().expect("no thread panics").push(result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let counted = results.into_inner().expect("no thread panics");
    let counted: Vec<(Row, Report)> = counted.into_iter().collect::<Result<_, _>>()?;
    let vectors = counted.first().map(|(_, report)| report.vectors.clone());
    let versions = versions(vectors.ok_or("nothing was counted")?)?;
    let mut rows: Vec<Row> = counted.into_iter().map(|(row, _)| row).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Table { versions, rows })
}

fn count_one(scenario: Scenario, directory: &Path) -> Result<(Row, Report), String> {
    let Scenario { name, unit, .. } = scenario;
    let profile = directory.join(format!("{name}.callgrind"));
    let program = env::current_exe().map_err(|why| why.to_string())?;
    let said = output(
        // Nothing of the environment: its size moves the stack.
        Command::new("valgrind")
            .env_clear()
            .envs(env::var("PATH").map(|path| ("PATH", path)))
            .env("GLIBC_TUNABLES", TUNABLES)
            .arg("--tool=callgrind")
            .arg(format!("--toggle-collect={SWITCHES}"))
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(&program)
            .args(["run", name]),
    )?;
    let report: Report = said.parse()?;
    let text = fs::read_to_string(&profile).map_err(|why| format!("{name}: {why}"))?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary: ")?.parse::<u64>().ok());
    let per_unit = total.unwrap_or(0) as f64 / report.units as f64;
    // A tenth of an instruction is what the table shows.
    if !per_unit.is_finite() || per_unit < 1.0 {
        return Err(format!("{name}: nothing was counted in {} units", report.units));
    }
    Ok((Row { name: name.into(), per_unit, unit: unit.into() }, report))
}

/// Everything besides the code that the counts depend on.
fn versions(vectors: String) -> Result<Versions, String> {
    let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let manifest = env!("CARGO_MANIFEST_DIR");
    Ok(Versions(vec![
        // In the workspace, so that its toolchain is the one that is asked.
        first(output(Command::new("rustc").arg("--version").current_dir(manifest))?),
        first(output(Command::new("valgrind").arg("--version"))?),
        first(output(Command::new("ldd").arg("--version"))?),
        vectors,
    ]))
}

/// The output of a command, which must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|why| format!("{program}: {why}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{program}: {}\n{told}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|why| format!("{program}: {why}"))
}
