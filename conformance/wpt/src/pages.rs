//! Which pages there are: one or more for each file that is a test.

use std::path::Path;

use crate::Trouble;
use crate::site::Site;

/// One page to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Path and query.
    pub(crate) url: String,
    /// The file that it comes from, as a path in the checkout.
    pub(crate) file: String,
    /// Whether it may take a minute.
    pub(crate) long: bool,
}

/// The folders of a checkout that are run.
const FOLDERS: [&str; 2] = ["eventsource", "websockets"];
/// Folders that hold what tests use, and no tests.
const HELPERS: [&str; 3] = ["resources", "support", "handlers"];
/// Our own pages.
const OWN: [&str; 5] = ["events", "requests", "worker", "sockets", "handshakes"];

/// All pages, in a fixed order.
pub(crate) fn find(site: &Site) -> Result<Vec<Page>, Trouble> {
    let mut pages = Vec::new();
    let Some(root) = site.checkout.as_deref() else {
        return Ok(OWN
            .map(|name| Page {
                url: format!("/own/{name}.html"),
                file: name.to_owned(),
                long: true,
            })
            .to_vec());
    };
    for folder in FOLDERS {
        let mut files = Vec::new();
        collect(&root.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            pages.extend(pages_of(&name, &String::from_utf8_lossy(&std::fs::read(&file)?)));
        }
    }
    Ok(pages)
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<(), Trouble> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() {
            files.push(path);
        } else if !HELPERS.contains(&&*name) {
            collect(&path, files)?;
        }
    }
    Ok(())
}

/// The pages of one file; none if it is no test, or one that needs TLS.
fn pages_of(file: &str, text: &str) -> Vec<Page> {
    if file.contains(".https.") {
        return Vec::new();
    }
    let (meta, stems) = if let Some(stem) = file.strip_suffix(".any.js") {
        let meta = Meta::of_script(text);
        let stems = meta.globals().into_iter().map(|suffix| format!("{stem}{suffix}")).collect();
        (meta, stems)
    } else if let Some(stem) = file.strip_suffix(".window.js") {
        (Meta::of_script(text), vec![format!("{stem}.window.html")])
    } else if let Some(stem) = file.strip_suffix(".worker.js") {
        (Meta::of_script(text), vec![format!("{stem}.worker.html")])
    } else if (file.ends_with(".html") || file.ends_with(".htm"))
        && text.contains("/resources/testharness.js")
    {
        (Meta::of_page(text), vec![file.to_owned()])
    } else {
        return Vec::new();
    };
    let page = |stem: &String| Page {
        url: format!("/{stem}{}", meta.variant()),
        file: file.to_owned(),
        long: meta.long,
    };
    stems.iter().map(page).collect()
}

/// A test's own declarations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) title: Option<String>,
    pub(crate) scripts: Vec<String>,
    pub(crate) long: bool,
    global: Option<String>,
    variants: Vec<String>,
}

impl Meta {
    /// From the lines `// META: name=value` at the top of a script.
    pub(crate) fn of_script(text: &str) -> Self {
        let mut meta = Self::default();
        let lines =
            text.lines().take_while(|line| line.starts_with("//") || line.trim().is_empty());
        for line in lines.filter_map(|line| line.strip_prefix("// META:")) {
            let (name, value) = line.trim().split_once('=').unwrap_or((line, ""));
            match name {
                "title" => meta.title = Some(value.to_owned()),
                "script" => meta.scripts.push(value.to_owned()),
                "timeout" => meta.long = value == "long",
                "global" => meta.global = Some(value.to_owned()),
                "variant" => meta.variants.push(value.to_owned()),
                _ => {}
            }
        }
        meta
    }

    /// From the elements `<meta name=… content=…>` of a page.
    fn of_page(text: &str) -> Self {
        let mut meta = Self::default();
        for tag in text.split("<meta ").skip(1).filter_map(|rest| rest.split('>').next()) {
            let value = |name: &str| {
                let (_, rest) = tag.split_once(&format!("{name}="))?;
                let rest = rest.trim_start_matches('"');
                rest.split(['"', ' ', '/']).next().map(str::to_owned)
            };
            match value("name").as_deref() {
                Some("timeout") => meta.long = value("content").as_deref() == Some("long"),
                Some("variant") => meta.variants.push(value("content").unwrap_or_default()),
                _ => {}
            }
        }
        meta
    }

    /// Where a script that runs anywhere is to run, as ends of addresses. Service workers need TLS.
    fn globals(&self) -> Vec<&'static str> {
        let wanted = self.global.as_deref().unwrap_or("window,dedicatedworker");
        let wants = |names: &[&str]| wanted.split(',').any(|it| names.contains(&it.trim()));
        let places: [(&[&str], _); 3] = [
            (&["window"], ".any.html"),
            (&["dedicatedworker", "worker"], ".any.worker.html"),
            (&["sharedworker", "worker"], ".any.sharedworker.html"),
        ];
        places.into_iter().filter(|(names, _)| wants(names)).map(|(_, suffix)| suffix).collect()
    }

    /// The one variant that needs neither TLS nor HTTP/2. A test that has only such variants runs
    /// without TLS all the same: its scripts take a plain WebSocket unless they are told otherwise.
    fn variant(&self) -> &str {
        let plain = |it: &&String| !it.contains("wss") && !it.contains("h2");
        match self.variants.iter().find(plain) {
            Some(variant) => variant,
            None if self.variants.is_empty() => "",
            None => "?default",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(file: &str, text: &str) -> Vec<String> {
        pages_of(file, text).into_iter().map(|page| page.url).collect()
    }

    #[test]
    fn a_script_has_a_page_for_each_place_it_runs_in() {
        assert_eq!(urls("e/a.any.js", ""), ["/e/a.any.html", "/e/a.any.worker.html"]);
        let text =
            "// META: global=window,worker\n// META: variant=?wss\n// META: variant=?default\n";
        assert_eq!(
            urls("e/a.any.js", text),
            [
                "/e/a.any.html?default",
                "/e/a.any.worker.html?default",
                "/e/a.any.sharedworker.html?default"
            ]
        );
        assert_eq!(urls("e/a.window.js", ""), ["/e/a.window.html"]);
        assert_eq!(urls("e/a.worker.js", ""), ["/e/a.worker.html"]);
    }

    #[test]
    fn a_page_is_one_if_it_uses_the_harness() {
        let text = "<meta name=\"variant\" content=\"?wss\"><meta name=timeout content=long>\
                    <script src=/resources/testharness.js></script>";
        let pages = pages_of("e/a.html", text);
        assert_eq!(
            pages,
            [Page { url: "/e/a.html?default".into(), file: "e/a.html".into(), long: true }]
        );
        assert_eq!(urls("e/a.html", "<title>no test</title>"), [""; 0]);
        assert_eq!(urls("e/a.https.html", text), [""; 0]);
    }

    #[test]
    fn meta_lines_end_where_the_script_begins() {
        let meta =
            Meta::of_script("// META: title=A\n// META: script=b.js\n\nf();\n// META: title=B\n");
        assert_eq!((meta.title.as_deref(), &*meta.scripts), (Some("A"), &["b.js".to_owned()][..]));
    }
}
