//! Bodies that are made while they are sent, by a task of their own. It is never ahead of the client by more than a piece,
//! and learns when the client is gone.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use store::StoreError;
use tokio::sync::{mpsc, oneshot};

/// A body that is being made.
#[derive(Debug)]
pub(crate) struct MadeBody {
    pieces: mpsc::Receiver<MadePiece>,
    /// What was received and not yet taken.
    waiting: Bytes,
    is_over: bool,
}

/// Where the pieces of a body go that is being made.
#[derive(Debug)]
pub(crate) struct MadeBodySender(mpsc::Sender<MadePiece>);

#[derive(Debug)]
enum MadePiece {
    Bytes(Bytes),
    /// There are no more. Without it, the body was broken off.
    End(oneshot::Sender<()>),
    Failed(StoreError),
}

/// Nobody takes the body any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientGone;

/// A body, and where its pieces go.
pub(crate) fn made_body() -> (MadeBodySender, MadeBody) {
    let (sender, pieces) = mpsc::channel(1);
    (MadeBodySender(sender), MadeBody { pieces, waiting: Bytes::new(), is_over: false })
}

impl MadeBodySender {
    /// Sends a piece, once there is room for it.
    pub(crate) async fn send(&self, piece: Bytes) -> Result<(), ClientGone> {
        if piece.is_empty() {
            return Ok(());
        }
        self.0.send(MadePiece::Bytes(piece)).await.map_err(|_| ClientGone)
    }

    /// Whether nobody takes the body any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }

    /// Ends the body, and waits until all of it was taken.
    pub(crate) async fn end(self) -> Result<(), ClientGone> {
        let (taken, is_taken) = oneshot::channel();
        self.0.send(MadePiece::End(taken)).await.map_err(|_| ClientGone)?;
        is_taken.await.map_err(|_| ClientGone)
    }

    /// Breaks the body off, in a way that the client notices.
    pub(crate) async fn fail(self, error: StoreError) {
        // If nobody takes the body any more, nobody has to be told.
        let _ = self.0.send(MadePiece::Failed(error)).await;
    }
}

impl MadeBody {
    /// How many bytes can be taken, as soon as there are any; `None`: the body is at its end.
    pub(crate) fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, StoreError>>> {
        if self.waiting.is_empty() && !self.is_over {
            match ready!(self.pieces.poll_recv(context)) {
                Some(MadePiece::Bytes(bytes)) => self.waiting = bytes,
                Some(MadePiece::End(taken)) => {
                    self.is_over = true;
                    // Whoever made the body may be gone.
                    let _ = taken.send(());
                }
                Some(MadePiece::Failed(error)) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(StoreError::Closed)));
                }
            }
        }
        let bytes = self.waiting.len();
        Poll::Ready((bytes > 0).then_some(Ok(bytes)))
    }

    /// Takes so many of the bytes that are ready.
    pub(crate) fn take(&mut self, bytes: usize) -> Bytes {
        self.waiting.split_to(bytes.min(self.waiting.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next(body: &mut MadeBody) -> Option<Result<Bytes, StoreError>> {
        let ready = std::future::poll_fn(|context| body.poll_ready(context)).await;
        ready.map(|ready| ready.map(|bytes| body.take(bytes.min(2))))
    }

    #[tokio::test]
    async fn a_body_ends_where_its_maker_says_so() {
        let (sender, mut body) = made_body();
        let making = tokio::spawn(async move {
            sender.send(Bytes::from_static(b"abc")).await.unwrap();
            sender.send(Bytes::new()).await.unwrap();
            sender.end().await
        });
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "ab");
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "c");
        assert!(next(&mut body).await.is_none());
        assert!(next(&mut body).await.is_none());
        assert_eq!(making.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_body_without_its_end_is_broken_off() {
        let (sender, mut body) = made_body();
        drop(sender);
        assert!(next(&mut body).await.unwrap().is_err());
        assert!(next(&mut body).await.is_none());
        let (sender, mut body) = made_body();
        sender.fail(StoreError::BodyGone).await;
        assert!(matches!(next(&mut body).await, Some(Err(StoreError::BodyGone))));
    }

    #[tokio::test]
    async fn the_maker_learns_that_the_client_is_gone() {
        let (sender, body) = made_body();
        sender.send(Bytes::from_static(b"abc")).await.unwrap();
        assert!(!sender.is_gone());
        let ending = tokio::spawn(sender.end());
        drop(body);
        assert_eq!(ending.await.unwrap(), Err(ClientGone));
    }
}
