//! The requests of the page.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use serde::de::DeserializeOwned;
use serde_json::json;
use style_transfer::ErrorKind;
use tokio::time::timeout;

use super::shared::{Of, Shared, aside};
use super::stream;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::pictures;
use crate::settings::Change;
use crate::studio::{File, NewJob, Studio};

/// The most bytes of a request that is not a picture.
const MOST_TEXT: usize = 16 << 10;

/// How long a request may take to arrive, so that one that never ends does not keep others out.
const PATIENCE: Duration = Duration::from_secs(120);

/// The most bytes of a mask.
const MOST_MASK: usize = 8 << 20;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/events", get(stream::events))
        .route("/api/pictures", post(keep_picture))
        .route("/api/pictures/{id}/{side}", get(thumbnail))
        .route("/api/jobs", get(jobs).post(create))
        .route("/api/jobs/{id}", delete(remove).patch(change))
        .route("/api/jobs/{id}/{action}", post(act))
        .route("/api/jobs/{id}/files/{name}", get(file))
        .route("/api/jobs/{id}/mask", put(set_mask).delete(lift_mask))
        .route("/api/jobs/{id}/snapshots/{number}", get(snapshot).post(restore))
}

/// Answers with an error as JSON.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Store { .. } | Self::Bind { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Engine(e) => match e.kind() {
                ErrorKind::Image | ErrorKind::Shape | ErrorKind::TooSmall { .. } | ErrorKind::Argument => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                ErrorKind::OutOfMemory => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        (status, axum::Json(json!({ "error": self.told() }))).into_response()
    }
}

async fn body(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|said| said > most as u64) {
        return Err(Error::TooLarge { most });
    }
    let late =
        |_| Error::Invalid(format!("the request did not arrive within {} seconds; try again", PATIENCE.as_secs()));
    // It fails at the limit, or if the connection breaks, when nobody reads the answer.
    timeout(PATIENCE, to_bytes(body, most)).await.map_err(late)?.map_err(|_| Error::TooLarge { most })
}

async fn text<T: DeserializeOwned>(request: Request) -> Result<T> {
    let (parts, content) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Error::Invalid("the request must be of the type application/json".into()));
    }
    let bytes = body(&parts.headers, content, MOST_TEXT).await?;
    serde_json::from_slice(&bytes).map_err(|e| Error::Invalid(format!("the request is not understood: {e}")))
}

fn id(text: &str) -> Result<Id> {
    text.parse().map_err(|()| Error::Missing("job"))
}

fn file_of(kind: &'static str, bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, kind)], bytes).into_response()
}

async fn keep_picture(State(shared): Of, request: Request) -> Result<Response> {
    let (parts, content) = request.into_parts();
    let permit = shared.uploads.acquire_owned().await.map_err(|_| Error::Conflict("the studio is stopping".into()))?;
    let bytes = body(&parts.headers, content, shared.most_upload).await?;
    let kept = aside(move || {
        let kept = pictures::keep_upload(&shared.studio.store, &bytes);
        drop(permit);
        kept
    });
    Ok((StatusCode::CREATED, axum::Json(kept.await?)).into_response())
}

async fn thumbnail(State(shared): Of, Path((name, side)): Path<(String, u32)>) -> Result<Response> {
    let id = name.parse().map_err(|()| Error::Missing("picture"))?;
    let bytes = aside(move || pictures::thumbnail(&shared.studio.store, id, side)).await?;
    let mut response = file_of("image/jpeg", bytes);
    // The name is that of the content.
    let for_ever = header::HeaderValue::from_static("private, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, for_ever);
    Ok(response)
}

async fn jobs(State(shared): Of) -> Result<Response> {
    let listed = aside(move || Ok(shared.studio.listed().to_string())).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], listed).into_response())
}

async fn create(State(shared): Of, request: Request) -> Result<Response> {
    let new: NewJob = text(request).await?;
    let id = aside(move || shared.studio.create(new)).await?;
    Ok((StatusCode::CREATED, axum::Json(json!({ "id": id }))).into_response())
}

/// Changes a job, and answers without content.
async fn changed(shared: Shared, work: impl FnOnce(&Studio) -> Result<()> + Send + 'static) -> Result<StatusCode> {
    aside(move || work(&shared.studio)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(State(shared): Of, Path(name): Path<String>, request: Request) -> Result<StatusCode> {
    let (id, change): (_, Change) = (id(&name)?, text(request).await?);
    changed(shared, move |studio| studio.change(id, &change)).await
}

async fn remove(State(shared): Of, Path(name): Path<String>) -> Result<StatusCode> {
    let id = id(&name)?;
    changed(shared, move |studio| studio.delete(id)).await
}

async fn act(State(shared): Of, Path((name, action)): Path<(String, String)>) -> Result<StatusCode> {
    let id = id(&name)?;
    let act: fn(&Studio, Id) -> Result<()> = match &*action {
        "pause" => Studio::pause,
        "resume" => Studio::resume,
        "snapshots" => Studio::keep,
        _ => return Err(Error::Missing("action")),
    };
    changed(shared, move |studio| act(studio, id)).await
}

async fn file(State(shared): Of, Path((name, file)): Path<(String, String)>) -> Result<Response> {
    let id = id(&name)?;
    let (file, kind, saved) = match &*file {
        "preview.jpg" => (File::Preview, "image/jpeg", false),
        "original.jpg" => (File::Original, "image/jpeg", false),
        "mask.png" => (File::Mask, "image/png", false),
        "painted.png" => (File::Png, "image/png", true),
        "painted.tif" => (File::Tiff, "image/tiff", true),
        _ => return Err(Error::Missing("file")),
    };
    let mut response = file_of(kind, aside(move || shared.studio.file(id, file)).await?);
    if saved {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, header::HeaderValue::from_static("attachment"));
    }
    Ok(response)
}

async fn set_mask(State(shared): Of, Path(name): Path<String>, request: Request) -> Result<StatusCode> {
    let (id, (parts, content)) = (id(&name)?, request.into_parts());
    let bytes = body(&parts.headers, content, MOST_MASK).await?;
    changed(shared, move |studio| studio.set_mask(id, Some(&bytes))).await
}

async fn lift_mask(State(shared): Of, Path(name): Path<String>) -> Result<StatusCode> {
    let id = id(&name)?;
    changed(shared, move |studio| studio.set_mask(id, None)).await
}

/// The job and the number of a snapshot in a path.
fn numbered((name, number): (String, String)) -> Result<(Id, u32)> {
    Ok((id(&name)?, number.parse().map_err(|_| Error::Missing("snapshot"))?))
}

async fn snapshot(State(shared): Of, Path(path): Path<(String, String)>) -> Result<Response> {
    let (id, number) = numbered(path)?;
    Ok(file_of("image/jpeg", aside(move || shared.studio.file(id, File::Snapshot(number))).await?))
}

async fn restore(State(shared): Of, Path(path): Path<(String, String)>) -> Result<StatusCode> {
    let (id, number) = numbered(path)?;
    changed(shared, move |studio| studio.restore(id, number)).await
}
