//! A program as a process: what it prints is kept, and it never outlives the test.

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

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// The path of a program: in the folder that `GUESTLIST_TEST_PROGRAMS` names, where `tests/run` puts
/// them as users build them, else where Cargo puts them, above this test's own.
///
/// Cargo's place may hold another build of the program: with the features that the tests'
/// dependencies turn on, if the whole workspace was built.
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
    /// Starts a program with nothing of this process' environment but `PATH`.
    pub fn start(
        program_name: &str,
        args: &[impl AsRef<OsStr>],
        env: &[(String, String)],
        folder: &Path,
    ) -> Self {
        // A write beyond the limit of `limit_file_size` then fails, as on a full disk, instead of
        // ending the program.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program(program_name));
        command.args(args).env_clear().envs(env.iter().cloned());
        let words = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned());
        let words: Vec<_> = std::iter::once(program_name.to_owned()).chain(words.take(2)).collect();
        Self::spawn(words.join(" "), command, folder)
    }

    /// Starts a program that may open so many files at most.
    pub fn start_with_few_files(
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

    /// A program to be started by the test itself, with outputs of its own.
    pub fn command(program_name: &str, env: &[(String, String)], folder: &Path) -> Command {
        let mut command = Command::new(program(program_name));
        command.env_clear().envs(env.iter().cloned()).current_dir(folder).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
        command
    }

    /// Runs a script of the folder.
    pub fn shell(script: &str, folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.arg(script).env_clear();
        Self::spawn(script.to_owned(), command, folder)
    }

    fn spawn(name: String, mut command: Command, folder: &Path) -> Self {
        command.current_dir(folder);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder);
        // By this, `tests/run` finds what a killed test left behind.
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

    /// The first line on stdout that is wanted.
    pub async fn line(&self, limit: Duration, is_wanted: impl Fn(&str) -> bool) -> String {
        wait_until(limit, &format!("{} printed a line", self.name), async || {
            let ended = self.status();
            let found = self.out().into_iter().find(|line| is_wanted(line));
            let is_over = found.is_none() && ended.is_some();
            assert!(!is_over, "{} ended: {ended:?}\n{}", self.name, self.log());
            found
        })
        .await
    }

    /// The lines on stdout so far.
    pub fn out(&self) -> Vec<String> {
        self.of(Stream::Out)
    }

    /// What it has logged so far.
    pub fn stderr(&self) -> String {
        self.of(Stream::Err).iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    fn of(&self, stream: Stream) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line.0 == stream).map(|line| line.1.clone()).collect()
    }

    /// All that it has printed so far.
    pub fn log(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().flat_map(|line| [line.1.as_str(), "\n"]).collect()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }

    /// Limits how long, in bytes, the files are that it writes; none lifts the limit.
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

    /// Sends SIGSTOP, and waits until all its threads have stopped.
    pub async fn freeze(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.id());
        let is_stopped = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
            stat.rsplit(')').next().is_some_and(|fields| fields.starts_with(" T"))
        };
        wait_until(SHORT, &format!("{} has stopped", self.name), async || {
            let mut threads = std::fs::read_dir(&threads).unwrap();
            threads.all(is_stopped).then_some(())
        })
        .await;
    }

    /// Ends it by SIGKILL, in whatever it is doing.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits until it ends by itself.
    pub async fn finished(mut self, limit: Duration) -> Finished {
        let end = format!("{} ended\n{}", self.name, self.log());
        let status = wait_until(limit, &end, async || self.status()).await;
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let text = |stream| self.of(stream).join("\n");
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: text(Stream::Out),
            stderr: text(Stream::Err),
        }
    }

    /// Its name and the end of what it printed, for a failed test.
    pub(crate) fn last_words(&self) -> String {
        const MOST: usize = 120;
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(MOST)..].join("\n");
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
