//! Shutdown on signals, and the time limits for it.

use std::time::Duration;

use async_trait::async_trait;
use guestlist_domain::CallGate;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Time limit for requests and jobs in progress.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Time limit for a last write when nothing runs any more.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// Time after which a stopping process exits, even if something still runs. Supervisors commonly kill after
/// 30 seconds.
const EXIT_DEADLINE: Duration = Duration::from_secs(27);
/// Time limit for blocking calls after the last task has ended.
const BLOCKING_TIMEOUT: Duration = Duration::from_secs(1);
/// The exit status that a shell reports for a process ended by SIGINT.
const EXIT_INTERRUPTED: i32 = 130;
/// SIGXFSZ on Linux and macOS: a write exceeds the file size limit.
const FILE_SIZE_EXCEEDED: i32 = 25;

/// Returns a token that the first SIGINT or SIGTERM cancels. The second signal, or a deadline of 27
/// seconds, ends the process immediately.
pub fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    // Registered before the task runs: an earlier signal would end the process without draining.
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            tracing::error!("no signal handlers; signals will end this process without draining");
            return;
        };
        received(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping when running work has ended; signal again to stop at once");
        stopping.cancel();
        let second = received(&mut interrupt, &mut terminate);
        if tokio::time::timeout(EXIT_DEADLINE, second).await.is_err() {
            let seconds = EXIT_DEADLINE.as_secs();
            tracing::error!("not stopped after {seconds} s; exiting while work is still running");
            std::process::exit(1);
        }
        std::process::exit(EXIT_INTERRUPTED);
    });
    stop
}

async fn received(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Runs a future on a new runtime. Blocking calls that hang do not delay the return.
pub fn block_on<F: Future>(program: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let output = runtime.block_on(async {
        // With a handler, a write beyond `ulimit -f` fails, as on a full disk, instead of ending the
        // process.
        let handler = signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED));
        if let Err(error) = &handler {
            tracing::debug!(%error, "SIGXFSZ is not handled");
        }
        program.await
    });
    runtime.shutdown_timeout(BLOCKING_TIMEOUT);
    Ok(output)
}

/// Allows a command, which holds no job, to call the provider until it is stopped.
#[derive(Debug, Clone)]
pub struct CommandCallGate(pub CancellationToken);

#[async_trait]
impl CallGate for CommandCallGate {
    async fn may_call(&self) -> bool {
        !self.0.is_cancelled()
    }
}
