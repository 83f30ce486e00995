//! Calls of `ip`, `tc`, `nft`, `ethtool` and `tcpdump`.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::error::LabError;

/// Finds a program in `PATH` and in the system directories, which the `PATH`
/// of an ordinary user on Debian lacks.
pub(crate) fn find(tool: &str) -> Result<PathBuf, LabError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(tool))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| LabError::MissingTool {
            tool: tool.to_owned(),
            package: package_of(tool).to_owned(),
        })
}

/// Fails with the package's name if one of these programs is missing.
pub(crate) fn require(tools: &[&str]) -> Result<(), LabError> {
    tools.iter().try_for_each(|tool| find(tool).map(drop))
}

/// Runs a command to its end with this text on its standard input.
pub(crate) fn run(command: Command, input: &str) -> Result<String, LabError> {
    Call::start(command, input)?.finish()
}

/// Runs commands side by side, a few at a time; fails with the first failure,
/// after all that were started have ended.
pub(crate) fn run_all(
    commands: impl IntoIterator<Item = (Command, String)>,
) -> Result<(), LabError> {
    let mut waiting = commands.into_iter().peekable();
    while waiting.peek().is_some() {
        let started: Vec<_> = waiting
            .by_ref()
            .take(SIDE_BY_SIDE_MAX)
            .map(|(command, input)| Call::start(command, &input))
            .collect();
        let results: Vec<_> = started
            .into_iter()
            .map(|call| call.and_then(Call::finish))
            .collect();
        results
            .into_iter()
            .try_for_each(|result| result.map(drop))?;
    }
    Ok(())
}

/// `ip -batch` in this network namespace, in the own one for `None`.
pub(crate) fn ip_batch(namespace: Option<&str>) -> Result<Command, LabError> {
    let mut command = Command::new(find("ip")?);
    if let Some(name) = namespace {
        command.args(["-n", name]);
    }
    command.args(["-batch", "-"]);
    Ok(command)
}

/// A started program.
struct Call {
    shown: String,
    child: Child,
}

impl Call {
    fn start(mut command: Command, input: &str) -> Result<Self, LabError> {
        let shown = show(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(LabError::io("start", &shown))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that fails early closes its end; its own message,
            // collected in `finish`, says more than a broken pipe.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(Self { shown, child })
    }

    fn finish(self) -> Result<String, LabError> {
        let output = self
            .child
            .wait_with_output()
            .map_err(LabError::io("wait for", &self.shown))?;
        if !output.status.success() {
            return Err(failure(self.shown, &output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn failure(command: String, output: &Output) -> LabError {
    LabError::Tool {
        command,
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    }
}

/// A command line for people: the program without its directory.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut shown = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The Debian package of a program.
fn package_of(tool: &str) -> &str {
    match tool {
        "ip" | "tc" => "iproute2",
        "nft" => "nftables",
        "udp-sender" | "udp-receiver" => "udpcast",
        "uftpd" => "uftp",
        other => other,
    }
}

const SYSTEM_DIRECTORIES: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];

/// Programs at once: enough to keep a few cores busy.
const SIDE_BY_SIDE_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_names_its_package() {
        let error = find("udp-sender-that-is-nowhere").unwrap_err().to_string();
        assert!(error.contains("apt-get install"), "{error}");
        assert_eq!(package_of("nft"), "nftables");
        assert_eq!(package_of("ip"), "iproute2");
    }

    #[test]
    fn a_failure_shows_what_the_tool_said() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo no such thing >&2; exit 3"]);
        let error = run(command, "").unwrap_err().to_string();
        assert!(
            error.contains("no such thing") && error.contains('3'),
            "{error}"
        );
    }
}
