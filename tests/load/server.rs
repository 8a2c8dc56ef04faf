//! The database servers to measure on.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use guestlist_tests::{Engine, LONG, free_port, wait_until};
use tempfile::TempDir;

/// A server of `tests/servers`, which those scripts start for tests without durability, with the
/// settings that decide durability as they are by default.
#[derive(Debug)]
pub struct Server {
    child: Child,
    folder: TempDir,
}

const DURABLE: [&str; 3] = [
    "--innodb-flush-method=O_DIRECT",
    "--innodb-doublewrite=ON",
    "--innodb-flush-log-at-trx-commit=1",
];
/// Enough for a million rows of each table. The default is for machines that do other things.
const MEMORY: &str = "--innodb-buffer-pool-size=2G";

impl Server {
    /// Starts a server; `None` for SQLite, which has none.
    pub async fn start(engine: Engine) -> Option<Self> {
        let (script, log_size) = match engine {
            Engine::Sqlite => return None,
            Engine::MySql => ("mysql.sh", "--innodb-redo-log-capacity=1G"),
            Engine::MariaDb => ("mariadb.sh", "--innodb-log-file-size=1G"),
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(script);
        let folder = TempDir::with_prefix("guestlist-load-").expect("a folder");
        let output = fs::File::create(folder.path().join("output")).expect("a file");
        let mut command = Command::new("bash");
        command.arg(script).arg("run").arg(folder.path()).arg(free_port().to_string());
        command.args(DURABLE).args([MEMORY, log_size]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let server = Self { child: command.spawn().expect("bash"), folder };
        let url = server.folder.path().join("url");
        wait_until(LONG, "the database server accepts queries", async || {
            url.exists().then_some(())
        })
        .await;
        Some(server)
    }

    /// Returns its URL, for a user who may create databases.
    pub fn url(&self) -> String {
        let url = fs::read_to_string(self.folder.path().join("url"));
        url.expect("the server has written its URL").trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
