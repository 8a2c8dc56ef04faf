//! Measures the requests per second on one core: `cargo bench -p stytch-sandbox`.
//!
//! The program runs as a process on the first core, if `taskset` exists, and is called over
//! persistent connections. The relevant result is the number of requests per second of its processor
//! time, which does not depend on the load of the machine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints its results and panics on errors"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const PROJECT: &str = "project-test-00000000-0000-4000-8000-000000000000";
const SECRET: &str = "secret-test-throughput";
const CONNECTIONS: usize = 16;
const LENGTH: Duration = Duration::from_secs(3);
/// The number of users created before the measurement.
const USERS: u64 = 10_000;

fn main() {
    let sandbox = Sandbox::start();
    let user = sandbox.prepare();
    println!("requests with {USERS} users and {CONNECTIONS} connections");
    println!("{:34}{:>12}{:>24}", "", "per second", "per CPU second");
    let invite = |n| {
        let body = json!({"email": format!("new{n}@example.com")});
        request("POST", "/v1/magic_links/email/invite", Some(&body))
    };
    let search = |n| {
        let value = [format!("guest{}@example.com", n % USERS)];
        let operand = json!({"filter_name": "email_address", "filter_value": value});
        let body = json!({"query": {"operator": "AND", "operands": [operand]}});
        request("POST", "/v1/users/search", Some(&body))
    };
    let (id, token) = user;
    let authenticate = json!({"session_token": token});
    sandbox.measure("whoami", |_| request("GET", "/v1/debug/whoami", None));
    sandbox.measure("users: get", |_| request("GET", &format!("/v1/users/{id}"), None));
    sandbox.measure("users: search by address", search);
    sandbox
        .measure("sessions: list", |_| request("GET", &format!("/v1/sessions?user_id={id}"), None));
    sandbox.measure("magic links: invite", invite);
    sandbox.measure("sessions: authenticate (signs a JWT)", |_| {
        request("POST", "/v1/sessions/authenticate", Some(&authenticate))
    });
}

struct Sandbox {
    program: Child,
    address: SocketAddr,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Sandbox {
    fn start() -> Self {
        let program = env!("CARGO_BIN_EXE_stytch-sandbox");
        let mut command = Command::new("taskset");
        command.args(["-c", "0", program]);
        let mut plain = Command::new(program);
        let spawn = |command: &mut Command| {
            command.args(["--listen", "127.0.0.1:0", "--no-mail-limit"]);
            command.args(["--stytch-project-id", PROJECT, "--stytch-secret", SECRET]);
            command.stdout(Stdio::piped()).spawn()
        };
        let mut program = spawn(&mut command).or_else(|_| spawn(&mut plain)).unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
        Self { program, address: url.unwrap().parse().unwrap() }
    }

    /// Creates users, and returns the id and a session token of one.
    fn prepare(&self) -> (String, String) {
        let mut connection = Connection::to(self.address);
        for n in 0..USERS {
            let body = json!({"email": format!("guest{n}@example.com")});
            connection.call(&request("POST", "/v1/users", Some(&body)));
        }
        let body = json!({"email": "guest0@example.com"});
        let path = "/v1/magic_links/email/login_or_create";
        connection.call(&request("POST", path, Some(&body)));
        let mails = connection.call("GET /sandbox/emails HTTP/1.1\r\nHost: sandbox\r\n\r\n");
        let body = json!({"token": mails[0]["token"], "session_duration_minutes": 60});
        let known = connection.call(&request("POST", "/v1/magic_links/authenticate", Some(&body)));
        let text = |name: &str| known[name].as_str().unwrap().to_owned();
        (text("user_id"), text("session_token"))
    }

    fn measure(&self, name: &str, request: impl Fn(u64) -> String + Sync) {
        let (count, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
        let (before, began) = (self.processor_time(), Instant::now());
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut connection = Connection::to(self.address);
                    while !is_over.load(Ordering::Relaxed) {
                        connection.call(&request(count.fetch_add(1, Ordering::Relaxed)));
                    }
                });
            }
            thread::sleep(LENGTH);
            is_over.store(true, Ordering::Relaxed);
        });
        let (took, worked) = (began.elapsed(), self.processor_time().saturating_sub(before));
        #[expect(clippy::cast_precision_loss, reason = "the count is far below 2^52")]
        let count = count.into_inner() as f64;
        let (rate, capacity) = (count / took.as_secs_f64(), count / worked.as_secs_f64());
        println!("{name:34}{rate:>12.0}{capacity:>24.0}");
    }

    /// Reads the processor time of all threads from `/proc/PID/stat`, in units of 10 ms.
    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.program.id())).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

fn request(method: &str, path: &str, body: Option<&Value>) -> String {
    let pair = STANDARD.encode(format!("{PROJECT}:{SECRET}"));
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Basic {pair}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a request and returns the body of its response, which must be a success.
    fn call(&mut self, request: &str) -> Value {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length) = (String::new(), 0);
        self.0.read_line(&mut status).unwrap();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap();
                }
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}
