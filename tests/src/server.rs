//! A database server of a test's own, to be stopped and started again.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::setup::free_port;
use crate::{Engine, LONG, wait_until};

/// A server that nobody else uses.
#[derive(Debug)]
pub struct Server {
    script: PathBuf,
    port: u16,
    options: &'static [&'static str],
    child: Option<Child>,
    folder: TempDir,
}

impl Server {
    /// Starts one of that kind; an embedded database has none.
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, &[]).await
    }

    /// Starts one with further options on its command line.
    pub async fn start_with(engine: Engine, options: &'static [&'static str]) -> Self {
        let name = match engine {
            Engine::Sqlite => panic!("SQLite has no server"),
            Engine::MySql => "mysql.sh",
            Engine::MariaDb => "mariadb.sh",
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name);
        let folder = TempDir::with_prefix("guestlist-server-").unwrap();
        let mut server = Self { script, port: free_port(), options, child: None, folder };
        server.start_again().await;
        server
    }

    /// Another server of the same kind, which starts on a copy of this one's data. This one is
    /// restarted for that.
    pub async fn copy(&mut self) -> Self {
        self.stop().await;
        let folder = TempDir::with_prefix("guestlist-server-").unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(self.folder.path().join(".")).arg(folder.path());
        assert!(copy.status().unwrap().success());
        self.start_again().await;
        let (script, options) = (self.script.clone(), self.options);
        let mut other = Self { script, port: free_port(), options, child: None, folder };
        other.start_again().await;
        other
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Runs statements as the server's administrator.
    pub fn administer(&self, sql: &str) {
        self.try_administer(sql).unwrap();
    }

    /// Runs statements as the server's administrator.
    ///
    /// # Errors
    ///
    /// What the server says against one of them.
    pub fn try_administer(&self, sql: &str) -> Result<(), String> {
        let mut client = Command::new("bash");
        client.arg(&self.script).arg("sql").arg(self.folder.path()).args(["-e", sql]);
        let output = client.stdin(Stdio::null()).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(format!("{sql}: {output:?}")) }
    }

    /// Starts it on what it has kept.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let url = self.folder.path().join("url");
        let _ = std::fs::remove_file(&url);
        let output = std::fs::File::create(self.folder.path().join("output")).unwrap();
        let mut command = Command::new("bash");
        command.arg(&self.script).arg("run").arg(self.folder.path()).arg(self.port.to_string());
        command.args(self.options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        self.child = Some(command.spawn().unwrap());
        wait_until(LONG, "the server answers", async || url.exists().then_some(())).await;
    }

    /// Ends it as its operator would, and waits until nobody listens.
    pub async fn stop(&mut self) {
        let child = self.child.take().expect("it runs");
        let kill = format!("kill -TERM {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let child = RefCell::new(child);
        let ended = async || child.borrow_mut().try_wait().unwrap();
        wait_until(LONG, "the server stopped", ended).await;
        assert!(TcpStream::connect(("127.0.0.1", self.port)).is_err(), "somebody answers");
    }

    /// Stops its process where it is: it accepts connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let kill = format!("kill -{name} {}", pid.trim());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Where it is, for somebody who may create databases.
    pub fn url(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("url")).unwrap().trim().to_owned()
    }

    /// Stopped for so long, and then started again.
    pub async fn away_for(&mut self, time: Duration) {
        self.stop().await;
        tokio::time::sleep(time).await;
        self.start_again().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
