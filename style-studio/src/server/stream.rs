//! Server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::shared::{Of, aside};
use crate::studio::Studio;

/// What a page has been told.
struct Follower {
    studio: Arc<Studio>,
    messages: Receiver<Arc<str>>,
    first: Option<Arc<str>>,
}

/// Everything now, then each change. A page that is too slow is told everything again.
pub(super) async fn events(State(shared): Of) -> crate::Result<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let studio = shared.studio;
    let (messages, first) = follow(&studio).await?;
    let follower = Follower { studio, messages, first: Some(first) };
    let stream = unfold(follower, |mut follower| async move {
        let message = match follower.first.take() {
            Some(first) => first,
            None => match follower.messages.recv().await {
                Ok(message) => message,
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => {
                    let Ok((messages, everything)) = follow(&follower.studio).await else { return None };
                    follower.messages = messages;
                    everything
                }
            },
        };
        Some((Ok(Event::default().data(&*message)), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// Asks on a thread that may wait for the lock.
async fn follow(studio: &Arc<Studio>) -> crate::Result<(Receiver<Arc<str>>, Arc<str>)> {
    let studio = Arc::clone(studio);
    aside(move || Ok(studio.follow())).await
}
