//! Programs as child processes, whose output is kept and which are killed with the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{SHORT, wait_until};

type Lines = Arc<Mutex<Vec<(Stream, String)>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    lines: Lines,
    readers: Vec<JoinHandle<()>>,
}

/// The exit status and the output of a program.
#[derive(Debug)]
pub struct ProcessOutput {
    /// The exit code; `None` if a signal ended the program.
    pub code: Option<i32>,
    /// The signal that ended the program.
    pub signal: Option<i32>,
    /// Everything that it wrote to stdout.
    pub stdout: String,
    /// Everything that it wrote to stderr.
    pub stderr: String,
}

/// Returns the path of a program: in the folder that `GUESTLIST_TEST_PROGRAMS` names, or in Cargo's
/// target folder.
///
/// `tests/run` sets the variable to a folder of programs that are built as users build them. Cargo's
/// folder may hold a build of the whole workspace, in which the tests' dependencies turn on
/// features that users do not have.
pub fn program(name: &str) -> PathBuf {
    let chosen = std::env::var_os("GUESTLIST_TEST_PROGRAMS").map(PathBuf::from);
    let folder = chosen.unwrap_or_else(|| {
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().to_owned()
    });
    let path = folder.join(name);
    let build = "cargo build -p guestlist -p guestlist-worker -p stytch-sandbox";
    assert!(path.exists(), "{} is missing: {build}", path.display());
    path
}

impl Process {
    /// Starts a program whose environment is `env`, `PATH` and `HOME`.
    pub fn start(
        program_name: &str,
        args: &[impl AsRef<OsStr>],
        env: &[(String, String)],
        folder: &Path,
    ) -> Self {
        // The program ignores SIGXFSZ, so that a write beyond the limit of `limit_file_size` fails
        // as on a full disk.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program(program_name));
        command.args(args).env_clear().envs(env.iter().cloned());
        let words = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned());
        let words: Vec<_> = std::iter::once(program_name.to_owned()).chain(words.take(2)).collect();
        Self::spawn(words.join(" "), command, folder)
    }

    /// Starts a program with a limit on open files.
    pub fn start_with_file_limit(
        program_name: &str,
        args: &[&str],
        env: &[(String, String)],
        folder: &Path,
        files: u32,
    ) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n $0 && exec \"$@\"", &files.to_string()]);
        command.arg(program(program_name)).args(args).env_clear().envs(env.iter().cloned());
        Self::spawn(program_name.to_owned(), command, folder)
    }

    /// Returns a command for a program, whose output the test redirects.
    pub fn command(program_name: &str, env: &[(String, String)], folder: &Path) -> Command {
        let mut command = Command::new(program(program_name));
        command.env_clear().envs(env.iter().cloned()).current_dir(folder).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
        command
    }

    /// Starts a shell script in the folder.
    pub fn shell(script: &str, folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.arg(script).env_clear();
        Self::spawn(script.to_owned(), command, folder)
    }

    fn spawn(name: String, mut command: Command, folder: &Path) -> Self {
        command.current_dir(folder);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
        // `tests/run` finds the children of a killed test by this variable.
        if let Some(run) = std::env::var_os("GUESTLIST_TEST_RUN") {
            command.env("GUESTLIST_TEST_RUN", run);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Lines::default();
        let out = follow(child.stdout.take().unwrap(), Stream::Out, &lines);
        let err = follow(child.stderr.take().unwrap(), Stream::Err, &lines);
        Self { name, child: Mutex::new(child), lines, readers: vec![out, err] }
    }

    /// Waits for a line on stdout that matches.
    pub async fn wait_for_line(&self, limit: Duration, matches: impl Fn(&str) -> bool) -> String {
        wait_until(limit, &format!("{} prints the line", self.name), async || {
            let ended = self.status();
            let found = self.stdout_lines().into_iter().find(|line| matches(line));
            let is_over = found.is_none() && ended.is_some();
            assert!(!is_over, "{} ended: {ended:?}\n{}", self.name, self.log());
            found
        })
        .await
    }

    /// Waits for a line on stdout with these words, and returns the URLs in it.
    pub async fn urls(&self, words: &str) -> Vec<String> {
        let line = self.wait_for_line(SHORT, |line| line.contains(words)).await;
        let urls = line.split_whitespace().filter(|word| word.starts_with("http"));
        urls.map(|url| url.trim_end_matches([',', '/', '.']).to_owned()).collect()
    }

    /// Returns the lines on stdout so far.
    pub fn stdout_lines(&self) -> Vec<String> {
        self.lines_of(Stream::Out)
    }

    /// Returns everything that it has written to stderr so far.
    pub fn stderr(&self) -> String {
        self.lines_of(Stream::Err).iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    fn lines_of(&self, stream: Stream) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line.0 == stream).map(|line| line.1.clone()).collect()
    }

    /// Returns everything that it has printed so far.
    pub fn log(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().flat_map(|line| [line.1.as_str(), "\n"]).collect()
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Returns its exit status if it has exited.
    pub fn status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }

    /// Limits the size in bytes of the files that it writes; `None` removes the limit.
    pub fn limit_file_size(&self, limit: Option<u64>) {
        let limit = limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        let mut command = Command::new("prlimit");
        command.arg(format!("--pid={}", self.id())).arg(format!("--fsize={limit}:"));
        assert!(command.status().unwrap().success(), "{command:?}");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Sends SIGSTOP, and waits until every thread has stopped.
    pub async fn freeze(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.id());
        let is_stopped = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
            stat.rsplit(')').next().is_some_and(|fields| fields.starts_with(" T"))
        };
        wait_until(SHORT, &format!("{} is stopped", self.name), async || {
            let mut threads = std::fs::read_dir(&threads).unwrap();
            threads.all(is_stopped).then_some(())
        })
        .await;
    }

    /// Sends SIGKILL, and waits until it has exited.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits until it exits.
    pub async fn wait_for_exit(mut self, limit: Duration) -> ProcessOutput {
        let end = format!("{} exits\n{}", self.name, self.log());
        let status = wait_until(limit, &end, async || self.status()).await;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let text = |stream| self.lines_of(stream).join("\n");
        ProcessOutput {
            code: status.code(),
            signal: status.signal(),
            stdout: text(Stream::Out),
            stderr: text(Stream::Err),
        }
    }

    /// Returns its name, its status and the last 120 lines of its output.
    pub(crate) fn log_tail(&self) -> String {
        const MAX_LINES: usize = 120;
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(MAX_LINES)..].join("\n");
        format!("--- {} ({:?}) ---\n{tail}\n", self.name, self.status())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn follow(pipe: impl Read + Send + 'static, stream: Stream, lines: &Lines) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while pipe.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
            lines.lock().unwrap().push((stream, line));
            bytes.clear();
        }
    })
}
