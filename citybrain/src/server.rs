//! The one listener: API, console, metrics.

use axum::Router;
use citybrain_console::House;
use citybrain_dispatcher::Services;
use citybrain_ingest_config::City;
use citybrain_types::Configurator;
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long open requests may take to end once the city stops; event streams end at once.
const END_WITHIN: Duration = Duration::from_secs(2);

/// A port that was left to the system is known only now.
pub fn learn_address(city: &mut City, address: SocketAddr) {
    let asked = city.site.listen;
    city.site.listen = address;
    let url = &mut city.site.public_url;
    if asked.port() == 0
        && url.port_or_known_default() != Some(address.port())
        && url.host_str() == Some(&asked.ip().to_string())
    {
        // It fails only for addresses that cannot have a port, which an http address is not.
        let _ = url.set_port(Some(address.port()));
    }
}

/// The metrics as `/metrics` shows them.
fn written(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, registry);
    text
}

/// The running server.
pub struct Serving {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Serving {
    /// Serves until [`Serving::stop`].
    pub fn start(
        listener: TcpListener,
        services: Services,
        registry: Arc<Registry>,
        configurator: Option<Arc<dyn Configurator>>,
    ) -> Self {
        let stop = CancellationToken::new();
        let for_console = Arc::clone(&registry);
        let house = House { metrics: Arc::new(move || written(&for_console)), configurator };
        let routes: Router = citybrain_dispatcher::api::router(services.clone(), registry)
            .merge(citybrain_console::router(services, house));
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "the listener failed");
            }
        });
        Self { stop, task }
    }

    /// Takes no new request and ends.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(END_WITHIN, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}
