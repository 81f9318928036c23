//! The handlers of one connection over HTTP/2, each in a task of its own.

use std::sync::Arc;

use hyper::Response;
use tokio::sync::Semaphore;

use crate::respond::ResponseBody;

/// Handlers that run at once. A client that takes its requests back keeps their handlers.
const RUNNING_MAX: usize = 128;

/// The handlers of one connection. Over HTTP/2 a client can take a request back at any moment, and a handler that ended then
/// could stop between two steps which belong together.
#[derive(Clone, Debug)]
pub(crate) struct Handlers(Arc<Semaphore>);

/// A handler gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("a handler gave no answer")]
pub(crate) struct HandlerFailed;

impl Default for Handlers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(RUNNING_MAX)))
    }
}

impl Handlers {
    /// Runs a handler, to its end even if nobody waits for the answer any more.
    pub(crate) async fn run(
        self,
        handling: impl Future<Output = Response<ResponseBody>> + Send + 'static,
    ) -> Result<Response<ResponseBody>, HandlerFailed> {
        let permit = self.0.acquire_owned().await.map_err(|_| HandlerFailed)?;
        let task = tokio::spawn(async move {
            let response = handling.await;
            drop(permit);
            response
        });
        // Only a panic ends a handler early. The stream is reset then, as the connection would be without a task.
        task.await.map_err(|_| HandlerFailed)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use hyper::StatusCode;

    use super::*;
    use crate::respond::Reply;

    #[tokio::test]
    async fn a_handler_ends_though_its_client_has_gone() {
        let handlers = Handlers::default();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let handling = async move {
            tokio::task::yield_now().await;
            sender.send(()).unwrap();
            Reply::new(StatusCode::OK).into_plain_response()
        };
        let mut answered = Box::pin(handlers.clone().run(handling));
        let begun =
            std::future::poll_fn(|context| Poll::Ready(answered.as_mut().poll(context))).await;
        assert!(begun.is_pending());
        drop(answered);
        let running = RUNNING_MAX - handlers.0.available_permits();
        assert_eq!(running, 1, "it counts as long as it runs");
        receiver.await.unwrap();
        let next = async { Reply::new(StatusCode::ACCEPTED).into_plain_response() };
        let response = handlers.clone().run(next).await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert!(handlers.run(async { panic!("a handler fails") }).await.is_err());
    }
}
