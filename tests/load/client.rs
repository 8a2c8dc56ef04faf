//! An HTTP client that costs little, because it shares the cores with the programs under test. All
//! its connections run on one thread.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A persistent connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body_start: usize,
}

/// The responses of all clients in one run.
#[derive(Debug, Default)]
pub struct LoadResult {
    /// The response time of each request with the expected status, in microseconds, sorted.
    pub times: Vec<u32>,
    /// The number of other responses, and the first of them.
    pub failures: usize,
    pub first_failure: Option<String>,
    pub duration: Duration,
}

/// When clients stop.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    Sent(u64),
}

impl Connection {
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1 << 16), body_start: 0 })
    }

    /// Sends a request, reads the whole response, and returns its status.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut end = None;
        while end.is_none_or(|end| self.buffer.len() < end) {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if end.is_none()
                && let Some(head) = Head::parse(&self.buffer)
            {
                self.body_start = head.length;
                end = Some(head.length + head.body_length);
            }
        }
        Ok(status(&self.buffer))
    }

    /// Returns the body of the last response.
    pub fn body(&self) -> &[u8] {
        &self.buffer[self.body_start..]
    }
}

/// Returns a request as it is sent.
pub fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    if !token.is_empty() {
        let _ = write!(request, "authorization: Bearer {token}\r\n");
    }
    if !body.is_empty() {
        request += "content-type: application/json\r\n";
        let _ = write!(request, "content-length: {}\r\n", body.len());
    }
    request += "\r\n";
    (request + body).into_bytes()
}

/// Sends requests on several connections at the same time, each after the response to the one before.
pub async fn load(
    address: &str,
    clients: usize,
    until: Until,
    expected_status: u16,
    request: impl Fn(u64) -> Vec<u8>,
) -> LoadResult {
    let (sent, started) = (std::cell::Cell::new(0), Instant::now());
    let is_over = || match until {
        Until::Elapsed(limit) => started.elapsed() >= limit,
        Until::Sent(limit) => sent.get() >= limit,
    };
    let client = async || {
        let mut result = LoadResult::default();
        let mut connection = Connection::open(address).await?;
        while !is_over() {
            let request = request(sent.replace(sent.get() + 1));
            let sent_at = Instant::now();
            let status = connection.send(&request).await?;
            if status == expected_status {
                let micros = sent_at.elapsed().as_micros();
                result.times.push(u32::try_from(micros).unwrap_or(u32::MAX));
            } else {
                result.failures += 1;
                let body = String::from_utf8_lossy(connection.body());
                result.first_failure.get_or_insert_with(|| format!("{status} {body}"));
            }
        }
        Ok(result)
    };
    let results: Vec<io::Result<LoadResult>> =
        join_all((0..clients).map(|_| client())).await.into_iter().collect();
    let mut total = LoadResult { duration: started.elapsed(), ..LoadResult::default() };
    for result in results {
        match result {
            Ok(result) => {
                total.times.extend(result.times);
                total.failures += result.failures;
                total.first_failure = total.first_failure.or(result.first_failure);
            }
            Err(error) => {
                total.failures += 1;
                total.first_failure = total.first_failure.or(Some(error.to_string()));
            }
        }
    }
    total.times.sort_unstable();
    total
}

impl LoadResult {
    /// Returns the number of requests with the expected status.
    pub fn count(&self) -> f64 {
        f64::from(u32::try_from(self.times.len()).unwrap_or(u32::MAX))
    }

    pub fn per_second(&self) -> f64 {
        self.count() / self.duration.as_secs_f64()
    }

    /// Returns a percentile of the response times, in milliseconds.
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        let index = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
        f64::from(self.times.get(index).copied().unwrap_or_default()) / 1000.0
    }
}

struct Head {
    length: usize,
    body_length: usize,
}

impl Head {
    /// Parses the head of a response; `None` until it is whole. The programs send the length of each
    /// body.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let length = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = str::from_utf8(&bytes[..length]).unwrap_or_default();
        let named = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        };
        Some(Self { length, body_length: head.lines().find_map(named).unwrap_or(0) })
    }
}

fn status(bytes: &[u8]) -> u16 {
    let digits = bytes.get(9..12).and_then(|digits| str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_whole() {
        let response =
            b"HTTP/1.1 202 Accepted\r\nContent-Length: 12\r\nvary: a\r\n\r\n{\"id\": 1}...";
        assert!(Head::parse(&response[..40]).is_none());
        let head = Head::parse(response).unwrap();
        assert_eq!((head.length, head.body_length), (response.len() - 12, 12));
        assert_eq!(status(response), 202);
    }

    #[test]
    fn percentiles_are_read_from_sorted_times() {
        let result =
            LoadResult { times: (1..=200).map(|n| n * 1000).collect(), ..LoadResult::default() };
        assert!((result.percentile_ms(50) - 101.0).abs() < 0.01);
        assert!((result.percentile_ms(99) - 199.0).abs() < 0.01);
        assert!((LoadResult::default().percentile_ms(50)).abs() < 0.01);
    }
}
