//! The end of a process: what asks for it, and how long it may take.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The time that requests and jobs under way have to end.
pub const DRAIN: Duration = Duration::from_secs(20);
/// The time that a last write has, once nothing runs any more.
pub const FLUSH: Duration = Duration::from_secs(3);
/// The time after which a process that was asked to stop ends, whatever still runs. Supervisors
/// commonly kill after 30 s.
const DEADLINE: Duration = Duration::from_secs(27);
/// The time that blocking calls have to return after the last task has ended.
const BLOCKING: Duration = Duration::from_secs(1);
/// As a shell reports a process that SIGINT has ended.
const INTERRUPTED: i32 = 130;

/// Returns a token that the first SIGINT or SIGTERM cancels. The second one ends the process at
/// once, and so does a deadline, so that nothing that hangs can keep it.
pub fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    // Before the task runs: a signal that comes earlier would end the process without draining.
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            tracing::error!("signals can't be handled; they end this process without draining");
            return;
        };
        received(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping once running work has ended; signal again to stop at once");
        stopping.cancel();
        let second = received(&mut interrupt, &mut terminate);
        if tokio::time::timeout(DEADLINE, second).await.is_err() {
            let seconds = DEADLINE.as_secs();
            tracing::error!("not stopped after {seconds} s: ending with work still running");
            std::process::exit(1);
        }
        std::process::exit(INTERRUPTED);
    });
    stop
}

async fn received(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Runs a program on a runtime of its own. Blocking calls that hang do not delay its end.
pub fn block_on<F: Future>(program: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let output = runtime.block_on(program);
    runtime.shutdown_timeout(BLOCKING);
    Ok(output)
}
