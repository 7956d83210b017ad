//! The async runtime, and how synchronous code waits for it.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use tokio::task::{AbortHandle, JoinSet};

use super::answer;
use super::retry::Trouble;
use crate::cancel::Cancel;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::caps;

/// How often the cancel flag is looked at while nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// Threads that keep connections going. They look names up, connect, speak TLS and HTTP, and have no capabilities.
#[derive(Debug)]
pub struct Runtime {
    /// Only taken when this is dropped.
    threads: Option<tokio::runtime::Runtime>,
    handle: tokio::runtime::Handle,
    cancel: Cancel,
}

impl Runtime {
    /// Starts the threads.
    pub fn new(cancel: Cancel) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("registry")
            .on_thread_start(drop_capabilities)
            .enable_all()
            .build()
            .map_err(|error| Error::io("start the network threads", error))?;
        Ok(Self { handle: runtime.handle().clone(), threads: Some(runtime), cancel })
    }

    /// Waits until `work` is done.
    ///
    /// # Errors
    /// Its own; `Interrupted` soon after the cancel flag was raised.
    pub fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.wait_while(&|| self.cancel.check(), work)
    }

    /// The same for as long as `check` says so.
    pub fn wait_while<T>(&self, check: &dyn Fn() -> Result<()>, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.handle.block_on(async {
            let mut work = pin!(work);
            loop {
                check()?;
                if let Ok(result) = tokio::time::timeout(TICK, &mut work).await {
                    return result;
                }
            }
        })
    }

    /// Lets time pass for as long as `check` says so.
    pub fn sleep(&self, check: &dyn Fn() -> Result<()>, time: Duration) -> Result<()> {
        self.wait_while(check, async {
            tokio::time::sleep(time).await;
            Ok(())
        })
    }

    /// Begins work that goes on while nobody waits for it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.handle.spawn(work).abort_handle()
    }
}

/// Where this fails, [`send`] refuses to go on.
fn drop_capabilities() {
    if let Err(error) = caps::drop_all() {
        tracing::debug!(%error, "a network thread keeps its capabilities");
    }
}

/// Sends a request from one of the runtime's threads, and waits for the head of the answer. Whoever asks may have
/// capabilities, so it must not connect or speak TLS itself.
///
/// # Errors
/// Those of the network, told of `host`; `Permission` if the threads could not drop their capabilities.
pub async fn send(request: RequestBuilder, host: &str) -> Result<Response, Trouble> {
    // Ends with whoever waits for it.
    let mut task = JoinSet::new();
    task.spawn(async move {
        if !caps::holds_none()? {
            let message = "the network threads cannot drop their capabilities: a sandbox forbids capset";
            return Err(Error::new(ErrorKind::Permission, message));
        }
        Ok(request.send().await)
    });
    let Some(Ok(sent)) = task.join_next().await else {
        return Err(Error::new(ErrorKind::Failed, format!("{host}: the network threads have ended")).into());
    };
    sent?.map_err(|error| answer::network(host, error))
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Otherwise this would wait for name resolution, which nothing can interrupt.
        if let Some(runtime) = self.threads.take() {
            runtime.shutdown_background();
        }
    }
}
