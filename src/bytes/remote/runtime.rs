//! The one runtime of this process for requests.

use std::future::Future;
use std::io;
use std::sync::{OnceLock, mpsc};
use tokio::runtime::{Builder, Runtime};

/// Threads of the runtime. They wait for the network nearly all the time.
const THREADS: usize = 2;

fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let build = || {
        let builder =
            Builder::new_multi_thread().worker_threads(THREADS).thread_name("neural-phylogeny").enable_all().build();
        builder.map_err(|e| e.to_string())
    };
    RUNTIME.get_or_init(build).as_ref().map_err(|e| io::Error::other(e.clone()))
}

/// Starts a request in the background.
///
/// # Errors
///
/// When the system gives no threads.
pub(super) fn start(request: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    runtime()?.spawn(request);
    Ok(())
}

/// Waits for a request.
///
/// # Errors
///
/// When the system gives no threads, or the request was stopped.
pub(super) fn wait<T: Send + 'static>(request: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
    // A caller may itself run on a worker of some runtime. There, `block_on` panics and a channel does not.
    let (send, receive) = mpsc::sync_channel(1);
    start(async move {
        // The receiver waits below, so that it is there.
        let _ = send.send(request.await);
    })?;
    receive.recv().map_err(|_| io::Error::other("the request was stopped"))
}
