//! A database server that one test stops, freezes and starts again.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Engine, LONG, free_port, wait_until};

/// A MySQL or MariaDB server of one test.
#[derive(Debug)]
pub struct DatabaseServer {
    script: PathBuf,
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

impl DatabaseServer {
    /// Starts a server.
    ///
    /// # Panics
    ///
    /// Panics for SQLite, which has no server.
    pub async fn start(engine: Engine) -> Self {
        let name = match engine {
            Engine::Sqlite => panic!("SQLite has no server"),
            Engine::MySql => "mysql.sh",
            Engine::MariaDb => "mariadb.sh",
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name);
        let folder = TempDir::with_prefix("guestlist-server-").unwrap();
        let mut server = Self { script, port: free_port(), child: None, folder };
        server.start_process().await;
        server
    }

    /// Restarts this server, and starts another one on a copy of its data.
    pub async fn copy(&mut self) -> Self {
        self.stop().await;
        let folder = TempDir::with_prefix("guestlist-server-").unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(self.folder.path().join(".")).arg(folder.path());
        assert!(copy.status().unwrap().success());
        self.start_process().await;
        let script = self.script.clone();
        let mut other = Self { script, port: free_port(), child: None, folder };
        other.start_process().await;
        other
    }

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Executes statements as root.
    pub fn execute_as_root(&self, sql: &str) {
        let mut client = Command::new("bash");
        client.arg(&self.script).arg("sql").arg(self.folder.path()).args(["-e", sql]);
        let output = client.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{sql}: {output:?}");
    }

    /// Starts the stopped server on its existing data.
    pub async fn start_process(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let url = self.folder.path().join("url");
        let _ = std::fs::remove_file(&url);
        let output = std::fs::File::create(self.folder.path().join("output")).unwrap();
        let mut command = Command::new("bash");
        command.arg(&self.script).arg("run").arg(self.folder.path()).arg(self.port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        self.child = Some(command.spawn().unwrap());
        wait_until(LONG, "the server accepts queries", async || url.exists().then_some(())).await;
    }

    /// Stops the server with SIGTERM, and waits until its port is closed.
    pub async fn stop(&mut self) {
        let child = self.child.take().expect("a running server");
        let kill = format!("kill -TERM {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let child = RefCell::new(child);
        let ended = async || child.borrow_mut().try_wait().unwrap();
        wait_until(LONG, "the server stops", ended).await;
        assert!(TcpStream::connect(("127.0.0.1", self.port)).is_err(), "the port is still open");
    }

    /// Sends SIGSTOP: the kernel accepts connections, and the server answers none.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Sends SIGCONT, after [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let kill = format!("kill -{name} {}", pid.trim());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Returns its URL, for a user who may create databases.
    pub fn url(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("url")).unwrap().trim().to_owned()
    }

    /// Stops the server, and starts it again after a time.
    pub async fn stop_for(&mut self, time: Duration) {
        self.stop().await;
        tokio::time::sleep(time).await;
        self.start_process().await;
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
