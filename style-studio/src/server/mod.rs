//! The server: a listener, the threads that answer requests, and the thread that paints.

mod api;
mod assets;
mod guard;
mod shared;
mod stream;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::options::{Options, USUAL_PORT};
use crate::store::Store;
use crate::studio::{self, Studio};
use shared::Shared;

/// Uploads that are received at a time.
const UPLOADS: usize = 2;

/// How long requests may take to end when the server stops.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running studio. Dropping it stops it.
pub struct Server {
    studio: Arc<Studio>,
    runtime: Option<Runtime>,
    worker: Option<JoinHandle<()>>,
    at: SocketAddr,
    token: Id,
}

impl Server {
    /// Opens the folder, goes on with its jobs, and serves the page.
    ///
    /// # Errors
    /// `Bind` if the address is not available; `Store` if the folder cannot be used; `Conflict` if another server uses it.
    pub fn start(options: Options) -> Result<Self> {
        let store = Store::open(&options.folder)?;
        let token = store.token()?;
        let threads =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(8).enable_all().build();
        let runtime = threads.map_err(Error::store("no threads can be started to serve"))?;
        let listener = runtime.block_on(listen(&options))?;
        let at = listener.local_addr().map_err(Error::store("the address is unknown"))?;
        let studio = Arc::new(Studio::open(store, &options.samples, options.threads)?);
        let uploads = Arc::new(Semaphore::new(UPLOADS));
        let shared = Shared { studio: Arc::clone(&studio), uploads, most_upload: options.most_upload };
        let inner = Router::new().merge(assets::routes()).merge(api::routes()).with_state(shared);
        let gate = guard::Gate::new(at, token, inner);
        let app = guard::pass.with_state(gate);
        let worker = studio::start(&studio)?;
        runtime.spawn(async move { axum::serve(listener, app.into_make_service()).await });
        Ok(Self { studio, runtime: Some(runtime), worker: Some(worker), at, token })
    }

    /// The address of the page, with its token. Who knows it can use the studio. If all addresses of the machine are served,
    /// this is its own one for itself.
    #[must_use]
    pub fn address(&self) -> String {
        let mut at = self.at;
        if at.ip().is_unspecified() {
            at.set_ip(if at.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        format!("http://{at}/{}/", self.token)
    }

    /// A page on the disk that leads to the address, for its owner only. Open it in place of the address, which other users of
    /// the machine could read on the browser's command line.
    ///
    /// # Errors
    /// `Store` if it cannot be written.
    pub fn door(&self) -> Result<PathBuf> {
        self.studio.store.put_door(&self.address())
    }

    /// Stops painting after the evaluation under way, keeps the progress, and stops serving.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.studio.stop();
        if let Some(worker) = self.worker.take() {
            // A panic has been reported by then.
            let _ = worker.join();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(PATIENCE);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("at", &self.at).finish_non_exhaustive()
    }
}

async fn listen(options: &Options) -> Result<TcpListener> {
    let at = SocketAddr::new(options.bind, options.port.unwrap_or(USUAL_PORT));
    match (TcpListener::bind(at).await, options.port) {
        (Ok(listener), _) => Ok(listener),
        (Err(_), None) => {
            let any = SocketAddr::new(options.bind, 0);
            TcpListener::bind(any).await.map_err(|source| Error::Bind { address: any, source })
        }
        (Err(source), Some(_)) => Err(Error::Bind { address: at, source }),
    }
}
